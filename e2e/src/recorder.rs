//! Sends requests through the Ingress the whole time and keeps every answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderName};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::cluster::{Failure, Outcome};
use crate::ensure;

/// The least requests a second that a recording must have to prove anything.
const LEAST_RATE: f64 = 200.0;

/// The longest that any answer may take: far above what a busy machine needs, and below a freeze that a user would call
/// one. The rate alone would not show it.
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    User,
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Kept,
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Normal,
    Maintenance,
}

/// Who serves users in normal mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// The demo application, which is ours.
    OfDemo,
    /// An application of its own, which says so by its header.
    OfApplication,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) sent: Instant,
    pub(crate) at: Instant,
    pub(crate) tier: Tier,
    pub(crate) connection: Connection,
    /// Status and whether our marker was there, or the error.
    pub(crate) outcome: Result<(u16, bool), String>,
}

/// What a whole answer was.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Requests that go on until the recorder is dropped.
pub(crate) struct Recorder {
    started: Instant,
    answers: Rc<RefCell<Vec<Answer>>>,
    workers: Vec<JoinHandle<()>>,
    /// Since when each worker has waited for an answer that is not there yet.
    waiting: Vec<Rc<Cell<Option<Instant>>>>,
    /// Of which each must have been answered.
    streams: Vec<(Tier, Connection)>,
}

/// Where one worker sends what, and how often.
#[derive(Clone)]
struct Target {
    ingress: String,
    host: String,
    path: &'static str,
    tier: Tier,
    user: User,
    connection: Connection,
    every: Duration,
}

/// One GET over a connection of its own.
pub(crate) async fn get(ingress: &str, host: &str, path: &str) -> Outcome<Reply> {
    get_with(ingress, host, path, None).await
}

/// The same with one more header.
pub(crate) async fn get_with(
    ingress: &str,
    host: &str,
    path: &str,
    header: Option<(HeaderName, &str)>,
) -> Outcome<Reply> {
    let exchange = async {
        let mut sender = connect(ingress).await?;
        send(&mut sender, host, path, header).await
    };
    timeout(Duration::from_secs(10), exchange)
        .await
        .map_err(|_| "no answer within 10 s".to_owned())
        .flatten()
        .map_err(|error| Failure(format!("GET {host}{path}: {error}")))
}

// === impl Answer ===

impl Answer {
    /// The mode that a user saw, if it was an answer of ours.
    pub(crate) fn mode(&self) -> Option<Mode> {
        match (self.tier, &self.outcome) {
            (Tier::User, Ok((200, false))) => Some(Mode::Normal),
            (Tier::User, Ok((503, true))) => Some(Mode::Maintenance),
            _ => None,
        }
    }

    /// Whether it is one that nobody may ever see: an error, a foreign 503, an admin who is turned away.
    pub(crate) fn is_fault(&self) -> bool {
        match self.tier {
            Tier::User => self.mode().is_none(),
            Tier::Admin => !matches!(self.outcome, Ok((200, false))),
        }
    }
}

// === impl Mode ===

impl Mode {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Normal => Self::Maintenance,
            Self::Maintenance => Self::Normal,
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// 300 requests a second in all, by so many workers that each may wait 100 ms for an answer: so 200 are reached on a
    /// busy machine too. Without an `admin_host` they are all of users.
    pub(crate) fn start(ingress: &str, user_host: &str, admin_host: Option<&str>, user: User) -> Self {
        let answers = Rc::new(RefCell::new(Vec::new()));
        let mut workers = Vec::new();
        let mut waiting = Vec::new();
        let plan = [
            (Tier::User, Connection::Kept, 16, 10),
            (Tier::User, Connection::New, 7, 9),
            (Tier::Admin, Connection::Kept, 5, 9),
            (Tier::Admin, Connection::New, 4, 8),
        ];
        let mut streams = Vec::new();
        for (tier, connection, count, a_second) in plan {
            let (tier, host, path) = match (tier, admin_host) {
                (Tier::Admin, Some(host)) => (Tier::Admin, host, "/admin"),
                _ => (Tier::User, user_host, "/"),
            };
            streams.push((tier, connection));
            let target = Target {
                ingress: ingress.to_owned(),
                host: host.to_owned(),
                path,
                tier,
                user,
                connection,
                every: Duration::from_secs(1) / a_second,
            };
            for _ in 0..count {
                let since = Rc::new(Cell::new(None));
                waiting.push(Rc::clone(&since));
                workers.push(spawn_local(work(target.clone(), Rc::clone(&answers), since)));
            }
        }
        Self { started: Instant::now(), answers, workers, waiting, streams }
    }

    /// How many answers there are.
    pub(crate) fn count(&self) -> usize {
        self.answers.borrow().len()
    }

    /// Every answer to a request that was sent since then.
    pub(crate) fn since(&self, instant: Instant) -> Vec<Answer> {
        self.answers.borrow().iter().filter(|answer| answer.sent >= instant).cloned().collect()
    }

    /// Fails on any fault, on an answer that took too long and on too few requests; else says how many there were.
    pub(crate) fn finish(self) -> Outcome<String> {
        let seconds = self.started.elapsed().as_secs_f64();
        let answers = self.since(self.started);
        no_fault(&answers)?;
        let open = self.waiting.iter().filter_map(|since| since.get()).map(|since| since.elapsed());
        let slowest = slowest(&answers, open)?.as_secs_f64();
        for &(tier, connection) in &self.streams {
            ensure!(
                answers.iter().any(|answer| answer.tier == tier && answer.connection == connection),
                "the recorder has no answer for {tier:?} over {connection:?} connections"
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand at most")]
        let rate = answers.len() as f64 / seconds;
        ensure!(
            rate >= LEAST_RATE,
            "the recorder had {rate:.0} answers a second: under {LEAST_RATE} it proves nothing"
        );
        Ok(format!("{} answers, {rate:.0}/s, no fault, the slowest after {slowest:.2} s", answers.len()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.abort();
        }
    }
}

/// Fails if any answer is a fault, and tells the first five.
pub(crate) fn no_fault(answers: &[Answer]) -> Outcome<()> {
    let faults = answers.iter().filter(|answer| answer.is_fault()).collect::<Vec<_>>();
    let Some(first) = faults.first() else { return Ok(()) };
    let told = faults
        .iter()
        .take(5)
        .map(|fault| {
            format!(
                "{:?} {:?} {:?} (+{:.2} s)",
                fault.tier,
                fault.connection,
                fault.outcome,
                (fault.sent - first.sent).as_secs_f64()
            )
        })
        .collect::<Vec<_>>();
    Err(Failure(format!("{} of {} requests went wrong: {}", faults.len(), answers.len(), told.join("; "))))
}

/// How long the slowest answer took, or one of the requests that are still `open` has waited; too long is a failure.
fn slowest(answers: &[Answer], open: impl Iterator<Item = Duration>) -> Outcome<Duration> {
    let slowest = answers.iter().map(|answer| answer.at - answer.sent).chain(open).max().unwrap_or_default();
    ensure!(
        slowest <= LONGEST,
        "an answer took {:.1} s: over {} s users call it frozen",
        slowest.as_secs_f64(),
        LONGEST.as_secs()
    );
    Ok(slowest)
}

async fn work(target: Target, answers: Rc<RefCell<Vec<Answer>>>, waiting: Rc<Cell<Option<Instant>>>) {
    let mut ticks = interval(target.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut kept: Option<SendRequest<Empty<Bytes>>> = None;
    loop {
        ticks.tick().await;
        let sent = Instant::now();
        waiting.set(Some(sent));
        let exchange = async {
            let mut sender = match kept.take() {
                Some(sender) if !sender.is_closed() => sender,
                _ => connect(&target.ingress).await?,
            };
            let reply = send(&mut sender, &target.host, target.path, None).await?;
            if target.connection == Connection::Kept && sender.ready().await.is_ok() {
                kept = Some(sender);
            }
            // Whoever else answers 200 is not who should.
            let foreign = target.user == User::OfApplication && !reply.headers.contains_key("application");
            if reply.status == 200 && foreign {
                Err("200, but not the application's".to_owned())
            } else {
                Ok((reply.status, has_marker(&reply.headers)))
            }
        };
        let outcome = timeout(Duration::from_secs(10), exchange)
            .await
            .unwrap_or_else(|_| Err("no answer within 10 s".to_owned()));
        waiting.set(None);
        answers.borrow_mut().push(Answer {
            sent,
            at: Instant::now(),
            tier: target.tier,
            connection: target.connection,
            outcome,
        });
    }
}

async fn connect(ingress: &str) -> Result<SendRequest<Empty<Bytes>>, String> {
    let stream = TcpStream::connect(ingress).await.map_err(|error| format!("connect: {error}"))?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("handshake: {error}"))?;
    // Its errors are the request's errors, which the sender has too.
    spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

async fn send(
    sender: &mut SendRequest<Empty<Bytes>>,
    host: &str,
    path: &str,
    header: Option<(HeaderName, &str)>,
) -> Result<Reply, String> {
    let mut request = Request::get(path).header(HOST, host);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Empty::new()).map_err(|error| format!("request: {error}"))?;
    let response = sender.send_request(request).await.map_err(|error| format!("request: {error}"))?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| format!("body: {error}"))?.to_bytes();
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn has_marker(headers: &HeaderMap) -> bool {
    headers.get("maintenance-mode").is_some_and(|value| value == "on")
}

// === impl Reply ===

impl Reply {
    pub(crate) fn has_marker(&self) -> bool {
        has_marker(&self.headers)
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        match (self.status, self.has_marker()) {
            (200, false) => Some(Mode::Normal),
            (503, true) => Some(Mode::Maintenance),
            _ => None,
        }
    }
}

/// When a switch was seen by users, in seconds since the command.
#[derive(Debug, PartialEq)]
pub(crate) struct Switch {
    /// The first answer of the new mode.
    pub(crate) first: f64,
    /// The last answer of the old mode; before the first of the new where the switch was clean.
    pub(crate) last: f64,
    pub(crate) old: usize,
    pub(crate) new: usize,
    /// Those of the old mode to requests that were sent after the command had returned.
    pub(crate) stale: usize,
    /// When the last of those came, in seconds since the command returned; 0 where there is none.
    pub(crate) stale_for: f64,
}

/// Judges a switch to `new`: no fault, and no old answer a second after it `settled`, which is when and what that was.
pub(crate) fn judge(
    answers: &[Answer],
    new: Mode,
    command: Instant,
    settled: (Instant, &str),
    returned: Instant,
) -> Outcome<Switch> {
    no_fault(answers)?;
    let of = |mode: Mode| answers.iter().filter(move |answer| answer.mode() == Some(mode));
    let first = of(new).map(|answer| answer.at).min();
    let first = first.ok_or_else(|| Failure(format!("no user saw the mode {new:?}")))?;
    let last = of(new.other()).map(|answer| answer.at).max().unwrap_or(command);
    let (settled, what) = settled;
    let late = last.saturating_duration_since(settled);
    ensure!(
        late <= Duration::from_secs(1),
        "an answer of the old mode came {:.2} s after {what}: a second is allowed",
        late.as_secs_f64()
    );
    let stale = of(new.other()).filter(|answer| answer.sent > returned).map(|answer| answer.at).collect::<Vec<_>>();
    Ok(Switch {
        first: (first - command).as_secs_f64(),
        last: last.saturating_duration_since(command).as_secs_f64(),
        old: of(new.other()).count(),
        new: of(new).count(),
        stale: stale.len(),
        stale_for: stale.into_iter().max().map_or(0.0, |at| (at - returned).as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(start: Instant, milliseconds: u64, tier: Tier, outcome: Result<(u16, bool), String>) -> Answer {
        let at = start + Duration::from_millis(milliseconds);
        Answer { sent: at, at, tier, connection: Connection::Kept, outcome }
    }

    fn judged(answers: &[(u64, u16, bool)], settled: u64, returned: u64) -> Outcome<Switch> {
        let start = Instant::now();
        let answers = answers.iter().map(|&(at, status, marker)| answer(start, at, Tier::User, Ok((status, marker))));
        judge(
            &answers.collect::<Vec<_>>(),
            Mode::Maintenance,
            start,
            (start + Duration::from_millis(settled), "it was done"),
            start + Duration::from_millis(returned),
        )
    }

    #[test]
    fn a_clean_switch_has_its_figures() {
        let switch = judged(&[(500, 200, false), (2000, 503, true), (2500, 200, false)], 2000, 3000).unwrap();
        assert_eq!(switch, Switch { first: 2.0, last: 2.5, old: 2, new: 1, stale: 0, stale_for: 0.0 });
    }

    #[test]
    fn an_old_answer_a_second_after_the_change_is_refused() {
        assert!(judged(&[(2000, 503, true), (3001, 200, false)], 2000, 9000).is_err());
    }

    #[test]
    fn an_old_answer_after_the_command_is_counted() {
        let switch = judged(&[(2000, 503, true), (3000, 200, false)], 2500, 2500).unwrap();
        assert_eq!((switch.stale, switch.stale_for), (1, 0.5));
    }

    #[test]
    fn a_switch_that_nobody_saw_is_refused() {
        assert!(judged(&[(500, 200, false)], 2000, 3000).is_err());
    }

    #[test]
    fn a_freeze_is_refused_though_it_is_no_fault() {
        let start = Instant::now();
        let mut frozen = answer(start, 6000, Tier::User, Ok((200, false)));
        assert_eq!(slowest(&[frozen.clone()], [].into_iter()).unwrap(), Duration::ZERO);
        assert!(slowest(&[frozen.clone()], [Duration::from_secs(6)].into_iter()).is_err());
        frozen.sent = start;
        assert!(slowest(&[frozen], [].into_iter()).is_err());
    }

    #[test]
    fn a_503_without_the_marker_is_a_fault() {
        assert!(judged(&[(500, 503, false), (2000, 503, true)], 2000, 3000).is_err());
    }

    #[test]
    fn admins_are_served_or_it_is_a_fault() {
        let start = Instant::now();
        assert!(!answer(start, 0, Tier::Admin, Ok((200, false))).is_fault());
        assert!(answer(start, 0, Tier::Admin, Ok((503, true))).is_fault());
        assert!(answer(start, 0, Tier::User, Err("reset".to_owned())).is_fault());
        assert!(no_fault(&[answer(start, 0, Tier::User, Ok((404, false)))]).is_err());
    }
}
