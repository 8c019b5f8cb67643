//! Proves the chart on a real cluster: installs it, switches it under traffic, and watches what users see.
//!
//! `e2e [--list] [CASE...]` with the numbers of the cases to run, else all of them. It reads
//!
//! - `E2E_KUBECONFIG`, which is required: the cluster;
//! - `E2E_IMAGE`: an image that the cluster has loaded, by default `ghcr.io/maintenance-mode/maintenance-mode:dev`;
//! - `E2E_APPLICATION_IMAGE`: that of `e2e/application`, loaded too, by default `ghcr.io/maintenance-mode/e2e-application:dev`;
//! - `E2E_INGRESS`, else `CLUSTER_INGRESS`: the URL of the Ingress controller;
//! - `HELM3`, `HELM4`: the two helms, else `helm3` and `helm` from PATH.
//!
//! The exit status is 0 if every case passed, 1 if one failed or could not run, and 64 for misuse.

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

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};

use cases::{CASES, Case};
use cluster::{Cluster, Failure, Outcome};
use report::{Scene, Verdict};

/// Cases at a time: they mostly wait, but two cores can only do so much at once.
const AT_ONCE: usize = 4;

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
    // A directory of links that may not be there.
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

/// Runs the cases side by side and prints the table; whether all passed.
async fn prove(cases: &[&'static Case], scratch: &Path) -> Outcome<bool> {
    let cluster = Rc::new(Cluster::from_environment(scratch).await?);
    let turns = Rc::new(Semaphore::new(AT_ONCE));
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Failure(format!("SIGTERM: {error}")))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Failure(format!("SIGINT: {error}")))?;
    let mut scenes = Vec::new();
    let mut running = Vec::new();
    for &case in cases {
        let scene = Rc::new(Scene::new(Rc::clone(&cluster), case.number));
        scenes.push(Rc::clone(&scene));
        running.push(spawn_local(play(case, scene, Rc::clone(&turns))));
    }
    let finished = async {
        let mut results = Vec::new();
        for task in &mut running {
            results.push(task.await.map_err(|error| Failure(format!("a case ended in a panic: {error}")))?);
        }
        Ok(results)
    };
    let results = tokio::select! {
        results = finished => results,
        _ = terminate.recv() => Err(Failure("told to end by SIGTERM".to_owned())),
        _ = interrupt.recv() => Err(Failure("told to end by SIGINT".to_owned())),
    };
    if results.is_err() {
        for task in &running {
            task.abort();
        }
        for scene in scenes {
            scene.clean_up().await?;
        }
    }
    let mut results = results?;
    results.sort_by_key(|result| result.number);
    let (table, good) = report::summary(&results);
    println!("{table}");
    Ok(good)
}

/// One case from its turn to its end, with its namespaces deleted whatever happened.
async fn play(case: &'static Case, scene: Rc<Scene>, turns: Rc<Semaphore>) -> Verdict {
    // The semaphore is never closed.
    let _turn = turns.acquire().await.ok();
    let started = Instant::now();
    eprintln!("case {} ({}) starts", case.number, case.name);
    let mut outcome = case.run(&scene).await;
    let took = started.elapsed();
    match &outcome {
        Ok(()) => eprintln!("case {} passed after {} s", case.number, took.as_secs()),
        Err(why) => {
            let dump = scene.dump().await;
            eprintln!("case {} FAILED: {why}\n{dump}case {} FAILED: {why}", case.number, case.number);
        }
    }
    let cleaned = scene.clean_up().await;
    if outcome.is_ok() {
        outcome = cleaned;
    }
    Verdict { number: case.number, name: case.name, outcome, took, figures: scene.figures() }
}

fn choose(arguments: &[String]) -> Outcome<Vec<&'static Case>> {
    if arguments.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |argument: &String| {
        CASES.iter().find(|case| case.number.to_string() == *argument).ok_or_else(|| {
            Failure(format!(
                "\"{argument}\" is no case: it may be a number from 1 to {} (--list tells more)",
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
