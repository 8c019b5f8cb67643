//! Whoever deploys the application while its entry is switched: Helm 3, Helm 4 and `kubectl apply`. What the plugin says
//! beforehand is what happens; after `off` the entry is what it was, and upgrades meet no conflict and leave nothing stale.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::Helm;
use crate::entry::Before;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{Output, all, run as run_program};
use crate::release::Release;
use crate::scene::Scene;

const CHART: &str = "./e2e/manifests/entry-chart";
const SOON: Duration = Duration::from_secs(30);

/// An application's entry, which Helm deploys.
struct Deployed<'a> {
    release: &'a Release<'a>,
    by: Helm,
    kind: &'static str,
    /// Of the application's own release, and of its entry.
    name: String,
    host: String,
}

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::stand_by(scene, "", &["shop"], &[]).await?;
    let outcomes = tokio::join!(
        by_helm(&release, Helm::V3, "ingress"),
        by_helm(&release, Helm::V3, "httproute"),
        by_helm(&release, Helm::V4, "ingress"),
        by_helm(&release, Helm::V4, "httproute"),
        by_apply(&release, "ingress"),
        by_apply(&release, "httproute"),
    );
    all([outcomes.0, outcomes.1, outcomes.2, outcomes.3, outcomes.4, outcomes.5])
}

async fn by_helm(release: &Release<'_>, by: Helm, kind: &'static str) -> Result<()> {
    let name = format!("{}-{kind}", by.name());
    let host = format!("{}-{name}.test", release.namespace);
    let deployed = Deployed { release, by, kind, name, host };
    deployed.there_and_back().await.with_context(|| deployed.name.clone())
}

/// `kubectl apply` of the same file opens it to users, whatever its kind, and `off` takes the rest away.
async fn by_apply(release: &Release<'_>, kind: &'static str) -> Result<()> {
    let (target, host) = (format!("{kind}/applied"), format!("{}-applied-{kind}.test", release.namespace));
    let apply = async || release.apply_entry(kind, "applied", &host, "shop").await;
    apply().await?;
    release.await_host(&host, Mode::Normal, SOON).await?;
    let before = Before::of(release, &target).await?;
    let told = switched(release, &target, Mode::Maintenance, &host).await?;
    let says = "the next kubectl apply of it opens it to users at once and without a word";
    ensure!(told.contains(says), "the plugin should say beforehand \"{says}\", but says: {told}");
    before.leads_to_the_page(release, &[]).await?;
    apply().await?;
    release.await_host(&host, Mode::Normal, SOON).await?;
    switched(release, &target, Mode::Normal, &host).await?;
    before.is_again(release).await?;
    release.host_is(&host, Mode::Normal).await?;
    let opened = "kubectl apply of the same file opens it to users; off takes the annotations away";
    release.scene.figure(format!("{kind}, while it is on: {opened}"));
    Ok(())
}

/// What the plugin says when it switches a target and waits at its front door.
async fn switched(release: &Release<'_>, target: &str, mode: Mode, host: &str) -> Result<String> {
    let switched = run_program(&mut plugin::at_the_door(release, &[target], mode, host)?, plugin::LIMIT).await?;
    let text = switched.text();
    switched.success().map(|_| text)
}

// === impl Deployed ===

impl Deployed<'_> {
    async fn there_and_back(&self) -> Result<()> {
        let release = self.release;
        let target = format!("{}/{}", self.kind, self.name);
        let (kind, host) = (format!("kind={}", self.kind), format!("host={}", self.host));
        self.helm(&["install", &self.name, CHART, "--set", &kind, "--set", &host]).await?.success()?;
        release.await_host(&self.host, Mode::Normal, SOON).await?;
        let before = Before::of(release, &target).await?;

        let told = switched(release, &target, Mode::Maintenance, &self.host).await?;
        before.leads_to_the_page(release, &[]).await?;
        let happened = self.upgraded_meanwhile(&told).await.context("upgraded while it is on")?;
        switched(release, &target, Mode::Normal, &self.host).await?;
        before.is_again(release).await?;
        release.await_host(&self.host, Mode::Normal, SOON).await?;
        self.upgraded_afterwards(&target).await.context("upgraded after off")?;
        release.scene.figure(format!(
            "{} of {}, upgraded while it is on: {happened}; after off: no conflict, nothing stale",
            self.kind,
            self.by.name()
        ));
        Ok(())
    }

    /// What an upgrade that changes something else does to the switch, which is what the plugin has `told`.
    async fn upgraded_meanwhile(&self, told: &str) -> Result<&'static str> {
        let release = self.release;
        let upgrade = self.upgrade("version=2").await?;
        let version = release.get(&["configmap", &self.name]).await?["data"]["version"].take();
        let (words, happened) = match (self.by, self.kind) {
            (Helm::V3, "ingress") => {
                upgrade.success()?;
                release.await_host(&self.host, Mode::Normal, SOON).await?;
                ("(by Helm 3) opens", "opened to users at once and without a word")
            }
            (Helm::V3, _) => {
                upgrade.success()?;
                release.host_is(&self.host, Mode::Maintenance).await?;
                ("(by Helm 3) leaves", "left on the page")
            }
            (Helm::V4, _) => {
                let refusal = upgrade.refusal()?;
                ensure!(refusal.contains("conflict"), "Helm 4 should say that there is a conflict: {refusal}");
                release.host_is(&self.host, Mode::Maintenance).await?;
                ("(by Helm 4) fails with a conflict", "a conflict, half applied, still on the page")
            }
        };
        ensure!(version == "2", "the rest of the upgrade should be there, but the version is {version}");
        ensure!(told.contains(words), "the plugin should say beforehand \"{words}\", but says: {told}");
        Ok(happened)
    }

    /// Unchanged, with a changed path, and with an annotation dropped.
    async fn upgraded_afterwards(&self, target: &str) -> Result<()> {
        let release = self.release;
        self.upgrade("version=3").await?.success().context("unchanged")?;
        release.host_is(&self.host, Mode::Normal).await?;
        self.upgrade("path=/shop").await?.success().context("a changed path")?;
        self.upgrade("note=").await?.success().context("an annotation dropped")?;
        let found = release.get(&[target]).await?;
        let rule = &found["spec"]["rules"][0];
        let paths = match self.kind {
            "ingress" => rule["http"]["paths"].as_array().map(|paths| paths.iter().map(|path| &path["path"]).collect()),
            _ => rule["matches"].as_array().map(|paths| paths.iter().map(|path| &path["path"]["value"]).collect()),
        };
        let paths: Vec<&Value> = paths.unwrap_or_default();
        ensure!(paths == ["/shop"], "the path should be /shop alone, but the paths are {paths:?}");
        let annotations = found["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let foreign = annotations.keys().find(|name| !name.starts_with("meta.helm.sh/"));
        ensure!(foreign.is_none(), "there should be no annotation but Helm's: {annotations:?}");
        Ok(())
    }

    async fn upgrade(&self, set: &str) -> Result<Output> {
        self.helm(&["upgrade", &self.name, CHART, "--reuse-values", "--set", set]).await
    }

    async fn helm(&self, arguments: &[&str]) -> Result<Output> {
        let namespace = ["--namespace", &self.release.namespace];
        self.release.scene.cluster.helm(self.by, &[arguments, &namespace].concat()).await
    }
}
