//! A client's bytes to whole answers, on the main port of four servers.
//!
//! The input is what the client sends before it shuts its side.
#![no_main]

use std::{fmt, sync::LazyLock};

use http::{HeaderMap, HeaderValue, Method, Version, header::HOST, request::Parts};
use libfuzzer_sys::fuzz_target;
use maintenance_mode::fuzzing::{MainPortInMemory, Talk};

/// A server, and what is known of its answers.
struct World {
    port: MainPortInMemory,
    /// Whether every path but a probe's is the page.
    in_maintenance: bool,
    probes: &'static [&'static str],
    /// The body of `GET /`: as it is, and in gzip.
    home: [Vec<u8>; 2],
}

/// One answer.
struct Answer<'o> {
    status: u16,
    /// Names in lower case, and values; without those that are the connection's rather than the answer's.
    headers: Vec<(String, &'o str)>,
    /// Whether it is the last on its connection.
    closes: bool,
    body: &'o [u8],
}

/// HTTP/2 begins so. hyper closes without a 400 where this comes first, or right after a head that is refused.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static WORLDS: LazyLock<[World; 4]> = LazyLock::new(|| {
    let probes = &["/livez", "/health", "/healthz", "/readyz", "/ready", "/lb"];
    let health = ("HEALTH_PATH", "/lb");
    let steady = ("RETRY_JITTER", "0");
    let cors = ("CORS_ALLOW_ORIGINS", "*");
    [
        World::new(&[("MAINTENANCE_MODE", "true"), health, steady], true, probes),
        World::new(&[("STANDBY", "true"), health, steady, cors, ("LOG_FORMAT", "text")], true, &probes[5..]),
        World::new(&[health], false, probes),
        World::new(&[("TIER", "admin"), health], false, &probes[..5]),
    ]
});

fuzz_target!(|input: &[u8]| {
    for world in &*WORLDS {
        let at_once = world.port.talk(input, usize::MAX);
        let answers = world.check(input, &at_once);
        // At most 33 pieces, however long it is.
        let in_pieces = world.port.talk(input, 1 + input.len() / 32);
        let same = world.check(input, &in_pieces);
        // The connection may end earlier, as a request's body is read only as far as it is there.
        assert!(answers.iter().zip(&same).all(|(one, other)| one == other), "{answers:?}\nand in pieces {same:?}");
    }
});

impl World {
    fn new(environment: &[(&str, &str)], in_maintenance: bool, probes: &'static [&'static str]) -> Self {
        let port = MainPortInMemory::new(environment).expect("settings that are right");
        let home = ["identity", "gzip"].map(|coding| {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n");
            let talk = port.talk(head.as_bytes(), usize::MAX);
            let answers = answers(&talk);
            answers[0].body.to_owned()
        });
        assert!(home.iter().all(|it| it.len() > 1000));
        Self { port, in_maintenance, probes, home }
    }

    /// Checks every answer, and returns them.
    fn check<'t>(&self, input: &[u8], talk: &'t Talk) -> Vec<Answer<'t>> {
        let answers = answers(talk);
        let requests = talk.requests.len();
        assert!(answers.len() == requests || answers.len() == requests + 1, "{requests} requests: {answers:?}");
        for (answer, request) in answers.iter().zip(&talk.requests) {
            self.check_answer(answer, request);
        }
        if let Some(last) = answers.get(requests) {
            assert!(last.is_refusal() && last.body.is_empty(), "{last:?}");
        }
        for answer in answers.iter().rev().skip(1) {
            assert!(!answer.closes, "an answer came after {answer:?}");
        }
        let lower = input.to_ascii_lowercase();
        if !holds(&lower, b"host") && !holds(&lower, b"http/1.0") {
            assert!(answers.iter().all(Answer::is_refusal), "no host, and yet {answers:?}");
        }
        let first = &input[input.iter().position(|it| !b"\r\n".contains(it)).unwrap_or(input.len())..];
        if holds(first, b"\r\n\r\n") && !holds(first, HTTP_2) {
            assert!(!answers.is_empty(), "a whole head without an answer");
        }
        answers
    }

    fn check_answer(&self, answer: &Answer<'_>, request: &Parts) {
        let seen = (answer, request);
        let marked = answer.header("maintenance-mode").is_some();
        if answer.status == 400 {
            assert!(answer.is_refusal() && !is_plain_host(&request.headers), "{seen:?}");
            return;
        }
        assert!(may_be_answered(request), "{seen:?}");
        if request.method == Method::HEAD {
            assert!(answer.body.is_empty(), "{seen:?}");
        }
        let read = request.method == Method::GET || request.method == Method::HEAD;
        if self.probes.contains(&request.uri.path()) {
            let statuses: &[u16] = if read { &[200, 503] } else { &[405] };
            assert!(statuses.contains(&answer.status) && !marked, "{seen:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{seen:?}");
        } else if self.in_maintenance {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{seen:?}");
            match answer.status {
                503 => self.check_page(answer, request),
                // A call, or a health check.
                200 if request.method == Method::POST => {
                    assert_eq!((answer.header("grpc-status"), marked), (Some("14"), true), "{seen:?}");
                    assert!(request.headers.contains_key("content-type") && answer.body.is_empty(), "{seen:?}");
                }
                200 => assert!(read && !marked && request.headers.contains_key("user-agent"), "{seen:?}"),
                _ => {
                    assert_eq!((answer.status, &request.method), (204, &Method::OPTIONS), "{seen:?}");
                    assert!(request.headers.contains_key("access-control-request-method"), "{seen:?}");
                    assert!(answer.header("access-control-allow-origin").is_some(), "{seen:?}");
                }
            }
        } else {
            let statuses: &[u16] = if read { &[200, 304, 404] } else { &[204, 404, 405] };
            assert!(statuses.contains(&answer.status) && !marked, "{seen:?}");
            assert_eq!(answer.header("retry-after"), None, "{seen:?}");
        }
    }
}

impl World {
    /// Checks the page.
    fn check_page(&self, answer: &Answer<'_>, request: &Parts) {
        let seen = (answer, request);
        assert_eq!(answer.header("maintenance-mode"), Some("on"), "{seen:?}");
        assert_eq!(answer.header("retry-after"), Some("300"), "{seen:?}");
        assert!(answer.header("vary").is_some_and(|it| it.starts_with("Accept, Accept-Language, Accept-Encoding")));
        let gzip = answer.header("content-encoding") == Some("gzip");
        assert!(!gzip || request.headers.contains_key("accept-encoding"), "{seen:?}");
        let is_usual = !request.headers.contains_key("accept") && !request.headers.contains_key("accept-language");
        if is_usual {
            assert_eq!(answer.header("content-language"), Some("en"), "{seen:?}");
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{seen:?}");
        }
        // Other methods get the page without the script.
        let page = &self.home[usize::from(gzip)];
        if is_usual && request.method == Method::GET {
            assert!(answer.body == page, "{seen:?}");
        } else if is_usual && request.method == Method::HEAD {
            assert_eq!(answer.header("content-length"), Some(&*page.len().to_string()), "{seen:?}");
        }
    }
}

/// What a client that is strict reads: whole answers, and nothing after them.
fn answers(talk: &Talk) -> Vec<Answer<'_>> {
    let (mut rest, mut answers) = (&talk.output[..], Vec::new());
    while !rest.is_empty() {
        let end = rest.windows(4).position(|it| it == b"\r\n\r\n").expect("the end of a head");
        let head = str::from_utf8(&rest[..end]).expect("a head in ASCII");
        assert!(head.is_ascii(), "{head:?}");
        rest = &rest[end + 4..];
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let version = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
        let status: u16 = version.and_then(|it| it.get(..3)?.parse().ok()).expect("a status");
        assert!(status >= 200, "no answer, but {head:?}");
        let mut answer = Answer { status, headers: Vec::new(), closes: false, body: &[] };
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header");
            assert!(!value.contains(char::is_control), "{line:?}");
            answer.headers.push((name.to_ascii_lowercase(), value));
        }
        let connection = answer.take_header("connection");
        answer.closes =
            if first.starts_with("HTTP/1.1") { connection == Some("close") } else { connection != Some("keep-alive") };
        assert!(answer.take_header("date").is_some(), "{head:?}");
        let method = talk.requests.get(answers.len()).map(|it| &it.method);
        if status == 204 || status == 304 {
            assert_eq!(answer.header("content-length"), None, "{head:?}");
        } else {
            let length: usize = answer.header("content-length").and_then(|it| it.parse().ok()).expect("a length");
            if method != Some(&Method::HEAD) {
                (answer.body, rest) = rest.split_at_checked(length).expect("as long as it says");
            }
        }
        answers.push(answer);
    }
    answers
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

impl<'o> Answer<'o> {
    /// The value of a header that may be there once.
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|it| it.0 == name).map(|it| it.1);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice: {self:?}");
        value
    }

    /// The same, and takes it out.
    fn take_header(&mut self, name: &str) -> Option<&'o str> {
        let at = self.headers.iter().position(|it| it.0 == name)?;
        let (_, value) = self.headers.remove(at);
        assert_eq!(self.header(name), None, "{name} twice: {self:?}");
        Some(value)
    }

    /// Whether it says that there was no request, and ends the connection.
    fn is_refusal(&self) -> bool {
        matches!(self.status, 400 | 431) && self.closes && self.header("maintenance-mode").is_none()
    }
}

/// Equal as answers, whatever becomes of the connection.
impl PartialEq for Answer<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.status, &self.headers, self.body) == (other.status, &other.headers, other.body)
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, closes, body } = self;
        write!(f, "{status} {headers:?}, closes {closes}, a body of {} bytes", body.len())
    }
}

/// Whether a request may be answered by anything but 400: it has one `Host`, in which nothing stands that no host has.
fn may_be_answered(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version == Version::HTTP_10,
        (Some(host), None) => host.iter().all(|it| it.is_ascii_graphic() && !b"@/?#\"\\<>^`{|}".contains(it)),
        (Some(_), Some(_)) => false,
    }
}

/// Whether there is one `Host`, of which nobody can doubt that it is one.
fn is_plain_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let plain = |host: &[u8]| host.iter().all(|it| it.is_ascii_alphanumeric() || *it == b'.');
    matches!((hosts.next(), hosts.next()), (Some(host), None) if plain(host.as_bytes()))
}
