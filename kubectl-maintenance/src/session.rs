//! What every command works with: the cluster, who is told, and whether to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::kubectl::Kubectl;
use crate::output::Output;

/// What every command works with.
#[derive(Clone, Copy)]
pub struct Session<'s> {
    /// The operator's kubectl.
    pub kubectl: &'s dyn Kubectl,
    /// Who is told.
    pub output: &'s Output,
    /// Set by Ctrl-C.
    pub stop: &'s AtomicBool,
}

// === impl Session ===

impl Session<'_> {
    /// Whether Ctrl-C was pressed.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Waits, but not longer than until Ctrl-C.
    pub fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stopped() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20).min(time));
        }
    }
}
