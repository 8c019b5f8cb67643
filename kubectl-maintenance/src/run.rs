//! One command from its arguments to its exit status.

use std::time::Duration;

use jiff::Timestamp;

use crate::cli::{MISUSE, What};
use crate::failure::{Interrupted, Misuse};
use crate::interrupt::INTERRUPTED;
use crate::session::Session;
use crate::{off, on, status};

/// How long a signal may take to be seen.
const SIGNAL: Duration = Duration::from_millis(100);

/// Runs a command, and says why where it fails. Its exit status.
#[must_use]
pub fn run(session: &Session<'_>, command: &What, now: Timestamp) -> u8 {
    let outcome = match command {
        What::Status(status) => status::run(session, status),
        What::On(on) => on::run(session, on, now),
        What::Off(off) => off::run(session, off, now),
    };
    if outcome.is_err() {
        // Ctrl-C reaches kubectl, too, and that it has ended may be seen before the signal is.
        session.pause(SIGNAL);
    }
    let outcome = match outcome {
        // Whatever failed then did so because of it.
        Err(error) if session.stopped() && !error.is::<Interrupted>() => Err(Interrupted(format!("{error:#}")).into()),
        Ok(_) if session.stopped() => Err(Interrupted("nothing is put back".to_owned()).into()),
        outcome => outcome,
    };
    match outcome {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            session.output.error(&format!("{error:#}"));
            match () {
                () if error.is::<Misuse>() => MISUSE,
                () if error.is::<Interrupted>() => INTERRUPTED,
                () => 1,
            }
        }
    }
}
