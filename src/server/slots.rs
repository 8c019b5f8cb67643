//! The connections of one port: how many there may be, what each is doing, and which one goes when room is needed.
//!
//! A slot is taken before a connection is served and given back when it is dropped. What a connection is doing is an
//! atomic, so that a request changes it without a lock; the list is locked when a connection comes or goes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::metrics::Connections;

/// While every connection is being answered, how often to look whether one is not any more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A connection that was never answered is young for this long; output may wait this long for its client; and one
/// that was told to close may take this long. In milliseconds.
const PATIENCE: u64 = 1000;

/// Bytes of a head that nobody else pays for.
pub(crate) const SMALL_HEAD: usize = 8 * 1024;

/// What all unfinished heads of a port may hold together, beyond [`SMALL_HEAD`] each. In bytes.
const UNFINISHED_HEADS: usize = 16 * 1024 * 1024;

/// So many connections may keep their buffers for a while when they idle; others give theirs back at once.
const WARM: usize = 64;

/// The slots of a port.
#[derive(Debug)]
pub(crate) struct Slots {
    permits: Arc<Semaphore>,
    open: Mutex<BTreeMap<u64, Arc<State>>>,
    /// Whether a connection closes as soon as it idles.
    draining: AtomicBool,
    /// What unfinished heads hold beyond [`SMALL_HEAD`] each.
    unfinished: AtomicUsize,
    /// How many connections hold buffers.
    warm: AtomicUsize,
    next: AtomicU64,
    metrics: Connections,
    start: Instant,
}

/// One connection's slot.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    state: Arc<State>,
    /// Bytes that have come of the head that is being read.
    head: AtomicUsize,
    /// Its share of `Slots::unfinished`. hyper's buffer stays as large as a head has made it, so that an answer alone gives
    /// nothing back.
    share: AtomicUsize,
    _permit: OwnedSemaphorePermit,
}

/// A connection that holds buffers.
#[derive(Debug)]
pub(crate) struct Warm<'s>(&'s Slots);

/// What the list knows of a connection.
#[derive(Debug)]
pub(crate) struct State {
    /// A [`Doing`] in the lowest three bits; above them since when, in milliseconds after `Slots::start`.
    doing: AtomicU64,
    /// When it was told to close to make room; 0: not yet.
    told_at: AtomicU64,
    close: CancellationToken,
    task: OnceLock<AbortHandle>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It was never answered: since it was accepted.
    New,
    /// It has its answers: since the last one.
    Idle,
    /// The same, but a part of the next head has come: since the last answer, too.
    Asking,
    /// The client does not take what it was answered: since it last took some.
    Stalled,
    /// It has its last answer, and what still comes is thrown away: since then.
    Leaving,
}

// === impl Slots ===

impl Slots {
    /// At most `limit` connections at once; `metrics` tell of them.
    pub(crate) fn new(limit: usize, metrics: Connections) -> Arc<Self> {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        metrics.limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(limit)),
            open: Mutex::default(),
            draining: AtomicBool::new(false),
            unfinished: AtomicUsize::new(0),
            warm: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            metrics,
            start: Instant::now(),
        })
    }

    /// Takes a slot for a connection. At the limit it makes room; where every connection is being answered, it waits.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        let permit = loop {
            if let Ok(permit) = self.permits.clone().try_acquire_owned() {
                break permit;
            }
            let patience = if self.make_room() { Duration::from_millis(PATIENCE) } else { LOOK_AGAIN };
            if let Ok(Ok(permit)) = timeout(patience, self.permits.clone().acquire_owned()).await {
                break permit;
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State {
            doing: AtomicU64::new(Doing::New.since(self.now())),
            told_at: AtomicU64::new(0),
            close: CancellationToken::new(),
            task: OnceLock::new(),
        });
        self.lock().insert(number, state.clone());
        self.metrics.open.inc();
        Slot {
            slots: self.clone(),
            number,
            state,
            head: AtomicUsize::new(0),
            share: AtomicUsize::new(0),
            _permit: permit,
        }
    }

    /// Tells every connection that has its answers to close, and each other one to do so once it has.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.lock().values().filter(|it| it.doing().0 == Doing::Idle).for_each(|it| it.close.cancel());
    }

    /// Drops each connection that was told to close and has not, and tells one more. Returns whether there is one.
    fn make_room(&self) -> bool {
        let now = self.now();
        let open = self.lock();
        let (told, others): (Vec<_>, Vec<_>) = open.values().partition(|it| it.told_at.load(Ordering::Relaxed) > 0);
        for state in told.into_iter().filter(|it| it.told_at.load(Ordering::Relaxed) + PATIENCE <= now) {
            state.abort();
        }
        let next = others.into_iter().filter_map(|it| Some((it.turn(now)?, it))).min_by_key(|(turn, _)| *turn);
        let Some((_, state)) = next else { return false };
        state.told_at.store(now.max(1), Ordering::Relaxed);
        self.metrics.shed.inc();
        // It takes no more output, or has all that it is owed: there is nothing to wait for.
        if matches!(state.doing().0, Doing::Stalled | Doing::Leaving) {
            state.abort();
        } else {
            state.close.cancel();
        }
        true
    }

    fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    fn at(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.start);
        since.as_secs() * 1000 + u64::from(since.subsec_millis())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<State>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Slot ===

impl Slot {
    /// What the list knows of it.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.clone()
    }

    /// So many bytes have come, of a head as far as is known. Returns whether they may be kept: false where the heads
    /// that are not whole yet would hold more than they may.
    #[must_use]
    pub(crate) fn received(&self, bytes: usize) -> bool {
        if let (Doing::Idle, since) = self.state.doing() {
            self.state.set(Doing::Asking, since);
        }
        let head = self.head.load(Ordering::Relaxed) + bytes;
        self.head.store(head, Ordering::Relaxed);
        let share = self.share.load(Ordering::Relaxed);
        let more = head.saturating_sub(SMALL_HEAD).saturating_sub(share);
        if more == 0 {
            return true;
        }
        self.share.store(share + more, Ordering::Relaxed);
        self.slots.unfinished.fetch_add(more, Ordering::Relaxed) + more <= UNFINISHED_HEADS
    }

    /// An answer has been made at that time.
    pub(crate) fn answered(&self, at: Instant) {
        self.head.store(0, Ordering::Relaxed);
        if self.state.doing().0 != Doing::Stalled {
            self.idles_since(self.slots.at(at));
        }
    }

    /// hyper's buffers are gone. This many bytes are kept of them: the start of a head, or none.
    pub(crate) fn keeps(&self, bytes: usize) {
        self.give_back();
        if bytes > 0 {
            // They were counted before; the next bytes are refused where they are too many.
            let _ = self.received(bytes);
        } else if let (Doing::Asking, since) = self.state.doing() {
            // What came was the body of a request.
            self.idles_since(since);
        }
    }

    fn idles_since(&self, since: u64) {
        self.state.set(Doing::Idle, since);
        // Either this sees that the drain has begun, or the drain sees that this connection idles.
        if self.slots.draining.load(Ordering::SeqCst) {
            self.state.close.cancel();
        }
    }

    fn give_back(&self) {
        self.head.store(0, Ordering::Relaxed);
        let share = self.share.swap(0, Ordering::Relaxed);
        if share > 0 {
            self.slots.unfinished.fetch_sub(share, Ordering::Relaxed);
        }
    }

    /// The client takes no more output.
    pub(crate) fn stalls(&self) {
        self.state.set(Doing::Stalled, self.slots.now());
    }

    /// It has taken some.
    pub(crate) fn goes_on(&self) {
        self.idles_since(self.slots.now());
    }

    /// It has its last answer: what still comes is thrown away.
    pub(crate) fn leaves(&self) {
        self.give_back();
        self.state.set(Doing::Leaving, self.slots.now());
    }

    /// Whether it was told to close to make room.
    pub(crate) fn makes_room(&self) -> bool {
        self.state.told_at.load(Ordering::Relaxed) > 0
    }

    /// Whether it was never answered.
    pub(crate) fn is_new(&self) -> bool {
        self.state.doing().0 == Doing::New
    }

    /// Counts it among those that hold buffers, until what is returned is dropped.
    pub(crate) fn warms_up(&self) -> Warm<'_> {
        self.slots.warm.fetch_add(1, Ordering::Relaxed);
        Warm(&self.slots)
    }

    /// Whether a part of a head has come, as far as is known.
    pub(crate) fn has_part(&self) -> bool {
        self.head.load(Ordering::Relaxed) > 0
    }

    /// Whether buffers are to be given back as soon as all is answered, not only after a while.
    pub(crate) fn cools_at_once(&self) -> bool {
        let large = self.share.load(Ordering::Relaxed) > 0 && !self.has_part();
        large || self.slots.warm.load(Ordering::Relaxed) > WARM
    }

    /// Whether this connection is to close.
    pub(crate) fn is_told_to_close(&self) -> bool {
        self.state.close.is_cancelled()
    }

    /// Returns once this connection is to close: to make room, or because the server ends and it has its answers.
    pub(crate) fn told_to_close(&self) -> WaitForCancellationFuture<'_> {
        self.state.close.cancelled()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.give_back();
        self.slots.lock().remove(&self.number);
        self.slots.metrics.open.dec();
    }
}

impl Drop for Warm<'_> {
    fn drop(&mut self) {
        self.0.warm.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl State ===

impl State {
    /// By this task it is served, which is dropped where it does not close when told.
    pub(crate) fn is_served_by(&self, task: AbortHandle) {
        let _ = self.task.set(task);
    }

    fn doing(&self) -> (Doing, u64) {
        let packed = self.doing.load(Ordering::SeqCst);
        let doing = match packed & 7 {
            0 => Doing::New,
            1 => Doing::Idle,
            2 => Doing::Asking,
            3 => Doing::Stalled,
            _ => Doing::Leaving,
        };
        (doing, packed >> 3)
    }

    fn set(&self, doing: Doing, since: u64) {
        self.doing.store(doing.since(since), Ordering::SeqCst);
    }

    /// When its turn to make room is: the lowest first, and of equals the one that has done the same for longest.
    /// `None`: it is being answered.
    fn turn(&self, now: u64) -> Option<(u8, u64)> {
        let (doing, since) = self.doing();
        let old = since + PATIENCE <= now;
        let class = match doing {
            Doing::New if old => 1,
            Doing::Idle | Doing::Asking | Doing::Leaving => 2,
            Doing::Stalled if old => 2,
            Doing::Stalled => return None,
            Doing::New => 3,
        };
        Some((class, since))
    }

    fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

// === impl Doing ===

impl Doing {
    const fn since(self, milliseconds: u64) -> u64 {
        milliseconds << 3 | self as u64
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    async fn is_told(slot: &Slot) -> bool {
        timeout(Duration::ZERO, slot.told_to_close()).await.is_ok()
    }

    /// What a connection has been doing, and for how many milliseconds.
    fn set(slot: &Slot, doing: Doing, milliseconds: u64) {
        slot.state.set(doing, slot.slots.now() - milliseconds);
    }

    async fn full(limit: usize) -> (Arc<Slots>, Vec<Slot>) {
        let slots = Slots::new(limit, Connections::default());
        let mut taken = Vec::new();
        for _ in 0..limit {
            taken.push(slots.take().await);
        }
        // So that `set` may go back in time.
        std::thread::sleep(Duration::from_millis(1));
        (slots, taken)
    }

    /// A port that has been open for an hour.
    fn aged(slots: &mut Arc<Slots>) {
        Arc::get_mut(slots).unwrap().start -= Duration::from_secs(3600);
    }

    #[tokio::test]
    async fn room_is_made_by_the_old_that_were_never_answered_then_by_the_idle_then_by_the_young() {
        let mut slots = Slots::new(7, Connections::default());
        aged(&mut slots);
        let order = [
            (Doing::New, 3000),
            (Doing::New, 1500),
            (Doing::Idle, 9000),
            (Doing::Stalled, 8000),
            (Doing::Asking, 7000),
            (Doing::New, 900),
            (Doing::New, 100),
        ];
        let mut open = Vec::new();
        // Taken in another order than the one in which they go.
        for place in [4, 6, 0, 3, 5, 2, 1] {
            let slot = slots.take().await;
            set(&slot, order[place].0, order[place].1);
            let task = tokio::spawn(future::pending::<()>());
            slot.state.is_served_by(task.abort_handle());
            open.push((place, slot, task));
        }
        for next in 0..order.len() {
            assert!(slots.make_room());
            let mut gone = Vec::new();
            for (place, slot, task) in &open {
                tokio::task::yield_now().await;
                if is_told(slot).await || task.is_finished() {
                    gone.push(*place);
                }
            }
            gone.sort_unstable();
            assert_eq!(gone, (0..=next).collect::<Vec<_>>());
        }
        assert!(open.iter().all(|(_, slot, _)| slot.makes_room()));
        assert_eq!(slots.metrics.shed.get(), 7);
    }

    #[tokio::test]
    async fn one_whose_client_takes_no_output_is_dropped_and_one_that_was_told_and_stays_is_dropped_after_a_second() {
        let mut slots = Slots::new(2, Connections::default());
        aged(&mut slots);
        for (doing, waits) in [(Doing::Stalled, 0), (Doing::Idle, 1000)] {
            let slot = slots.take().await;
            set(&slot, doing, 5000);
            let task = tokio::spawn(future::pending::<()>());
            slot.state.is_served_by(task.abort_handle());
            assert!(slots.make_room());
            let told_at = slot.state.told_at.load(Ordering::Relaxed);
            slot.state.told_at.store(told_at - waits, Ordering::Relaxed);
            slots.make_room();
            assert!(task.await.unwrap_err().is_cancelled(), "{doing:?}");
        }
    }

    #[tokio::test]
    async fn a_slot_is_waited_for_where_all_are_being_answered() {
        let (slots, taken) = full(1).await;
        set(&taken[0], Doing::Stalled, 0);
        assert!(timeout(LOOK_AGAIN * 3, slots.take()).await.is_err());
        assert!(!taken[0].makes_room());
        drop(taken);
        slots.take().await;
    }

    #[tokio::test]
    async fn the_drain_tells_those_that_idle_and_the_others_once_they_do() {
        let (slots, taken) = full(3).await;
        let [new, idle, asking] = &taken[..] else { panic!() };
        idle.answered(Instant::now());
        asking.answered(Instant::now());
        assert!(asking.received(1));
        slots.drain();
        assert!(is_told(idle).await && !is_told(asking).await && !is_told(new).await);
        assert!(!idle.makes_room(), "no room is needed");
        asking.keeps(0);
        new.answered(Instant::now());
        assert!(is_told(asking).await && is_told(new).await);
    }

    #[tokio::test]
    async fn buffers_are_given_back_at_once_where_too_many_connections_hold_some() {
        let slots = Slots::new(2, Connections::default());
        let (slot, other) = (slots.take().await, slots.take().await);
        let mut warm: Vec<_> = (0..WARM).map(|_| other.warms_up()).collect();
        assert!(!slot.cools_at_once());
        warm.push(slot.warms_up());
        assert!(slot.cools_at_once());
        warm.pop();
        assert!(!slot.cools_at_once());
    }

    #[tokio::test]
    async fn unfinished_heads_share_what_they_hold_beyond_8_kib_each() {
        let metrics = Connections::default();
        let slots = Slots::new(1000, metrics.clone());
        let mut holds = Vec::new();
        let share = 64 * 1024 - SMALL_HEAD;
        for _ in 0..UNFINISHED_HEADS / share {
            let slot = slots.take().await;
            assert!((0..8).all(|_| slot.received(SMALL_HEAD)));
            holds.push(slot);
        }
        let one_more = slots.take().await;
        assert!(one_more.received(SMALL_HEAD), "a small head is nobody's concern");
        assert!(!one_more.received(share));
        drop(one_more);
        let another = slots.take().await;
        holds[0].answered(Instant::now());
        assert!(holds[0].cools_at_once() && !another.received(64 * 1024), "hyper's buffer is still as large");
        another.keeps(0);
        holds[0].keeps(0);
        assert!(another.received(64 * 1024));
        another.keeps(64 * 1024);
        holds.clear();
        drop(another);
        assert_eq!((slots.unfinished.load(Ordering::Relaxed), metrics.open.get()), (0, 0));
    }
}
