//! A named pipe in the place of a file must not freeze the server that opens it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Mode, RenameFlags, mkfifoat, renameat_with};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::client::{Client, GET};
use crate::report::{Report, seconds};
use crate::server::{Binary, Server};

pub(super) const NAME: &str = "named-pipe";

/// Servers that watch the same directory, each of which may meet the pipe.
const SERVERS: usize = 6;
const SWAPPING: Duration = Duration::from_secs(10);
const BOUND: Duration = Duration::from_secs(5);
const SETTING: &str = "MAINTENANCE_MODE";

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "for {}, {SETTING} of {SERVERS} servers is swapped for a named pipe and back, as fast as it goes; \
             then it becomes true; and a named pipe as maintenance.html, or as a setting, at the start",
            seconds(SWAPPING)
        ),
    );
    live(binary, &mut report).await?;
    at_start(binary, &mut report).await?;
    Ok(report)
}

async fn live(binary: &Binary, report: &mut Report) -> Outcome<()> {
    let directory = TempDir::with_prefix("maintenance-mode-attack-")?;
    fs::write(directory.path().join(SETTING), "false")?;
    let launch = binary.launch().unset(SETTING).set("CONFIG_DIR", directory.path());
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(launch.start().await?);
    }
    let over = Arc::new(AtomicBool::new(false));
    let swapping = {
        let (over, directory) = (over.clone(), directory.path().to_owned());
        thread::spawn(move || swap(&directory, &over))
    };
    sleep(SWAPPING).await;
    over.store(true, Ordering::Relaxed);
    let swaps = tokio::task::spawn_blocking(|| swapping.join()).await?;
    let swaps = swaps.map_err(|_| "the swaps panicked")??;
    replace(directory.path(), SETTING, "true")?;
    let until = Instant::now() + BOUND;
    let mut frozen = SERVERS;
    while frozen > 0 && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
        frozen = 0;
        for server in &servers {
            frozen += usize::from(status(server).await? != 503);
        }
    }
    report.must(
        format!("the new value is in force within {}", seconds(BOUND)),
        format!("{} of {SERVERS} servers have it, after {swaps} swaps", SERVERS - frozen),
        frozen == 0,
    );
    Ok(())
}

async fn status(server: &Server) -> Outcome<u16> {
    Ok(Client::to(server.main).await?.ask(GET).await?.status)
}

/// The setting becomes a named pipe and a file again in one system call each, until it is over.
fn swap(directory: &Path, over: &AtomicBool) -> Outcome<u64> {
    let (setting, pipe) = (directory.join(SETTING), directory.join(".pipe"));
    mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o644))?;
    let mut swaps = 0;
    while !over.load(Ordering::Relaxed) {
        renameat_with(CWD, &setting, CWD, &pipe, RenameFlags::EXCHANGE)?;
        swaps += 1;
    }
    Ok(swaps)
}

/// Writes a file in one step.
fn replace(directory: &Path, name: &str, value: &str) -> Outcome<()> {
    fs::write(directory.join(".new"), value)?;
    Ok(fs::rename(directory.join(".new"), directory.join(name))?)
}

async fn at_start(binary: &Binary, report: &mut Report) -> Outcome<()> {
    for (setting, file) in [("PAGES_DIR", "maintenance.html"), ("CONFIG_DIR", SETTING)] {
        let directory = TempDir::with_prefix("maintenance-mode-attack-")?;
        mkfifoat(CWD, directory.path().join(file), Mode::from_raw_mode(0o644))?;
        let mut command = binary.launch().set(setting, directory.path()).command();
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let ended = timeout(BOUND, child.wait_with_output()).await;
        let must = format!("{file} in {setting}: refused at once with exit status 64");
        match ended {
            Ok(output) => {
                let output = output?;
                let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                // Where it lies is another place each time.
                let says = says.replace(&format!("{}/", directory.path().display()), "");
                let holds = output.status.code() == Some(64) && says.contains(file);
                report.must(must, format!("{}: {says}", output.status), holds);
            }
            Err(_) => report.must(must, format!("it goes on after {}", seconds(BOUND)), false),
        }
    }
    Ok(())
}
