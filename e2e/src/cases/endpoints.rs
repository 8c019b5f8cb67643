//! `maintenance.endpoints`: what a user sees, whether pods are Ready, and whether a rollout ends.

use std::time::Duration;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::programs::{all, wait_for};
use crate::release::{PATCH, Release};
use crate::scene::Scene;
use anyhow::{Result, ensure};

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (ready, withdrawn) = tokio::join!(ready(scene), withdrawn(scene));
    all([ready, withdrawn])
}

/// Users see the page, pods stay Ready, rollouts end.
async fn ready(scene: &Scene) -> Result<()> {
    let release = Release::install(scene, "ready", Helm::V4, &["maintenance.endpoints=ready"]).await?;
    release.toggle(Mode::Maintenance).await?;
    // A proxy has a second to learn of it.
    release.await_users(Mode::Maintenance, Duration::from_secs(30)).await?;
    release.rollout("user").await?;
    release.users_see(Mode::Maintenance).await?;
    let pods = release.pods("user").await?;
    let ready = pods.iter().filter(|pod| !pod.terminating).all(|pod| pod.ready);
    ensure!(ready, "pods should be Ready in maintenance: {pods:?}");
    scene.figure("ready: 503 with the page, pods 1/1, --wait and a rollout complete");
    Ok(())
}

/// Users see the router's own 503, pods are not Ready, rollouts wait until it is over.
async fn withdrawn(scene: &Scene) -> Result<()> {
    let values = ["maintenance.endpoints=withdrawn", "maintenance.rollout=live"];
    let release = Release::install(scene, "withdrawn", Helm::V4, &values).await?;
    release.two_user_pods().await?;
    let refused = release.upgrade_arguments(&["maintenance.rollout=restart"], false);
    let refusal = release.run_helm(&refused).await?.refusal()?;
    ensure!(
        refusal.contains("ERROR: maintenance.endpoints=withdrawn needs maintenance.rollout=live"),
        "withdrawn with a restart should be refused with a sentence, but: {refusal}"
    );

    release.toggle(Mode::Maintenance).await?;
    release.refresh().await?;
    wait_for("the router's own 503 and unready pods", PATCH, async || {
        let reply = release.user("/").await?;
        let unready = release.pods("user").await?.iter().all(|pod| !pod.ready);
        Ok((reply.status == 503 && !reply.has_marker() && unready).then_some(()))
    })
    .await?;
    let admin = release.admin("/admin").await?;
    ensure!(admin.status == 200, "/admin answers {} while users are withdrawn", admin.status);
    release.kubectl(&["rollout", "restart", "deployment/shop-user"]).await?;
    let rollout = release.rolled_out("user", Duration::from_secs(20)).await?.refusal()?;
    ensure!(rollout.contains("timed out"), "a rollout should wait while users are withdrawn, but: {rollout}");

    // Helm would wait for the pods that wait for it: the script's way, without --wait.
    release.patch("false").await?;
    release.refresh().await?;
    release.await_users(Mode::Normal, PATCH).await?;
    release.rolled_out("user", Duration::from_secs(90)).await?.success()?;
    scene.figure(
        "withdrawn: the router's own 503, pods 0/1, a rollout waits until it is over; with rollout=restart it is refused",
    );
    Ok(())
}
