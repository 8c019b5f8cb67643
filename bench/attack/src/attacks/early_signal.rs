//! SIGHUP drains as SIGTERM does, and a SIGTERM just after the start is not lost, though PID 1 ignores what it does not
//! await.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::Outcome;
use crate::client::{Client, GET};
use crate::report::Report;
use crate::server::{Binary, pid_of};

pub(super) const NAME: &str = "early-signal";

const TRIES: u64 = 200;
const DELAYS: u64 = 6;
const BOUND: Duration = Duration::from_secs(2);
/// For so long its own code has run when a signal must not be lost any more.
const OWN_CODE: Duration = Duration::from_millis(1);
const MUST: &str = "a SIGTERM 1 ms after its own code began, or later, ends it within 2 s";
/// SIGSEGV in a mask of signals.
const SEGV: u64 = 1 << 10;

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
    if geteuid().is_root() {
        as_pid_1(binary, &mut report).await?;
    } else {
        report.not_run(MUST, "needs root");
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
    /// Whether it came when the process's own code had run for long enough.
    late: bool,
    ended: bool,
}

async fn as_pid_1(binary: &Binary, report: &mut Report) -> Outcome<()> {
    let mut pending = Vec::new();
    for number in 0..TRIES {
        let after = number % DELAYS;
        let (namespace, pid) = executed(binary).await?;
        let late = watch(pid, Duration::from_millis(after))?;
        kill_process(pid, Signal::TERM)?;
        pending.push((namespace, pid, Instant::now() + BOUND, after, late));
    }
    let mut tries = Vec::new();
    for (mut namespace, pid, until, after, late) in pending {
        let ended = timeout_at(until, namespace.wait()).await.is_ok();
        if !ended {
            kill_process(pid, Signal::KILL)?;
            timeout(Duration::from_secs(5), namespace.wait()).await??;
        }
        tries.push(Try { after, late, ended });
    }
    // How many were lost, of how many.
    let lost = |of: &dyn Fn(&Try) -> bool| {
        let of: Vec<_> = tries.iter().filter(|it| of(it)).collect();
        (of.iter().filter(|it| !it.ended).count(), of.len())
    };
    let by_delay: Vec<_> = (0..DELAYS)
        .map(|after| {
            let (lost, of) = lost(&|it| it.after == after);
            format!("{after} ms: {lost} of {of}")
        })
        .collect();
    let (late, earlier) = (lost(&|it| it.late), lost(&|it| !it.late));
    let seen = format!(
        "{} of {} lost; of those that came earlier, or to a process that had to wait for a CPU, {} of {}; by the delay: {}",
        late.0,
        late.1,
        earlier.0,
        earlier.1,
        by_delay.join(", ")
    );
    if late.1 == 0 {
        report.not_run(MUST, format!("this machine is too busy: {seen}"));
    } else {
        report.must(MUST, seen, late.0 == 0);
    }
    Ok(())
}

/// `unshare`, and the binary as PID 1 below it, executed this moment.
async fn executed(binary: &Binary) -> Outcome<(Child, Pid)> {
    let mut command = binary.launch().wrapped(&["unshare", "--pid", "--fork", "--kill-child"]).command();
    let namespace = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let parent = pid_of(&namespace)?.as_raw_nonzero();
    let children = format!("/proc/{parent}/task/{parent}/children");
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let children = fs::read_to_string(&children)?;
        let Some(pid) = children.split_whitespace().next().and_then(|it| it.parse().ok()) else { continue };
        if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|it| it == binary.path()) {
            return Ok((namespace, Pid::from_raw(pid).ok_or("no process has the id 0")?));
        }
    }
    Err("unshare does not execute the server".into())
}

/// Watches a process for that long, more precisely than a timer does; whether its own code has run for [`OWN_CODE`] by
/// then, without having had to wait for a CPU.
fn watch(pid: Pid, time: Duration) -> Outcome<bool> {
    let until = Instant::now() + time;
    let (mut began, mut waits) = (None, None);
    let schedstat = format!("/proc/{}/schedstat", pid.as_raw_nonzero());
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map_or("", str::trim);
        let now = Instant::now();
        // How often another took its CPU, and for how long it waited for one until it had it. What was before it was
        // executed does not matter.
        let delay = fs::read_to_string(&schedstat)?.split_whitespace().nth(1).map(str::to_owned);
        let waits_now = (field("nonvoluntary_ctxt_switches:").to_owned(), delay);
        waits.get_or_insert_with(|| waits_now.clone());
        // Rust's runtime catches SIGSEGV just before `main`.
        if began.is_none() && u64::from_str_radix(field("SigCgt:"), 16)? & SEGV != 0 {
            began = Some(now);
        }
        if now >= until {
            return Ok(waits == Some(waits_now) && began.is_some_and(|it| now - it >= OWN_CODE));
        }
    }
}
