//! An application as others have it: it knows nothing of maintenance.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /upload` | 200 once the whole body is read: its length in bytes |
//! | `GET /stream?seconds=N` | a line each 100 ms for so long, at last `end` |
//! | `GET /echo` with `Upgrade` | 101 to whatever is asked for, then every byte back |
//! | any other | 200 with the pod's name |
//!
//! Every answer has the header `Application` with the value of `NAME`. It listens on `PORT` (8080), and at SIGTERM it
//! finishes what is under way, for at most a minute.

use std::convert::Infallible;
use std::env;
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

type Body = BoxBody<Bytes, Infallible>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let name = env::var("NAME").unwrap_or_else(|_| "application".to_owned());
    let name = Arc::new(HeaderValue::from_str(&name).map_err(io::Error::other)?);
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let (ending, end) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
        };
        let name = Arc::clone(&name);
        let service = service_fn(move |request| {
            let name = Arc::clone(&name);
            async move {
                let mut response = answer(request).await;
                response.headers_mut().insert("application", HeaderValue::clone(&name));
                Ok::<_, Infallible>(response)
            }
        });
        let mut end = end.clone();
        connections.spawn(async move {
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            let mut connection = pin!(connection.with_upgrades());
            // A client that went away is no concern of ours.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = end.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    drop(ending);
    // Whoever is still not done then is cut off.
    let _ = timeout(Duration::from_secs(60), async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/upload") => upload(request.into_body()).await,
        (&Method::GET, "/stream") => stream(request.uri().query().unwrap_or_default()),
        (&Method::GET, "/echo") if request.headers().contains_key(UPGRADE) => echo(request),
        _ => text(format!("{}\n", env::var("HOSTNAME").unwrap_or_default())),
    }
}

async fn upload(body: Incoming) -> Response<Body> {
    let mut body = pin!(body);
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => length += frame.data_ref().map_or(0, Bytes::len),
            Err(error) => {
                let mut response = text(format!("the upload broke off: {error}\n"));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                return response;
            }
        }
    }
    text(format!("{length}\n"))
}

fn stream(query: &str) -> Response<Body> {
    let seconds = query.strip_prefix("seconds=").and_then(|text| text.parse().ok()).unwrap_or(1_u32);
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        for line in 0..seconds * 10 {
            if sender.send(Frame::data(format!("{line}\n").into())).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let _ = sender.send(Frame::data("end\n".into())).await;
    });
    Response::new(body.boxed())
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let protocol = request.headers().get(UPGRADE).cloned();
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut upgraded = TokioIo::new(upgraded);
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = upgraded.read(&mut buffer).await {
            if upgraded.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    });
    let mut response = text(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().extend(protocol.map(|protocol| (UPGRADE, protocol)));
    response
}

fn text(text: String) -> Response<Body> {
    Response::new(Full::new(Bytes::from(text)).boxed())
}
