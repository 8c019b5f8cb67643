//! Listening: the two ports, bound, and how one of them is closed without losing anybody.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::log::{Level, Log};

/// Connections that may wait to be accepted; tokio's own is 128.
pub(super) const BACKLOG: u16 = 1024;

/// A client that never takes its answer holds our output: hyper has no limit for that, the kernel does.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What the kernel keeps for a connection, in bytes; Linux doubles it for its own bookkeeping. By itself it would keep up
/// to 10 MB of a client that never takes its answers. A large head should come in few pieces: while it comes, hyper's buffer
/// for it is there.
const RECEIVED: usize = 32 * 1024;
const TO_BE_SENT: usize = 16 * 1024;

/// A port that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{setting} \"{address}\" cannot be listened at: {error}")]
pub struct BindError {
    setting: &'static str,
    address: SocketAddr,
    error: io::Error,
}

/// Listens at the address of a setting; `[::]` takes IPv4 too, and stands for `0.0.0.0` where the kernel has no IPv6.
///
/// # Errors
/// The address is in use or may not be bound.
pub(super) fn listen(setting: &'static str, address: SocketAddr, log: &Log) -> Result<TcpListener, BindError> {
    let bound = match bind(address) {
        Err(error) if address.ip() == IpAddr::from([0_u16; 8]) && lacks_ipv6(&error) => {
            let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            log.event(Level::Info, &format!("the kernel has no IPv6: {fallback} is used for {address}"));
            bind(fallback)
        }
        bound => bound,
    };
    bound.map_err(|error| BindError { setting, address, error })
}

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart may bind while old connections still linger; never SO_REUSEPORT, by which a second server
    // would share the port in silence.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Each connection has these from its listener.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(TO_BE_SENT)?;
    socket.set_recv_buffer_size(RECEIVED)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG.into())?;
    TcpListener::from_std(socket.into())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].into_iter().any(|it| error.raw_os_error() == Some(it.raw_os_error()))
}

/// From now on the kernel ignores whoever asks for a new connection; those that have begun to connect still get theirs.
/// Whoever is ignored asks again, a second later, and finds the port closed. Without this a connection that comes
/// between the last accept and the close would be reset.
#[cfg(target_os = "linux")]
pub(super) fn ignore_newcomers(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};
    const FLAGS: u32 = 13; // where a TCP header has them
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(0x30, 0, 0, FLAGS),     // load the byte
        SockFilter::new(0x54, 0, 0, SYN | ACK), // and with
        SockFilter::new(0x15, 0, 1, SYN),       // a SYN alone?
        SockFilter::new(0x06, 0, 0, 0),         // drop
        SockFilter::new(0x06, 0, 0, u32::MAX),  // keep
    ])
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ignore_newcomers(_: &TcpListener) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[test]
    fn only_a_kernel_without_ipv6_falls_back() {
        for (errno, lacks) in [(Errno::AFNOSUPPORT, true), (Errno::ADDRNOTAVAIL, true), (Errno::ADDRINUSE, false)] {
            assert_eq!(lacks_ipv6(&errno.into()), lacks, "{errno:?}");
        }
    }

    #[tokio::test]
    async fn an_unspecified_ipv6_address_takes_ipv4_too() {
        let Ok(listener) = bind("[::]:0".parse().unwrap()) else {
            return assert!(std::net::TcpListener::bind("[::]:0").is_err());
        };
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port));
        let (accepted, connected) = tokio::join!(listener.accept(), client);
        connected.unwrap();
        assert_eq!(accepted.unwrap().1.ip().to_canonical(), IpAddr::from([127, 0, 0, 1]));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_has_the_options_of_its_listener() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, _client) = tokio::join!(listener.accept(), client);
        let stream = accepted.unwrap().0;
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
        assert_eq!(socket.send_buffer_size().unwrap(), 2 * TO_BE_SENT);
        assert_eq!(socket.recv_buffer_size().unwrap(), 2 * RECEIVED);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_listener_that_ignores_newcomers_keeps_those_who_wait() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let _waiting = TcpStream::connect(address).await.unwrap();
        ignore_newcomers(&listener).unwrap();
        let newcomer = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await;
        assert!(newcomer.is_err(), "{newcomer:?}");
        listener.accept().await.unwrap();
    }
}
