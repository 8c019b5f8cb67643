//! The floor: hyper, tokio and the bytes of one answer. What it costs is what no server on hyper can save.
//!
//! `floor ADDRESS HEAD BODY` answers every request to ADDRESS with the status and headers in the file HEAD, in their
//! order, and the body in the file BODY. No timer, no limit, no log, no metrics, no choice between answers.

use std::{convert::Infallible, env, error::Error, fs, net::SocketAddr, thread};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CONNECTION, DATE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime};

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: floor ADDRESS HEAD BODY";

fn main() -> Result<(), Failure> {
    let [address, head, body] = <[String; 3]>::try_from(env::args().skip(1).collect::<Vec<_>>()).map_err(|_| USAGE)?;
    let address: SocketAddr =
        address.parse().map_err(|_| format!("invalid ADDRESS {address:?}: expected an IP address and a port"))?;
    let answer = Answer::parse(&fs::read_to_string(head)?, fs::read(body)?)?;
    // The server's number of workers.
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    runtime::Builder::new_multi_thread().worker_threads(workers).enable_io().build()?.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        // `block_on` is no worker, so it only waits, as in the server.
        tokio::spawn(serve(listener, answer)).await?
    })
}

async fn serve(listener: TcpListener, answer: Answer) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(move |_| async move { Ok::<_, Infallible>(answer.response()) });
            // How a connection ends is the client's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What every request gets.
#[derive(Clone, Copy, Debug)]
struct Answer {
    status: StatusCode,
    headers: &'static [(HeaderName, HeaderValue)],
    body: &'static [u8],
}

impl Answer {
    /// Takes a head as it was received. `Date` and `Connection` are left out: hyper writes them where they belong.
    /// All is leaked, as a `'static` value is copied without counting references.
    fn parse(head: &str, body: Vec<u8>) -> Result<Self, Failure> {
        let mut lines = head.lines();
        let status = lines.next().and_then(|it| it.split(' ').nth(1)).ok_or("HEAD has no status line")?.parse()?;
        let mut headers = Vec::new();
        for line in lines.take_while(|it| !it.is_empty()) {
            let (name, value) =
                line.split_once(": ").ok_or_else(|| format!("HEAD has {line:?}, which is no header"))?;
            let name: &'static str = name.to_ascii_lowercase().leak();
            // `from_static` panics at what is no name; this says so first.
            HeaderName::from_bytes(name.as_bytes())?;
            let name = HeaderName::from_static(name);
            if name != DATE && name != CONNECTION {
                HeaderValue::from_str(value)?;
                headers.push((name, HeaderValue::from_static(value.to_owned().leak())));
            }
        }
        Ok(Self { status, headers: headers.leak(), body: body.leak() })
    }

    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from_static(self.body)));
        *response.status_mut() = self.status;
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in self.headers {
            headers.append(name, value.clone());
        }
        *response.headers_mut() = headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_headers_of_the_head_in_their_order_without_date() {
        let head = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 300\r\ndate: x\r\ncontent-length: 2\r\n\r\n";
        let response = Answer::parse(head, b"ok".into()).unwrap().response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let headers: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("retry-after", &b"300"[..]), ("content-length", b"2")]);
    }

    #[test]
    fn what_is_no_head_is_an_error() {
        for head in ["", "HTTP/1.1", "HTTP/1.1 503 x\r\nnonsense\r\n\r\n", "HTTP/1.1 503 x\r\na b: c\r\n\r\n"] {
            assert!(Answer::parse(head, Vec::new()).is_err(), "{head:?}");
        }
    }
}
