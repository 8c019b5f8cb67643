//! The binary: see the library.

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser as _;
use jiff::Timestamp;
use kubectl_maintenance::cli::{Cli, MISUSE, What, as_typed};
use kubectl_maintenance::confirm::Terminal;
use kubectl_maintenance::interrupt;
use kubectl_maintenance::kubectl::Processes;
use kubectl_maintenance::output::Output;
use kubectl_maintenance::run::run;
use kubectl_maintenance::session::{Machine, Session};

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
    match start(cli, &output) {
        Ok(status) => status.into(),
        Err(error) => {
            output.error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Finds kubectl, listens to Ctrl-C, and runs the command.
fn start(cli: Cli, output: &Arc<Output>) -> Result<u8> {
    let kubectl = Arc::new(Processes::find(cli.passed_on.0, Arc::clone(output))?);
    let command = Arc::new(cli.command);
    let at_once = (Arc::clone(&kubectl), Arc::clone(&command), Arc::clone(output));
    let stop = interrupt::listen(move || {
        let (kubectl, command, output) = &at_once;
        kubectl.end();
        interrupt::tell_ended_at_once(command, output);
    })?;
    let session = Session { kubectl: &*kubectl, output, stop: &stop, clock: &Machine, person: &Terminal };
    let typed = as_typed(env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()));
    let status = run(&session, &command, &typed, Timestamp::now());
    kubectl.end();
    Ok(status)
}
