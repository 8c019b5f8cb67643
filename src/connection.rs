//! One connection: its first byte, HTTP/1 by hyper, each limit of time and size, and a close that loses
//! nothing.

use std::{convert::Infallible, future::ready, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    select,
    time::{sleep, timeout},
};

use crate::{metrics::Refusal, slots::Slot};

/// A connection that says nothing costs a slot: it may do so for this long. A router that opens connections
/// ahead of need opens another.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// A head that trickles in byte by byte is an attack; an honest one is there at once.
const FIRST_HEAD: Duration = Duration::from_secs(10);

/// How long a kept-alive connection may idle: longer than any router keeps its pool, or it would send a
/// request into a connection that we just closed. One cloud's load balancer keeps its for 600 s.
const IDLE: Duration = Duration::from_secs(620);

/// A client that never reads holds our output: hyper has no limit for that, the kernel does.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Users with large cookies should see the page; without a limit a head may grow to 417 kB.
const HEAD: usize = 64 * 1024;

/// Input that is read and thrown away after our side is shut, so that a client that is still sending sees
/// the answer: closing with unread input makes the kernel send a reset, which discards it.
const LINGER_BYTES: u64 = 64 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What answers a request, at once: it touches no disk, takes no lock and awaits nothing.
pub trait Handler: Send + Sync + 'static {
    /// The response to a request's head.
    fn handle(&self, request: &Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>>;

    /// Told of what was refused before it was a request.
    fn refused(&self, refusal: Refusal);
}

/// Serves a connection until it ends.
pub async fn serve(stream: TcpStream, peer: SocketAddr, slot: &Slot, handler: &impl Handler) {
    // A socket that takes no options is about to fail anyway.
    let _ = prepare(&stream);
    // The socket is handed to hyper at its first byte: until then it costs no buffers. A peek, as a socket may be
    // called readable when nothing has come.
    let mut byte = [0];
    let first_byte = timeout(FIRST_BYTE, stream.peek(&mut byte));
    let came = select! {
        biased;
        came = first_byte => matches!(came, Ok(Ok(1))),
        () = slot.told_to_close() => false,
    };
    if came {
        slot.busy();
        Box::pin(talk(stream, peer, slot, handler)).await;
    }
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

async fn talk(stream: TcpStream, peer: SocketAddr, slot: &Slot, handler: &impl Handler) {
    let service = service_fn(|request: Request<Incoming>| {
        slot.busy();
        let response = handler.handle(&request, peer);
        slot.answered();
        ready(Ok::<_, Infallible>(response))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_header_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let first_head = sleep(FIRST_HEAD);
    tokio::pin!(first_head);
    let (mut closing, mut late) = (false, false);
    let result = loop {
        select! {
            result = std::future::poll_fn(|context| connection.poll_without_shutdown(context)) => break result,
            () = slot.told_to_close(), if !closing => {
                closing = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = &mut first_head, if !late => {
                late = true;
                if !slot.has_asked() {
                    handler.refused(Refusal::HeadTimeout);
                    return;
                }
            }
        }
    };
    if let Some(refusal) = result.err().as_ref().and_then(refusal) {
        handler.refused(refusal);
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// What hyper refused itself: it has already answered 400 or 431. Its 414 is for a URI of more than 65,534
/// bytes, which is a head of more than [`HEAD`] first.
fn refusal(error: &hyper::Error) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else {
        error.is_parse().then_some(Refusal::BadRequest)
    }
}

/// Shuts our side and reads what still comes, within limits, so that the client sees the last answer.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut rest = (&mut stream).take(LINGER_BYTES);
        let mut sink = [0; 16 * 1024];
        let _ = timeout(LINGER_TIME, async { while rest.read(&mut sink).await.is_ok_and(|read| read > 0) {} }).await;
    }
}
