//! One `kubectl proxy` for a command, through which everything is read: a request takes a millisecond, a process of
//! kubectl thirty. It listens where only we can ask it: on a Unix socket in a folder of ours; on Windows on a loopback
//! port. It refuses whatever is not a GET, and ends with us.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::kubectl::Answer;

/// How long one answer may take, and its connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is asked over TCP or a Unix socket.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for S {}

/// A proxy that runs.
#[derive(Debug)]
pub struct Proxy {
    child: Mutex<Child>,
    address: Address,
    runtime: Runtime,
}

#[derive(Clone, Debug)]
enum Address {
    #[cfg(unix)]
    Socket(std::path::PathBuf),
    /// The way of Windows.
    Port(String),
}

// === impl Proxy ===

impl Proxy {
    /// Starts it by the command that `kubectl` makes of arguments.
    ///
    /// # Errors
    /// Where it cannot be started; then with what kubectl says.
    pub fn start(kubectl: impl FnOnce(&[&str]) -> Command) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime can be made")?;
        let (mut arguments, place) = Address::prepare()?;
        arguments.push("--reject-methods=^(POST|PUT|PATCH|DELETE)$".to_owned());
        let mut words = vec!["proxy"];
        words.extend(arguments.iter().map(String::as_str));
        let mut child = kubectl(&words)
            .stdin(Stdio::inherit())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("kubectl proxy cannot be started")?;
        let mut line = String::new();
        if let Some(stdout) = &mut child.stdout {
            // "Starting to serve on 127.0.0.1:8001"
            BufReader::new(stdout).read_line(&mut line).context("kubectl proxy says nothing")?;
        }
        if line.trim().is_empty() {
            let mut said = String::new();
            if let Some(stderr) = &mut child.stderr {
                let _ = stderr.read_to_string(&mut said);
            }
            let _ = child.wait();
            place.remove();
            bail!("kubectl proxy cannot be started: {}", said.trim().replace('\n', "; "));
        }
        let address = place.told(line.trim());
        // What it logs from now on is also in the answers.
        if let Some(mut stderr) = child.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Ok(Self { child: Mutex::new(child), address, runtime })
    }

    /// Ends it, and leaves nothing behind.
    pub fn end(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        self.address.remove();
    }

    /// Asks for paths, all at once. One that cannot be asked is answered by a 502 of ours.
    ///
    /// # Errors
    /// Where a task failed.
    pub fn get(&self, paths: &[String]) -> Result<Vec<Answer>> {
        let mut answers = vec![Answer::default(); paths.len()];
        self.runtime.block_on(async {
            let mut asked = JoinSet::new();
            for (at, path) in paths.iter().cloned().enumerate() {
                let address = self.address.clone();
                asked.spawn(async move {
                    let answer = match timeout(PATIENCE, ask(&address, &path)).await {
                        Ok(answer) => answer,
                        Err(_) => Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())),
                    };
                    (at, answer)
                });
            }
            while let Some(asked) = asked.join_next().await {
                let (at, answer) = asked.context("a request was lost")?;
                answers[at] = answer.unwrap_or_else(|why| Answer { status: 502, body: format!("{why:#}") });
            }
            Ok(answers)
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

// === impl Address ===

impl Address {
    /// Where it is to listen.
    #[cfg(unix)]
    fn prepare() -> Result<(Vec<String>, Self)> {
        use std::os::unix::fs::PermissionsExt as _;
        // A folder that nobody else may enter: whoever reaches the socket has the operator's rights to read.
        let folder = tempfile::Builder::new()
            .prefix("kubectl-maintenance-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .context("no folder can be made for kubectl proxy")?;
        let socket = folder.keep().join("proxy");
        Ok((vec![format!("--unix-socket={}", socket.display())], Self::Socket(socket)))
    }

    /// Removes what was prepared.
    fn remove(&self) {
        #[cfg(unix)]
        if let Self::Socket(path) = self {
            let _ = std::fs::remove_file(path);
            let _ = path.parent().map(std::fs::remove_dir);
        }
    }

    #[cfg(windows)]
    fn prepare() -> Result<(Vec<String>, Self)> {
        Ok((vec!["--port=0".to_owned()], Self::Port(String::new())))
    }

    /// Where it listens, by what it says.
    fn told(self, line: &str) -> Self {
        match self {
            Self::Port(_) => Self::Port(line.rsplit(' ').next().unwrap_or_default().to_owned()),
            #[cfg(unix)]
            socket @ Self::Socket(..) => socket,
        }
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            #[cfg(unix)]
            Self::Socket(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
            Self::Port(address) => Box::new(tokio::net::TcpStream::connect(address.as_str()).await?),
        })
    }
}

async fn ask(address: &Address, path: &str) -> Result<Answer> {
    let stream = address.connect().await.context("kubectl proxy does not answer")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(HOST, "localhost").header(ACCEPT, "application/json");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}
