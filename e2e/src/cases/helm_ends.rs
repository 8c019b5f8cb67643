//! `helm rollback`, `helm uninstall`, and a Helm that was killed in the middle of an upgrade.

use std::process::Stdio;
use std::time::Duration;

use crate::cluster::{Failure, Helm, Outcome, all, wait_for};
use crate::ensure;
use crate::recorder::Mode;
use crate::release::{PATCH, Release};
use crate::report::Scene;

use super::scripts;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let (v3, v4) = tokio::join!(ends(scene, "helm3", Helm::V3), ends(scene, "helm4", Helm::V4));
    all([v3, v4])
}

async fn ends(scene: &Scene, part: &str, helm: Helm) -> Outcome<()> {
    let release = Release::install(scene, part, helm, &[]).await?;
    release.two_user_pods().await?;
    release.toggle(Mode::Maintenance).await?;
    release.users_see(Mode::Maintenance).await?;
    release.run_helm(&["rollback", &release.name, "1", "--wait"]).await?.success()?;
    // The key was unset in revision 1: the rollback takes it away again.
    let key = release.patched().await?;
    ensure!(key.is_none(), "{helm}: the rollback left MAINTENANCE_MODE at {key:?}");
    release.await_users(Mode::Normal, PATCH).await?;

    killed(&release).await.map_err(|Failure(why)| Failure(format!("{helm}, killed in an upgrade: {why}")))?;

    release.run_helm(&["uninstall", &release.name, "--wait"]).await?.success()?;
    let left = wait_for("all objects to be gone after helm uninstall", Duration::from_secs(90), async || {
        let left = leftovers(&release).await?;
        Ok(left.is_empty().then_some(left))
    })
    .await;
    if left.is_err() {
        return Err(Failure(format!("{helm} uninstall left {:?}", leftovers(&release).await?)));
    }
    scene.figure(format!("{helm}: a rollback ends maintenance; uninstall leaves nothing"));
    Ok(())
}

/// The scripts still toggle, Helm says what is wrong, and a rollback repairs it.
async fn killed(release: &Release<'_>) -> Outcome<()> {
    let scene = release.scene;
    let helm = release.helm;
    let arguments =
        [&release.upgrade_arguments(&["maintenance.title=Cut short"], false)[..], &["--namespace", &release.namespace]]
            .concat();
    let mut upgrade = scene
        .cluster
        .helm_command(helm, &arguments)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure(format!("helm cannot be run: {error}")))?;
    let config = wait_for("the upgrade to be under way", Duration::from_secs(60), async || {
        let config = release.get(&["configmap", &release.configmap]).await?;
        Ok((config["data"]["MAINTENANCE_TITLE"] == "Cut short").then_some(config))
    })
    .await;
    // SIGKILL: it cannot tidy up.
    upgrade.kill().await.map_err(|error| Failure(format!("helm cannot be killed: {error}")))?;
    config?;
    let status = release.run_helm(&["status", &release.name]).await?.success()?;
    ensure!(status.contains("pending-upgrade"), "helm was killed too late, the release is not locked: {status}");

    let recorder = release.record();
    for mode in [Mode::Maintenance, Mode::Normal] {
        scripts::switch(release, mode, &recorder).await?;
    }
    scene.figure(format!("{helm} killed in an upgrade: the scripts toggle; {}", recorder.finish()?));

    let toggle = release.upgrade_arguments(&["maintenance.enabled=true"], true);
    let message = release.run_helm(&toggle).await?.refusal()?;
    ensure!(message.contains("another operation"), "helm should say that the release is locked: {message}");
    scene.figure(format!("{helm} then says: {message}"));
    let repair = ["rollback", &release.name, "--wait"];
    release.run_helm(&repair).await?.success()?;
    release.toggle(Mode::Maintenance).await?;
    release.users_see(Mode::Maintenance).await?;
    scene.figure(format!("{helm} repair: helm rollback RELEASE -n NAMESPACE --wait; the toggle works again"));
    Ok(())
}

/// Whatever is in the namespace that Kubernetes does not put there itself.
async fn leftovers(release: &Release<'_>) -> Outcome<Vec<String>> {
    let kinds = "pods,deployments,replicasets,services,ingresses,configmaps,secrets,serviceaccounts,horizontalpodautoscalers,poddisruptionbudgets,endpointslices";
    let list = release.get(&[kinds]).await?;
    let items = list["items"].as_array().into_iter().flatten();
    let named = items.map(|item| (item["kind"].as_str(), item["metadata"]["name"].as_str()));
    let ours = named.filter(|one| {
        !matches!(one, (Some("ConfigMap"), Some("kube-root-ca.crt")) | (Some("ServiceAccount"), Some("default")))
    });
    Ok(ours.map(|(kind, name)| format!("{}/{}", kind.unwrap_or("?"), name.unwrap_or("?"))).collect())
}
