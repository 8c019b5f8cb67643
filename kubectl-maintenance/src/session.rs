//! What every command works with: the cluster, who is told, whether to stop, and the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::confirm::Person;
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
    /// The time; in tests it passes by itself.
    pub clock: &'s dyn Clock,
    /// Who may be asked.
    pub person: &'s dyn Person,
}

/// The time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Instant;
    /// Waits.
    fn sleep(&self, time: Duration);
}

/// The machine's.
#[derive(Clone, Copy, Debug)]
pub struct Machine;

impl Clock for Machine {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
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
        let end = self.clock.now() + time;
        while !self.stopped() && self.clock.now() < end {
            self.clock.sleep(Duration::from_millis(20).min(time));
        }
    }
}
