//! The ConfigMap patched by hand: alone, and together with Helm.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::programs::all;
use crate::release::{PATCH, Release};
use crate::scene::Scene;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (by_hand, only3, both, only4) = tokio::join!(
        by_hand(scene),
        with_helm(scene, "by-3", Helm::V3, Helm::V3),
        with_helm(scene, "by-3-then-4", Helm::V3, Helm::V4),
        with_helm(scene, "by-4", Helm::V4, Helm::V4),
    );
    all([by_hand, only3, both, only4])
}

async fn by_hand(scene: &Scene) -> Result<()> {
    let release = Release::install(scene, "by-hand", Helm::V4, &[]).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    for mode in Mode::BOTH {
        let before = (release.pods("user").await?, release.pods("admin").await?);
        let patched = Instant::now();
        release.patch(mode.value()).await?;
        // Every pod, not only those that a few requests happen to reach.
        release.await_pods(mode, PATCH).await?;
        let in_force = Instant::now();
        sleep(Duration::from_secs(2)).await;
        let stale = recorder.since(in_force).iter().filter(|answer| answer.mode() == Some(mode.other())).count();
        ensure!(stale == 0, "{stale} answers of the old mode after every pod had said {mode:?}");
        release.same_pods("user", &before.0).await?;
        release.same_pods("admin", &before.1).await?;
        let seconds = (in_force - patched).as_secs();
        scene.figure(format!("patch to {mode:?}: in force after {seconds} s, same pods, no restart"));
    }
    scene.figure(format!("by hand: {}", recorder.finish()?));
    Ok(())
}

/// Patches and upgrades in turn; installed by one Helm, upgraded by another.
async fn with_helm(scene: &Scene, part: &str, installed: Helm, upgraded: Helm) -> Result<()> {
    let mut release = Release::install(scene, part, installed, &["hpa.enabled=false"]).await?;
    release.helm = upgraded;
    let (installed, upgraded) = (installed.name(), upgraded.name());
    let at = |step: &str| format!("installed by {installed}, upgraded by {upgraded}: {step}");
    patch_survives(&release).await.with_context(|| at("patch, then an unrelated upgrade, then a rollback"))?;
    patch_on_helm_off(&release).await.with_context(|| at("patch on, then helm off"))?;
    patch_off_helm_on(&release).await.with_context(|| at("patch off, then helm on"))?;
    let again = helm_says_it_again(&release).await.with_context(|| at("helm on, patch off, then helm on again"))?;
    let back =
        rollback_takes_back(&release).await.with_context(|| at("helm on, patch off, then a rollback to helm's on"))?;
    scene.figure(format!(
        "installed by {installed}, upgraded by {upgraded}: a patch survives an unrelated upgrade and a rollback; helm off, helm on, helm on again and a rollback to on win over one (the last two {again} and {back} s after they returned)"
    ));
    Ok(())
}

/// The key is not Helm's yet: whoever patched it keeps it.
async fn patch_survives(release: &Release<'_>) -> Result<()> {
    release.patch("true").await?;
    release.upgrade(&["maintenance.title=Back soon"]).await?;
    expect(release, "true").await?;
    release.await_users(Mode::Maintenance, PATCH).await?;
    let page = release.user("/").await?.body;
    ensure!(page.contains("Back soon"), "the upgrade's title is not on the page");
    release.run_helm(&["rollback", &release.name, "1", "--wait"]).await?.success()?;
    expect(release, "true").await?;
    // The pods that are new are in it from their start; Helm 3 does not wait for the old ones.
    release.await_users(Mode::Maintenance, Duration::from_secs(30)).await
}

async fn patch_on_helm_off(release: &Release<'_>) -> Result<()> {
    release.patch("true").await?;
    release.toggle(Mode::Normal).await?;
    expect(release, "false").await?;
    release.await_users(Mode::Normal, PATCH).await
}

async fn patch_off_helm_on(release: &Release<'_>) -> Result<()> {
    release.patch("false").await?;
    release.toggle(Mode::Maintenance).await?;
    expect(release, "true").await?;
    release.await_users(Mode::Maintenance, PATCH).await
}

/// Helm's values are what they were, but the pods are not: returns the seconds from the command's end until it was in
/// force.
async fn helm_says_it_again(release: &Release<'_>) -> Result<u64> {
    patched_off(release).await?;
    release.toggle(Mode::Maintenance).await?;
    in_force_again(release).await
}

async fn patched_off(release: &Release<'_>) -> Result<()> {
    release.patch("false").await?;
    release.refresh().await?;
    release.await_pods(Mode::Normal, PATCH).await
}

/// By new pods, so it takes no longer than Helm 3's old ones need to leave.
async fn in_force_again(release: &Release<'_>) -> Result<u64> {
    let returned = Instant::now();
    expect(release, "true").await?;
    release.await_users(Mode::Maintenance, Duration::from_secs(30)).await?;
    Ok(returned.elapsed().as_secs())
}

/// Helm's own key, patched away, comes back with the revision that set it: returns the same.
async fn rollback_takes_back(release: &Release<'_>) -> Result<u64> {
    // The one before the last, which is on as well: a rollback to the last changes no pod's template.
    let history = release.history().await?;
    let on = history.iter().rev().nth(1).and_then(|one| one["revision"].as_i64());
    let on = on.context("helm history has no revision")?.to_string();
    patched_off(release).await?;
    let rollback = [&["rollback", &release.name, &on, "--wait"][..], release.helm.force()].concat();
    release.run_helm(&rollback).await?.success()?;
    in_force_again(release).await
}

async fn expect(release: &Release<'_>, wanted: &str) -> Result<()> {
    let found = release.patched().await?;
    ensure!(found.as_deref() == Some(wanted), "MAINTENANCE_MODE in the ConfigMap should be {wanted}, but is {found:?}");
    Ok(())
}
