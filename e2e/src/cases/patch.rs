//! The ConfigMap patched by hand: alone, with a restart, and together with Helm.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::{Failure, Helm, Outcome, all};
use crate::ensure;
use crate::recorder::Mode;
use crate::release::{PATCH, Release};
use crate::report::Scene;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let (by_hand, only3, both, only4) = tokio::join!(
        by_hand(scene),
        with_helm(scene, "by-3", Helm::V3, Helm::V3),
        with_helm(scene, "by-3-then-4", Helm::V3, Helm::V4),
        with_helm(scene, "by-4", Helm::V4, Helm::V4),
    );
    all([by_hand, only3, both, only4])
}

async fn by_hand(scene: &Scene) -> Outcome<()> {
    let release = Release::install(scene, "by-hand", Helm::V4, &[]).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    for mode in [Mode::Maintenance, Mode::Normal] {
        let before = (release.pods("user").await?, release.pods("admin").await?);
        let patched = Instant::now();
        release.patch(value(mode)).await?;
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
    for mode in [Mode::Maintenance, Mode::Normal] {
        let patched = Instant::now();
        release.patch(value(mode)).await?;
        release.rollout("user").await?;
        let ended = Instant::now();
        sleep(Duration::from_secs(3)).await;
        let old = recorder.since(ended).iter().filter(|answer| answer.mode() == Some(mode.other())).count();
        ensure!(old == 0, "{old} answers of the old mode to requests after the rollout to {mode:?} had ended");
        scene.figure(format!("patch and rollout restart to {mode:?}: {:.1} s", (ended - patched).as_secs_f64()));
    }
    scene.figure(format!("by hand: {}", recorder.finish()?));
    Ok(())
}

/// Patches and upgrades in turn; installed by one Helm, upgraded by another.
async fn with_helm(scene: &Scene, part: &str, installed: Helm, upgraded: Helm) -> Outcome<()> {
    let mut release = Release::install(scene, part, installed, &["hpa.enabled=false"]).await?;
    release.helm = upgraded;
    let at = |step: &'static str| {
        move |Failure(why)| Failure(format!("installed by {installed}, upgraded by {upgraded}: {step}: {why}"))
    };
    patch_survives(&release).await.map_err(at("patch, then an unrelated upgrade, then a rollback"))?;
    patch_on_helm_off(&release).await.map_err(at("patch on, then helm off"))?;
    patch_off_helm_on(&release).await.map_err(at("patch off, then helm on"))?;
    let again = helm_says_it_again(&release).await.map_err(at("helm on, patch off, then helm on again"))?;
    let back = rollback_takes_back(&release).await.map_err(at("helm on, patch off, then a rollback to helm's on"))?;
    scene.figure(format!(
        "installed by {installed}, upgraded by {upgraded}: a patch survives an unrelated upgrade and a rollback; helm off, helm on, helm on again and a rollback to on win over one (the last two {again} and {back} s after they returned)"
    ));
    Ok(())
}

/// The key is not Helm's yet: whoever patched it keeps it.
async fn patch_survives(release: &Release<'_>) -> Outcome<()> {
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

async fn patch_on_helm_off(release: &Release<'_>) -> Outcome<()> {
    release.patch("true").await?;
    release.toggle(Mode::Normal).await?;
    expect(release, "false").await?;
    release.await_users(Mode::Normal, PATCH).await
}

async fn patch_off_helm_on(release: &Release<'_>) -> Outcome<()> {
    release.patch("false").await?;
    release.toggle(Mode::Maintenance).await?;
    expect(release, "true").await?;
    release.await_users(Mode::Maintenance, PATCH).await
}

/// Helm's values are what they were, but the pods are not: returns the seconds from the command's end until it was in
/// force.
async fn helm_says_it_again(release: &Release<'_>) -> Outcome<u64> {
    patched_off(release).await?;
    release.toggle(Mode::Maintenance).await?;
    in_force_again(release).await
}

async fn patched_off(release: &Release<'_>) -> Outcome<()> {
    release.patch("false").await?;
    release.refresh().await?;
    release.await_pods(Mode::Normal, PATCH).await
}

/// By new pods, so it takes no longer than Helm 3's old ones need to leave.
async fn in_force_again(release: &Release<'_>) -> Outcome<u64> {
    let returned = Instant::now();
    expect(release, "true").await?;
    release.await_users(Mode::Maintenance, Duration::from_secs(30)).await?;
    Ok(returned.elapsed().as_secs())
}

/// Helm's own key, patched away, comes back with the revision that set it: returns the same.
async fn rollback_takes_back(release: &Release<'_>) -> Outcome<u64> {
    let history = release.run_helm(&["history", &release.name, "-o", "json"]).await?.success()?;
    let history: serde_json::Value =
        serde_json::from_str(&history).map_err(|error| Failure(format!("helm history: {error}")))?;
    // The one before the last, which is on as well: a rollback to the last changes no pod's template.
    let on = history.as_array().and_then(|all| all.iter().rev().nth(1)).and_then(|one| one["revision"].as_i64());
    let on = on.ok_or_else(|| Failure("helm history has no revision".to_owned()))?.to_string();
    patched_off(release).await?;
    let mut arguments = vec!["rollback", &release.name, &on, "--wait"];
    if release.helm == Helm::V4 {
        arguments.extend(["--server-side=true", "--force-conflicts"]);
    }
    release.run_helm(&arguments).await?.success()?;
    in_force_again(release).await
}

async fn expect(release: &Release<'_>, wanted: &str) -> Outcome<()> {
    let found = release.patched().await?;
    ensure!(found.as_deref() == Some(wanted), "MAINTENANCE_MODE in the ConfigMap should be {wanted}, but is {found:?}");
    Ok(())
}

fn value(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "false",
        Mode::Maintenance => "true",
    }
}
