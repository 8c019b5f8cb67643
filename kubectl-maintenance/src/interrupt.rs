//! Ctrl-C: the first asks to stop, which whoever waits or changes looks at; the second ends at once.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cli::What;
use crate::output::Output;

/// The exit status after Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// How long whoever ends at once may take to say so: who listens may have stopped.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Says that `on` or `off` is ended at once, and what tells how far it is.
pub fn tell_ended_at_once(command: &What, output: &Arc<Output>) {
    let place = match command {
        What::Status(_) => return,
        What::On(on) => &on.switch.place,
        What::Off(off) => &off.switch.place,
    };
    let namespace = place.namespace.as_ref().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    let says = format!("ended at once: kubectl maintenance status{namespace} tells what is in which mode");
    let (said, waits) = mpsc::channel();
    let output = Arc::clone(output);
    thread::spawn(move || {
        output.error(&says);
        let _ = said.send(());
    });
    let _ = waits.recv_timeout(LAST_WORD);
}

/// Listens from now on. The flag is set by the first Ctrl-C; `at_once` runs before the second one ends the process.
///
/// # Errors
/// Where signals cannot be listened to.
pub fn listen(at_once: impl Fn() + Send + 'static) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime can be made")?;
    let mut signals = runtime.block_on(async { Signals::new() }).context("signals cannot be listened to")?;
    thread::spawn(move || {
        runtime.block_on(async {
            while signals.next().await {
                if flag.swap(true, Ordering::SeqCst) {
                    at_once();
                    process::exit(INTERRUPTED.into());
                }
            }
        });
    });
    Ok(stop)
}

/// Ctrl-C, and on Unix SIGTERM too.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> bool {
        tokio::select! {
            signal = self.interrupt.recv() => signal.is_some(),
            signal = self.terminate.recv() => signal.is_some(),
        }
    }
}

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) -> bool {
        self.interrupt.recv().await.is_some()
    }
}
