//! Honest clients, who ask while others attack, on a thread of their own, and measure how long their answers take.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Outcome;
use crate::client::{Answer, Client, within};

/// Longer than anyone waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who asks what, and how often.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) address: SocketAddr,
    pub(crate) request: &'static [u8],
    /// The status and, where it is known, the body of every answer.
    pub(crate) status: u16,
    pub(crate) body: Option<Vec<u8>>,
    /// Clients that keep their connection.
    pub(crate) kept: usize,
    /// Clients that connect for each request.
    pub(crate) new: usize,
    /// Between an answer and the next request.
    pub(crate) pause: Duration,
}

/// Clients that ask until they are stopped.
pub(crate) struct Honest {
    thread: JoinHandle<io::Result<Measured>>,
    over: Arc<AtomicBool>,
}

/// What they saw.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How long each whole and right answer took, shortest first.
    times: Vec<Duration>,
    /// Why the others had none.
    pub(crate) unanswered: Vec<String>,
}

// === impl Honest ===

impl Honest {
    pub(crate) fn start(asking: Asking) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(asking.until(&stop)))
        });
        Self { thread, over }
    }

    /// Stops them, after the answers that they are waiting for.
    ///
    /// # Errors
    /// Their thread could not be.
    pub(crate) async fn stop(self) -> Outcome<Measured> {
        self.over.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        Ok(joined.map_err(|_| "the honest clients panicked")??)
    }
}

// === impl Asking ===

impl Asking {
    async fn until(self, over: &Arc<AtomicBool>) -> Measured {
        let mut clients = JoinSet::new();
        for number in 0..self.kept + self.new {
            let (asking, over) = (self.clone(), over.clone());
            clients.spawn(async move { asking.client(number < asking.kept, &over).await });
        }
        let mut all = Measured::default();
        for one in clients.join_all().await {
            all.times.extend(one.times);
            all.unanswered.extend(one.unanswered);
        }
        all.times.sort();
        all
    }

    async fn client(&self, keeps: bool, over: &AtomicBool) -> Measured {
        let mut measured = Measured::default();
        let mut kept = None;
        while !over.load(Ordering::Relaxed) {
            let start = Instant::now();
            match within(PATIENCE, self.once(&mut kept)).await {
                Ok(answer)
                    if answer.status != self.status || self.body.as_ref().is_some_and(|it| *it != answer.body) =>
                {
                    measured.unanswered.push(format!("a wrong answer, {}", answer.status));
                }
                Ok(answer) => {
                    measured.times.push(start.elapsed());
                    if !keeps || answer.closes {
                        kept = None;
                    }
                }
                Err(error) => {
                    measured.unanswered.push(error.kind().to_string());
                    kept = None;
                }
            }
            sleep(self.pause).await;
        }
        measured
    }

    /// A connection that has idled may be closed at any moment: as every client does, it is asked once more on a new one.
    async fn once(&self, kept: &mut Option<Client>) -> io::Result<Answer> {
        if let Some(client) = kept {
            match client.ask(self.request).await {
                Err(error) if error.kind() != ErrorKind::UnexpectedEof => {}
                other => return other,
            }
        }
        kept.insert(Client::to(self.address).await?).ask(self.request).await
    }
}

// === impl Measured ===

impl Measured {
    pub(crate) fn asked(&self) -> usize {
        self.times.len() + self.unanswered.len()
    }

    /// The time within which so many of a thousand were answered; who was not has waited for ever.
    pub(crate) fn permille(&self, permille: usize) -> Duration {
        let at = self.asked().saturating_sub(1) * permille / 1000;
        self.times.get(at).copied().unwrap_or(Duration::MAX)
    }

    pub(crate) fn answered_within(&self, time: Duration) -> usize {
        self.times.partition_point(|it| *it <= time)
    }

    pub(crate) fn slowest(&self) -> Duration {
        self.permille(1000)
    }
}

/// A time in milliseconds, as a report shows it.
pub(crate) fn ms(time: Duration) -> String {
    if time == Duration::MAX { "no answer".into() } else { format!("{:.1} ms", time.as_secs_f64() * 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_an_answer_is_the_slowest() {
        let times = (1..=98).map(Duration::from_millis).collect();
        let measured = Measured { times, unanswered: vec!["timed out".into(), "timed out".into()] };
        assert_eq!(measured.permille(500), Duration::from_millis(50));
        assert_eq!(measured.permille(990), Duration::MAX);
        assert_eq!(measured.answered_within(Duration::from_millis(10)), 10);
    }
}
