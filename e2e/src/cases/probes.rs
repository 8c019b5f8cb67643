//! Maintenance fails no liveness probe, and outside it is told apart from health.

use std::time::Duration;

use tokio::time::sleep;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::release::Release;
use crate::scene::Scene;
use anyhow::{Result, ensure};

/// What each path says through the Ingress: (path, status in maintenance, a line of the answer).
const ANSWERS: [(&str, u16, &str); 7] = [
    ("/health", 200, "ok"),
    ("/healthz", 200, "ok"),
    ("/livez", 200, "ok"),
    ("/livez?verbose", 200, "[+]ping ok"),
    ("/ready", 503, "[-]maintenance failed: reason withheld"),
    ("/readyz", 503, "readyz check failed"),
    ("/readyz?exclude=maintenance&verbose", 200, "[+]maintenance excluded: ok"),
];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::install(scene, "probes", Helm::V4, &["maintenance.enabled=false"]).await?;
    release.two_user_pods().await?;
    for path in ["/health", "/ready"] {
        let reply = release.user(path).await?;
        ensure!(reply.status == 200, "{path} answers {} in normal mode", reply.status);
    }
    release.toggle(Mode::Maintenance).await?;
    release.two_user_pods().await?;
    let before = (release.pods("user").await?, release.pods("admin").await?);
    for (path, status, line) in ANSWERS {
        let reply = release.user(path).await?;
        ensure!(reply.status == status, "{path} answers {} in maintenance, not {status}", reply.status);
        ensure!(reply.body.lines().any(|found| found == line), "{path} should say \"{line}\", but: {}", reply.body);
        ensure!(!reply.has_marker(), "{path} carries the marker of the page");
    }
    sleep(Duration::from_secs(120)).await;
    release.users_see(Mode::Maintenance).await?;
    release.same_pods("user", &before.0).await?;
    release.same_pods("admin", &before.1).await?;
    scene.figure("/health 200 and /ready 503 through the Ingress; 120 s in maintenance without a restart");
    Ok(())
}
