//! One connection: its first byte, HTTP/1 by hyper, each limit of time and size, and a close that loses
//! nothing.

use std::{
    convert::Infallible,
    future::{self, poll_fn},
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, ReadBuf, join},
    net::{TcpStream, tcp::ReadHalf},
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

/// Input that is read and thrown away once no more requests are, so that a client that is still sending sees the
/// answer: closing with unread input makes the kernel send a reset, which discards it. The time runs from when all
/// is sent and our side is shut.
const LINGER_BYTES: u64 = 64 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What answers a request, at once: it touches no disk, takes no lock and awaits nothing.
pub trait Handler: Send + Sync + 'static {
    /// The response to a request's head.
    fn handle(&self, request: &Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>>;

    /// Told of what was refused before it was a request.
    fn refused(&self, refusal: Refusal);
}

/// Input that is asked of the kernel at once: what has come of a head is mostly less, and what is read into is cleared
/// first.
const READ: usize = 4 * 1024;

/// The reading half of a socket, shared: hyper's, and ours again once hyper reads no more.
struct Input<'s>(ReadHalf<'s>);

/// Serves a connection until it ends.
pub async fn serve(mut stream: TcpStream, peer: SocketAddr, slot: &Slot, handler: &impl Handler) {
    // A socket that takes no options is about to fail anyway.
    let _ = prepare(&stream);
    // The socket is handed to hyper at its first byte: until then it costs no buffers. A peek, as a socket may be
    // called readable when nothing has come.
    let mut byte = [0];
    let first_byte = timeout(FIRST_BYTE, stream.peek(&mut byte));
    let came = select! {
        biased;
        came = first_byte => matches!(came, Ok(Ok(1))),
        () = slot.told_to_close() => has_come(&stream),
    };
    if came {
        slot.busy();
        Box::pin(talk(&mut stream, peer, slot, handler)).await;
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

async fn talk(stream: &mut TcpStream, peer: SocketAddr, slot: &Slot, handler: &impl Handler) {
    let service = service_fn(|request: Request<Incoming>| {
        slot.busy();
        let response = handler.handle(&request, peer);
        slot.answered();
        future::ready(Ok::<_, Infallible>(response))
    });
    let (input, output) = stream.split();
    let input = Input(input);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        // A client may shut its side once it has asked; else hyper takes that for an error.
        .half_close(true)
        .max_header_size(HEAD)
        .serve_connection(TokioIo::new(join(&input, output)), service);
    let mut first_head = pin!(sleep(FIRST_HEAD));
    let (mut closing, mut late) = (false, false);
    let result = loop {
        select! {
            // First, so that a request that is there is answered before the connection is told to close.
            biased;
            result = poll_fn(|context| connection.poll_without_shutdown(context)) => break result,
            () = slot.told_to_close(), if !closing => {
                closing = true;
                if input.has_come().await
                    && let Poll::Ready(result) =
                        poll_fn(|context| Poll::Ready(connection.poll_without_shutdown(context))).await
                {
                    break result;
                }
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
    slot.leaving();
    // A connection that idled too long, say, has failed without knowing that it is over.
    Pin::new(&mut connection).graceful_shutdown();
    leave(connection, &input).await;
}

/// What hyper refused itself: it has already answered 400 or 431, or nothing to HTTP/2's preface. Its 414 is for a URI
/// of more than 65,534 bytes, which is a head of more than [`HEAD`] first.
fn refusal(error: &hyper::Error) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else {
        error.is_parse().then_some(Refusal::BadRequest)
    }
}

/// Sends what hyper still holds of the last answer, shuts our side, and reads what still comes, within limits, so that
/// the client sees that answer. Input is read from the start: a client may read nothing until it has sent everything.
async fn leave(connection: impl Future<Output = hyper::Result<()>>, input: &Input<'_>) {
    let (mut connection, mut rest) = (pin!(connection), pin!(throw_away(input)));
    let mut at_end = false;
    let sent = loop {
        select! {
            biased;
            sent = &mut connection => break sent,
            () = &mut rest, if !at_end => at_end = true,
        }
    };
    if sent.is_ok() && !at_end {
        let _ = timeout(LINGER_TIME, rest).await;
    }
}

async fn throw_away(input: &Input<'_>) {
    let mut rest = input.take(LINGER_BYTES);
    let mut sink = vec![0; 16 * 1024];
    while rest.read(&mut sink).await.is_ok_and(|read| read > 0) {}
}

/// Whether the kernel has input of which the poller may not have told yet.
fn has_come(stream: &TcpStream) -> bool {
    matches!(SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]), Ok(1))
}

// === impl Input ===

impl Input<'_> {
    /// Whether there is input; when this returns, hyper can read it.
    async fn has_come(&self) -> bool {
        has_come(self.0.as_ref()) && self.0.readable().await.is_ok()
    }
}

impl AsyncRead for &Input<'_> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = buffer.remaining().min(READ);
        loop {
            ready!(self.0.as_ref().poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled_to(most)) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                // It was called readable when nothing had come: now it is waited for.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Shutdown, TcpListener, TcpStream as Client},
        sync::Arc,
    };

    use prometheus_client::metrics::gauge::Gauge;
    use tokio::task::spawn_blocking;

    use super::*;
    use crate::{answer::Answer, slots::Slots};

    struct NotFound;

    impl Handler for NotFound {
        fn handle(&self, _: &Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
            Answer::NotFound.into_response(false)
        }
        fn refused(&self, _: Refusal) {}
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A connection of which the poller has told nothing yet.
    fn pair() -> (Client, TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (client, TcpStream::from_std(stream).unwrap(), peer)
    }

    async fn to_its_end(mut client: Client) -> String {
        let mut text = String::new();
        spawn_blocking(move || client.read_to_string(&mut text).map(|_| text)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_request_that_came_before_the_connection_was_told_to_close_is_answered() {
        let (mut client, stream, peer) = pair();
        client.write_all(GET).unwrap();
        let slots = Slots::new(1, Gauge::default());
        let slot = slots.take().await;
        slots.close_all();
        let (answer, ()) = tokio::join!(to_its_end(client), serve(stream, peer, &slot, &NotFound));
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }

    #[tokio::test]
    async fn so_is_the_next_request_on_a_connection_that_idles() {
        let (mut client, stream, peer) = pair();
        let slots = Slots::new(1, Gauge::default());
        let slot = Arc::new(slots.take().await);
        let served = tokio::spawn({
            let slot = slot.clone();
            async move { serve(stream, peer, &slot, &NotFound).await }
        });
        client.write_all(GET).unwrap();
        while !slot.has_asked() {
            sleep(Duration::from_millis(1)).await;
        }
        client.write_all(GET).unwrap();
        slots.close_all();
        assert_eq!(to_its_end(client).await.matches("HTTP/1.1 404").count(), 2);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn so_is_a_client_that_has_shut_its_side_at_once() {
        let (mut client, stream, peer) = pair();
        client.write_all(GET).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let slots = Slots::new(1, Gauge::default());
        let slot = slots.take().await;
        let (answer, ()) = tokio::join!(to_its_end(client), serve(stream, peer, &slot, &NotFound));
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}
