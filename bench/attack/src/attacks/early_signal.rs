//! SIGHUP drains as SIGTERM does, and a SIGTERM just after the start is not lost, though PID 1 ignores what it does not
//! await.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::client::{Client, GET};
use crate::report::Report;
use crate::server::{Binary, pid_of};

pub(super) const NAME: &str = "early-signal";

const TRIES: u64 = 200;
const DELAYS: u64 = 6;
const BOUND: Duration = Duration::from_secs(2);
const CALIBRATIONS: usize = 15;

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "SIGHUP; and SIGTERM to {TRIES} servers, each PID 1 of a namespace of its own, 0 to {} ms after the binary is \
             executed",
            DELAYS - 1
        ),
    );
    hangup(binary, &mut report).await?;
    let must = "a SIGTERM after the code's start, which takes as long as --version, ends it within 2 s";
    if geteuid().is_root() {
        as_pid_1(binary, &mut report, must).await?;
    } else {
        report.not_run(must, "needs root");
    }
    Ok(report)
}

async fn hangup(binary: &Binary, report: &mut Report) -> Outcome<()> {
    let mut server = binary.launch().set("SHUTDOWN_DELAY", "1").start().await?;
    server.signal(Signal::HUP)?;
    sleep(Duration::from_millis(300)).await;
    let answered = match Client::to(server.main).await {
        Ok(mut client) => client.ask(GET).await.is_ok_and(|it| it.closes),
        Err(_) => false,
    };
    let status = server.ended(Duration::from_secs(10)).await?;
    report.must(
        "after SIGHUP it answers during SHUTDOWN_DELAY, with Connection: close, and ends with exit status 0",
        format!(
            "{}, {}",
            if answered { "answered" } else { "not answered" },
            status.map_or_else(|| "it does not end".into(), |it| it.to_string())
        ),
        answered && status.is_some_and(|it| it.success()),
    );
    Ok(())
}

/// A signal that came, or not.
struct Try {
    /// Milliseconds from the execution of the binary.
    after: u64,
    /// The time that it had had on a CPU by then, in nanoseconds.
    ran: u64,
    ended: bool,
}

async fn as_pid_1(binary: &Binary, report: &mut Report, must: &str) -> Outcome<()> {
    let start = start_of_code(binary).await?;
    let mut pending = Vec::new();
    for number in 0..TRIES {
        let after = number % DELAYS;
        let child = executed(binary, &[]).await?;
        let Executed { namespace, pid } = child;
        spin(Duration::from_millis(after));
        let ran = cpu_time(pid).unwrap_or_default();
        kill_process(pid, Signal::TERM)?;
        pending.push((namespace, pid, Instant::now() + BOUND, after, ran));
    }
    let mut tries = Vec::new();
    for (mut namespace, pid, until, after, ran) in pending {
        let ended = tokio::time::timeout_at(until, namespace.wait()).await.is_ok();
        if !ended {
            kill_process(pid, Signal::KILL)?;
            timeout(Duration::from_secs(5), namespace.wait()).await??;
        }
        tries.push(Try { after, ran, ended });
    }
    let lost = |tries: &mut dyn Iterator<Item = &Try>| tries.filter(|it| !it.ended).count();
    let by_delay: Vec<_> = (0..DELAYS)
        .map(|after| {
            let of = tries.iter().filter(|it| it.after == after);
            format!("{after} ms: {} of {}", lost(&mut of.clone()), of.count())
        })
        .collect();
    let (early, late): (Vec<_>, Vec<_>) = tries.iter().partition(|it| it.ran <= start);
    let lost_late = lost(&mut late.iter().copied());
    report.must(
        must,
        format!(
            "{lost_late} of {} lost; before that ({:.1} ms of CPU) {} of {}; by the delay: {}",
            late.len(),
            start as f64 / 1e6,
            lost(&mut early.iter().copied()),
            early.len(),
            by_delay.join(", ")
        ),
        lost_late == 0 && !late.is_empty(),
    );
    Ok(())
}

/// `unshare`, and the binary as PID 1 below it, executed this moment.
struct Executed {
    namespace: Child,
    pid: Pid,
}

async fn executed(binary: &Binary, arguments: &[&str]) -> Outcome<Executed> {
    let mut command: Command = binary.launch().wrapped(&["unshare", "--pid", "--fork", "--kill-child"]).command();
    let namespace = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let parent = pid_of(&namespace)?.as_raw_nonzero();
    let children = format!("/proc/{parent}/task/{parent}/children");
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let Some(pid) = fs::read_to_string(&children)?.split_whitespace().next().and_then(|it| it.parse().ok()) else {
            continue;
        };
        while Instant::now() < until {
            if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|it| it == binary.path()) {
                let pid = Pid::from_raw(pid).ok_or("no process has the id 0")?;
                return Ok(Executed { namespace, pid });
            }
        }
    }
    Err("unshare does not execute the server".into())
}

/// The time on a CPU that the whole of `--version` takes, in nanoseconds: who has had more has begun with its own code.
async fn start_of_code(binary: &Binary) -> Outcome<u64> {
    let mut times = Vec::new();
    for _ in 0..CALIBRATIONS {
        let Ok(Executed { mut namespace, pid }) = executed(binary, &["--version"]).await else { continue };
        let mut last = 0;
        while let Some(time) = cpu_time(pid) {
            // What has ended and is not waited for stays there.
            if time == last && is_over(pid) {
                break;
            }
            last = time;
        }
        times.push(last);
        timeout(Duration::from_secs(5), namespace.wait()).await??;
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().ok_or_else(|| "--version cannot be timed".into())
}

fn cpu_time(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", pid.as_raw_nonzero())).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn is_over(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    !status.lines().any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
}

/// Waits more precisely than a timer does.
fn spin(time: Duration) {
    let until = std::time::Instant::now() + time;
    while std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
}
