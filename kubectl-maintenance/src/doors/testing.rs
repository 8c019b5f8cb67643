//! Servers on loopback that answer as a test says, and who asks them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::ask::{Asker, Expect, Question, Verdict};
use super::request::Client;

/// A head whose body is missing, on a connection that stays open: whoever waits for more waits for ever.
pub(super) fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Text\r\nContent-Length: 9\r\n{headers}\r\n")
}

/// Our page.
pub(super) fn page() -> String {
    head(503, "Maintenance-Mode: on\r\n")
}

pub(super) struct Server {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the connection of each number, from 0, by `answer`, which gets the request's head. An empty answer closes it.
    pub(super) fn plain(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        Self::start(answer, Some)
    }

    /// The same behind TLS, with a certificate that has expired, is signed by itself and is for another host.
    pub(super) fn tls(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let mut parameters = rcgen::CertificateParams::new(["elsewhere.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let config = Arc::new(config);
        Self::start(answer, move |mut stream| {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut stream).ok()?;
            }
            Some(StreamOwned::new(connection, stream))
        })
    }

    fn start<S: Read + Write + Name>(
        answer: impl Fn(usize, &str) -> String + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let (answer, wrap) = (Arc::new(answer), Arc::new(wrap));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (answer, wrap, log) = (Arc::clone(&answer), Arc::clone(&wrap), Arc::clone(&log));
                thread::spawn(move || {
                    let Some(mut stream) = wrap(stream) else { return };
                    let name = stream.name();
                    while let Some(head) = read_head(&mut stream) {
                        log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}{head}"));
                        let answer = answer(number, &head);
                        if answer.is_empty() || stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, seen }
    }

    /// The heads of all requests; behind TLS each after the name that was in SNI, in brackets.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }
}

/// A proxy that passes on what comes after CONNECT to this port, and answers anything else itself; and what it was asked.
pub(super) fn proxy(port: u16, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let Some(head) = read_head(&mut client) else { continue };
            log.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
            let answer = answer(&head);
            client.write_all(answer.as_bytes()).unwrap();
            if !head.starts_with("CONNECT ") {
                continue;
            }
            let target = TcpStream::connect(("127.0.0.1", port)).unwrap();
            for (mut from, mut to) in [(client.try_clone().unwrap(), target.try_clone().unwrap()), (target, client)] {
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    Server { port: own, seen }
}

/// The name in SNI, for the log.
trait Name {
    fn name(&self) -> String;
}

impl Name for TcpStream {
    fn name(&self) -> String {
        String::new()
    }
}

impl Name for StreamOwned<ServerConnection, TcpStream> {
    fn name(&self) -> String {
        format!("[{}] ", self.conn.server_name().unwrap_or_default())
    }
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

pub(super) fn question(url: &str, expect: Expect) -> Question<'_> {
    Question { url, host: None, expect, named: false }
}

/// Without the proxies of whoever runs the tests.
pub(super) fn asker<'a>(question: &'a Question<'a>) -> Asker<'a> {
    Asker::with_client(question, Client::with_proxies(Matcher::builder().build()))
}

/// A URL at which nobody listens.
pub(super) fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[track_caller]
pub(super) fn is_good(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::Good(_)), "{verdict:?}");
}

#[track_caller]
pub(super) fn is_bad(verdict: &Verdict, parts: &[&str]) {
    let Verdict::Bad(text) = verdict else { panic!("{verdict:?}") };
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} lacks one of {parts:?}");
}
