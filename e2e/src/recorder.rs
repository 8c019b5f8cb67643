//! Sends requests through the Ingress the whole time and keeps every answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::answer::{Answer, Connection, Tier};
use crate::http::{Sender, connect, send};
use crate::judge;

/// How many requests a second are sent, by all workers together. An answer that takes longer delays the next request of its
/// worker.
pub(crate) const RATE: u32 = 100;

/// A recording with fewer answers than this part of its rate proves nothing.
const LEAST: f64 = 1.0 / 3.0;

/// Who serves users in normal mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// The demo application, which is ours.
    ByDemo,
    /// An application of its own, which says so by its header.
    ByApplication,
}

/// Requests that go on until the recorder is dropped.
pub(crate) struct Recorder {
    started: Instant,
    /// Requests a second.
    rate: u32,
    answers: Rc<RefCell<Vec<Answer>>>,
    workers: Vec<JoinHandle<()>>,
    /// Since when each worker has waited for an answer that is not there yet.
    waiting: Vec<Rc<Cell<Option<Instant>>>>,
    /// Each tier over each kind of connection: all of them must have answers.
    streams: Vec<(Tier, Connection)>,
}

/// Where one worker sends what.
struct Target {
    ingress: String,
    host: String,
    path: &'static str,
    tier: Tier,
    served: Served,
    connection: Connection,
    every: Duration,
}

// === impl Recorder ===

impl Recorder {
    /// `rate` requests a second in all, of users at each of these hosts and of admins; without an `admin_host` they are all
    /// of users.
    pub(crate) fn start(
        ingress: &str,
        user_hosts: &[String],
        admin_host: Option<&str>,
        served: Served,
        rate: u32,
    ) -> Self {
        let answers = Rc::new(RefCell::new(Vec::new()));
        let mut workers = Vec::new();
        let mut waiting = Vec::new();
        let plan = [
            (Tier::User, Connection::Kept, 8),
            (Tier::User, Connection::New, 6),
            (Tier::Admin, Connection::Kept, 3),
            (Tier::Admin, Connection::New, 3),
        ];
        let every = Duration::from_secs(1) * plan.iter().map(|&(.., count)| count).sum() / rate;
        let mut streams = Vec::new();
        for (tier, connection, count) in plan {
            let (tier, hosts, path) = match (tier, admin_host) {
                (Tier::Admin, Some(host)) => (Tier::Admin, vec![host.to_owned()], "/admin"),
                _ => (Tier::User, user_hosts.to_vec(), "/"),
            };
            streams.push((tier, connection));
            for host in hosts.iter().cycle().take(count as usize) {
                let (ingress, host) = (ingress.to_owned(), host.clone());
                let target = Target { ingress, host, path, tier, served, connection, every };
                let since = Rc::new(Cell::new(None));
                waiting.push(Rc::clone(&since));
                workers.push(spawn_local(work(target, Rc::clone(&answers), since)));
            }
        }
        Self { started: Instant::now(), rate, answers, workers, waiting, streams }
    }

    /// Every answer so far.
    pub(crate) fn answers(&self) -> Vec<Answer> {
        self.answers.borrow().clone()
    }

    /// Every answer to a request that was sent since then.
    pub(crate) fn since(&self, instant: Instant) -> Vec<Answer> {
        self.answers.borrow().iter().filter(|answer| answer.sent >= instant).cloned().collect()
    }

    /// Fails on any fault, on an answer that took too long and on too few requests; else says how many there were.
    pub(crate) fn finish(self) -> Result<String> {
        let seconds = self.started.elapsed().as_secs_f64();
        let answers = self.answers();
        judge::no_fault(&answers)?;
        let open = self.waiting.iter().filter_map(|since| since.get()).map(|since| since.elapsed());
        let slowest = judge::slowest(&answers, open)?.as_secs_f64();
        for &(tier, connection) in &self.streams {
            ensure!(
                answers.iter().any(|answer| answer.tier == tier && answer.connection == connection),
                "the recorder has no answer for {tier:?} over {connection:?} connections"
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand at most")]
        let rate = answers.len() as f64 / seconds;
        let least = f64::from(self.rate) * LEAST;
        ensure!(rate >= least, "the recorder had {rate:.0} answers a second: under {least:.0} it proves nothing");
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

async fn work(target: Target, answers: Rc<RefCell<Vec<Answer>>>, waiting: Rc<Cell<Option<Instant>>>) {
    let mut ticks = interval(target.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut kept = None;
    loop {
        ticks.tick().await;
        let sent = Instant::now();
        waiting.set(Some(sent));
        let exchange = async {
            let mut sender = match kept.take() {
                Some(sender) if !Sender::is_closed(&sender) => sender,
                _ => connect(&target.ingress).await?,
            };
            let reply = send(&mut sender, &target.host, target.path, None).await?;
            if target.connection == Connection::Kept && sender.ready().await.is_ok() {
                kept = Some(sender);
            }
            // Whoever else answers 200 is not who should.
            let foreign = target.served == Served::ByApplication && reply.application().is_none();
            ensure!(reply.status != 200 || !foreign, "200, but not the application's");
            Ok((reply.status, reply.has_marker()))
        };
        let outcome = match timeout(Duration::from_secs(10), exchange).await {
            Ok(outcome) => outcome.map_err(|why| format!("{why:#}")),
            Err(_) => Err("no answer within 10 s".to_owned()),
        };
        waiting.set(None);
        let (tier, connection) = (target.tier, target.connection);
        answers.borrow_mut().push(Answer { sent, at: Instant::now(), tier, connection, outcome });
    }
}
