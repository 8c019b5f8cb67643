//! On a real Argo CD: Applications from Git repositories on this machine, toggled by commits, by hand and by a parameter.
//! That of the standby shape is the one of `examples/argocd`. And an application of Argo CD's whose entry is switched.

mod app;
mod entry;

use std::env;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{all, wait_for};
use crate::release::{PATCH, Release};
use crate::scene::Scene;
use anyhow::{Context, Result, bail, ensure};

use app::{App, SYNC};

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let told = |name| env::var(name).unwrap_or_default();
    if let Some(why) = why_not(&told("E2E_ARGOCD"), &told("ARGOCD_SERVER"))? {
        scene.not_run(&why);
        return Ok(());
    }
    let (tiers, standby, entry) = tokio::join!(tiers(scene), standby(scene), entry::run(scene));
    all([tiers.context("tiers"), standby.context("standby"), entry.context("entry")])
}

/// Why the case is not run, if whoever started it says so; without an Argo CD and without that word it fails.
fn why_not(told: &str, server: &str) -> Result<Option<String>> {
    match (told, server) {
        ("none", _) => Ok(Some("E2E_ARGOCD=none: no Argo CD here can read this machine's files".to_owned())),
        ("", "") => bail!(
            "could not run: ARGOCD_SERVER is not set. `ci/airgap/argocd up` starts an Argo CD on this machine; E2E_ARGOCD=none says that there is to be none"
        ),
        ("", _) => Ok(None),
        _ => bail!("invalid E2E_ARGOCD \"{told}\": expected none, or unset"),
    }
}

/// The standby shape, by the Application of `examples/argocd`: the front Service is Argo CD's, the Ingresses are not.
async fn standby(scene: &Scene) -> Result<()> {
    let mut release = Release::prepare_front(scene, "standby", Helm::V4, &["shop"]).await?;
    release.name = "shop-front".to_owned();
    release.fullname = release.name.clone();
    release.apply_ingress("shop", release.user_host(), "shop-front").await?;
    release.apply("admin-ingress", &[("HOST", &release.admin_host), ("SERVICE", "shop")]).await?;
    let app = App::of_example(release).await?;
    toggled(&app).await
}

async fn toggled(app: &App<'_>) -> Result<()> {
    let release = &app.release;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let recorder = release.record();
    release.scene.figure("examples/argocd, with the repositories of this machine: Synced and Healthy");

    app.commit(&app.example_values(Mode::Maintenance)?).await?;
    app.synced(Mode::Maintenance).await?;
    release.scene.figure("toggled by a commit of one line: Synced and Healthy in maintenance");

    // By hand: the plugin stops, and who goes on all the same is taken back.
    stops(&plugin::plugin(release, &["off"]).await?.status(1)?)?;
    release.fronts_are(Mode::Maintenance).await?;
    let before = release.version("service/shop-front").await?;
    // Whether it sees the endpoints in the new mode before self-heal comes is chance.
    let forced = plugin::plugin(release, &["off", "--force", "--timeout", "5s"]).await?.text();
    wait_for("self-heal to take the forced change back", Duration::from_secs(60), async || {
        let changed = release.version("service/shop-front").await? != before;
        Ok((changed && release.fronts_are(Mode::Maintenance).await.is_ok()).then_some(()))
    })
    .await
    .context(forced)?;
    app.synced(Mode::Maintenance).await?;
    release
        .scene
        .figure("by hand where Git has the value: the plugin stops, and self-heal takes back what --force does");

    // By a parameter, which outranks Git until it is unset. Of several sources it must be told which.
    let source = ["--source-position", "1"];
    let set = [&["app", "set", app.application_name(), "-p", "maintenance.enabled=false"][..], &source].concat();
    app.argocd(&set[..5]).await?.refusal()?;
    app.argocd(&set).await?.success()?;
    app.synced(Mode::Normal).await?;
    app.commit(&(app.example_values(Mode::Maintenance)? + "# Another commit.\n")).await?;
    app.synced(Mode::Normal).await?;
    app.argocd(&[&["app", "unset", app.application_name(), "-p", "maintenance.enabled"][..], &source].concat())
        .await?
        .success()?;
    app.synced(Mode::Maintenance).await?;
    release.scene.figure(
        "argocd app set -p maintenance.enabled=… --source-position 1 outranks Git until argocd app unset; without the position it is refused",
    );

    app.commit(&app.example_values(Mode::Normal)?).await?;
    app.synced(Mode::Normal).await?;
    release.scene.figure(format!("standby, toggled by commits, by hand and by parameter: {}", recorder.finish()?));
    Ok(())
}

/// The tiers: the key in the ConfigMap is nobody's where the value is unset.
async fn tiers(scene: &Scene) -> Result<()> {
    let release = Release::prepare(scene, "tiers", Helm::V4).await?;
    let app = App::of_tiers(release).await?;
    patched(&app).await?;
    withdrawn(&app).await
}

async fn patched(app: &App<'_>) -> Result<()> {
    let release = &app.release;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    for mode in [Mode::Maintenance, Mode::Normal, Mode::Maintenance] {
        plugin::switch(release, mode).await?.success()?;
        app.synced(mode).await?;
    }
    // Self-heal would have come long before.
    sleep(Duration::from_secs(10)).await;
    release.users_see(Mode::Maintenance).await?;
    release.scene.figure("by hand where Git has no value: the patch survives, Synced and Healthy in maintenance");

    app.commit(&app.tiers_values(&json!({ "enabled": true }))).await?;
    app.synced(Mode::Maintenance).await?;
    app.commit(&app.tiers_values(&json!({ "enabled": false }))).await?;
    app.synced(Mode::Normal).await?;

    // By hand where Git has the value.
    stops(&plugin::plugin(release, &["on"]).await?.status(1)?)?;
    let key = release.patched().await?;
    ensure!(
        key.as_deref() == Some("false"),
        "the plugin that stopped should have changed nothing, but the key is {key:?}"
    );
    let configmap = format!("configmap/{}", release.configmap);
    let before = release.version(&configmap).await?;
    // Whether it sees the pods in the new mode before self-heal comes is chance.
    let forced = plugin::plugin(release, &["on", "--force", "--timeout", "5s"]).await?.text();
    wait_for("self-heal to take the forced change back", Duration::from_secs(60), async || {
        let changed = release.version(&configmap).await? != before;
        Ok((changed && release.patched().await?.as_deref() == Some("false")).then_some(()))
    })
    .await
    .context(forced)?;
    // Pods may have read what --force wrote.
    release.refresh().await?;
    release.await_pods(Mode::Normal, PATCH).await?;
    app.synced(Mode::Normal).await?;
    release
        .scene
        .figure("tiers, by hand where Git has the value: the plugin stops, and self-heal takes back what --force does");
    release.scene.figure(format!("tiers, toggled by commits and by hand: {}", recorder.finish()?));
    Ok(())
}

/// `maintenance.endpoints=withdrawn`: what Argo CD makes of pods that are not ready on purpose.
async fn withdrawn(app: &App<'_>) -> Result<()> {
    let release = &app.release;
    let values = |on: bool| app.tiers_values(&json!({ "enabled": on, "endpoints": "withdrawn", "rollout": "live" }));
    // In normal mode first: a rollout in maintenance would never end.
    app.commit(&values(false)).await?;
    app.synced(Mode::Normal).await?;
    release.two_user_pods().await?;
    app.commit(&values(true)).await?;
    wait_for("the commit to be in the ConfigMap", SYNC, async || {
        app.refresh().await?;
        Ok((release.patched().await?.as_deref() == Some("true")).then_some(()))
    })
    .await?;
    release.refresh().await?;
    let mut last = Value::Null;
    let seen = wait_for("Synced and Progressing, while users get the router's own 503", PATCH, async || {
        let status = app.status().await?;
        last = json!([status["sync"]["status"], status["health"]]);
        let told = status["sync"]["status"] == "Synced" && status["health"]["status"] == "Progressing";
        let reply = release.user("/").await?;
        Ok((told && reply.status == 503 && !reply.has_marker()).then_some(()))
    })
    .await;
    seen.with_context(|| format!("withdrawn: last: {last}"))?;
    let mut healths = vec!["Progressing".to_owned()];
    for _ in 0..20 {
        sleep(Duration::from_secs(2)).await;
        let health = app.status().await?["health"]["status"].as_str().unwrap_or_default().to_owned();
        ensure!(health != "Healthy", "withdrawn pods are not ready, but Argo CD says Healthy");
        if healths.last() != Some(&health) {
            healths.push(health);
        }
    }
    release.scene.figure(format!("withdrawn in maintenance: Synced, {} in 40 s", healths.join(", then ")));
    Ok(())
}

/// Fails unless the plugin has stopped before Argo CD.
fn stops(message: &str) -> Result<()> {
    ensure!(
        message.contains("Argo CD") && message.contains("--force"),
        "the plugin should stop before Argo CD: {message}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_argo_cd_it_fails_unless_that_is_said() {
        assert!(why_not("", "").is_err());
        assert!(why_not("some", "127.0.0.1:1").is_err());
        assert_eq!(why_not("", "127.0.0.1:1").unwrap(), None);
        assert!(why_not("none", "").unwrap().unwrap().starts_with("E2E_ARGOCD=none: "));
    }
}
