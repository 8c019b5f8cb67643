//! A client that speaks bytes, and reads answers to their end.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A small request that keeps the connection.
pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the server says that it closes the connection.
    pub(crate) closes: bool,
    /// The bytes of its head.
    pub(crate) head: usize,
    pub(crate) body: Vec<u8>,
}

/// A future that may take that long, and is an error of the kind `TimedOut` then.
pub(crate) async fn within<T>(time: Duration, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, future).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

// === impl Client ===

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, unread: Vec::new() })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    /// The next answer, to anything but a HEAD. Where nothing of it has come, the error's kind is not `UnexpectedEof`.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            if let Err(error) = self.read_more().await {
                let kind = if self.unread.is_empty() { error.kind() } else { ErrorKind::UnexpectedEof };
                return Err(kind.into());
            }
        };
        let text = String::from_utf8_lossy(&self.unread[..head]).to_ascii_lowercase();
        let broken = || io::Error::new(ErrorKind::InvalidData, format!("no answer: {text:?}"));
        let status = text.get(9..12).and_then(|it| it.parse().ok()).ok_or_else(broken)?;
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let length: usize = header("content-length").map_or(Ok(0), str::parse).map_err(|_| broken())?;
        let closes = header("connection").is_some_and(|it| it.contains("close"));
        while self.unread.len() < head + length {
            self.read_more().await.map_err(|_| ErrorKind::UnexpectedEof)?;
        }
        let body = self.unread[head..head + length].to_vec();
        self.unread.drain(..head + length);
        self.unread.shrink_to_fit();
        Ok(Answer { status, closes, head, body })
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.unread.reserve(4096);
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    /// Whether the server has closed, with nothing left to read, after that long.
    pub(crate) async fn is_closed(&mut self, after: Duration) -> bool {
        match within(after, self.stream.read(&mut [0; 1])).await {
            Ok(read) => read == 0,
            Err(error) => error.kind() != ErrorKind::TimedOut,
        }
    }
}
