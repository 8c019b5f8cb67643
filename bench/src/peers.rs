//! The servers: how each is told to send the page, started and stopped.

use std::{
    env, fs,
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{accounting::Family, answer::Answer};

/// How long a server may take until it listens. Under valgrind that is seconds.
const START: Duration = Duration::from_secs(30);
/// How long it may take to end after SIGTERM.
const END: Duration = Duration::from_secs(5);
/// In a server's folder, where it logs.
const ACCESS_LOG: &str = "access.log";
/// Connections at once that all are configured for; more than any load has.
const CONNECTIONS: u32 = 8192;

/// A server that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Ours,
    Floor,
    Nginx,
    /// nginx with one worker, wherever it runs.
    NginxOne,
    Haproxy,
    StaticWebServer,
    Caddy,
    ErrorPages,
}

/// Where the two that are built here are; the others are found by PATH.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) ours: PathBuf,
    pub(crate) floor: PathBuf,
}

/// What a server is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// What it is to send. Ours is not told: the others are to send what it does.
    pub(crate) answer: Option<&'a Answer>,
    /// Whether each request gets a line of JSON in a file; else there is no access log.
    pub(crate) json_log: bool,
    /// CPUs that it may use.
    pub(crate) cpus: usize,
}

/// A command that starts a server, and what has to stay while it runs.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) command: Command,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

/// A server that runs; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Peer {
    pub(crate) const ALL: [Self; 8] = [
        Self::Ours,
        Self::Floor,
        Self::Nginx,
        Self::NginxOne,
        Self::Haproxy,
        Self::StaticWebServer,
        Self::Caddy,
        Self::ErrorPages,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Floor => "floor",
            Self::Nginx => "nginx",
            Self::NginxOne => "nginx-one",
            Self::Haproxy => "haproxy",
            Self::StaticWebServer => "static-web-server",
            Self::Caddy => "caddy",
            Self::ErrorPages => "error-pages",
        }
    }

    /// Whether it can be told the headers of its page.
    pub(crate) fn takes_headers(self) -> bool {
        !matches!(self, Self::StaticWebServer | Self::ErrorPages)
    }

    /// Its own words on its version.
    pub(crate) fn version(self, programs: &Programs) -> Result<String> {
        let (program, argument) = match self {
            Self::Ours => (programs.ours.as_path(), "--version"),
            Self::Floor => return Ok("as the server's hyper".to_owned()),
            Self::Nginx | Self::NginxOne => (Path::new("nginx"), "-v"),
            Self::Haproxy => (Path::new("haproxy"), "-v"),
            Self::Caddy => (Path::new("caddy"), "version"),
            Self::StaticWebServer | Self::ErrorPages => (Path::new(self.name()), "--version"),
        };
        let output = Command::new(program).arg(argument).output().with_context(|| program.display().to_string())?;
        let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().next().unwrap_or_default();
        // haproxy adds its website.
        Ok(line.split(" - ").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Why it cannot do that here, if it cannot.
    pub(crate) fn obstacle(self, task: Task<'_>) -> Option<String> {
        match self {
            Self::Floor | Self::Haproxy | Self::StaticWebServer | Self::Caddy | Self::ErrorPages if task.json_log => {
                Some("no access log that compares: JSON, a line a request, to a file".to_owned())
            }
            Self::Caddy | Self::StaticWebServer | Self::ErrorPages
                if task.answer.is_some_and(|it| std::str::from_utf8(&it.body).is_err()) =>
            {
                Some("its page has to be text".to_owned())
            }
            Self::NginxOne if task.cpus == 1 => Some("nginx has one worker already, as it has one CPU".to_owned()),
            Self::ErrorPages if !on_path("error-pages") => {
                Some("error-pages is not on PATH; it is published as a container image".to_owned())
            }
            Self::Nginx | Self::NginxOne if !on_path("nginx") => Some("nginx is not on PATH".to_owned()),
            Self::Haproxy | Self::StaticWebServer | Self::Caddy if !on_path(self.name()) => {
                Some(format!("{} is not on PATH", self.name()))
            }
            _ => None,
        }
    }

    /// Writes its configuration.
    pub(crate) fn prepare(self, programs: &Programs, task: Task<'_>) -> Result<Prepared> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
        let at = folder.path();
        let address = free_address()?;
        let page = || task.answer.context("there is no page to send");
        let log = at.join(ACCESS_LOG);
        let mut command;
        match self {
            Self::Ours => {
                command = Command::new(&programs.ours);
                command.args(["--maintenance-mode", "true", "--shutdown-delay", "0", "--shutdown-timeout", "0"]);
                command.arg("--listen").arg(address.to_string());
                command.arg("--management-listen").arg(free_address()?.to_string());
                command.arg("--max-connections").arg(CONNECTIONS.to_string());
                command.args(["--log-format", if task.json_log { "json" } else { "off" }]);
                if task.json_log {
                    command.stdout(File::create(log)?);
                }
            }
            Self::Floor => {
                fs::write(at.join("head"), page()?.head())?;
                fs::write(at.join("body"), &page()?.body)?;
                command = Command::new(&programs.floor);
                command.arg(address.to_string()).arg(at.join("head")).arg(at.join("body"));
            }
            Self::Nginx | Self::NginxOne => {
                let workers = if self == Self::Nginx { task.cpus } else { 1 };
                let log = task.json_log.then_some(log.as_path());
                fs::write(at.join("page.html"), &page()?.body)?;
                fs::write(at.join("nginx.conf"), nginx(page()?, at, address, workers, log)?)?;
                command = Command::new("nginx");
                command.arg("-p").arg(at).arg("-c").arg(at.join("nginx.conf")).arg("-e").arg(at.join("error.log"));
            }
            Self::Haproxy => {
                fs::write(at.join("page.html"), &page()?.body)?;
                fs::write(at.join("haproxy.cfg"), haproxy(page()?, at, address))?;
                command = Command::new("haproxy");
                command.args(["-q", "-db", "-f"]).arg(at.join("haproxy.cfg"));
            }
            Self::StaticWebServer => {
                fs::write(at.join("page.html"), &page()?.body)?;
                command = Command::new("static-web-server");
                command.args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
                command.args(["--maintenance-mode", "true", "--maintenance-mode-status", &page()?.status.to_string()]);
                command.args(["--cache-control-headers", "false", "--log-level", "error"]);
                command.arg("--maintenance-mode-file").arg(at.join("page.html")).arg("--root").arg(at);
            }
            Self::Caddy => {
                fs::write(at.join("caddy.json"), caddy(page()?, address)?.to_string())?;
                command = Command::new("caddy");
                command.arg("run").arg("--config").arg(at.join("caddy.json"));
                // Caddy keeps what it learns in these; it is to learn nothing.
                command.env("XDG_DATA_HOME", at).env("XDG_CONFIG_HOME", at);
            }
            Self::ErrorPages => {
                fs::write(at.join("page.html"), &page()?.body)?;
                command = Command::new("error-pages");
                command.args(["serve", "--listen", &address.ip().to_string(), "--port", &address.port().to_string()]);
                command.args(["--default-error-page", "503", "--default-http-code", "503", "--template-name", "page"]);
                command.arg("--add-template").arg(at.join("page.html"));
            }
        }
        if !(self == Self::Ours && task.json_log) {
            command.stdout(Stdio::null());
        }
        command.stdin(Stdio::null()).stderr(File::create(at.join("stderr"))?);
        Ok(Prepared { command, address, folder })
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self, programs: &Programs, task: Task<'_>) -> Result<Running> {
        let running = self.prepare(programs, task)?.spawn()?;
        running.wait().with_context(|| self.name())?;
        Ok(running)
    }
}

impl Prepared {
    /// The same, run by another program.
    pub(crate) fn under(mut self, program: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.command.get_program()).args(self.command.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(self.folder.path().join("stderr"))?);
        self.command = command;
        Ok(self)
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn spawn(mut self) -> Result<Running> {
        let child = self.command.spawn().with_context(|| format!("{:?} does not start", self.command.get_program()))?;
        Ok(Running { child, address: self.address, folder: self.folder })
    }
}

impl Running {
    /// Waits until it listens.
    pub(crate) fn wait(&self) -> Result<TcpStream> {
        let deadline = Instant::now() + START;
        loop {
            match TcpStream::connect(self.address) {
                Ok(stream) => return Ok(stream),
                // Short, as the time from the start to the first answer is measured with it.
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_micros(50)),
                Err(error) => bail!("it does not listen at {}: {error}\n{}", self.address, self.stderr()),
            }
        }
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.child.id())
    }

    /// Lines that it has logged so far.
    pub(crate) fn logged(&self) -> Result<usize> {
        let log = fs::read(self.folder.path().join(ACCESS_LOG))?;
        Ok(log.iter().filter(|it| **it == b'\n').count())
    }

    /// Ends it as a service manager would, and waits for the end.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(pid(&self.child)?, Signal::TERM)?;
        let deadline = Instant::now() + END;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("process {} did not end within {END:?} of SIGTERM and was killed", self.child.id());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where this matters `stop` was called, and has told.
        let _ = self.end();
    }
}

fn pid(child: &Child) -> Result<Pid> {
    Pid::from_raw(child.id().try_into()?).context("a process has the id 0")
}

/// An address on loopback that nobody has at the moment.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether PATH has that program.
pub(crate) fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|it| it.join(program).is_file()))
}

/// The page's headers that a configuration has to name: the length, and mostly the type, are set in other ways.
fn extra_headers(answer: &Answer) -> impl Iterator<Item = &(String, String)> {
    answer.page_headers().filter(|(name, _)| name != "content-length" && name != "content-type")
}

fn content_type(answer: &Answer) -> &str {
    answer.header("content-type").unwrap_or_default()
}

/// nginx as its people advise for many requests: files kept open, connections kept for long, no modules in the way.
fn nginx(answer: &Answer, at: &Path, address: SocketAddr, workers: usize, log: Option<&Path>) -> Result<String> {
    let quoted = |value: &str| -> Result<String> {
        if value.contains('$') {
            bail!("nginx cannot send {value:?}: it takes $ for a variable");
        }
        Ok(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
    };
    let mut headers = String::new();
    for (name, value) in extra_headers(answer) {
        headers += &format!("      add_header {name} {} always;\n", quoted(value)?);
    }
    let status = answer.status;
    let kind = quoted(content_type(answer))?;
    let at = at.display();
    // The same fields as ours has for a browser.
    let log = log.map_or("access_log off;".to_owned(), |log| {
        let fields = r#"{"time":"$time_iso8601","tier":"user","peer":"$remote_addr","method":"$request_method","path":"$uri","status":$status,"bytes":$body_bytes_sent,"duration_seconds":$request_time,"user_agent":"$http_user_agent"}"#;
        format!("log_format json escape=json '{fields}';\n  access_log {} json;", log.display())
    });
    Ok(format!(
        "daemon off;
user root;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {at}/pid;
events {{ worker_connections {CONNECTIONS}; }}
http {{
  {log}
  client_body_temp_path {at}/client; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  types {{ }}
  default_type {kind};
  open_file_cache max=10;
  etag off;
  keepalive_requests 1000000000;
  keepalive_timeout 620s;
  server {{
    listen {address} backlog=1024;
    error_page {status} /page.html;
    location / {{ return {status}; }}
    location = /page.html {{
      internal;
      root {at};
{headers}    }}
  }}
}}
",
        files = CONNECTIONS * 2,
    ))
}

fn haproxy(answer: &Answer, at: &Path, address: SocketAddr) -> String {
    let quoted = |value: &str| {
        let mut quoted = String::from("\"");
        for character in value.chars() {
            if matches!(character, '"' | '\\' | '$') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted + "\""
    };
    let mut rule = format!(
        "http-request return status {} content-type {} file {}/page.html",
        answer.status,
        quoted(content_type(answer)),
        at.display()
    );
    for (name, value) in extra_headers(answer) {
        // The value is a log format, in which % begins a variable.
        rule += &format!(" hdr {name} {}", quoted(&value.replace('%', "%%")));
    }
    // Without `nbthread` it has a thread for each CPU that it may use.
    format!(
        "global
  maxconn {CONNECTIONS}
defaults
  mode http
  timeout client 620s
  timeout http-request 10s
  timeout http-keep-alive 620s
frontend page
  bind {address} backlog 1024
  {rule}
"
    )
}

fn caddy(answer: &Answer, address: SocketAddr) -> Result<serde_json::Value> {
    // With Content-Length, as Go would send a body of this size in chunks.
    let headers: serde_json::Map<_, _> = answer
        .page_headers()
        .map(|(name, value)| (name.clone(), serde_json::json!([value.replace('{', "\\{")])))
        .collect();
    let body = std::str::from_utf8(&answer.body).context("a body in caddy's configuration has to be UTF-8")?;
    Ok(serde_json::json!({
        "admin": { "disabled": true, "config": { "persist": false } },
        "apps": { "http": { "servers": { "page": {
            "listen": [address.to_string()],
            "automatic_https": { "disable": true },
            "routes": [{ "handle": [{
                "handler": "static_response",
                "status_code": answer.status,
                "headers": headers,
                "body": body.replace('{', "\\{"),
            }] }],
        } } } },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(value: &str) -> Answer {
        let headers = [("content-type", "text/html"), ("content-length", "2"), ("x", value), ("date", "now")];
        Answer {
            status: 503,
            reason: "Service Unavailable".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: b"ok".into(),
        }
    }

    #[test]
    fn headers_are_quoted_as_each_configuration_wants_it() {
        let at = Path::new("/tmp/x");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let written = nginx(&page(r#"a "b" \"#), at, address, 3, None).unwrap();
        assert!(written.contains(r#"add_header x "a \"b\" \\" always;"#), "{written}");
        assert!(written.contains("worker_processes 3;") && written.contains("access_log off;"), "{written}");
        assert!(!written.contains("add_header date") && !written.contains("add_header content-"), "{written}");
        assert!(nginx(&page("$x"), at, address, 1, None).is_err());
        let written = haproxy(&page(r#"50% "$x""#), at, address);
        assert!(written.contains(r#" hdr x "50%% \"\$x\"""#), "{written}");
        let written = nginx(&page("a"), at, address, 1, Some(Path::new("/tmp/log"))).unwrap();
        assert!(written.contains("access_log /tmp/log json;"), "{written}");
    }

    #[test]
    fn every_name_is_one_peers() {
        for (at, peer) in Peer::ALL.into_iter().enumerate() {
            assert_eq!(Peer::ALL.into_iter().position(|it| it.name() == peer.name()), Some(at));
        }
    }
}
