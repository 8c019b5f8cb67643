//! The server: binding, then accepting on both ports until it is told to end, then the drain.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    Request, Response,
    header::{HeaderName, USER_AGENT},
};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use jiff::Timestamp;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    ask::Ask,
    cli::VERSION,
    connection::{self, Handler},
    log::{Access, Level, Log},
    metrics::{Metrics, Refusal},
    respond::{Moment, respond, respond_management, users_probe},
    settings::Settings,
    slots::Slots,
    snapshot::Current,
};

/// Connections that may wait to be accepted; tokio's own is 128.
const BACKLOG: u16 = 1024;

/// Connections to the management port: a kubelet, a Prometheus and some people.
pub const MANAGEMENT_CONNECTIONS: usize = 64;

/// After an error that is not one connection's own, such as too many open files, accepting rests: at first
/// this long, then twice as long each time.
const REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// The management port closes last, and whoever asks there gets this long at most.
const MANAGEMENT_DRAIN: Duration = Duration::from_secs(1);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What requests share with the rest of the process.
#[derive(Debug)]
pub struct Shared {
    /// What is answered.
    pub current: Current,
    /// What is counted.
    pub metrics: Metrics,
    /// What is logged.
    pub log: Log,
    draining: AtomicBool,
}

/// Both ports, bound.
#[derive(Debug)]
pub struct Bound {
    users: TcpListener,
    management: TcpListener,
}

/// A port that cannot be bound, as a sentence that names the setting and the address.
#[derive(Debug)]
pub struct BindError {
    setting: &'static str,
    address: SocketAddr,
    error: io::Error,
}

#[derive(Debug)]
struct Users(Arc<Shared>);

#[derive(Debug)]
struct Management(Arc<Shared>);

/// A port that is being served.
#[derive(Debug)]
struct Port {
    slots: Arc<Slots>,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

// === impl Shared ===

impl Shared {
    /// Nothing is draining yet.
    #[must_use]
    pub fn new(current: Current, metrics: Metrics, log: Log) -> Arc<Self> {
        Arc::new(Self { current, metrics, log, draining: AtomicBool::new(false) })
    }

    fn moment(&self) -> Moment {
        Moment { now: Timestamp::now(), draining: self.draining.load(Ordering::Relaxed) }
    }
}

// === impl Bound ===

impl Bound {
    /// Binds both ports.
    ///
    /// # Errors
    /// One of them is in use or may not be bound.
    pub fn bind(settings: &Settings, log: &Log) -> Result<Self, BindError> {
        let bind = |setting, address| {
            let error = |error| BindError { setting, address, error };
            let listener = listen(address, log).map_err(error)?;
            // Port 0 has become a real one.
            let bound = listener.local_addr().map_err(error)?;
            Ok((listener, bound))
        };
        let (users, users_at) = bind("LISTEN", settings.listen)?;
        let (management, management_at) = bind("MANAGEMENT_LISTEN", settings.management_listen)?;
        let tier = settings.tier;
        let message = format!("{VERSION}, {tier} tier: LISTEN is {users_at}, MANAGEMENT_LISTEN is {management_at}");
        log.event(Level::Info, &message);
        Ok(Self { users, management })
    }

    /// Serves until `shutdown` completes, then drains: for `SHUTDOWN_DELAY` new connections are still taken
    /// while readiness fails and every answer closes its connection; then the listener is emptied and
    /// closed, and connections get `SHUTDOWN_TIMEOUT` to end. The management port closes last.
    pub async fn serve(self, settings: Settings, shared: Arc<Shared>, shutdown: impl Future<Output = ()>) {
        let slots = Slots::new(settings.max_connections, shared.metrics.users.clone());
        let users = Port::open(self.users, slots, Users(shared.clone()), &shared.log);
        let slots = Slots::new(MANAGEMENT_CONNECTIONS, shared.metrics.management.clone());
        let management = Port::open(self.management, slots, Management(shared.clone()), &shared.log);

        shutdown.await;
        shared.draining.store(true, Ordering::Relaxed);
        let (delay, limit) = (settings.shutdown_delay, settings.shutdown_timeout);
        let (more, end) = (delay.as_secs(), limit.as_secs());
        let message = format!("draining: connections are taken for {more} s more, then have {end} s to end");
        shared.log.event(Level::Info, &message);
        sleep(delay).await;

        let deadline = Instant::now() + limit;
        let left = users.close(limit).await;
        if left > 0 {
            let message = format!("{left} connections did not end within SHUTDOWN_TIMEOUT ({end} s) and are cut");
            shared.log.event(Level::Warn, &message);
        }
        management.close(MANAGEMENT_DRAIN.min(deadline.saturating_duration_since(Instant::now()))).await;
        shared.log.event(Level::Info, "ended");
    }
}

/// Listens at an address; `[::]` takes IPv4 too, and stands for `0.0.0.0` where the kernel has no IPv6.
fn listen(address: SocketAddr, log: &Log) -> io::Result<TcpListener> {
    match listener(address) {
        Err(error) if address.ip() == IpAddr::from([0_u16; 8]) && lacks_ipv6(&error) => {
            let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            log.event(Level::Info, &format!("the kernel has no IPv6: {fallback} is used for {address}"));
            listener(fallback)
        }
        result => result,
    }
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart may bind while old connections still linger; never SO_REUSEPORT, by which a second server
    // would share the port in silence.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG.into())?;
    TcpListener::from_std(socket.into())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].into_iter().any(|it| error.raw_os_error() == Some(it.raw_os_error()))
}

// === impl Port ===

impl Port {
    fn open(listener: TcpListener, slots: Arc<Slots>, handler: impl Handler, log: &Log) -> Self {
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, slots.clone(), Arc::new(handler), log.clone(), stopped));
        Self { slots, stop, accepting }
    }

    /// Takes what waits to be accepted, closes the listener, and gives connections so long to end. Returns
    /// how many did not.
    async fn close(self, limit: Duration) -> usize {
        // Both fail only if accepting has already ended.
        let _ = self.stop.send(());
        // Told before the rest is accepted, which at the limit waits for those that are open.
        self.slots.close_all();
        let _ = timeout(limit, async {
            let _ = self.accepting.await;
            self.slots.all_closed().await;
        })
        .await;
        self.slots.count()
    }
}

/// Accepts until `stopped`, then until nothing waits any more.
async fn accept<H: Handler>(
    listener: TcpListener,
    slots: Arc<Slots>,
    handler: Arc<H>,
    log: Log,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut rest = REST;
    loop {
        let accepted = select! {
            biased;
            _ = &mut stopped => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                rest = REST;
                serve(stream, peer, &slots, &handler).await;
            }
            Err(error) => back_off(&error, &mut rest, &log).await,
        }
    }
    let mut open = listener.into_std().ok();
    while let Some(listener) = open.take() {
        let (waiting, error) = take_waiting(&listener);
        // Closed before any of them is served: at the limit that takes time, in which others would come without end.
        open = (error.kind() != io::ErrorKind::WouldBlock).then_some(listener);
        for (stream, peer) in waiting {
            if let Ok(stream) = nonblocking(stream) {
                serve(stream, peer, &slots, &handler).await;
            }
        }
        if open.is_some() {
            back_off(&error, &mut rest, &log).await;
        }
    }
}

/// Accepts what waits, until there is an error, `WouldBlock` at best. Asks the kernel: tokio may say that nothing waits
/// because its budget is used up, or because it has not been told yet.
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

/// Rests after an error that the next connection would meet as well, each time longer.
async fn back_off(error: &io::Error, rest: &mut Duration, log: &Log) {
    if !is_one_connections(error) {
        log.event(Level::Error, &format!("no connection can be accepted for {rest:?}: {error}"));
        sleep(*rest).await;
        *rest = (*rest * 2).min(LONGEST_REST);
    }
}

/// Serves a connection in a task of its own, once there is a slot: a panic ends that connection only.
async fn serve<H: Handler>(stream: TcpStream, peer: SocketAddr, slots: &Arc<Slots>, handler: &Arc<H>) {
    let slot = slots.take().await;
    let handler = handler.clone();
    // An IPv4 peer of a [::] socket is shown as IPv4 everywhere.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    tokio::spawn(async move { connection::serve(stream, peer, &slot, &*handler).await });
}

/// Errors of a connection that was gone before it was accepted.
fn is_one_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

// === impl Users ===

impl Handler for Users {
    fn handle(&self, request: &Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let start = Instant::now();
        let Shared { current, metrics, log, .. } = &*self.0;
        let (ask, moment, snapshot) = (Ask::of(request), self.0.moment(), current.load());
        let response = respond(&ask, &moment, &snapshot).into_response(moment.draining);
        let duration = start.elapsed();
        metrics.request(request.method(), response.status(), duration);
        if users_probe(&ask, &snapshot.settings).is_none() {
            log.access(&Access {
                time: moment.now,
                tier: snapshot.settings.tier,
                peer: peer.ip(),
                forwarded_for: request.headers().get_all(X_FORWARDED_FOR),
                method: request.method(),
                path: request.uri().path(),
                status: response.status().as_u16(),
                bytes: if request.method() == http::Method::HEAD { 0 } else { response.body().size_hint().lower() },
                duration,
                user_agent: request.headers().get(USER_AGENT),
            });
        }
        response
    }

    fn refused(&self, refusal: Refusal) {
        self.0.metrics.refused(refusal);
    }
}

// === impl Management ===

impl Handler for Management {
    fn handle(&self, request: &Request<Incoming>, _peer: SocketAddr) -> Response<Full<Bytes>> {
        let (ask, moment, snapshot) = (Ask::of(request), self.0.moment(), self.0.current.load());
        let metrics = |mode| self.0.metrics.text(mode);
        respond_management(&ask, &moment, &snapshot, metrics).into_response(moment.draining)
    }

    /// Refusals are counted where users come in, as requests are.
    fn refused(&self, _: Refusal) {}
}

// === impl BindError ===

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be {}: {}", self.setting, self.address, self.error)
    }
}

impl std::error::Error for BindError {}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::{answer::Answer, settings::LogFormat};

    fn log() -> Log {
        Log::start(LogFormat::Off, prometheus_client::metrics::counter::Counter::default(), io::sink(), io::sink())
            .unwrap()
            .0
    }

    struct Panics;

    impl Handler for Panics {
        fn handle(&self, request: &Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
            assert_ne!(request.uri().path(), "/panic", "as asked");
            Answer::NotFound.into_response(false)
        }
        fn refused(&self, _: Refusal) {}
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_only() {
        let listener = listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let slots = Slots::new(2, prometheus_client::metrics::gauge::Gauge::default());
        let port = Port::open(listener, slots.clone(), Panics, &log());
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
        assert_eq!(slots.count(), 1, "the slot of the one that panicked is free again");
        drop(other);
        assert_eq!(port.close(Duration::from_secs(5)).await, 0);
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
    async fn whoever_waits_when_the_listener_closes_is_answered() {
        for limit in [400, 100] {
            let listener = listener("127.0.0.1:0".parse().unwrap()).unwrap();
            let clients = waiting(listener.local_addr().unwrap(), 300);
            let slots = Slots::new(limit, prometheus_client::metrics::gauge::Gauge::default());
            let port = Port::open(listener, slots, Panics, &log());
            let answered = tokio::task::spawn_blocking(move || {
                let answer = |mut client: std::net::TcpStream| {
                    let mut answer = String::new();
                    client.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 404")
                };
                clients.into_iter().map(answer).filter(|it| *it).count()
            });
            assert_eq!(port.close(Duration::from_secs(20)).await, 0);
            assert_eq!(answered.await.unwrap(), 300, "with {limit} slots");
        }
    }

    #[tokio::test]
    async fn clients_that_come_without_end_do_not_keep_it_open() {
        let listener = listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let slots = Slots::new(2, prometheus_client::metrics::gauge::Gauge::default());
        let port = Port::open(listener, slots, Panics, &log());
        let come = move || {
            while let Ok(mut client) = std::net::TcpStream::connect(address) {
                // One that is there when the listener closes may yet be lost, so that errors are none.
                let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                let _ = client.read(&mut [0; 64]);
            }
        };
        let clients: Vec<_> = (0..30).map(|_| std::thread::spawn(come)).collect();
        sleep(REST).await;
        assert_eq!(port.close(Duration::from_secs(20)).await, 0);
        for client in clients {
            client.join().unwrap();
        }
    }

    #[tokio::test]
    async fn at_the_limit_those_that_are_open_are_told_at_once_that_it_ends() {
        let listener = listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let slots = Slots::new(1, prometheus_client::metrics::gauge::Gauge::default());
        let port = Port::open(listener, slots.clone(), Panics, &log());
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        while slots.count() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        // By now accepting waits for a slot.
        sleep(REST).await;
        let closed = tokio::spawn(port.close(Duration::from_secs(20)));
        sleep(REST).await;
        busy.write_all(b"Host: a\r\n\r\n").await.unwrap();
        let (mut told, mut answer) = (String::new(), String::new());
        busy.read_to_string(&mut told).await.unwrap();
        assert!(told.contains("\r\nconnection: close\r\n"), "{told}");
        second.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert_eq!(closed.await.unwrap(), 0);
    }

    #[test]
    fn only_a_kernel_without_ipv6_falls_back() {
        for (errno, lacks) in [(Errno::AFNOSUPPORT, true), (Errno::ADDRNOTAVAIL, true), (Errno::ADDRINUSE, false)] {
            assert_eq!(lacks_ipv6(&errno.into()), lacks, "{errno:?}");
        }
    }

    #[tokio::test]
    async fn an_unspecified_ipv6_address_takes_ipv4_too() {
        let Ok(listener) = listener("[::]:0".parse().unwrap()) else {
            return assert!(std::net::TcpListener::bind("[::]:0").is_err());
        };
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port));
        let (accepted, connected) = tokio::join!(listener.accept(), client);
        connected.unwrap();
        assert_eq!(accepted.unwrap().1.ip().to_canonical(), IpAddr::from([127, 0, 0, 1]));
    }
}
