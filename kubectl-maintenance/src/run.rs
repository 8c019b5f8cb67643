//! One command from its arguments to its exit status.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;

use crate::cli::{Format, MISUSE, Switch, What};
use crate::failure::{Interrupted, Misuse};
use crate::interrupt::INTERRUPTED;
use crate::receipt::Receipt;
use crate::release::Mode;
use crate::session::Session;
use crate::{off, on, status};

/// How long a signal may take to be seen.
const SIGNAL: Duration = Duration::from_millis(100);

/// Runs a command, and says why where it fails. Its exit status. `typed` is the command as it was typed.
#[must_use]
pub fn run(session: &Session<'_>, command: &What, typed: &str, now: Timestamp) -> u8 {
    let began = session.clock.now();
    let receipt = |mode, dry_run| Receipt::begin(typed, mode, dry_run, now, began);
    match command {
        What::Status(status) => ended(session, &outcome(session, status::run(session, status))),
        What::On(on) => {
            let mut receipt = receipt(Mode::Maintenance, on.switch.dry_run);
            let outcome = outcome(session, on::run(session, on, now, &mut receipt));
            give(session, &on.switch, &receipt, &outcome);
            ended(session, &outcome)
        }
        What::Off(off) => {
            let mut receipt = receipt(Mode::Normal, off.switch.dry_run);
            let outcome = outcome(session, off::run(session, off, &mut receipt));
            give(session, &off.switch, &receipt, &outcome);
            ended(session, &outcome)
        }
    }
}

/// Prints the receipt, where that is wanted: whatever came of it.
fn give(session: &Session<'_>, switch: &Switch, receipt: &Receipt, outcome: &Result<bool>) {
    if switch.output == Format::Json {
        let problem = outcome.as_ref().err().map(|error| format!("{error:#}"));
        session.output.result(&receipt.json(problem.as_deref(), &session.output.notes(), session.clock.now()));
    }
}

/// What came of it; after Ctrl-C that.
fn outcome(session: &Session<'_>, outcome: Result<bool>) -> Result<bool> {
    if outcome.is_err() {
        // Ctrl-C reaches kubectl, too, and that it has ended may be seen before the signal is.
        session.pause(SIGNAL);
    }
    match outcome {
        // Whatever failed then did so because of it.
        Err(error) if session.stopped() && !error.is::<Interrupted>() => Err(Interrupted(format!("{error:#}")).into()),
        Ok(_) if session.stopped() => Err(Interrupted("nothing is put back".to_owned()).into()),
        outcome => outcome,
    }
}

/// Says why it failed. The exit status.
fn ended(session: &Session<'_>, outcome: &Result<bool>) -> u8 {
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
