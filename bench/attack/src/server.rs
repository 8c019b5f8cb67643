//! The built server: started on free ports of loopback, watched, and ended.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::client::Client;

/// How long the start line may take on a machine that is busy.
const START: Duration = Duration::from_secs(20);

/// The server's binary.
#[derive(Clone, Debug)]
pub(crate) struct Binary(PathBuf);

/// How the server is to be started.
pub(crate) struct Launch {
    wrapper: Vec<OsString>,
    binary: PathBuf,
    settings: Vec<(String, OsString)>,
    keeps_stdout: bool,
}

/// A server that runs, and is killed when this is dropped.
pub(crate) struct Server {
    /// Where users come in.
    pub(crate) main: SocketAddr,
    /// Where the kubelet and Prometheus ask.
    pub(crate) management: SocketAddr,
    child: Child,
    pid: Pid,
    /// The access log, where it is kept.
    pub(crate) out: Lines,
    /// Events.
    pub(crate) err: Lines,
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// What it has now.
    pub(crate) resident: u64,
    /// The most that it has ever had.
    pub(crate) peak: u64,
}

/// The lines that a pipe has brought so far.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

// === impl Binary ===

impl Binary {
    /// # Errors
    /// There is no such file.
    pub(crate) fn new(path: &Path) -> Result<Self, String> {
        match path.canonicalize() {
            Ok(path) => Ok(Self(path)),
            Err(error) => Err(format!("invalid --server {path:?}: expected the built server's binary ({error})")),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// In maintenance, on free ports; more settings are added by [`Launch::set`].
    pub(crate) fn launch(&self) -> Launch {
        Launch { wrapper: Vec::new(), binary: self.0.clone(), settings: Vec::new(), keeps_stdout: false }
            .set("LISTEN", "127.0.0.1:0")
            .set("MANAGEMENT_LISTEN", "127.0.0.1:0")
            .set("MAINTENANCE_MODE", "true")
            .set("SHUTDOWN_DELAY", "0")
    }
}

// === impl Launch ===

impl Launch {
    /// A setting, by its environment variable; the last one of a name rules.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.settings.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// A setting is taken away again.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.settings.retain(|(set, _)| set != name);
        self
    }

    /// Keeps the access log; else it goes nowhere.
    pub(crate) fn keeping_stdout(mut self) -> Self {
        self.keeps_stdout = true;
        self
    }

    /// A command that executes the server, which follows as its last argument.
    pub(crate) fn wrapped(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// The command, with nothing of our environment but how the allocator is tuned.
    pub(crate) fn command(&self) -> Command {
        let mut words = self.wrapper.iter().map(OsString::as_os_str).chain([self.binary.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().kill_on_drop(true).stdin(Stdio::null());
        for (name, value) in std::env::vars_os() {
            if name == "PATH" || name == "GLIBC_TUNABLES" {
                command.env(name, value);
            }
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and waits for its start line.
    ///
    /// # Errors
    /// It cannot be started, or ends before it serves.
    pub(crate) async fn start(&self) -> Outcome<Server> {
        let mut command = self.command();
        command.stderr(Stdio::piped());
        command.stdout(if self.keeps_stdout { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().map_err(|error| format!("{:?} cannot be started: {error}", self.binary))?;
        let pid = pid_of(&child)?;
        let err = child.stderr.take().map(Lines::new).unwrap_or_default();
        let out = child.stdout.take().map(Lines::new).unwrap_or_default();
        let until = Instant::now() + START;
        let (main, management) = loop {
            if let Some(ports) = err.all().iter().find_map(|line| ports(line)) {
                break ports;
            }
            if let Some(status) = child.try_wait()? {
                return Err(format!("the server ended at once, {status}: {:?}", err.all()).into());
            }
            if Instant::now() > until {
                return Err(format!("no start line after {START:?}: {:?}", err.all()).into());
            }
            sleep(Duration::from_millis(5)).await;
        };
        Ok(Server { main, management, child, pid, out, err })
    }
}

/// Both ports, where a line is the start line.
pub(crate) fn ports(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (before, after) = line.split_once("MANAGEMENT_LISTEN")?;
    let address = |text: &str| {
        let mut words = text.split(|it: char| it.is_whitespace() || matches!(it, ',' | '"'));
        words.find_map(|word| word.parse().ok())
    };
    Some((address(before)?, address(after)?))
}

/// The id of a child that has not been waited for.
pub(crate) fn pid_of(child: &Child) -> Outcome<Pid> {
    let id = child.id().ok_or("the server has ended")?;
    Pid::from_raw(i32::try_from(id)?).ok_or_else(|| "no process has the id 0".into())
}

// === impl Server ===
impl Server {
    /// # Errors
    /// It has ended.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// How it ended; `None` where it has not after that long.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(crate) async fn ended(&mut self, within: Duration) -> Outcome<Option<ExitStatus>> {
        Ok(timeout(within, self.child.wait()).await.ok().transpose()?)
    }

    /// # Errors
    /// It has ended.
    pub(crate) fn memory(&self) -> Outcome<Memory> {
        Memory::of(self.pid)
    }

    /// The sum of all series of a metric whose labels have a text in them.
    ///
    /// # Errors
    /// The management port does not answer.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Outcome<u64> {
        let mut client = Client::to(self.management).await?;
        client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
        let answer = client.answer().await?;
        let text = String::from_utf8(answer.body)?;
        let values = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        Ok(values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum())
    }

    /// Lines on stderr that tell of a panic.
    pub(crate) fn panics(&self) -> usize {
        self.err.all().iter().filter(|line| line.contains("panicked")).count()
    }
}

// === impl Memory ===

impl Memory {
    /// # Errors
    /// There is no such process, or it is a zombie.
    pub(crate) fn of(pid: Pid) -> Outcome<Self> {
        let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
        let field = |name: &str| -> Outcome<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("the server has ended")?;
            Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
        };
        Ok(Self { resident: field("VmRSS")?, peak: field("VmHWM")? })
    }
}

// === impl Lines ===

impl Lines {
    pub(crate) fn new(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Self::default();
        let kept = lines.clone();
        tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while let Ok(1..) = pipe.read_until(b'\n', &mut line).await {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                kept.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                line.clear();
            }
        });
        lines
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first line that has a text in it, awaited for 10 s.
    pub(crate) async fn with(&self, part: &str) -> Option<String> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(line) = self.all().into_iter().find(|line| line.contains(part)) {
                return Some(line);
            }
            if Instant::now() > until {
                return None;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ports_are_in_the_start_line() {
        let line = "user tier: LISTEN is 127.0.0.1:39889, MANAGEMENT_LISTEN is 127.0.0.1:46139\"}";
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(ports(line), Some((address(39889), address(46139))));
        assert_eq!(ports("invalid MANAGEMENT_LISTEN \"x\""), None);
    }
}
