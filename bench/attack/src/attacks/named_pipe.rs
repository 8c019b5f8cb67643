//! A named pipe in the place of a file must not freeze the server that opens it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::client::{Client, GET};
use crate::report::{Report, seconds};
use crate::server::{Binary, Server};

pub(super) const NAME: &str = "named-pipe";

/// Servers that watch the same directory, each of which may meet the pipe.
const SERVERS: usize = 24;
const SWAPPING: Duration = Duration::from_secs(10);
const BOUND: Duration = Duration::from_secs(5);
const SETTINGS: [(&str, &str); 5] = [
    ("MAINTENANCE_MODE", "false"),
    ("MAINTENANCE_TITLE", "title"),
    ("MAINTENANCE_MESSAGE", "message"),
    ("MAINTENANCE_CONTACT", "contact"),
    ("RETRY_AFTER", "60"),
];

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "for {}, live settings of {SERVERS} servers are swapped for named pipes and back, as fast as it goes; \
             then MAINTENANCE_MODE becomes true; and a named pipe as maintenance.html, or as a setting, at the start",
            seconds(SWAPPING)
        ),
    );
    live(binary, &mut report).await?;
    at_start(binary, &mut report).await?;
    Ok(report)
}

async fn live(binary: &Binary, report: &mut Report) -> Outcome<()> {
    let directory = TempDir::with_prefix("maintenance-mode-attack-")?;
    for (name, value) in SETTINGS {
        fs::write(directory.path().join(name), value)?;
    }
    let launch = binary.launch().unset("MAINTENANCE_MODE").set("CONFIG_DIR", directory.path());
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(launch.start().await?);
    }
    let over = Arc::new(AtomicBool::new(false));
    let swaps = Arc::new(AtomicU64::new(0));
    let swapping = {
        let (over, swaps, directory) = (over.clone(), swaps.clone(), directory.path().to_owned());
        thread::spawn(move || swap(&directory, &over, &swaps))
    };
    sleep(SWAPPING).await;
    over.store(true, Ordering::Relaxed);
    let swapped = tokio::task::spawn_blocking(|| swapping.join()).await?;
    swapped.map_err(|_| "the swaps panicked")??;
    replace(directory.path(), "MAINTENANCE_MODE", "true")?;
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
        format!("{} of {SERVERS} servers have it, after {} swaps", SERVERS - frozen, swaps.load(Ordering::Relaxed)),
        frozen == 0,
    );
    Ok(())
}

async fn status(server: &Server) -> Outcome<u16> {
    Ok(Client::to(server.main).await?.ask(GET).await?.status)
}

/// Each setting becomes a named pipe and a file again, until it is over.
fn swap(directory: &Path, over: &AtomicBool, swaps: &AtomicU64) -> Outcome<()> {
    while !over.load(Ordering::Relaxed) {
        for (name, value) in SETTINGS {
            let pipe = directory.join(".pipe");
            mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o644))?;
            fs::rename(pipe, directory.join(name))?;
            replace(directory, name, value)?;
            swaps.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Writes a file in one step.
fn replace(directory: &Path, name: &str, value: &str) -> Outcome<()> {
    fs::write(directory.join(".new"), value)?;
    Ok(fs::rename(directory.join(".new"), directory.join(name))?)
}

async fn at_start(binary: &Binary, report: &mut Report) -> Outcome<()> {
    for (setting, file) in [("PAGES_DIR", "maintenance.html"), ("CONFIG_DIR", "MAINTENANCE_MODE")] {
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
                let holds = output.status.code() == Some(64) && says.contains(file);
                report.must(must, format!("{}: {says}", output.status), holds);
            }
            Err(_) => report.must(must, format!("it goes on after {}", seconds(BOUND)), false),
        }
    }
    Ok(())
}
