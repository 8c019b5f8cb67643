//! A malformed `MAINTENANCE_MODE`: harmless while pods run, refused by Helm, and one clear line from a pod that starts.

use std::time::Duration;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::programs::wait_for;
use crate::release::{PATCH, ROLLOUT, Release};
use crate::scene::Scene;
use anyhow::{Result, anyhow, ensure};

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::install(scene, "bad-value", Helm::V4, &[]).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    let before = release.pods("user").await?;
    live(&release, Mode::Normal, "on").await?;
    release.patch("true").await?;
    release.refresh().await?;
    release.await_users(Mode::Maintenance, PATCH).await?;
    live(&release, Mode::Maintenance, "yes, please").await?;
    release.same_pods("user", &before).await?;
    scene.figure("patched in live, in either mode: mode stays, counter rises, log and admin page say why");

    helm_refuses(&release).await?;
    scene.figure("as a Helm value: refused by helm 3 and 4, nothing changed");

    let line = a_pod_that_starts(&release).await?;
    release.users_see(Mode::Maintenance).await?;
    scene.figure(format!("a pod that starts with it: exit 64, {line}"));
    scene.figure(recorder.finish()?);
    Ok(())
}

/// Patches `value` in and sees that nothing but the counter, the log and the admin page takes notice.
async fn live(release: &Release<'_>, mode: Mode, value: &str) -> Result<()> {
    let pods = release.pod_names().await?;
    let mut failures = Vec::new();
    for pod in &pods {
        failures.push(release.metric(pod, "config_reload_failures_total").await?);
    }
    release.patch(value).await?;
    release.refresh().await?;
    for (pod, before) in pods.iter().zip(failures) {
        wait_for("config_reload_failures_total to rise", PATCH, async || {
            Ok((release.metric(pod, "config_reload_failures_total").await? > before).then_some(()))
        })
        .await?;
        let on = release.metric(pod, "maintenance_mode").await? > 0.5;
        ensure!(on == (mode == Mode::Maintenance), "{pod} left the mode {mode:?} for \"{value}\"");
        let log = release.kubectl(&["logs", pod]).await?;
        let told = log.lines().filter(|line| {
            line.contains("MAINTENANCE_MODE") && line.contains(value) && line.contains("true") && line.contains("false")
        });
        let told = told.count();
        ensure!(told == 1, "the log of {pod} should say once why \"{value}\" is refused, but says it {told} times");
    }
    release.users_see(mode).await?;
    wait_for("the admin page to show the malformed value", PATCH, async || {
        let page = release.admin("/admin").await?;
        ensure!(page.status == 200, "/admin answers {}", page.status);
        Ok(page.body.contains(value).then_some(()))
    })
    .await
}

async fn helm_refuses(release: &Release<'_>) -> Result<()> {
    for helm in Helm::BOTH {
        let before = state(release).await?;
        let namespace = release.namespace.as_str();
        let arguments = ["upgrade", &release.name, "./chart", "--namespace", namespace, "--reset-then-reuse-values"];
        let values = ["--set", "maintenance.enabled=maybe"];
        let refusal = release.scene.cluster.helm(helm, &[&arguments[..], &values].concat()).await?.refusal()?;
        let named = refusal.contains("maintenance.enabled") || refusal.contains("/maintenance/enabled");
        ensure!(named, "{} should name the value's path, but says: {refusal}", helm.name());
        ensure!(state(release).await? == before, "{} refused the value, but something changed", helm.name());
    }
    Ok(())
}

/// The versions of what an upgrade would change, and how many revisions there are.
async fn state(release: &Release<'_>) -> Result<Vec<String>> {
    let objects = release.get(&["configmaps,services,ingresses,secrets"]).await?;
    let deployments = release.get(&["deployments"]).await?;
    let items = |list: &serde_json::Value, field: &str| {
        let items = list["items"].as_array().into_iter().flatten();
        items.map(|item| format!("{} {}", item["metadata"]["name"], item["metadata"][field])).collect::<Vec<_>>()
    };
    // A Deployment's resourceVersion moves with its status: its generation is what an upgrade would change.
    Ok([items(&objects, "resourceVersion"), items(&deployments, "generation")].concat())
}

/// What a pod prints that is started with the malformed value. The others serve on, and an admin pod starts.
async fn a_pod_that_starts(release: &Release<'_>) -> Result<String> {
    let old = release.pod_names().await?;
    release.kubectl(&["rollout", "restart", "deployment/shop-user", "deployment/shop-admin"]).await?;
    let (pod, status) = wait_for("a new user pod to end", Duration::from_secs(60), async || {
        let list = release.get(&["pods", "--selector", &release.selector("user")]).await?;
        Ok(list["items"].as_array().into_iter().flatten().find_map(|pod| {
            let name = pod["metadata"]["name"].as_str().filter(|name| !old.iter().any(|other| other == name))?;
            let container = &pod["status"]["containerStatuses"][0];
            let ended = [&container["state"], &container["lastState"]];
            let code = ended.iter().find_map(|state| state["terminated"]["exitCode"].as_i64())?;
            Some((name.to_owned(), code))
        }))
    })
    .await?;
    ensure!(status == 64, "a pod with a malformed value should exit with 64, not {status}");
    let log = release.kubectl(&["logs", &pod]).await?;
    let lines = log.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>();
    let [line] = lines[..] else {
        return Err(anyhow!("a pod with a malformed value should print one line, but prints:\n{log}"));
    };
    let clear = ["MAINTENANCE_MODE", "yes, please", "true", "false"].iter().all(|word| line.contains(word));
    ensure!(clear, "the line should name the setting, the value and what is expected: {line}");
    release.rolled_out("admin", ROLLOUT).await?.success()?;
    let admin = release.admin("/admin").await?;
    ensure!(admin.status == 200, "an admin pod that started with a malformed value answers {}", admin.status);
    Ok(line.to_owned())
}
