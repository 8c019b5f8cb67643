//! The binary: see the library.

use std::process::ExitCode;

use clap::Parser;
use kubectl_maintenance::cli::{Cli, MISUSE};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(MISUSE) } else { ExitCode::SUCCESS };
        }
    };
    drop(cli);
    ExitCode::FAILURE
}
