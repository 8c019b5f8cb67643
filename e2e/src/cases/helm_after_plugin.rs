//! Helm 3 and 4 after a switch by the plugin, in both shapes: to the same mode and to the other, with a key added and with
//! one dropped. Nobody's request fails, and what Helm leaves is what it renders.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::all;
use crate::release::Release;
use crate::scene::Scene;

const FRONT: &str = "service/shop-front";

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let mut outcomes = Vec::new();
    for helm in Helm::BOTH {
        let (config, service) = tokio::join!(config(scene, helm), service(scene, helm));
        outcomes.push(config.with_context(|| format!("config, {}", helm.name())));
        outcomes.push(service.with_context(|| format!("service, {}", helm.name())));
    }
    all(outcomes)
}

async fn config(scene: &Scene, helm: Helm) -> Result<()> {
    let part = format!("config-{}", helm.name());
    let release = Release::install(scene, &part, helm, &["maintenance.enabled=false"]).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    let object = format!("configmap/{}", release.configmap);

    // With a key that Helm has not rendered.
    plugin::plugin(&release, &["on", "--message", "Back at noon"]).await?.success()?;
    upgraded(&release, &["maintenance.enabled=true"], Mode::Maintenance).await.context("same mode")?;
    let message = release.get(&[&object]).await?["data"]["MAINTENANCE_MESSAGE"].take();
    ensure!(message == "Back at noon", "Helm should leave a key alone that is not its own, but it is {message}");
    plugin::switch(&release, Mode::Normal).await?.success()?;
    kept_from_helm(&release, &object).await?;

    let conflict = other_mode(&release, &object, Mode::Maintenance).await.context("other mode")?;
    upgraded(&release, &["maintenance.enabled=false"], Mode::Normal).await?;

    switched_there_and_back(&release, &object).await?;
    upgraded(&release, &["maintenance.title=Closed"], Mode::Normal).await.context("a key added")?;
    let data = release.get(&[&object]).await?["data"].take();
    ensure!(data["MAINTENANCE_TITLE"] == "Closed", "the key that was added is not there: {data}");
    switched_there_and_back(&release, &object).await?;
    upgraded(&release, &["maintenance.title="], Mode::Normal).await.context("a key dropped")?;
    let data = release.get(&[&object]).await?["data"].take();
    ensure!(data["MAINTENANCE_TITLE"].is_null(), "the key that was dropped is still there: {data}");
    ensure!(data["MAINTENANCE_MESSAGE"].is_null(), "off should have taken away the plugin's message: {data}");

    let figures = recorder.finish()?;
    scene.figure(format!(
        "config, {}: same mode, other mode ({conflict}), a key added, a key dropped; {figures}",
        helm.name()
    ));
    Ok(())
}

async fn service(scene: &Scene, helm: Helm) -> Result<()> {
    let part = format!("service-{}", helm.name());
    let release = Release::in_front(scene, &part, helm, &["shop"], &["maintenance.enabled=false"]).await?;
    let recorder = release.record();

    plugin::switch(&release, Mode::Maintenance).await?.success()?;
    upgraded(&release, &["maintenance.enabled=true"], Mode::Maintenance).await.context("same mode")?;
    plugin::switch(&release, Mode::Normal).await?.success()?;
    kept_from_helm(&release, FRONT).await?;

    let conflict = other_mode(&release, FRONT, Mode::Maintenance).await.context("other mode")?;
    upgraded(&release, &["maintenance.enabled=false"], Mode::Normal).await?;

    switched_there_and_back(&release, FRONT).await?;
    let tier = "frontServices.shop-front.selector.tier";
    upgraded(&release, &[&format!("{tier}=web")], Mode::Normal).await.context("a key added")?;
    selects(&release, &json!({ "app": "shop", "tier": "web" })).await?;
    switched_there_and_back(&release, FRONT).await?;
    selects(&release, &json!({ "app": "shop", "tier": "web" })).await?;
    upgraded(&release, &[&format!("{tier}=null")], Mode::Normal).await.context("a key dropped")?;
    selects(&release, &json!({ "app": "shop" })).await?;
    switched_there_and_back(&release, FRONT).await?;

    let figures = recorder.finish()?;
    scene.figure(format!(
        "service, {}: same mode, other mode ({conflict}), a key added, a key dropped; {figures}",
        helm.name()
    ));
    Ok(())
}

/// An upgrade that meets no conflict.
async fn upgraded(release: &Release<'_>, values: &[&str], mode: Mode) -> Result<()> {
    release.upgrade(values).await?;
    release.await_users(mode, Duration::from_secs(30)).await
}

/// The plugin has switched to normal what Helm has in maintenance, and then the other way round: Helm 4 names the conflict,
/// and takes it back with its flags; Helm 3 takes it back at once. What was said.
async fn other_mode(release: &Release<'_>, object: &str, helms: Mode) -> Result<String> {
    // Helm has maintenance, and the plugin has ended it: Helm 4 stops rather than to put users back without a word.
    if matches!(release.helm, Helm::V4) {
        let arguments = release.upgrade_arguments(&["maintenance.title=Closed until noon"], false);
        let told = release.run_helm(&arguments).await?.refusal()?;
        ensure!(told.contains("conflict"), "Helm 4 should say that the plugin's patch is a conflict: {told}");
        release.users_see(Mode::Normal).await?;
    }
    let arguments = release.upgrade_arguments(&["maintenance.title=Closed until noon"], true);
    release.run_helm(&arguments).await?.success()?;
    release.await_users(helms, Duration::from_secs(30)).await?;
    given_back(release, object).await?;
    release.toggle(Mode::Normal).await?;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;

    // Helm has normal, and the plugin has begun it.
    plugin::switch(release, Mode::Maintenance).await?.success()?;
    let bare = release.run_helm(&release.upgrade_arguments(&["maintenance.title="], false)).await?;
    let told = match release.helm {
        Helm::V3 => bare.success().map(|_| "taken back".to_owned())?,
        Helm::V4 => {
            let told = bare.refusal()?;
            ensure!(told.contains("conflict"), "Helm 4 should say that the plugin's patch is a conflict: {told}");
            release.users_see(Mode::Maintenance).await?;
            release.toggle(Mode::Normal).await?;
            "a conflict, taken back with its flags".to_owned()
        }
    };
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    Ok(told)
}

async fn switched_there_and_back(release: &Release<'_>, object: &str) -> Result<()> {
    for mode in Mode::BOTH {
        plugin::switch(release, mode).await?.success()?;
        release.users_see(mode).await?;
    }
    given_back(release, object).await
}

/// Fails unless the plugin still holds what Helm 4 has set to maintenance itself.
async fn kept_from_helm(release: &Release<'_>, object: &str) -> Result<()> {
    match release.helm {
        // It has sent the value that was there, which makes it no owner.
        Helm::V3 => given_back(release, object).await,
        Helm::V4 => {
            let found = release.get(&[object, "--show-managed-fields"]).await?;
            let managers = found["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
            let kept = managers.iter().any(|one| one["manager"] == "kubectl-maintenance");
            ensure!(kept, "{object} has nothing of the plugin's, so Helm would put users back without a word");
            Ok(())
        }
    }
}

/// Fails if the plugin has left anything of its own.
async fn given_back(release: &Release<'_>, object: &str) -> Result<()> {
    let found = release.get(&[object, "--show-managed-fields"]).await?;
    let managers = found["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let ours = managers.iter().filter(|one| one["manager"] == "kubectl-maintenance").collect::<Vec<_>>();
    ensure!(ours.is_empty(), "{object} still has fields of the plugin's: {ours:?}");
    let annotations = found["metadata"]["annotations"].as_object().into_iter().flatten();
    let left = annotations.map(|(name, _)| name.as_str()).filter(|name| {
        let ours = name.strip_prefix("maintenance-mode.github.io/");
        ours.is_some_and(|name| ["since", "by", "reason", "restore", "restore-meta"].contains(&name))
    });
    let left = left.collect::<Vec<_>>();
    ensure!(left.is_empty(), "{object} still has annotations of the plugin's: {left:?}");
    Ok(())
}

async fn selects(release: &Release<'_>, wanted: &Value) -> Result<()> {
    let selector = release.service_selector("shop-front").await?;
    ensure!(selector == *wanted, "shop-front should select {wanted}, but selects {selector}");
    Ok(())
}
