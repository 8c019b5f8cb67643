//! `compose.yaml`: both services, as the README gives them.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::cluster::{Failure, Outcome, all, run as run_program, wait_for};
use crate::ensure;
use crate::recorder::{self, Mode};
use crate::report::Scene;

const NORMAL: &str = "localhost:8888";
const MAINTENANCE: &str = "localhost:8081";

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let mut engine = Command::new("docker");
    run_program(engine.arg("version"), Duration::from_secs(20))
        .await?
        .success()
        .map_err(|Failure(why)| Failure(format!("could not run, as no container engine answers: {why}")))?;
    let outcome = both(scene).await;
    // Also after a failure, which is then the one to tell.
    let down = compose(scene, &["down", "--timeout", "1"]).await;
    all([outcome, down.map(drop)])
}

async fn both(scene: &Scene) -> Outcome<()> {
    compose(scene, &["up", "--detach"]).await?;
    healthy(scene, "web").await?;
    let reply = recorder::get(NORMAL, NORMAL, "/").await?;
    ensure!(reply.mode() == Some(Mode::Normal), "{NORMAL} answers {}, not the page of normal mode", reply.status);

    compose(scene, &["up", "--detach", "web-maintenance"]).await?;
    healthy(scene, "web-maintenance").await?;
    let reply = recorder::get(MAINTENANCE, MAINTENANCE, "/").await?;
    ensure!(reply.mode() == Some(Mode::Maintenance), "{MAINTENANCE} answers {}, not the page", reply.status);
    for (host, path, status) in
        [(NORMAL, "/health", 200), (NORMAL, "/ready", 200), (MAINTENANCE, "/health", 200), (MAINTENANCE, "/ready", 503)]
    {
        let reply = recorder::get(host, host, path).await?;
        ensure!(reply.status == status, "{host}{path} answers {}, not {status}", reply.status);
    }
    scene.figure("web: 200; web-maintenance: 503 with the page, /health 200, /ready 503; both healthy, read-only, no capabilities");
    Ok(())
}

/// Waits for the service's health check, and sees how its container is confined.
async fn healthy(scene: &Scene, service: &str) -> Outcome<()> {
    let id = compose(scene, &["ps", "--quiet", service]).await?;
    ensure!(!id.trim().is_empty(), "compose runs no container for {service}");
    let container = wait_for(&format!("the service {service} to be healthy"), Duration::from_secs(60), async || {
        let mut command = Command::new("docker");
        let text = run_program(command.args(["inspect", id.trim()]), Duration::from_secs(20)).await?.success()?;
        let mut found: Value =
            serde_json::from_str(&text).map_err(|error| Failure(format!("docker inspect: {error}")))?;
        let container = found[0].take();
        Ok((container["State"]["Health"]["Status"] == "healthy").then_some(container))
    })
    .await?;
    let host = &container["HostConfig"];
    ensure!(host["ReadonlyRootfs"] == true, "the root of {service} is writable");
    ensure!(host["CapDrop"][0] == "ALL", "{service} drops {}, not ALL capabilities", host["CapDrop"]);
    Ok(())
}

async fn compose(scene: &Scene, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new("docker");
    // A project of its own, so that nobody else's containers are taken down.
    let project = format!("e2e-{}", std::process::id());
    command.current_dir(&scene.cluster.repository).args(["compose", "--project-name", &project]).args(arguments);
    // It may have to build the image.
    run_program(&mut command, Duration::from_secs(600)).await?.success()
}
