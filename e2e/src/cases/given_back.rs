//! What stands in the way of giving an entry back, and how it is given back all the same: a front door that never gets
//! there, somebody's change or the whole file anew while it is switched, and without the plugin.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::entry::Before;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{Output, last_line, run as run_program};
use crate::release::Release;
use crate::scene::Scene;

const SOON: Duration = Duration::from_secs(30);
/// Where each of the two leads first.
const BACKENDS: [(&str, &str); 2] =
    [("ingress", "/spec/rules/0/http/paths/0/backend/service/name"), ("httproute", "/spec/rules/0/backendRefs/0/name")];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::stand_by(scene, "", &["shop", "other"], &[]).await?;
    for (kind, backend) in BACKENDS {
        let host = format!("{}-{kind}.test", release.namespace);
        release.apply_entry(kind, "shop", &host, "shop").await?;
        release.await_host(&host, Mode::Normal, SOON).await?;
        let target = format!("{kind}/shop");
        let case = GivenBack { release: &release, before: Before::of(&release, &target).await?, target, host, backend };
        case.timeout().await.with_context(|| format!("{kind}: a timeout"))?;
        case.changed_meanwhile().await.with_context(|| format!("{kind}: changed meanwhile"))?;
        case.without_the_plugin().await.with_context(|| format!("{kind}: without the plugin"))?;
    }
    Ok(())
}

struct GivenBack<'a> {
    release: &'a Release<'a>,
    before: Before,
    target: String,
    host: String,
    /// Where in the object the name of its first backend is.
    backend: &'static str,
}

// === impl GivenBack ===

impl GivenBack<'_> {
    /// The change stands, and the command can be repeated.
    async fn timeout(&self) -> Result<()> {
        let url = format!("http://{}/", self.release.scene.cluster.ingress);
        let never = ["on", "--url", &url, "--host", "nobody.test", "--timeout", "3s"];
        let told = self.plugin(&never).await?.status(1)?;
        self.before.leads_to_the_page(self.release, &[]).await?;
        self.release.await_host(&self.host, Mode::Maintenance, SOON).await?;
        self.switched(Mode::Maintenance).await?;
        self.given_back().await?;
        self.figure("a front door that never gets there", &told);
        Ok(())
    }

    /// What `on` tells programs, and then `status` people.
    async fn receipt(&self) -> Result<()> {
        let mut command = plugin::at_the_door(self.release, &[&self.target], Mode::Maintenance, &self.host)?;
        let text = run_program(command.args(["-o", "json"]), plugin::LIMIT).await?.success()?;
        let receipt: Value = serde_json::from_str(&text).context(text.clone())?;
        let target = &receipt["targets"][0];
        let (object, door) = (&target["objects"][0], &target["frontDoors"][0]);
        ensure!(receipt["inForce"] == true && target["target"] == self.target, "it should be in force: {text}");
        ensure!(
            object["object"] == self.target && object["state"] == "changed",
            "the object should be changed: {text}"
        );
        // Each in RFC 3339, in the same zone and as long.
        let times = [&receipt["began"], &door["firstNew"], &receipt["ended"]].map(|time| time.as_str().unwrap_or(""));
        ensure!(!times[0].is_empty() && times.is_sorted(), "the first new answer should be between its times: {text}");

        let told = self.plugin(&["status"]).await?.success()?;
        ensure!(told.contains(&self.target) && told.contains("maintenance"), "status should tell of it: {told}");
        Ok(())
    }

    /// By somebody who led it elsewhere while it was switched.
    async fn changed_meanwhile(&self) -> Result<()> {
        self.receipt().await.context("the receipt")?;
        self.lead_to("other").await?;
        let told = self.plugin(&["off"]).await?.status(1)?;
        ensure!(
            told.contains(&self.target) && told.contains("other") && told.contains("--force"),
            "the plugin should name the object, what differs and --force, but says: {told}"
        );
        let found = self.release.get(&[&self.target]).await?.pointer(self.backend).cloned();
        ensure!(found == Some("other".into()), "the other's change should stay, but it leads to {found:?}");
        self.plugin(&["off", "--force", "--wait=false"]).await?.success()?;
        self.before.has_its_fields_again(self.release).await?;
        self.release.await_host(&self.host, Mode::Normal, SOON).await?;
        // By which whoever patched it owns nothing any more.
        let kind = self.target.split('/').next().unwrap_or_default();
        self.release.apply_entry(kind, "shop", &self.host, "shop").await?;
        self.figure("changed meanwhile", &told);
        Ok(())
    }

    /// By the commands that docs/operations.md gives for `ingress/shop` in the namespace `shop`.
    async fn without_the_plugin(&self) -> Result<()> {
        self.switched(Mode::Maintenance).await?;
        let cluster = &self.release.scene.cluster;
        let page = fs::read_to_string(cluster.repository.join("docs/operations.md")).context("docs/operations.md")?;
        let commands = page.split("```").find(|block| block.starts_with("sh\nmeta="));
        let commands = commands.context("docs/operations.md has no commands that give an entry back")?;
        let namespace = format!("-n {} ", self.release.namespace);
        let commands = commands.replace("ingress/shop", &self.target).replace("-n shop ", &namespace);
        let commands = commands.trim_start_matches("sh\n");
        let mut shell = cluster.program("bash", None)?;
        run_program(shell.args(["-euc", commands]), Duration::from_secs(60)).await?.success()?;
        self.before.is_again(self.release).await?;
        self.release.await_host(&self.host, Mode::Normal, SOON).await?;
        self.release.scene.figure(format!("{}: given back by kubectl alone", self.target));
        Ok(())
    }

    async fn switched(&self, mode: Mode) -> Result<()> {
        let mut command = plugin::at_the_door(self.release, &[&self.target], mode, &self.host)?;
        run_program(&mut command, plugin::LIMIT).await?.success().map(drop)
    }

    async fn given_back(&self) -> Result<()> {
        self.switched(Mode::Normal).await?;
        self.before.is_again(self.release).await?;
        self.release.host_is(&self.host, Mode::Normal).await
    }

    async fn plugin(&self, arguments: &[&str]) -> Result<Output> {
        plugin::plugin_for(self.release, &[&self.target], arguments).await
    }

    /// What somebody does by hand.
    async fn lead_to(&self, service: &str) -> Result<()> {
        let patch = json!([{ "op": "replace", "path": self.backend, "value": service }]).to_string();
        self.release.kubectl(&["patch", &self.target, "--type", "json", "--patch", &patch]).await.map(drop)
    }

    fn figure(&self, what: &str, told: &str) {
        self.release.scene.figure(format!("{}, {what}: {}", self.target, last_line(told)));
    }
}
