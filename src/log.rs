//! Logs: the access log on stdout, of the users' port alone, and events on stderr, one line each.
//!
//! Lines go through a bounded queue to one writer thread, so that a slow or closed pipe never blocks or
//! panics a request: what does not fit, or cannot be written, is lost and counted.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
    net::IpAddr,
    sync::mpsc as std_mpsc,
    thread,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use crate::settings::{LogFormat, Tier};

/// Lines that may wait for the writer.
const QUEUE: usize = 4096;
/// Lines that are written before a flush.
const BATCH: usize = 256;
/// As much as a line repeats of a client's own words, in bytes.
const PATH_SHOWN: usize = 1024;
const HEADER_SHOWN: usize = 256;
/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where lines are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    format: LogFormat,
    lines: mpsc::Sender<Line>,
    lost: Counter,
}

/// The writer thread, to be waited for at the end.
#[derive(Debug)]
pub struct Writer {
    lines: mpsc::Sender<Line>,
    done: std_mpsc::Receiver<()>,
}

#[derive(Debug)]
enum Line {
    Access(String),
    Event(String),
    /// Nothing comes after it.
    Last,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All is well.
    Info,
    /// Something is not as it was meant.
    Warn,
    /// Something did not work.
    Error,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Access<'r> {
    /// When its head had been read.
    pub time: Timestamp,
    /// Whom the server is for.
    pub tier: Tier,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// `X-Forwarded-For`, as the client claims it.
    pub forwarded_for: Option<&'r HeaderValue>,
    /// The method.
    pub method: &'r Method,
    /// The path, without its query.
    pub path: &'r str,
    /// The status.
    pub status: u16,
    /// The body's bytes.
    pub bytes: u64,
    /// From the head to the answer, before it is sent.
    pub duration: Duration,
    /// `User-Agent`.
    pub user_agent: Option<&'r HeaderValue>,
}

// === impl Log ===

impl Log {
    /// Starts the writer thread. `lost` counts the lines that are lost.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        format: LogFormat,
        lost: Counter,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> io::Result<(Self, Writer)> {
        let (lines, queue) = mpsc::channel(QUEUE);
        let (finished, done) = std_mpsc::channel::<()>();
        let counter = lost.clone();
        thread::Builder::new().name("log".into()).spawn(move || {
            write_all(queue, &counter, out, err);
            drop(finished);
        })?;
        Ok((Self { format, lines: lines.clone(), lost }, Writer { lines, done }))
    }

    /// Whether requests are logged.
    #[must_use]
    pub fn has_access(&self) -> bool {
        self.format != LogFormat::Off
    }

    /// One line about a request.
    pub fn access(&self, access: &Access<'_>) {
        let line = match self.format {
            LogFormat::Json => access.json(),
            LogFormat::Text => access.text(),
            LogFormat::Off => return,
        };
        self.send(Line::Access(line));
    }

    /// One line about the server itself.
    pub fn event(&self, level: Level, message: &str) {
        let time = Timestamp::now();
        let line = if self.format == LogFormat::Json {
            format!("{{\"time\":\"{time:.3}\",\"level\":\"{level}\",\"message\":\"{}\"}}\n", Escaped(message))
        } else {
            format!("{time:.3} {level} {}\n", Escaped(message))
        };
        self.send(Line::Event(line));
    }

    fn send(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.lost.inc();
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Waits until what was handed in so far is out, for a second at most, and ends the thread.
    pub fn finish(self) {
        let deadline = Instant::now() + LAST_LINES;
        // A full queue may yet get moving.
        while self.lines.try_send(Line::Last).is_err() && Instant::now() < deadline {
            thread::sleep(LAST_LINES / 100);
        }
        // An error says that the thread has ended, which is what is waited for.
        let _ = self.done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn write_all(mut queue: mpsc::Receiver<Line>, lost: &Counter, mut out: impl Write, mut err: impl Write) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut ended = false;
    while !ended && queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let (mut access, mut events) = (Vec::new(), Vec::new());
        for line in batch.drain(..) {
            match line {
                Line::Access(text) => access.push(text),
                Line::Event(text) => events.push(text),
                Line::Last => ended = true,
            }
        }
        lost.inc_by(write_batch(&mut err, &events));
        lost.inc_by(write_batch(&mut out, &access));
    }
}

/// Writes the lines out; returns how many are lost because they could not be.
fn write_batch(out: &mut impl Write, lines: &[String]) -> u64 {
    match out.write_all(lines.concat().as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(_) => lines.len() as u64,
    }
}

// === impl Access ===

impl Access<'_> {
    fn json(&self) -> String {
        let mut line = String::with_capacity(384);
        // Writing to a String cannot fail.
        let _ = write!(line, "{{\"time\":\"{:.3}\",\"tier\":\"{}\",\"peer\":\"{}\"", self.time, self.tier, self.peer);
        if let Some(claim) = self.forwarded_for {
            let _ = write!(line, ",\"forwarded_for\":\"{}\"", Escaped(&shown(claim)));
        }
        let _ = write!(
            line,
            ",\"method\":\"{}\",\"path\":\"{}\",\"status\":{},\"bytes\":{},\"duration_seconds\":{:.6}",
            Escaped(cut(self.method.as_str(), HEADER_SHOWN)),
            Escaped(cut(self.path, PATH_SHOWN)),
            self.status,
            self.bytes,
            self.duration.as_secs_f64()
        );
        if let Some(agent) = self.user_agent {
            let _ = write!(line, ",\"user_agent\":\"{}\"", Escaped(&shown(agent)));
        }
        line.push_str("}\n");
        line
    }

    fn text(&self) -> String {
        let header = |value: Option<&HeaderValue>| value.map_or_else(|| "-".into(), shown);
        format!(
            "{:.3} {} {} \"{}\" \"{} {}\" {} {} {:.6} \"{}\"\n",
            self.time,
            self.tier,
            self.peer,
            Escaped(&header(self.forwarded_for)),
            Escaped(cut(self.method.as_str(), HEADER_SHOWN)),
            Escaped(cut(self.path, PATH_SHOWN)),
            self.status,
            self.bytes,
            self.duration.as_secs_f64(),
            Escaped(&header(self.user_agent))
        )
    }
}

fn shown(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    cut(&String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER_SHOWN)]), HEADER_SHOWN).to_owned()
}

/// At most `most` bytes of a text, whole characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// A text as JSON writes it between quotes; control characters of every kind are escaped.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|it: char| it.is_control() || matches!(it, '"' | '\\' | '\u{2028}' | '\u{2029}'))
        {
            f.write_str(&rest[..at])?;
            let character = rest[at..].chars().next().unwrap_or_default();
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                _ => write!(f, "\\u{:04x}", u32::from(character))?,
            }
            rest = &rest[at + character.len_utf8()..];
        }
        f.write_str(rest)
    }
}

// === impl Level ===

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe that nobody reads: the first write never returns.
    struct Stuck(std_mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn access<'r>(path: &'r str, agent: Option<&'r HeaderValue>) -> Access<'r> {
        Access {
            time: Timestamp::UNIX_EPOCH,
            tier: Tier::User,
            peer: IpAddr::from([192, 0, 2, 7]),
            forwarded_for: None,
            method: &Method::GET,
            path,
            status: 503,
            bytes: 12,
            duration: Duration::from_micros(25),
            user_agent: agent,
        }
    }

    #[test]
    fn a_request_is_one_line_of_json() {
        let sink = Sink::default();
        let (log, writer) = Log::start(LogFormat::Json, Counter::default(), sink.clone(), io::sink()).unwrap();
        let agent = HeaderValue::from_bytes(b"a\"b\\c\td\xff").unwrap();
        log.access(&access("/a\u{7f}\u{2028}b", Some(&agent)));
        writer.finish();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"tier\":\"user\",\"peer\":\"192.0.2.7\",\"method\":\"GET\",\
             \"path\":\"/a\\u007f\\u2028b\",\"status\":503,\"bytes\":12,\"duration_seconds\":0.000025,\
             \"user_agent\":\"a\\\"b\\\\c\\u0009d\u{fffd}\"}\n"
        );
    }

    #[test]
    fn what_a_client_says_is_cut() {
        let agent = HeaderValue::from_bytes(&[b'x'; 9000]).unwrap();
        let path = "/é".repeat(4000);
        let line = access(&path, Some(&agent)).json();
        assert!(line.contains(&format!("\"{}\"", "x".repeat(256))), "{line}");
        assert!(line.len() < 1024 + 256 + 300, "{}", line.len());
        assert!(access(&path, Some(&agent)).text().len() < 1024 + 256 + 300);
    }

    #[test]
    fn a_full_queue_loses_lines_and_counts_them() {
        let lost = Counter::default();
        let (release, stuck) = std_mpsc::channel();
        let (log, _writer) = Log::start(LogFormat::Text, lost.clone(), Stuck(stuck), io::sink()).unwrap();
        for _ in 0..QUEUE + BATCH + 10 {
            log.access(&access("/", None));
        }
        assert!(lost.get() >= 10, "{}", lost.get());
        drop(release);
    }

    #[test]
    fn a_closed_pipe_loses_lines_and_counts_them() {
        let lost = Counter::default();
        let sink = Sink::default();
        let (log, writer) = Log::start(LogFormat::Text, lost.clone(), Closed, sink.clone()).unwrap();
        log.access(&access("/", None));
        log.event(Level::Warn, "one\ntwo");
        writer.finish();
        assert_eq!(lost.get(), 1);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with("Z warn one\\u000atwo\n"), "{text}");
    }
}
