//! Attacks the built server on loopback: each attack is bounded in count and time, and ends its server by itself.
//!
//! `attack --server PATH NAME...` or `all`; `attack --list` names them. Each prints what was sent, what must hold,
//! what was seen and whether it holds, and puts the same as one line of JSON into `target/attack.json`, from which
//! `attack --docs` writes the table of `docs/reliability.md` and `attack --picture` draws `docs/images/reliability.svg`.
//!
//! The last line is `N held, N broken`, and `, N not run` where this machine or user cannot run one. The exit status is 0
//! if nothing is broken, 1 if something is, 64 for misuse, and 130 or 143 where SIGINT or SIGTERM ended it and its servers.

mod attacks;
mod cgroup;
mod client;
mod conntrack;
mod docs;
mod flood;
mod honest;
mod picture;
mod report;
mod server;

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use attacks::{ATTACKS, Attack};
use report::{Report, Verdict};
use server::Binary;

/// What worked, or why it did not.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// No attack takes longer.
const LONGEST: Duration = Duration::from_secs(300);
/// Connections of the largest attack, on our side, and what else is open.
const OPEN_FILES: u64 = 10_000;

const USAGE: &str = "usage: attack --server PATH NAME... | --server PATH all | --list | --help | --docs | --picture";

enum Command {
    Run { server: Binary, attacks: Vec<&'static Attack> },
    Help,
    List,
    Docs,
    Picture,
}

fn main() -> ExitCode {
    let command = match Command::parse(env::args().skip(1)) {
        Ok(command) => command,
        Err(why) => {
            eprintln!("attack: {why}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    match run(command) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("attack: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The exit status.
fn run(command: Command) -> Outcome<ExitCode> {
    let reports = target().join("attack.json");
    match command {
        Command::Help => {
            println!("{USAGE}\n");
            list();
        }
        Command::List => list(),
        Command::Docs => docs::write(&reports, Path::new("docs/reliability.md"))?,
        Command::Picture => picture::draw(&reports, Path::new("docs/images/reliability.svg"))?,
        Command::Run { server, attacks } => {
            raise_open_files()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let ended = runtime.block_on(async {
                tokio::select! {
                    code = carry_out(&attacks, &server, &reports) => code,
                    code = signalled() => code,
                }
            });
            // Servers are killed as the tasks that have them are dropped; honest clients end with this process.
            runtime.shutdown_background();
            return ended;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    for attack in ATTACKS {
        println!("{:<17} {}", attack.name, attack.about);
    }
}

/// The exit status that a shell shows for SIGINT or SIGTERM, when one has come.
async fn signalled() -> Outcome<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

async fn carry_out(attacks: &[&'static Attack], binary: &Binary, reports: &Path) -> Outcome<ExitCode> {
    let (mut held, mut broken, mut not_run) = (0, 0, 0);
    for attack in attacks {
        println!("{}: running", attack.name);
        let start = Instant::now();
        let report = carry_out_one(attack, binary).await;
        println!("{report}  ({:.0} s)\n", start.elapsed().as_secs_f64());
        report.keep(reports)?;
        *match report.verdict() {
            Verdict::Held => &mut held,
            Verdict::Broken => &mut broken,
            Verdict::NotRun => &mut not_run,
        } += 1;
    }
    let rest = if not_run > 0 { format!(", {not_run} not run") } else { String::new() };
    println!("{held} held, {broken} broken{rest}");
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn carry_out_one(attack: &Attack, binary: &Binary) -> Report {
    if let Err(why) = conntrack::room_for(attack.connections) {
        let mut report = Report::new(attack.name, attack.about);
        report.not_run("the attack can be carried out", why);
        return report;
    }
    match timeout(LONGEST, (attack.run)(binary)).await {
        Ok(Ok(report)) => report,
        Ok(Err(why)) => Report::failed(attack.name, attack.about, &why.to_string()),
        Err(_) => {
            let why = format!("it did not end within {}", report::seconds(LONGEST));
            Report::failed(attack.name, attack.about, &why)
        }
    }
}

/// Where Cargo builds.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// Raises the soft limit of open files to the hard one.
fn raise_open_files() -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    match limit.maximum {
        Some(most) if most < OPEN_FILES => {
            Err(format!("only {most} files may be open (ulimit -Hn): the attacks need {OPEN_FILES}").into())
        }
        _ => Ok(()),
    }
}

// === impl Command ===

impl Command {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut server = None;
        let mut attacks = Vec::new();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--list" => return Ok(Self::List),
                "--docs" => return Ok(Self::Docs),
                "--picture" => return Ok(Self::Picture),
                "--server" => server = Some(arguments.next().ok_or("--server lacks its value")?),
                "all" => attacks.extend(ATTACKS),
                name => {
                    let found = ATTACKS.iter().find(|it| it.name == name);
                    attacks.push(found.ok_or_else(|| format!("there is no attack {name:?}: --list names them"))?);
                }
            }
        }
        if attacks.is_empty() {
            return Err("no attack is named".into());
        }
        let server = server.ok_or("--server is not given: bench/attack/run builds the server and gives it")?;
        Ok(Self::Run { server: Binary::new(Path::new(&server))?, attacks })
    }
}
