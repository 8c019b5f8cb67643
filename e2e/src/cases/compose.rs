//! `compose.yaml`: both services, as docs/local-deployment.md gives them.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::http::{self, Mode};
use crate::programs::{run as run_program, wait_for};
use crate::scene::{Outside, Scene};
use anyhow::{Context, Result, ensure};

const NORMAL: &str = "localhost:8888";
const MAINTENANCE: &str = "localhost:8081";

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let mut engine = Command::new("docker");
    run_program(engine.arg("version"), Duration::from_secs(20))
        .await?
        .success()
        .context("could not run, as no container engine answers")?;
    both(scene).await
}

async fn both(scene: &Scene) -> Result<()> {
    scene.makes(Outside::Compose(project()));
    compose(scene, &["up", "--detach"]).await?;
    healthy(scene, "web").await?;
    let services = services().await?;
    ensure!(services == ["web"], "a plain `up` should start the service web alone, but there are {services:?}");
    let reply = http::get(NORMAL, NORMAL, "/").await?;
    ensure!(reply.mode() == Some(Mode::Normal), "{NORMAL} answers {}, not the page of normal mode", reply.status);

    compose(scene, &["up", "--detach", "web-maintenance"]).await?;
    healthy(scene, "web-maintenance").await?;
    let reply = http::get(MAINTENANCE, MAINTENANCE, "/").await?;
    ensure!(reply.mode() == Some(Mode::Maintenance), "{MAINTENANCE} answers {}, not the page", reply.status);
    for (host, path, status) in
        [(NORMAL, "/health", 200), (NORMAL, "/ready", 200), (MAINTENANCE, "/health", 200), (MAINTENANCE, "/ready", 503)]
    {
        let reply = http::get(host, host, path).await?;
        ensure!(reply.status == status, "{host}{path} answers {}, not {status}", reply.status);
    }
    scene.figure("web: 200; web-maintenance: 503 with the page, /health 200, /ready 503; both healthy, read-only, no capabilities");
    Ok(())
}

/// Waits for the service's health check, and sees how its container is confined.
async fn healthy(scene: &Scene, service: &str) -> Result<()> {
    let id = compose(scene, &["ps", "--quiet", service]).await?;
    ensure!(!id.trim().is_empty(), "compose runs no container for {service}");
    let container = wait_for(&format!("the service {service} to be healthy"), Duration::from_secs(60), async || {
        let mut command = Command::new("docker");
        let text = run_program(command.args(["inspect", id.trim()]), Duration::from_secs(20)).await?.success()?;
        let mut found: Value = serde_json::from_str(&text).context("docker inspect")?;
        let container = found[0].take();
        Ok((container["State"]["Health"]["Status"] == "healthy").then_some(container))
    })
    .await?;
    let image = &container["Config"]["Image"];
    ensure!(*image == *scene.cluster.image, "{service} runs {image}, not {}", scene.cluster.image);
    let host = &container["HostConfig"];
    ensure!(host["ReadonlyRootfs"] == true, "the root of {service} is writable");
    ensure!(host["CapDrop"][0] == "ALL", "{service} drops {}, not ALL capabilities", host["CapDrop"]);
    Ok(())
}

/// A project of its own, so that nobody else's containers are taken down.
fn project() -> String {
    format!("e2e-{}", std::process::id())
}

/// The services of which there are containers, running or not.
async fn services() -> Result<Vec<String>> {
    let mut command = Command::new("docker");
    command.args(["ps", "--all", "--format", r#"{{.Label "com.docker.compose.service"}}"#]);
    command.args(["--filter", &format!("label=com.docker.compose.project={}", project())]);
    let listed = run_program(&mut command, Duration::from_secs(20)).await?.success()?;
    Ok(listed.lines().map(str::to_owned).collect())
}

async fn compose(scene: &Scene, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("docker");
    command.current_dir(&scene.cluster.repository).env("IMAGE", &scene.cluster.image);
    command.args(["compose", "--project-name", &project()]).args(arguments);
    // It may have to build the image.
    run_program(&mut command, Duration::from_secs(600)).await?.success()
}
