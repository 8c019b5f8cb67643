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
use tokio::time::{sleep, timeout};

use crate::kubectl::Answer;

/// How long one answer may take, and its connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a request is sent again that the API server does not take for now.
const TIMES: u32 = 5;
/// And how long after.
const AGAIN: Duration = Duration::from_secs(1);
const TOO_MANY_REQUESTS: u16 = 429;

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
            let why = said.trim().trim_start_matches("error: ").replace('\n', "; ");
            if why.is_empty() {
                bail!("kubectl proxy cannot be started");
            }
            bail!("{why} (kubectl proxy cannot be started)");
        }
        let address = place.told(line.trim());
        // What it logs from now on is also in the answers.
        if let Some(mut stderr) = child.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Ok(Self { child: Mutex::new(child), address, runtime })
    }

    /// Whether it has not ended by itself.
    pub fn runs(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
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
                    let answer = match timeout(PATIENCE, until_taken(&address, &path, AGAIN)).await {
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

/// Asks again while the API server has too much to do, as kubectl itself does; at last that is the answer.
async fn until_taken(address: &Address, path: &str, pause: Duration) -> Result<Answer> {
    for _ in 0..TIMES {
        let answer = ask(address, path).await?;
        if answer.status != TOO_MANY_REQUESTS {
            return Ok(answer);
        }
        sleep(pause).await;
    }
    ask(address, path).await
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

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What comes of a path where the API server has too much to do so many times.
    fn status_after(busy: usize) -> u16 {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("proxy");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let mut stream = stream;
                let _ = stream.read(&mut [0; 1024]).unwrap();
                let status = if number < busy { "429 Too Many Requests" } else { "200 OK" };
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let address = Address::Socket(socket);
        runtime.block_on(until_taken(&address, "/api", Duration::ZERO)).unwrap().status
    }

    #[test]
    fn an_api_server_with_too_much_to_do_is_asked_again_and_not_for_ever() {
        assert_eq!(status_after(0), 200);
        assert_eq!(status_after(2), 200);
        assert_eq!(status_after(100), 429);
    }
}
