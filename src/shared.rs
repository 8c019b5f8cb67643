//! What requests share with the rest of the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

use crate::{
    log::Log,
    metrics::Metrics,
    respond::Moment,
    snapshot::{Current, Snapshot},
};

/// What requests share with the rest of the process.
#[derive(Debug)]
pub struct Shared {
    /// What is answered.
    pub(crate) current: Current,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// What is logged.
    pub(crate) log: Log,
    draining: AtomicBool,
}

// === impl Shared ===

impl Shared {
    /// Nothing is draining yet.
    #[must_use]
    pub fn new(snapshot: Snapshot, metrics: Metrics, log: Log) -> Arc<Self> {
        Arc::new(Self { current: Current::new(snapshot), metrics, log, draining: AtomicBool::new(false) })
    }

    /// From now on readiness fails, and every answer closes its connection.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// What varies outside a request and the snapshot.
    #[must_use]
    pub(crate) fn moment(&self) -> Moment {
        Moment { clock: Timestamp::now, draining: self.draining.load(Ordering::SeqCst) }
    }
}
