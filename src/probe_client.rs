//! `maintenance-mode probe URL`: a health check for an image that has no curl.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use http::{StatusCode, Uri};

/// For the connection and the answer together; Kubernetes' and Docker's checks end about then. A name is looked up by
/// the system, which has limits of its own, and what that takes is taken off.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// A status line is shorter.
const STATUS_LINE: usize = 1024;

/// Why a probe failed, as a sentence.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The URL cannot be asked at all.
    #[error("invalid URL {0:?}: expected http://HOST[:PORT]/PATH or tcp://HOST:PORT")]
    Url(String),
    /// The answer is not the wanted one, or there is none.
    #[error("{0}")]
    Answer(String),
}

/// Asks a URL and returns the status line, if the status is `wanted`, or 2xx where nothing is wanted. Of a tcp: URL it
/// returns whom it could connect to.
///
/// # Errors
/// See [`Failure`].
pub fn probe(url: &str, wanted: Option<StatusCode>) -> Result<String, Failure> {
    let uri: Uri = url.parse().map_err(|_| Failure::Url(url.to_owned()))?;
    let deadline = Instant::now() + TIME_LIMIT;
    let host = match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some("http"), Some(host), _) => host,
        (Some("tcp"), Some(host), Some(port)) => {
            let stream = connect(host, port, deadline).and_then(|it| it.peer_addr());
            let peer = stream.map_err(|error| Failure::Answer(format!("{url} cannot be connected to: {error}")))?;
            return Ok(format!("connected to {peer}"));
        }
        _ => return Err(Failure::Url(url.to_owned())),
    };
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    let authority = uri.authority().map_or(host, |it| it.as_str());
    let status = connect(host, uri.port_u16().unwrap_or(80), deadline)
        .and_then(|stream| ask(stream, authority, target, deadline))
        .map_err(|error| Failure::Answer(format!("{url} does not answer: {error}")))?;
    // "HTTP/1.1 200 OK"
    match status.strip_prefix("HTTP/1.").and_then(|it| it.get(2..5)) {
        Some(code) if wanted.map_or(code.starts_with('2'), |it| code == it.as_str()) => Ok(status),
        _ => Err(Failure::Answer(format!("{url} answers {status:?}"))),
    }
}

/// What is left of the time; a time limit of zero would be an error.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// A connection to the first address of the host that takes it.
fn connect(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<_> = (host.trim_matches(['[', ']']), port).to_socket_addrs()?.collect();
    first(&addresses, deadline, TcpStream::connect_timeout)
}

/// What the first address gives that gives anything. Each gets its share of the time that is left, so that one which
/// swallows packets leaves some for the next.
fn first<T>(
    addresses: &[SocketAddr],
    deadline: Instant,
    mut connect: impl FnMut(&SocketAddr, Duration) -> io::Result<T>,
) -> io::Result<T> {
    let mut result = Err(io::Error::other("the name has no address"));
    for (address, shares) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = left(deadline).div_f64(shares as f64);
        result = connect(address, share.max(Duration::from_millis(1)));
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The status line of the answer to a GET.
fn ask(mut stream: TcpStream, authority: &str, target: &str, deadline: Instant) -> io::Result<String> {
    stream.set_write_timeout(Some(left(deadline)))?;
    let agent = concat!("maintenance-mode/", env!("CARGO_PKG_VERSION"));
    let head =
        format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < STATUS_LINE {
        stream.set_read_timeout(Some(left(deadline)))?;
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            break;
        }
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    fn probe_of(answer: &'static str, wanted: Option<StatusCode>) -> Result<String, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/livez", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let result = probe(&url, wanted);
        assert!(server.join().unwrap().starts_with("GET /livez HTTP/1.1\r\nHost: 127.0.0.1:"));
        result
    }

    #[test]
    fn any_2xx_is_a_success_where_no_status_is_wanted() {
        assert_eq!(probe_of("HTTP/1.1 200 OK\r\n\r\n", None).unwrap(), "HTTP/1.1 200 OK");
        assert_eq!(probe_of("HTTP/1.0 204 No Content\r\n\r\n", None).unwrap(), "HTTP/1.0 204 No Content");
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 302 Found\r\n\r\n", "SSH-2.0-x\r\n", ""] {
            assert!(matches!(probe_of(answer, None), Err(Failure::Answer(_))), "{answer}");
        }
    }

    #[test]
    fn a_wanted_status_is_the_only_success() {
        let wanted = Some(StatusCode::SERVICE_UNAVAILABLE);
        assert!(probe_of("HTTP/1.1 503 Service Unavailable\r\n\r\n", wanted).is_ok());
        assert!(matches!(probe_of("HTTP/1.1 200 OK\r\n\r\n", wanted), Err(Failure::Answer(_))));
    }

    #[test]
    fn an_address_that_swallows_packets_leaves_time_for_the_next() {
        let addresses = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let start = Instant::now();
        let asked = first(&addresses, start + Duration::from_millis(300), |address, limit| {
            assert!(limit > Duration::from_millis(20) && limit <= Duration::from_millis(300), "{address}: {limit:?}");
            if address.port() == 3 {
                return Ok(address.port());
            }
            thread::sleep(limit);
            Err(io::ErrorKind::TimedOut.into())
        });
        assert_eq!(asked.unwrap(), 3);
        assert!(first(&[], start, |_, _| Ok(())).is_err());
    }

    #[test]
    fn a_tcp_url_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(probe(&format!("tcp://{address}"), None).unwrap(), format!("connected to {address}"));
        drop(listener);
        assert!(matches!(probe(&format!("tcp://{address}"), None), Err(Failure::Answer(_))));
    }

    #[test]
    fn a_url_that_cannot_be_asked_is_no_failed_answer() {
        for url in ["https://localhost/", "localhost:80", "/livez", "http://", "tcp://localhost"] {
            assert!(matches!(probe(url, None), Err(Failure::Url(_))), "{url}");
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(probe(&format!("http://{free}/"), None), Err(Failure::Answer(_))));
    }
}
