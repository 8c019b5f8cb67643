//! Measures the server: its speed beside other servers that send the same page, and the instructions of a request.

mod accounting;
mod answer;
mod document;
mod instructions;
mod load;
mod peers;
mod picture;
mod results;
mod settings;
mod speed;
mod table;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

use peers::Programs;
use settings::Settings;
use speed::Cpus;

const USAGE: &str = "\
usage: bench speed OURS FLOOR         all servers under every load; the two are the paths of their binaries
       bench instructions OURS        instructions of a request, compared with the kept numbers
       bench instructions OURS write  the same, and keeps them
       bench document                 writes the last run of `speed` into docs/

settings of `speed`, from the environment:
";

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["speed", ours, floor] => {
            let all = Cpus::all()?;
            let settings = Settings::read(|name| env::var(name).ok(), all.len())?;
            let programs = Programs { ours: PathBuf::from(ours), floor: PathBuf::from(floor) };
            speed::run(&programs, &settings, &Cpus::divide(&all, settings.apart))
        }
        ["instructions", ours] => instructions::check(ours.as_ref()),
        ["instructions", ours, "write"] => instructions::write(ours.as_ref()),
        ["document"] => document::write(),
        _ => bail!("not understood\n\n{USAGE}{}", settings::HELP),
    }
}
