//! One request through the Ingress, and what its answer says.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderName};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Normal,
    Maintenance,
}

/// What a whole answer was.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A connection that may be used again.
pub(crate) type Sender = SendRequest<Empty<Bytes>>;

/// One GET over a connection of its own.
pub(crate) async fn get(ingress: &str, host: &str, path: &str) -> Result<Reply> {
    get_with(ingress, host, path, None).await
}

/// The same with one more header.
pub(crate) async fn get_with(
    ingress: &str,
    host: &str,
    path: &str,
    header: Option<(HeaderName, &str)>,
) -> Result<Reply> {
    let exchange = async {
        let mut sender = connect(ingress).await?;
        send(&mut sender, host, path, header).await
    };
    let exchanged = match timeout(Duration::from_secs(10), exchange).await {
        Ok(exchanged) => exchanged,
        Err(_) => bail!("GET {host}{path}: no answer within 10 s"),
    };
    exchanged.with_context(|| format!("GET {host}{path}"))
}

pub(crate) async fn connect(ingress: &str) -> Result<Sender> {
    let stream = TcpStream::connect(ingress).await.context("connect")?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("handshake")?;
    // Its errors are the request's errors, which the sender has too.
    spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

pub(crate) async fn send(
    sender: &mut Sender,
    host: &str,
    path: &str,
    header: Option<(HeaderName, &str)>,
) -> Result<Reply> {
    let mut request = Request::get(path).header(HOST, host);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = sender.send_request(request.body(Empty::new())?).await.context("request")?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.context("body")?.to_bytes();
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() })
}

// === impl Mode ===

impl Mode {
    pub(crate) const BOTH: [Self; 2] = [Self::Maintenance, Self::Normal];

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Normal => Self::Maintenance,
            Self::Maintenance => Self::Normal,
        }
    }

    /// As the plugin and the scripts call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Maintenance => "maintenance",
        }
    }

    /// The value of `MAINTENANCE_MODE` and of `maintenance.enabled`.
    pub(crate) fn value(self) -> &'static str {
        match self {
            Self::Normal => "false",
            Self::Maintenance => "true",
        }
    }
}

// === impl Reply ===

impl Reply {
    pub(crate) fn has_marker(&self) -> bool {
        self.headers.get("maintenance-mode").is_some_and(|value| value == "on")
    }

    /// The application that has answered, if it was one.
    pub(crate) fn application(&self) -> Option<&str> {
        self.headers.get("application").and_then(|name| name.to_str().ok())
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        match (self.status, self.has_marker()) {
            (200, false) => Some(Mode::Normal),
            (503, true) => Some(Mode::Maintenance),
            _ => None,
        }
    }
}
