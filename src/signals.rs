//! SIGTERM, SIGINT and SIGHUP: the first begins the drain, a second ends it at once.

use std::io;

use nix::sys::signal::{self, SigSet};
use tokio::{
    select,
    signal::unix::{self, Signal, SignalKind},
};

/// The signals, registered.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Lets them wait until they are registered, which needs a runtime: PID 1 ignores a signal that it has not registered,
/// and any other process is killed by it. So this comes before all else, on the thread that registers them.
///
/// # Errors
/// The kernel refuses.
pub fn hold_back() -> io::Result<()> {
    Ok(all().thread_block()?)
}

/// Lets those come that were held back.
///
/// # Errors
/// The kernel refuses.
pub fn let_through() -> io::Result<()> {
    Ok(all().thread_unblock()?)
}

fn all() -> SigSet {
    [signal::SIGTERM, signal::SIGINT, signal::SIGHUP].into_iter().collect()
}

// === impl Signals ===

impl Signals {
    /// Registers them, in a runtime, and lets those come that were held back.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn register() -> io::Result<Self> {
        let registered = Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
        };
        let_through()?;
        Ok(registered)
    }

    /// Returns when one of them comes.
    pub async fn next(&mut self) {
        select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
