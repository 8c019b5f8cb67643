//! Proves the chart and the plugin on a real cluster: installs releases, switches them under traffic, and watches what users
//! see.
//!
//! `e2e [--list] [CASE...]` with the names of the cases to run, else all of them. It reads
//!
//! - `E2E_KUBECONFIG`, which is required: the cluster, which has Contour with the Gateway `contour` in `projectcontour`,
//!   and metrics-server;
//! - `E2E_IMAGE`: the server's image, which the cluster has loaded, by default
//!   `ghcr.io/maintenance-mode/maintenance-mode:dev`;
//! - `E2E_APPLICATION_IMAGE`: that of `e2e/application`, loaded too, by default `ghcr.io/maintenance-mode/e2e-application:dev`;
//! - `E2E_OAUTH2_PROXY_IMAGE`: that of oauth2-proxy, by default its own, which the cluster then pulls;
//! - `E2E_INGRESS`, else `CLUSTER_INGRESS`: the URL of the Ingress controller;
//! - `HELM3`, `HELM4`: the two helms, else `helm3` and `helm` from PATH;
//! - `ARGOCD_SERVER`, with whatever else `argocd` needs: the Argo CD of that cluster, whose repo-server can read this
//!   machine's files, as `ci/airgap/argocd` starts it;
//! - `E2E_ARGOCD=none`: there is no such Argo CD, so its case is not run and says so. Without either it fails.
//!
//! The plugin is the `kubectl-maintenance` beside this program.
//!
//! The last line is `N passed, N failed`, and `, N skipped` where a case was not run. The exit status is 0 if none failed,
//! 1 if one failed or could not run without `E2E_*` saying so, and 64 for misuse.
//!
//! SIGTERM and SIGINT take away all that the cases have made; a second one ends it at once.
//!
//! The modules, each using those above it alone: `programs` and `http`; `answer`, `judge`, `recorder`; `cluster`; `scene`;
//! `release`, `entry`, `plugin`; `cases`. `report` prints what `scene` has kept.

mod answer;
mod cases;
mod cluster;
mod entry;
mod http;
mod judge;
mod plugin;
mod programs;
mod recorder;
mod release;
mod report;
mod scene;

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use cases::{CASES, Case};
use cluster::Cluster;
use programs::all;
use report::{Ended, Verdict};
use scene::Scene;

/// What runs side by side: cases mostly wait, but two cores can only do so much at once. A case takes one turn or more.
const TURNS: usize = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    if arguments.iter().any(|argument| argument == "--list") {
        for case in CASES {
            println!("{:<26} {}", case.name, case.about);
        }
        return ExitCode::SUCCESS;
    }
    let cases = match choose(&arguments) {
        Ok(cases) => cases,
        Err(why) => {
            eprintln!("e2e: {why:#}");
            return ExitCode::from(64);
        }
    };
    let scratch = env::temp_dir().join(format!("e2e-{}", std::process::id()));
    let outcome = LocalSet::new().run_until(prove(&cases, &scratch)).await;
    // Links, tokens and work trees. Without the variables that it needs there is none yet.
    let _ = fs::remove_dir_all(&scratch);
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("e2e: {why:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases side by side and prints what came of them; whether none failed.
async fn prove(cases: &[&'static Case], scratch: &Path) -> Result<bool> {
    let started = Instant::now();
    let mut signals = Signals::listen()?;
    let cluster = Rc::new(Cluster::from_environment(scratch).await?);
    let turns = Rc::new(Semaphore::new(TURNS));
    let mut scenes = Vec::new();
    let mut running = JoinSet::new();
    for (place, &case) in cases.iter().enumerate() {
        let scene = Rc::new(Scene::new(Rc::clone(&cluster), case.name));
        scenes.push(Rc::clone(&scene));
        let turns = Rc::clone(&turns);
        running.spawn_local(async move { (place, play(case, scene, turns).await) });
    }
    let mut results = Vec::new();
    let ended = tokio::select! {
        ended = async {
            while let Some(result) = running.join_next().await {
                results.push(result.context("a case ended in a panic")?);
            }
            Ok(())
        } => ended,
        name = signals.next() => Err(anyhow!("told to end by {name}")),
    };
    if ended.is_err() {
        eprintln!("ending early: taking away what the cases have made");
        // Ends the cases, and the programs that they run.
        running.shutdown().await;
        let cleaned = tokio::select! {
            cleaned = clean_up(scenes) => cleaned,
            name = signals.next() => Err(anyhow!("told again, by {name}: what the cases have made is still there")),
        };
        return all([ended, cleaned]).map(|()| false);
    }
    results.sort_by_key(|&(place, _)| place);
    let results = results.into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>();
    let (text, good) = report::summary(&results);
    eprintln!("all cases together took {} s", started.elapsed().as_secs());
    println!("{text}");
    Ok(good)
}

/// Takes away what all of the cases have made, side by side, and tells everything that stays.
async fn clean_up(scenes: Vec<Rc<Scene>>) -> Result<()> {
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
    let _turn = turns.acquire_many(case.turns).await.ok();
    let started = Instant::now();
    let name = case.name;
    eprintln!("{name} starts");
    let outcome = (case.run)(&scene).await;
    let took = started.elapsed();
    if let Err(why) = &outcome {
        let dump = scene.dump().await;
        eprintln!("{name} FAILED: {why:#}\n{dump}{name} FAILED: {why:#}");
    }
    let cleaned = scene.clean_up().await;
    let ended = match (all([outcome, cleaned]), scene.why_not_run()) {
        (Err(why), _) => Ended::Failed(why.to_string()),
        (Ok(()), Some(why)) => Ended::NotRun(why),
        (Ok(()), None) => Ended::Passed,
    };
    match &ended {
        Ended::Passed => eprintln!("{name} passed after {} s", took.as_secs()),
        Ended::Failed(_) => eprintln!("{name} failed after {} s", took.as_secs()),
        Ended::NotRun(why) => eprintln!("{name} is not run: {why}"),
    }
    Verdict { name, ended, took, figures: scene.figures(), switches: scene.switches() }
}

/// What tells a run to end before its time.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
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

fn choose(arguments: &[String]) -> Result<Vec<&'static Case>> {
    if arguments.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |argument: &String| match CASES.iter().find(|case| case.name == argument) {
        Some(case) => Ok(case),
        None => bail!("invalid case \"{argument}\": expected a name that --list prints"),
    };
    arguments.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_by_name() {
        let names = |arguments: &[&str]| {
            let arguments = arguments.iter().map(ToString::to_string).collect::<Vec<_>>();
            choose(&arguments).map(|cases| cases.iter().map(|case| case.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["probes", "install"]).unwrap(), ["probes", "install"]);
        assert_eq!(names(&[]).unwrap().len(), CASES.len());
        assert!(names(&["8"]).is_err());
    }

    #[test]
    fn no_case_waits_for_more_turns_than_there_are_and_no_name_is_there_twice() {
        assert!(CASES.iter().all(|case| case.turns >= 1 && case.turns as usize <= TURNS));
        for (place, case) in CASES.iter().enumerate() {
            assert!(CASES[..place].iter().all(|other| other.name != case.name), "{}", case.name);
        }
    }
}
