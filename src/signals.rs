//! SIGTERM and SIGINT: the first begins the drain, a second ends it at once.

use std::io;

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// Both signals, registered.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Signals ===

impl Signals {
    /// Registers both: PID 1 ignores a signal that it has not registered, so this comes before any port is
    /// bound.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn register() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Passes the first one on, and returns with the second.
    pub async fn second(mut self, first: oneshot::Sender<()>) {
        self.next().await;
        // An error says that nobody waits for it any more.
        let _ = first.send(());
        self.next().await;
    }

    async fn next(&mut self) {
        select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
