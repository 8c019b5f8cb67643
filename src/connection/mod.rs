//! One connection: HTTP/1 by hyper, each limit of time and size, and a close that loses nothing.
//!
//! hyper keeps its buffers, and one that a large head has grown, for as long as it has a connection. So it gets the
//! connection when input comes, and gives it back when that is answered and nothing more comes: a connection that waits
//! holds a socket, a timer and what has come of its next head.

mod wire;

use std::{
    convert::Infallible,
    future::{self, poll_fn},
    mem::{self, MaybeUninit},
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, Sleep, sleep_until, timeout},
};

use self::wire::{Flow, Wire};
use crate::{answer, metrics::Refusal, server::Slot};

/// A head that trickles in byte by byte is an attack; an honest one is there at once.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a kept-alive connection may idle: longer than any router keeps its pool, or it would send a
/// request into a connection that we just closed. One cloud's load balancer keeps its for 600 s.
const IDLE_TIME: Duration = Duration::from_secs(620);

/// A connection that was answered nothing for this long gives its buffers back.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// Users with large cookies should see the page; without a limit a head may grow to 417 kB.
pub(crate) const LARGEST_HEAD: usize = 64 * 1024;

/// Closing with unread input makes the kernel send a reset, which discards the answer on its way. So input is read and
/// thrown away for this long after our side is shut.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What answers a request, at once: it touches no disk, takes no lock and awaits nothing.
pub(crate) trait Handler: Send + Sync + 'static {
    /// How long a new connection has to its first byte.
    const FIRST_BYTE_TIME: Duration;

    /// How long it has from there to the end of its first head.
    const FIRST_HEAD_TIME: Duration;

    /// The response to a request's head, which was read by `start`.
    fn handle(&self, request: Request<Incoming>, peer: SocketAddr, start: StdInstant) -> Response<Full<Bytes>>;

    /// Called for input that was rejected before it was a request.
    fn refused(&self, refusal: Refusal);
}

/// How waiting for input ended.
enum Waited {
    /// Some has come, or its end.
    Input,
    /// The connection was told to close.
    ToldToClose,
    /// It took too long.
    Late,
}

/// How talking HTTP ended.
enum Talked {
    /// Nothing more has come.
    Quiet(Quiet),
    /// The connection is over.
    Over,
}

/// What is left of a talk.
struct Quiet {
    /// Whether an answer was made.
    answered: bool,
    /// When the head began to come of which `rest` is the start.
    began: Option<Instant>,
    /// What has come since the last answer: the start of a head, or nothing.
    rest: Bytes,
}

/// One connection, and what it is served with.
struct Connection<'s, H> {
    stream: TcpStream,
    peer: SocketAddr,
    slot: &'s Slot,
    handler: &'s H,
    /// Whether it still has to ask if it was told to close.
    may_be_told: bool,
}

/// Serves a connection until it ends.
pub(crate) async fn serve<H: Handler>(stream: TcpStream, peer: SocketAddr, slot: &Slot, handler: &H) {
    let mut connection = Connection { stream, peer, slot, handler, may_be_told: true };
    let mut due = Instant::now() + H::FIRST_BYTE_TIME;
    let mut timer = pin!(sleep_until(due));
    // The start of a head, and when it began to come.
    let (mut rest, mut began) = (Bytes::new(), None);
    loop {
        match connection.wait(timer.as_mut(), due).await {
            Waited::Input => {}
            // What has come by now is answered.
            Waited::ToldToClose if has_come(&connection.stream) => _ = connection.stream.readable().await,
            // The server ends, but a connection that has begun a head does not idle: it gets its answer.
            Waited::ToldToClose if !rest.is_empty() && !slot.makes_room() => {
                connection.may_be_told = false;
                continue;
            }
            Waited::ToldToClose => return,
            Waited::Late => {
                if began.is_some() {
                    handler.refused(Refusal::HeadTimeout);
                }
                return;
            }
        }
        let now = Instant::now();
        // On the heap, as it needs much that a connection which waits does not.
        let talked = Box::pin(connection.talk(mem::take(&mut rest), began.unwrap_or(now), timer.as_mut(), now)).await;
        let Talked::Quiet(quiet) = talked else { return };
        due = match quiet.began {
            Some(began) => began + connection.head_time(),
            None if quiet.answered => Instant::now() + IDLE_TIME,
            // Nothing had come.
            None => due,
        };
        Quiet { began, rest, .. } = quiet;
    }
}

impl<H: Handler> Connection<'_, H> {
    /// How long a head may take from its first byte.
    fn head_time(&self) -> Duration {
        if self.slot.is_new() { H::FIRST_HEAD_TIME } else { HEAD_TIME }
    }

    /// Waits for input, until `due` at most.
    async fn wait(&self, mut timer: Pin<&mut Sleep>, due: Instant) -> Waited {
        let mut told = pin!(self.slot.told_to_close());
        poll_fn(|context| {
            // First, so that a head which comes byte by byte has no longer.
            if poll_due(timer.as_mut(), due, context).is_ready() {
                return Poll::Ready(Waited::Late);
            }
            if self.stream.poll_read_ready(context).is_ready() {
                return Poll::Ready(Waited::Input);
            }
            if self.may_be_told && told.as_mut().poll(context).is_ready() {
                return Poll::Ready(Waited::ToldToClose);
            }
            Poll::Pending
        })
        .await
    }

    /// Talks HTTP until all that came is answered and it is time to wait. It begins with `rest`, the start of a head that
    /// `began` to come then; the time is `now`.
    async fn talk(&mut self, rest: Bytes, began: Instant, mut timer: Pin<&mut Sleep>, now: Instant) -> Talked {
        let head_time = self.head_time();
        let Self { stream, peer, slot, handler, may_be_told } = self;
        let _warm = slot.warms_up();
        let flow = Flow::default();
        let service = service_fn(|request: Request<Incoming>| {
            let start = StdInstant::now();
            let has_body = !request.body().is_end_stream();
            let mut response = handler.handle(request, *peer, start);
            if slot.makes_room() {
                answer::close(&mut response);
            }
            slot.answered(start);
            flow.answered(has_body);
            future::ready(Ok::<_, Infallible>(response))
        });
        let wire = TokioIo::new(Wire { stream, rest, slot, flow: &flow });
        let mut connection = http1().serve_connection(wire, service);
        let mut told = pin!(slot.told_to_close());
        let (mut due, mut answered, mut asked) = ((now + QUIET_TIME).min(began + head_time), false, false);
        // Since when there is a part of a head.
        let mut part = Some(began);
        let result = poll_fn(|context| {
            if let Poll::Ready(result) = connection.poll_without_shutdown(context) {
                return Poll::Ready(Some(result));
            }
            part = slot.has_part().then(|| part.unwrap_or_else(Instant::now));
            let mut quiet = slot.cools_at_once();
            // Asked once, both wake this task; asking again before they have anything to say is for nothing.
            if !asked || slot.is_told_to_close() || timer.is_elapsed() {
                asked = true;
                quiet |= *may_be_told && told.as_mut().poll(context).is_ready();
                while poll_due(timer.as_mut(), due, context).is_ready() {
                    due += QUIET_TIME;
                    let lately = flow.take_answered();
                    answered |= lately;
                    quiet |= !lately;
                }
            }
            if quiet && flow.is_quiet() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        let Some(result) = result else {
            let rest = connection.into_parts().read_buf;
            slot.keeps(rest.len());
            let began = if rest.is_empty() { None } else { Some(part.unwrap_or_else(Instant::now)) };
            // A copy, as the bytes would keep all of hyper's buffer.
            let rest = Bytes::copy_from_slice(&rest);
            return Talked::Quiet(Quiet { answered: answered || flow.take_answered(), began, rest });
        };
        if let Some(refusal) = result.as_ref().err().and_then(refusal) {
            handler.refused(refusal);
        }
        let mut lingers = result.is_err() || flow.has_body();
        if flow.is_stalled() {
            flow.leave();
            // A connection that has failed does not know that it is over.
            Pin::new(&mut connection).graceful_shutdown();
            if (&mut connection).await.is_err() {
                return Talked::Over;
            }
            lingers = true;
        }
        drop(connection);
        slot.leaves();
        if flow.is_refused() {
            handler.refused(Refusal::HeadTooLarge);
            let head = answer::head_too_large(SystemTime::now());
            // Some bytes, which the buffers have room for.
            let _ = timeout(LINGER_TIME, stream.write_all(head.as_bytes())).await;
        }
        if lingers || has_come(stream) {
            let _ = stream.shutdown().await;
            let _ = timeout(LINGER_TIME, poll_fn(|context| flow.poll_throw_away(stream, context))).await;
        }
        Talked::Over
    }
}

/// hyper, as each connection has it.
pub(crate) fn http1() -> http1::Builder {
    let mut http1 = http1::Builder::new();
    // A client may shut its side once it has asked; else hyper takes that for an error.
    http1.half_close(true).max_header_size(LARGEST_HEAD);
    http1
}

/// Ready once it is `due`. The timer is moved only where it would ring too late: mostly it rings too early, and then
/// for what is due by then.
fn poll_due(mut timer: Pin<&mut Sleep>, due: Instant, context: &mut Context<'_>) -> Poll<()> {
    if timer.deadline() > due {
        timer.as_mut().reset(due);
    }
    while timer.as_mut().poll(context).is_ready() {
        if Instant::now() >= due {
            return Poll::Ready(());
        }
        timer.as_mut().reset(due);
    }
    Poll::Pending
}

/// Whether the kernel has input of which the poller may not have told yet.
fn has_come(stream: &TcpStream) -> bool {
    matches!(SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]), Ok(1))
}

/// What hyper refused itself: it has already answered 400 or 431, or nothing to HTTP/2's preface. Its 414 is for a URI
/// of more than 65,534 bytes, which is a head of more than [`LARGEST_HEAD`] first.
fn refusal(error: &hyper::Error) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else {
        error.is_parse().then_some(Refusal::BadRequest)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Shutdown, TcpListener, TcpStream as Client},
        sync::Arc,
    };

    use http::HeaderMap;
    use tokio::{task::spawn_blocking, time::sleep};

    use super::*;
    use crate::{answer::Answer, cors::Sharing, metrics::Connections, server::Slots};

    struct NotFound;

    impl Handler for NotFound {
        const FIRST_BYTE_TIME: Duration = Duration::from_secs(10);
        const FIRST_HEAD_TIME: Duration = Duration::from_secs(10);
        fn handle(&self, _: Request<Incoming>, _: SocketAddr, _: StdInstant) -> Response<Full<Bytes>> {
            Answer::NotFound.into_response(HeaderMap::new(), Sharing::Off, false)
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
        let slots = Slots::new(1, Connections::default());
        let slot = slots.take().await;
        slots.drain();
        let (answer, ()) = tokio::join!(to_its_end(client), serve(stream, peer, &slot, &NotFound));
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }

    #[tokio::test]
    async fn a_request_that_came_before_an_idle_connection_was_told_to_close_is_answered() {
        let (mut client, stream, peer) = pair();
        let slots = Slots::new(1, Connections::default());
        let slot = Arc::new(slots.take().await);
        let served = tokio::spawn({
            let slot = slot.clone();
            async move { serve(stream, peer, &slot, &NotFound).await }
        });
        client.write_all(GET).unwrap();
        while slot.is_new() {
            sleep(Duration::from_millis(1)).await;
        }
        client.write_all(GET).unwrap();
        slots.drain();
        assert_eq!(to_its_end(client).await.matches("HTTP/1.1 404").count(), 2);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_has_shut_its_side_at_once_is_answered() {
        let (mut client, stream, peer) = pair();
        client.write_all(GET).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let slots = Slots::new(1, Connections::default());
        let slot = slots.take().await;
        let (answer, ()) = tokio::join!(to_its_end(client), serve(stream, peer, &slot, &NotFound));
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}
