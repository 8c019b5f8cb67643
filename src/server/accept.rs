//! Accepting on one port: a slot for each connection, a task for each connection, and an end that leaves nobody waiting.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    select,
    task::JoinHandle,
    time::{sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    listen::{BACKLOG, ignore_newcomers},
    slots::{Slot, Slots},
};
use crate::{
    connection::{self, Handler},
    log::{Level, Log},
};

/// After an error that is not one connection's own, such as too many open files, accepting pauses: at first this long,
/// then twice as long each time.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a client may take to connect once it has begun to: the network's way there and back.
const HANDSHAKE: Duration = Duration::from_millis(200);

/// A port that is being served.
#[derive(Debug)]
pub(super) struct Port {
    slots: Arc<Slots>,
    connections: TaskTracker,
    draining: CancellationToken,
    /// One for each listener.
    accepting: Vec<JoinHandle<()>>,
}

/// Accepts at one address.
struct Accept<H> {
    serve: Serve<H>,
    draining: CancellationToken,
    log: Log,
    pause: Duration,
}

/// Serves what was accepted.
struct Serve<H> {
    slots: Arc<Slots>,
    connections: TaskTracker,
    handler: Arc<H>,
}

/// A connection that was accepted.
type Accepted = (TcpStream, SocketAddr);

// === impl Port ===

impl Port {
    /// Begins to accept at each listener; all share the slots.
    pub(super) fn open(listeners: Vec<TcpListener>, slots: Arc<Slots>, handler: impl Handler, log: &Log) -> Self {
        let (connections, draining) = (TaskTracker::new(), CancellationToken::new());
        let serve = Serve { slots: slots.clone(), connections: connections.clone(), handler: Arc::new(handler) };
        let accept = |listener| {
            let (serve, draining, log) = (serve.clone(), draining.clone(), log.clone());
            tokio::spawn(Accept { serve, draining, log, pause: PAUSE }.run(listener))
        };
        let accepting = listeners.into_iter().map(accept).collect();
        Self { slots, connections, draining, accepting }
    }

    /// Takes whoever waits to be accepted, closes the listeners, and waits until each connection that has begun has its
    /// answer, or until the deadline. Returns how many connections are left then.
    pub(super) async fn drain(self, deadline: Instant) -> usize {
        self.draining.cancel();
        self.slots.drain();
        let _ = timeout_at(deadline.into(), async {
            for accepting in self.accepting {
                // An error says that accepting has ended, which is what is waited for.
                let _ = accepting.await;
            }
            self.connections.close();
            self.connections.wait().await;
        })
        .await;
        self.connections.len()
    }
}

// === impl Accept ===

impl<H: Handler> Accept<H> {
    /// Accepts until the port drains, then until nobody waits any more.
    async fn run(mut self, listener: TcpListener) {
        let draining = self.draining.clone();
        loop {
            let accepted = select! {
                biased;
                () = draining.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let Some(accepted) = self.or_pause(accepted).await else { continue };
            select! {
                biased;
                slot = self.serve.slots.take() => self.serve.spawn(accepted, slot),
                // At the limit it may have to wait for longer than the listener may stay open.
                () = draining.cancelled() => {
                    self.serve.spawn_with_a_slot(accepted);
                    break;
                }
            }
        }
        // A kernel that cannot do this may reset those that come between the last accept and the close.
        if ignore_newcomers(&listener).is_ok() {
            let end = Instant::now() + HANDSHAKE;
            while let Ok(accepted) = timeout_at(end.into(), listener.accept()).await {
                if let Some(accepted) = self.or_pause(accepted).await {
                    self.serve.spawn_with_a_slot(accepted);
                }
            }
        }
        self.accept_the_last(listener).await;
    }

    /// Accepts whoever waits, and closes the listener.
    async fn accept_the_last(mut self, listener: TcpListener) {
        let mut open = listener.into_std().ok();
        while let Some(listener) = open.take() {
            let (waiting, error) = take_waiting(&listener);
            for (stream, peer) in waiting {
                if let Ok(stream) = nonblocking(stream) {
                    self.serve.spawn_with_a_slot((stream, peer));
                }
            }
            if error.kind() != io::ErrorKind::WouldBlock {
                open = Some(listener);
                self.pause_after(&error).await;
            }
        }
    }

    /// What was accepted; after an error a pause.
    async fn or_pause(&mut self, accepted: io::Result<Accepted>) -> Option<Accepted> {
        match accepted {
            Ok(accepted) => {
                self.pause = PAUSE;
                Some(accepted)
            }
            Err(error) => {
                self.pause_after(&error).await;
                None
            }
        }
    }

    /// Pauses after an error that the next connection would meet as well, each time longer.
    async fn pause_after(&mut self, error: &io::Error) {
        if !is_one_connections(error) {
            let pause = self.pause;
            self.log.event(Level::Error, &format!("no connection can be accepted for {pause:?}: {error}"));
            sleep(pause).await;
            self.pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

// === impl Serve ===

impl<H: Handler> Serve<H> {
    /// Serves a connection in a task of its own: a panic ends that connection only.
    fn spawn(&self, (stream, peer): Accepted, slot: Slot) {
        let handler = self.handler.clone();
        // An IPv4 peer of a [::] socket is shown as IPv4 everywhere.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let state = slot.state();
        let task = self.connections.spawn(async move { connection::serve(stream, peer, &slot, &*handler).await });
        state.is_served_by(task.abort_handle());
    }

    /// The same once there is a slot, for which nobody else waits.
    fn spawn_with_a_slot(&self, accepted: Accepted) {
        let this = self.clone();
        self.connections.spawn(async move {
            let slot = this.slots.take().await;
            this.spawn(accepted, slot);
        });
    }
}

impl<H> Clone for Serve<H> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), connections: self.connections.clone(), handler: self.handler.clone() }
    }
}

/// Accepts whoever waits, until there is an error, `WouldBlock` at best. Asks the kernel: tokio may say that nobody
/// waits because its budget is used up, or because it has not been told yet.
fn take_waiting(listener: &std::net::TcpListener) -> (Vec<(std::net::TcpStream, SocketAddr)>, io::Error) {
    let mut waiting = Vec::new();
    // No more than that can wait at once.
    while waiting.len() <= BACKLOG.into() {
        match listener.accept() {
            Ok(accepted) => waiting.push(accepted),
            Err(error) if is_one_connections(&error) => {}
            Err(error) => return (waiting, error),
        }
    }
    (waiting, io::ErrorKind::WouldBlock.into())
}

fn nonblocking(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Errors of a connection that was gone before it was accepted.
fn is_one_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use hyper::body::Incoming;

    use super::{super::listen::bind, *};
    use crate::{answer::Answer, metrics::Refusal, settings::LogFormat};

    fn log() -> Log {
        Log::start(LogFormat::Off, prometheus_client::metrics::counter::Counter::default(), io::sink(), io::sink())
            .unwrap()
            .0
    }

    struct Panics;

    impl Handler for Panics {
        const FIRST_BYTE_TIME: Duration = Duration::from_secs(10);
        const FIRST_HEAD_TIME: Duration = Duration::from_secs(10);
        fn handle(&self, request: Request<Incoming>, _: SocketAddr, _: Instant) -> Response<Full<Bytes>> {
            assert_ne!(request.uri().path(), "/panic", "as asked");
            Answer::NotFound.into_response(http::HeaderMap::new(), crate::cors::Sharing::Off, false)
        }
        fn refused(&self, _: Refusal) {}
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_only() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let slots = Slots::new(2, crate::metrics::Connections::default());
        let port = Port::open(vec![listener], slots, Panics, &log());
        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut buffer = [0; 1024];
        assert!(other.read(&mut buffer).await.unwrap() > 0);
        let mut panics = TcpStream::connect(address).await.unwrap();
        panics.write_all(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(panics.read(&mut buffer).await.unwrap_or(0), 0);
        other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let read = other.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 404"));
        assert_eq!(port.connections.len(), 1, "the slot of the one that panicked is free again");
        drop(other);
        assert_eq!(port.drain(Instant::now() + Duration::from_secs(5)).await, 0);
    }

    /// Clients that have sent their requests before anything is accepted.
    fn waiting(address: SocketAddr, number: usize) -> Vec<std::net::TcpStream> {
        let client = || {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            client
        };
        std::iter::repeat_with(client).take(number).collect()
    }

    #[tokio::test]
    async fn whoever_waits_when_the_listeners_close_is_answered() {
        for limit in [400, 100] {
            let listeners = ["127.0.0.1:0", "127.0.0.2:0"].map(|it| bind(it.parse().unwrap()).unwrap());
            let clients: Vec<_> = listeners.iter().flat_map(|it| waiting(it.local_addr().unwrap(), 150)).collect();
            let slots = Slots::new(limit, crate::metrics::Connections::default());
            let port = Port::open(listeners.into(), slots, Panics, &log());
            let answered = tokio::task::spawn_blocking(move || {
                let answer = |mut client: std::net::TcpStream| {
                    let mut answer = String::new();
                    client.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 404")
                };
                clients.into_iter().map(answer).filter(|it| *it).count()
            });
            assert_eq!(port.drain(Instant::now() + Duration::from_secs(20)).await, 0);
            assert_eq!(answered.await.unwrap(), 300, "with {limit} slots");
        }
    }

    #[tokio::test]
    async fn clients_that_come_without_end_do_not_keep_it_open() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let slots = Slots::new(2, crate::metrics::Connections::default());
        let port = Port::open(vec![listener], slots, Panics, &log());
        let come = move || {
            while let Ok(mut client) = std::net::TcpStream::connect(address) {
                // One that is there when the listener closes may yet be lost, so that errors are none.
                let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                let _ = client.read(&mut [0; 64]);
            }
        };
        let clients: Vec<_> = (0..30).map(|_| std::thread::spawn(come)).collect();
        sleep(PAUSE).await;
        assert_eq!(port.drain(Instant::now() + Duration::from_secs(20)).await, 0);
        for client in clients {
            client.join().unwrap();
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_slot_when_the_port_drains_gets_an_answer_once_there_is_one() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let slots = Slots::new(1, crate::metrics::Connections::default());
        let port = Port::open(vec![listener], slots.clone(), Panics, &log());
        // One that is being answered: it makes no room.
        let held = slots.take().await;
        held.stalls();
        let mut clients = waiting(address, 3);
        sleep(PAUSE).await;
        let drained = tokio::spawn(port.drain(Instant::now() + Duration::from_secs(20)));
        // Until the listener is closed.
        while TcpStream::connect(address).await.is_ok() {
            sleep(PAUSE).await;
        }
        drop(held);
        let answered = tokio::task::spawn_blocking(move || {
            clients.iter_mut().all(|client| {
                let mut answer = String::new();
                client.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 404")
            })
        });
        assert!(answered.await.unwrap());
        assert_eq!(drained.await.unwrap(), 0);
    }
}
