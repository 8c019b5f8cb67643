//! `maintenance-mode probe URL`: a health check for an image that has no curl.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use http::Uri;

/// For the name, the connection and the answer together; Kubernetes' and Docker's checks end about then.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// A status line is shorter.
const STATUS_LINE: usize = 1024;

/// Why a probe failed, as a sentence.
#[derive(Debug)]
pub enum Failure {
    /// The URL cannot be asked at all.
    Url(String),
    /// The answer is not 2xx, or there is none.
    Answer(String),
}

/// Asks a URL and returns the status line of a 2xx answer.
///
/// # Errors
/// See [`Failure`].
pub fn probe(url: &str) -> Result<String, Failure> {
    let uri: Uri = url.parse().map_err(|error| Failure::Url(format!("{url:?} is no URL: {error}")))?;
    let host = match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) => host,
        _ => return Err(Failure::Url(format!("{url:?} cannot be probed: it may be http://HOST[:PORT]/PATH"))),
    };
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    let authority = uri.authority().map_or(host, |it| it.as_str());
    let status = ask(host, uri.port_u16().unwrap_or(80), authority, target)
        .map_err(|error| Failure::Answer(format!("{url} does not answer: {error}")))?;
    // "HTTP/1.1 200 OK"
    match status.strip_prefix("HTTP/1.").and_then(|it| it.get(2..5)) {
        Some(code) if code.starts_with('2') => Ok(status),
        _ => Err(Failure::Answer(format!("{url} answers {status:?}"))),
    }
}

/// The status line of the answer to a GET.
fn ask(host: &str, port: u16, authority: &str, target: &str) -> std::io::Result<String> {
    let deadline = Instant::now() + TIME_LIMIT;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut result = Err(std::io::Error::other("the name has no address"));
    for address in (host.trim_matches(['[', ']']), port).to_socket_addrs()? {
        result = TcpStream::connect_timeout(&address, left());
        if result.is_ok() {
            break;
        }
    }
    let mut stream = result?;
    stream.set_write_timeout(Some(left()))?;
    let agent = concat!("maintenance-mode/", env!("CARGO_PKG_VERSION"));
    let head =
        format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < STATUS_LINE {
        stream.set_read_timeout(Some(left()))?;
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

    fn probe_of(answer: &'static str) -> Result<String, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/livez", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let result = probe(&url);
        assert!(server.join().unwrap().starts_with("GET /livez HTTP/1.1\r\nHost: 127.0.0.1:"));
        result
    }

    #[test]
    fn only_2xx_is_a_success() {
        assert_eq!(probe_of("HTTP/1.1 200 OK\r\n\r\n").unwrap(), "HTTP/1.1 200 OK");
        assert_eq!(probe_of("HTTP/1.0 204 No Content\r\n\r\n").unwrap(), "HTTP/1.0 204 No Content");
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 302 Found\r\n\r\n", "SSH-2.0-x\r\n", ""] {
            assert!(matches!(probe_of(answer), Err(Failure::Answer(_))), "{answer}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_told_apart() {
        for url in ["https://localhost/", "localhost:80", "/livez", "http://"] {
            assert!(matches!(probe(url), Err(Failure::Url(_))), "{url}");
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(probe(&format!("http://{free}/")), Err(Failure::Answer(_))));
    }
}
