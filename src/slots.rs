//! The connections of one port: how many there may be, what each is doing, and which is closed to make room.
//!
//! A slot is taken before a connection is served and given back when it is dropped. Its state is an atomic,
//! so that a request changes it without a lock; the list of slots is locked when a connection comes or goes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// While every slot is busy, how often to look whether one has become idle.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a connection that was told to close may take before another is told.
const CLOSING: Duration = Duration::from_secs(1);

/// The slots of a port.
#[derive(Debug)]
pub struct Slots {
    permits: Arc<Semaphore>,
    limit: u32,
    open: Mutex<BTreeMap<u64, Arc<State>>>,
    /// Whether every connection is told to close; read and written under the lock of `open`.
    closing: AtomicBool,
    next: AtomicU64,
    gauge: Gauge<i64, AtomicI64>,
    start: Instant,
}

/// One connection's slot.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    number: u64,
    state: Arc<State>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    /// [`WAITING`], [`BUSY`], or since when it is idle, in milliseconds after `start`, counted from 2.
    doing: AtomicU64,
    asked: AtomicBool,
    told_to_close: AtomicBool,
    close: Notify,
}

/// It has sent no byte yet.
const WAITING: u64 = 0;
/// It is sending a request, or being answered.
const BUSY: u64 = 1;

// === impl Slots ===

impl Slots {
    /// At most `limit` connections at once; `gauge` shows how many there are.
    #[must_use]
    pub fn new(limit: usize, gauge: Gauge<i64, AtomicI64>) -> Arc<Self> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(limit as usize)),
            limit,
            open: Mutex::default(),
            closing: AtomicBool::new(false),
            next: AtomicU64::new(0),
            gauge,
            start: Instant::now(),
        })
    }

    /// Takes a slot for a connection. At the limit it makes room: connections that wait for a first byte are
    /// closed first, oldest first, then idle ones; where all are busy, it waits.
    pub async fn take(self: &Arc<Self>) -> Slot {
        let permit = loop {
            if let Ok(permit) = self.permits.clone().try_acquire_owned() {
                break permit;
            }
            let patience = if self.shed() { CLOSING } else { LOOK_AGAIN };
            if let Ok(Ok(permit)) = timeout(patience, self.permits.clone().acquire_owned()).await {
                break permit;
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.lock();
        let state = Arc::new(State {
            doing: AtomicU64::new(WAITING),
            asked: AtomicBool::new(false),
            told_to_close: AtomicBool::new(self.closing.load(Ordering::Relaxed)),
            close: Notify::new(),
        });
        open.insert(number, state.clone());
        drop(open);
        self.gauge.inc();
        Slot { slots: self.clone(), number, state, _permit: permit }
    }

    /// Tells every connection, and each that is yet to come, to close as soon as it owes no answer.
    pub fn close_all(&self) {
        let open = self.lock();
        self.closing.store(true, Ordering::Relaxed);
        open.values().for_each(|state| state.tell_to_close());
    }

    /// Waits until no connection is left.
    pub async fn all_closed(&self) {
        // The semaphore is never closed, so this only ever returns with every permit.
        let _ = self.permits.acquire_many(self.limit).await;
    }

    /// How many connections there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Tells one connection to close. Returns whether there is one that could be told.
    fn shed(&self) -> bool {
        let open = self.lock();
        let candidates = open.values().filter(|it| !it.told_to_close.load(Ordering::Relaxed));
        let doing = |it: &Arc<State>| it.doing.load(Ordering::Relaxed);
        // Numbers rise with age, and of equals `min_by_key` takes the first.
        let chosen = candidates.filter(|it| doing(it) != BUSY).min_by_key(|it| doing(it));
        chosen.inspect(|state| state.tell_to_close()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<State>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Slot ===

impl Slot {
    /// A byte has come, or a request's head.
    pub fn busy(&self) {
        self.state.doing.store(BUSY, Ordering::Relaxed);
    }

    /// An answer has been made; until the next head the connection is idle.
    pub fn answered(&self) {
        let idle_since = u64::try_from(self.slots.start.elapsed().as_millis()).unwrap_or(u64::MAX - 2);
        self.state.doing.store(idle_since + 2, Ordering::Relaxed);
        self.state.asked.store(true, Ordering::Relaxed);
    }

    /// It is ending already: telling it to close would make no room.
    pub fn leaving(&self) {
        self.state.told_to_close.store(true, Ordering::Release);
    }

    /// Whether it has ever been answered.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// Returns once this connection is to close, to make room or because the server ends.
    pub async fn told_to_close(&self) {
        if !self.state.told_to_close.load(Ordering::Acquire) {
            self.state.close.notified().await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().remove(&self.number);
        self.slots.gauge.dec();
    }
}

// === impl State ===

impl State {
    fn tell_to_close(&self) {
        self.told_to_close.store(true, Ordering::Release);
        self.close.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_told(slot: &Slot) -> bool {
        timeout(Duration::ZERO, slot.told_to_close()).await.is_ok()
    }

    #[tokio::test]
    async fn makes_room_by_those_that_wait_then_by_those_that_idle() {
        let slots = Slots::new(4, Gauge::default());
        let [idle, busy, waiting, younger] =
            [slots.take().await, slots.take().await, slots.take().await, slots.take().await];
        idle.busy();
        idle.answered();
        busy.busy();
        let fifth = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take().await }
        });
        waiting.told_to_close().await;
        assert!(!is_told(&younger).await && !is_told(&idle).await && !is_told(&busy).await);
        drop(waiting);
        let fifth = fifth.await.unwrap();
        fifth.busy();
        younger.busy();
        let sixth = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take().await }
        });
        idle.told_to_close().await;
        assert!(!is_told(&younger).await && !is_told(&fifth).await && !is_told(&busy).await);
        drop(idle);
        drop(sixth.await.unwrap());
    }

    #[tokio::test]
    async fn one_that_is_leaving_is_not_waited_for() {
        let slots = Slots::new(2, Gauge::default());
        let (leaving, idle) = (slots.take().await, slots.take().await);
        for slot in [&leaving, &idle] {
            slot.busy();
            slot.answered();
        }
        leaving.leaving();
        assert!(timeout(Duration::ZERO, slots.take()).await.is_err());
        assert!(timeout(Duration::ZERO, idle.state.close.notified()).await.is_ok());
        assert!(timeout(Duration::ZERO, leaving.state.close.notified()).await.is_err());
    }

    #[tokio::test]
    async fn waits_where_all_are_busy() {
        let slots = Slots::new(1, Gauge::default());
        let busy = slots.take().await;
        busy.busy();
        assert!(timeout(LOOK_AGAIN * 3, slots.take()).await.is_err());
        assert!(!is_told(&busy).await);
        drop(busy);
        slots.take().await;
    }

    #[tokio::test]
    async fn all_are_told_to_close_and_counted() {
        let gauge = Gauge::default();
        let slots = Slots::new(3, gauge.clone());
        let (first, second) = (slots.take().await, slots.take().await);
        second.busy();
        slots.close_all();
        assert!(is_told(&first).await && is_told(&second).await);
        let late = slots.take().await;
        assert!(is_told(&late).await);
        assert_eq!((gauge.get(), slots.count()), (3, 3));
        assert!(timeout(LOOK_AGAIN, slots.all_closed()).await.is_err());
        drop((first, second, late));
        slots.all_closed().await;
        assert_eq!((gauge.get(), slots.count()), (0, 0));
    }
}
