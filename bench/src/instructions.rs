//! The instructions of a request, counted by valgrind: the same on a busy machine as on an idle one, and so what CI
//! can check. What the kernel does is not in them.
//!
//! A run costs a start and an end too, so two runs of different length are made: their difference is that of the
//! requests alone. After each thing that the client does (it connects, asks, closes) it waits until the server sleeps.
//! Otherwise the server sometimes finds what comes next while it still looks for work, and sometimes has to be woken,
//! and the same binary gives numbers far apart.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    accounting::Family,
    answer::Connection,
    peers::{Peer, Programs, Task},
    speed::{Cpus, confine},
};

/// Where the numbers are kept.
const KEPT: &str = "bench/instructions.txt";
/// Requests of the short run and of the long one.
const REQUESTS: [u32; 2] = [300, 1300];
/// How long the client waits at least, and for how long the server must have slept.
const PAUSE: Duration = Duration::from_millis(3);
/// How long it may take until the server sleeps.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far a number may be from the kept one. See the file of kept numbers for what it comes from.
const DRIFT_PERCENT: u64 = 3;

const HEADING: &str = "\
# The instructions of one request, in the server alone, by valgrind: what `make instructions` compares with.
# `bench/run instructions write` writes this file.
#
# 3 % either way are allowed. One binary gives the same number within 0.2 %, on an idle machine and on one that is
# overloaded; the rest is room for other machines, as the C library picks its memcpy and memset by the CPU. Where
# a request costs less, the new number is to be kept, so that it cannot grow back unseen.
";

/// What requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// All over one connection.
    KeptAlive,
    /// Each over its own.
    NewConnection,
}

impl Client {
    const ALL: [Self; 2] = [Self::KeptAlive, Self::NewConnection];

    fn name(self) -> &'static str {
        match self {
            Self::KeptAlive => "kept-alive",
            Self::NewConnection => "new-connection",
        }
    }
}

/// Counts, and fails where a number is not near the kept one.
pub(crate) fn check(ours: &Path) -> Result<()> {
    let kept = read(&fs::read_to_string(KEPT).context(KEPT)?)?;
    let mut wrong = Vec::new();
    for (client, kept) in Client::ALL.into_iter().zip(kept) {
        let counted = count(ours, client)?;
        println!("{}: {counted} instructions a request; kept: {kept}", client.name());
        wrong.extend(verdict(client, kept, counted));
    }
    ensure!(
        wrong.is_empty(),
        "{}. If that is meant, `bench/run instructions write` keeps the new numbers in {KEPT}",
        wrong.join("; ")
    );
    Ok(())
}

/// Counts, and keeps the numbers.
pub(crate) fn write(ours: &Path) -> Result<()> {
    let mut text = HEADING.to_owned();
    for client in Client::ALL {
        let counted = count(ours, client)?;
        println!("{}: {counted} instructions a request", client.name());
        text += &format!("{} {counted}\n", client.name());
    }
    fs::write(KEPT, text).context(KEPT)
}

fn verdict(client: Client, kept: u64, counted: u64) -> Option<String> {
    let far = kept.abs_diff(counted) * 100 > kept * DRIFT_PERCENT;
    let direction = if counted > kept { "more" } else { "fewer" };
    far.then(|| {
        format!(
            "{}: {counted} instructions a request, over {DRIFT_PERCENT} % {direction} than the {kept} kept",
            client.name()
        )
    })
}

/// The kept numbers, in the order of [`Client::ALL`].
fn read(text: &str) -> Result<[u64; 2]> {
    let mut kept = [0; 2];
    for (number, client) in kept.iter_mut().zip(Client::ALL) {
        let value = text.lines().find_map(|it| it.strip_prefix(client.name())?.trim().parse().ok());
        *number = value.with_context(|| format!("{KEPT} has no line \"{} NUMBER\"", client.name()))?;
    }
    Ok(kept)
}

fn count(ours: &Path, client: Client) -> Result<u64> {
    let [short, long] = REQUESTS;
    let fewer = total(ours, client, short)?;
    let more = total(ours, client, long)?;
    ensure!(more > fewer, "{long} requests took {more} instructions, and {short} took {fewer}");
    Ok((more - fewer) / u64::from(long - short))
}

/// All instructions of a server, from its start to its end, that answers so many requests.
fn total(ours: &Path, client: Client, requests: u32) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("callgrind.out");
    let programs = Programs { ours: ours.to_owned(), floor: PathBuf::new() };
    let task = Task { answer: None, json_log: false, cpus: 1 };
    let output = format!("--callgrind-out-file={}", file.display());
    let prepared = Peer::Ours.prepare(&programs, task)?.under("valgrind", &["--tool=callgrind", &output])?;
    let all = Cpus::all()?;
    // One CPU, so one worker: two would share the requests in another way each time.
    confine(all.get(..1).context("this process may use no CPU")?)?;
    let running = prepared.spawn()?;
    confine(&all)?;
    drop(running.wait()?);
    let server = running.family();
    settle(server)?;
    match client {
        Client::KeptAlive => {
            let mut connection = Connection::open(running.address, &[])?;
            for _ in 0..requests {
                ask(&mut connection, server)?;
            }
        }
        Client::NewConnection => {
            let close = [("Connection", "close".to_owned())];
            for _ in 0..requests {
                let mut connection = Connection::open(running.address, &close)?;
                settle(server)?;
                ask(&mut connection, server)?;
                drop(connection);
                settle(server)?;
            }
        }
    }
    running.stop()?;
    let counted = fs::read_to_string(&file).context("callgrind has written nothing")?;
    match summary(&counted) {
        Some(total) => Ok(total),
        None => bail!("callgrind's file has no summary"),
    }
}

fn ask(connection: &mut Connection, server: Family) -> Result<()> {
    let status = connection.ask()?.status;
    ensure!(status == 503, "the server answered {status}, not 503");
    settle(server)
}

/// Waits until the server has done all that there is to do, however slowly it gets to that on a busy machine.
fn settle(server: Family) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut asleep_since = None;
    loop {
        thread::sleep(PAUSE / 3);
        if !server.sleeps()? {
            asleep_since = None;
        } else if asleep_since.get_or_insert_with(Instant::now).elapsed() >= PAUSE {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the server does not come to rest within {PATIENCE:?}");
    }
}

fn summary(callgrind: &str) -> Option<u64> {
    let line = callgrind.lines().find_map(|it| it.strip_prefix("summary:").or_else(|| it.strip_prefix("totals:")))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_callgrind_and_from_the_kept_file() {
        assert_eq!(summary("events: Ir\nsummary: 123\n\nfn=x\ntotals: 123\n"), Some(123));
        assert_eq!(summary("events: Ir\n"), None);
        assert_eq!(read(&format!("{HEADING}kept-alive 10\nnew-connection 20\n")).unwrap(), [10, 20]);
        assert!(read("kept-alive 10\n").unwrap_err().to_string().contains("new-connection NUMBER"));
    }

    #[test]
    fn a_number_that_is_too_far_is_told_in_both_directions() {
        let verdict = |counted| verdict(Client::KeptAlive, 10_000, counted);
        assert_eq!(verdict(9_700), None);
        assert_eq!(verdict(10_300), None);
        assert!(verdict(9_699).unwrap().contains("fewer"));
        assert!(verdict(10_301).unwrap().contains("more"));
    }
}
