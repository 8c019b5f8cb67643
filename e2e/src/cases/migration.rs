//! From the chart before, which had no shapes, to front Services under traffic, by the commands that CHANGELOG.md gives: from
//! `app.existingService` and from `app.podSelector`. What is upgraded are releases of `e2e/manifests/before`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{all, run as run_program};
use crate::recorder::{RATE, Recorder, Served};
use crate::release::{Release, front_values};
use crate::scene::Scene;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (existing, selector) = tokio::join!(existing_service(scene), pod_selector(scene));
    all([existing.context("from app.existingService"), selector.context("from app.podSelector")])
}

/// The users' Ingress is the old release's, and becomes the application's own.
async fn existing_service(scene: &Scene) -> Result<()> {
    let old = ["app.existingService.name=shop", "app.existingService.port=8080"];
    let release = before(scene, "existing-service", Helm::V4, &old).await?;
    migrated(&release, "**From `app.existingService`.**", "shop-front").await?;
    let ingress = release.get(&["ingress", "shop-front-user"]).await?;
    let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"];
    ensure!(*backend == "shop-front", "the users' Ingress should name shop-front, but names {backend}");
    Ok(())
}

/// The users' Ingress is somebody else's; the Service that it names is the old release's, and stays.
async fn pod_selector(scene: &Scene) -> Result<()> {
    let old = ["app.podSelector.app=shop", "app.serviceName=shop", "app.servicePort=8080", "expose.user.enabled=false"];
    let release = before(scene, "pod-selector", Helm::V3, &old).await?;
    let uid = release.get(&["service", "shop"]).await?["metadata"]["uid"].take();
    migrated(&release, "**From `app.podSelector`.**", "shop").await?;
    let now = release.get(&["service", "shop"]).await?["metadata"]["uid"].take();
    ensure!(uid == now, "the Service was made anew");
    Ok(())
}

/// The application, and a release of the chart before in front of it.
async fn before<'a>(scene: &'a Scene, part: &str, helm: Helm, old: &[&str]) -> Result<Release<'a>> {
    let mut release = Release::prepare(scene, part, helm).await?;
    release.make_standby(&[]);
    release.name = "shop-front".to_owned();
    release.fullname = release.name.clone();
    release.user_hosts = vec![format!("{}-users.test", release.namespace)];
    release.apply_application("shop").await?;
    if part == "pod-selector" {
        // The chart before had the Service.
        release.kubectl(&["delete", "service", "shop"]).await?;
        release.apply_ingress("shop", release.user_host(), "shop").await?;
    }
    let sets = [
        &scene.cluster.image_values()[..],
        &[
            format!("expose.user.host={}", release.user_host()),
            format!("expose.admin.host={}", release.admin_host),
            "expose.admin.path=/".to_owned(),
            "expose.type=ingress".to_owned(),
        ],
    ]
    .concat();
    let mut arguments = vec!["install", &release.name, "./e2e/manifests/before", "--wait", "--timeout", "120s"];
    arguments.extend(sets.iter().map(String::as_str).chain(old.iter().copied()).flat_map(|set| ["--set", set]));
    release.run_helm(&arguments).await?.success()?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    old_values_are_refused(&release).await?;
    Ok(release)
}

/// The strict schema refuses the old keys before anything is deleted.
async fn old_values_are_refused(release: &Release<'_>) -> Result<()> {
    let before = names(release).await?;
    let told = release.run_helm(&release.upgrade_arguments(&[], true)).await?.refusal()?;
    ensure!(told.contains("app"), "Helm should name the old key app, but says: {told}");
    let after = names(release).await?;
    ensure!(before == after, "the refused upgrade changed {before:?} to {after:?}");
    Ok(())
}

async fn names(release: &Release<'_>) -> Result<Vec<String>> {
    let list = release.list(&["deployments,services,ingresses,configmaps,serviceaccounts"]).await?;
    Ok(list.iter().map(|one| format!("{}/{}", one["kind"], one["metadata"]["name"])).collect())
}

/// Runs the commands, switches, and sees that nobody noticed.
async fn migrated(release: &Release<'_>, heading: &str, front: &str) -> Result<()> {
    let cluster = &release.scene.cluster;
    let values = [release.values(), front_values(front, "shop")].concat();
    let values = values.iter().flat_map(|value| ["--set", value]).collect::<Vec<_>>().join(" ");
    let force = release.helm.force().join(" ");
    let replaced = [
        ("-n shop", format!("-n {}", release.namespace)),
        ("-f values.yaml --wait", format!("{values} {force} --wait")),
        ("http://shop.example.org/", format!("http://{}/", cluster.ingress)),
        ("shop.example.org", release.user_host().to_owned()),
    ];
    let commands = commands(&cluster.read("CHANGELOG.md")?, heading, &replaced)?;

    let recorder =
        Recorder::start(&cluster.ingress, &release.user_hosts, Some(&release.admin_host), Served::ByApplication, RATE);
    let mut shell = cluster.program("bash", Some(release.helm))?;
    run_program(shell.args(["-euxc", &commands]), Duration::from_secs(200)).await?.success()?;
    release.users_see(Mode::Normal).await?;
    for mode in Mode::BOTH {
        plugin::switch(release, mode).await?.success()?;
        release.users_see(mode).await?;
    }
    let old = release.list(&["deployments,services", "--selector", "app.kubernetes.io/component=user"]).await?;
    ensure!(old.is_empty(), "something of the old release is still there: {old:?}");
    release.scene.figure(format!("{heading} by {}: {}", release.helm.name(), recorder.finish()?));
    Ok(())
}

/// The first block of commands after a heading, with other names.
fn commands(text: &str, heading: &str, replaced: &[(&str, String)]) -> Result<String> {
    let (_, section) = text.split_once(heading).with_context(|| format!("CHANGELOG.md has no {heading}"))?;
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut block = block.with_context(|| format!("{heading} in CHANGELOG.md has no commands"))?.to_owned();
    for (from, to) in replaced {
        block = block.replace(from, to);
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_commands_of_a_heading() {
        let text = "**A.**\n\n```sh\none -n shop\n```\n\n**B.** text\n\n```sh\ntwo -n shop\n```\n";
        let replaced = [("-n shop", "-n e2e".to_owned())];
        assert_eq!(commands(text, "**B.**", &replaced).unwrap(), "two -n e2e\n");
        assert!(commands(text, "**C.**", &replaced).is_err());
    }
}
