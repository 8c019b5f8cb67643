//! The binary: see the library.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use jiff::Timestamp;
use kubectl_maintenance::cli::{Cli, MISUSE, What};
use kubectl_maintenance::failure::{Interrupted, Misuse};
use kubectl_maintenance::interrupt::{self, INTERRUPTED};
use kubectl_maintenance::kubectl::Processes;
use kubectl_maintenance::output::{Output, WRONG};
use kubectl_maintenance::session::Session;
use kubectl_maintenance::{off, on, status};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // To stderr, or for --help to stdout; who no longer listens is not told.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(MISUSE) } else { ExitCode::SUCCESS };
        }
    };
    let (quiet, verbose) = match &cli.command {
        What::Status(status) => (false, status.verbose),
        What::On(on) => (on.switch.quiet, on.switch.verbose),
        What::Off(off) => (off.switch.quiet, off.switch.verbose),
    };
    let output = Arc::new(Output::new(quiet, verbose));
    match run(cli, &output) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output.message(&format!("{WRONG}error:{WRONG:#} {error:#}"));
            match () {
                () if error.is::<Misuse>() => ExitCode::from(MISUSE),
                () if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
                () => ExitCode::FAILURE,
            }
        }
    }
}

/// Runs the command. Whether all is as it should be.
fn run(cli: Cli, output: &Arc<Output>) -> Result<bool> {
    let kubectl = Arc::new(Processes::find(cli.passed_on.0, Arc::clone(output))?);
    let at_once = Arc::clone(&kubectl);
    let stop = interrupt::listen(move || at_once.end())?;
    let session = Session { kubectl: &*kubectl, output, stop: &stop };
    let outcome = match &cli.command {
        What::Status(status) => status::run(&session, status),
        What::On(on) => on::run(&session, on, Timestamp::now()),
        What::Off(off) => off::run(&session, off),
    };
    kubectl.end();
    match outcome {
        // Whatever failed then did so because of it.
        Err(error) if session.stopped() && !error.is::<Interrupted>() => Err(Interrupted(format!("{error:#}")).into()),
        Ok(_) if session.stopped() => Err(Interrupted("nothing is put back".to_owned()).into()),
        outcome => outcome,
    }
}
