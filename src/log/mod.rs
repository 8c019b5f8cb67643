//! Logs: the access log on stdout, of the main port alone, and events on stderr, one line each.
//!
//! Lines go through a bounded queue to one writer thread, so that a slow or closed pipe never blocks or
//! panics a request: what does not fit, or cannot be written, is lost and counted.

mod line;

use std::{
    fmt,
    io::{self, Write},
    sync::mpsc as std_mpsc,
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

pub use self::line::Access;
pub(crate) use self::line::push_escaped;
use crate::settings::LogFormat;

/// Lines that may wait for the writer.
const QUEUE: usize = 4096;
/// Lines that are written at once.
const BATCH: usize = QUEUE / 2;
/// How long the writer sleeps after each batch, so that a busy server wakes it 200 times a second, not for each line.
const GATHERING: Duration = Duration::from_millis(5);
/// How often to try to hand in the end of a queue that is full.
const TRY_AGAIN: Duration = Duration::from_millis(10);

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
    /// Nothing is wrong.
    Info,
    /// Something is not as it was configured.
    Warn,
    /// Something failed.
    Error,
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
        let write = if self.format == LogFormat::Json { line::event_json } else { line::event_text };
        let line = write(Timestamp::now(), level, message);
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
    /// Waits until what was handed in so far is out, for `limit` at most, and ends the thread.
    pub fn finish(self, limit: Duration) {
        let deadline = Instant::now() + limit;
        // A full queue may yet get moving.
        while self.lines.try_send(Line::Last).is_err() && Instant::now() < deadline {
            thread::sleep(TRY_AGAIN);
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
        thread::sleep(GATHERING);
    }
}

/// Writes the lines out; returns how many are lost because they could not be.
fn write_batch(out: &mut impl Write, lines: &[String]) -> u64 {
    match out.write_all(lines.concat().as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(_) => lines.len() as u64,
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

/// Where a test reads what was logged.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Sink {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, Method, Version};

    use super::*;
    use crate::settings::Tier;

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

    fn write_access(log: &Log) {
        let headers = HeaderMap::new();
        log.access(&Access {
            time: Timestamp::UNIX_EPOCH,
            tier: Tier::User,
            peer: IpAddr::from([192, 0, 2, 7]),
            forwarded_for: headers.get_all("x-forwarded-for"),
            method: &Method::GET,
            path: "/",
            version: Version::HTTP_11,
            status: 503,
            bytes: 12,
            duration: Duration::ZERO,
            user_agent: None,
        });
    }

    #[test]
    fn a_full_queue_loses_lines_and_counts_them() {
        let lost = Counter::default();
        let (release, stuck) = std_mpsc::channel();
        let (log, _writer) = Log::start(LogFormat::Text, lost.clone(), Stuck(stuck), io::sink()).unwrap();
        for _ in 0..QUEUE + BATCH + 10 {
            write_access(&log);
        }
        assert!(lost.get() >= 10, "{}", lost.get());
        drop(release);
    }

    #[test]
    fn a_closed_pipe_loses_lines_and_counts_them() {
        let lost = Counter::default();
        let sink = Sink::default();
        let (log, writer) = Log::start(LogFormat::Text, lost.clone(), Closed, sink.clone()).unwrap();
        write_access(&log);
        log.event(Level::Warn, "one\ntwo");
        writer.finish(Duration::from_secs(1));
        assert_eq!(lost.get(), 1);
        let text = sink.text();
        assert!(text.ends_with("Z warn one\\u000atwo\n"), "{text}");
    }
}
