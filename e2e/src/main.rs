//! Proves the chart on a real cluster: installs it, switches it under traffic, and watches what users see.
//!
//! `e2e [--list] [CASE...]` with the numbers of the cases to run, else all of them. It reads
//!
//! - `E2E_KUBECONFIG`, which is required: the cluster;
//! - `E2E_IMAGE`: an image that the cluster has loaded, by default `ghcr.io/maintenance-mode/maintenance-mode:dev`;
//! - `E2E_APPLICATION_IMAGE`: that of `e2e/application`, loaded too, by default `ghcr.io/maintenance-mode/e2e-application:dev`;
//! - `E2E_INGRESS`, else `CLUSTER_INGRESS`: the URL of the Ingress controller;
//! - `HELM3`, `HELM4`: the two helms, else `helm3` and `helm` from PATH;
//! - `ARGOCD_SERVER`, with whatever else `argocd` needs: the Argo CD of that cluster, whose repo-server can read this
//!   machine's files;
//! - `E2E_ARGOCD=none`: there is no such Argo CD, so its case is not run and says so. Without either it fails.
//!
//! The last line is `N passed, N failed`, and `, N skipped` where a case was not run. The exit status is 0 if none failed,
//! 1 if one failed or could not run without `E2E_*` saying so, and 64 for misuse.
//!
//! SIGTERM and SIGINT take away all that the cases have made; a second one ends it at once.

mod cases;
mod cluster;
mod front;
mod recorder;
mod release;
mod report;
mod watch;

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use cases::{CASES, Case};
use cluster::{Cluster, Failure, Outcome, all};
use report::{Ended, Scene, Verdict};

/// Cases at a time: they mostly wait, but two cores can only do so much at once.
const AT_ONCE: u32 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    if arguments.iter().any(|argument| argument == "--list") {
        let mut cases = CASES.iter().collect::<Vec<_>>();
        cases.sort_by_key(|case| case.number);
        for case in cases {
            println!("{:>2}  {}", case.number, case.name);
        }
        return ExitCode::SUCCESS;
    }
    let cases = match choose(&arguments) {
        Ok(cases) => cases,
        Err(why) => {
            eprintln!("e2e: {why}");
            return ExitCode::from(64);
        }
    };
    let scratch = env::temp_dir().join(format!("e2e-{}", std::process::id()));
    let outcome = LocalSet::new().run_until(prove(&cases, &scratch)).await;
    // Links, tokens and work trees; it may not be there.
    let _ = fs::remove_dir_all(&scratch);
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("e2e: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases side by side and prints the table; whether none failed.
async fn prove(cases: &[&'static Case], scratch: &Path) -> Outcome<bool> {
    let started = Instant::now();
    let mut signals = Signals::listen()?;
    let cluster = Rc::new(Cluster::from_environment(scratch).await?);
    let turns = Rc::new(Semaphore::new(AT_ONCE as usize));
    let mut scenes = Vec::new();
    let mut running = JoinSet::new();
    for &case in cases {
        let scene = Rc::new(Scene::new(Rc::clone(&cluster), case.number));
        scenes.push(Rc::clone(&scene));
        running.spawn_local(play(case, scene, Rc::clone(&turns)));
    }
    let mut results = Vec::new();
    let ended = tokio::select! {
        ended = async {
            while let Some(result) = running.join_next().await {
                results.push(result.map_err(|error| Failure(format!("a case ended in a panic: {error}")))?);
            }
            Ok(())
        } => ended,
        name = signals.next() => Err(Failure(format!("told to end by {name}"))),
    };
    if ended.is_err() {
        eprintln!("ending early: taking away what the cases have made");
        // With the programs that they run.
        running.shutdown().await;
        let cleaned = tokio::select! {
            cleaned = clean_up(scenes) => cleaned,
            name = signals.next() => Err(Failure(format!("told again, by {name}: what the cases have made is still there"))),
        };
        return all([ended, cleaned]).map(|()| false);
    }
    results.sort_by_key(|result: &Verdict| result.number);
    let (table, good) = report::summary(&results);
    eprintln!("all cases together took {} s", started.elapsed().as_secs());
    println!("{table}");
    Ok(good)
}

/// Takes away what all of the cases have made, side by side, and tells everything that stays.
async fn clean_up(scenes: Vec<Rc<Scene>>) -> Outcome<()> {
    let mut cleaning = JoinSet::new();
    for scene in scenes {
        cleaning.spawn_local(async move { scene.clean_up().await });
    }
    let outcomes = cleaning.join_all().await;
    all(outcomes)
}

/// One case from its turn to its end, with what it has made taken away whatever happened.
async fn play(case: &'static Case, scene: Rc<Scene>, turns: Rc<Semaphore>) -> Verdict {
    // The semaphore is never closed.
    let _turn = turns.acquire_many(if case.alone { AT_ONCE } else { 1 }).await.ok();
    let started = Instant::now();
    eprintln!("case {} ({}) starts", case.number, case.name);
    let outcome = case.run(&scene).await;
    let took = started.elapsed();
    if let Err(why) = &outcome {
        let dump = scene.dump().await;
        eprintln!("case {} FAILED: {why}\n{dump}case {} FAILED: {why}", case.number, case.number);
    }
    let cleaned = scene.clean_up().await;
    let ended = scene.ended(all([outcome, cleaned]));
    match &ended {
        Ended::Passed => eprintln!("case {} passed after {} s", case.number, took.as_secs()),
        Ended::Failed(_) => eprintln!("case {} failed after {} s", case.number, took.as_secs()),
        Ended::NotRun(why) => eprintln!("case {} is not run: {why}", case.number),
    }
    Verdict { number: case.number, name: case.name, ended, took, figures: scene.figures() }
}

/// What tells a run to end before its time.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Outcome<Self> {
        let of = |kind, name| signal(kind).map_err(|error| Failure(format!("{name}: {error}")));
        Ok(Self {
            terminate: of(SignalKind::terminate(), "SIGTERM")?,
            interrupt: of(SignalKind::interrupt(), "SIGINT")?,
        })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn choose(arguments: &[String]) -> Outcome<Vec<&'static Case>> {
    if arguments.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |argument: &String| {
        CASES.iter().find(|case| case.number.to_string() == *argument).ok_or_else(|| {
            Failure(format!(
                "invalid case \"{argument}\": expected a number from 1 to {} (--list tells more)",
                CASES.len()
            ))
        })
    };
    arguments.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_by_number() {
        let numbers = |arguments: &[&str]| {
            let arguments = arguments.iter().map(ToString::to_string).collect::<Vec<_>>();
            choose(&arguments).map(|cases| cases.iter().map(|case| case.number).collect::<Vec<_>>())
        };
        assert_eq!(numbers(&["8", "2"]).unwrap(), [8, 2]);
        assert_eq!(numbers(&[]).unwrap().len(), CASES.len());
        assert!(numbers(&["99"]).is_err());
    }
}
