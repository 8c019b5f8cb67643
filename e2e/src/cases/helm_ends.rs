//! `helm rollback`, `helm uninstall`, and a Helm that was killed in the middle of an upgrade.

use std::process::Stdio;
use std::time::Duration;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{all, wait_for};
use crate::release::{PATCH, Release};
use crate::scene::Scene;
use anyhow::{Context, Result, ensure};

/// With every object that the chart can have, so that it is seen to go.
const VALUES: [&str; 4] = [
    "rbac.toggle.subjects[0].kind=Group",
    "rbac.toggle.subjects[0].name=operators",
    "networkPolicy.enabled=true",
    // The API server, through which pods are asked, is elsewhere on every cluster.
    "networkPolicy.managementFrom[0].ipBlock.cidr=0.0.0.0/0",
];

/// An upgrade that cannot end by itself: its pods fit no node, and with `--wait` Helm waits for them.
const HANGS: [&str; 2] = ["maintenance.title=Cut short", "nodeSelector.e2e=no-such-node"];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (v3, v4) = tokio::join!(ends(scene, Helm::V3), ends(scene, Helm::V4));
    all([v3, v4])
}

async fn ends(scene: &Scene, helm: Helm) -> Result<()> {
    let release = Release::install(scene, helm.name(), helm, &VALUES).await?;
    release.two_user_pods().await?;
    let all_kinds = present(&release).await?;
    for kind in ["Role", "RoleBinding", "NetworkPolicy", "HorizontalPodAutoscaler", "PodDisruptionBudget"] {
        let there = all_kinds.iter().any(|one| one.starts_with(&format!("{kind}/")));
        ensure!(there, "no {kind} was installed, so its going would prove nothing: {all_kinds:?}");
    }
    release.toggle(Mode::Maintenance).await?;
    release.await_users(Mode::Maintenance, Duration::from_secs(30)).await?;
    release.run_helm(&["rollback", &release.name, "1", "--wait"]).await?.success()?;
    // The key was unset in revision 1: the rollback takes it away again.
    let key = release.patched().await?;
    ensure!(key.is_none(), "{}: the rollback left MAINTENANCE_MODE at {key:?}", helm.name());
    release.await_users(Mode::Normal, PATCH).await?;

    let told = |state: &str| format!("{}, killed in an upgrade, maintenance.enabled {state}", helm.name());
    // The toggle that follows the one sets the value for the other.
    killed(&release, false, Mode::Normal).await.with_context(|| told("unset"))?;
    killed(&release, true, Mode::Maintenance).await.with_context(|| told("set"))?;
    if helm == Helm::V4 {
        refused(&release).await.context("Helm 4, a rollback after a patch")?;
    }

    release.run_helm(&["uninstall", &release.name, "--wait"]).await?.success()?;
    let mut left = Vec::new();
    let gone = wait_for("all objects to be gone after helm uninstall", Duration::from_secs(90), async || {
        left = present(&release).await?;
        Ok(left.is_empty().then_some(()))
    })
    .await;
    gone.with_context(|| format!("{}: there is still {left:?}", helm.name()))?;
    scene.figure(format!("{}: a rollback ends maintenance; uninstall leaves nothing", helm.name()));
    Ok(())
}

/// The old pods stay, the plugin still toggles, Helm says what is wrong, and a rollback repairs it: then Helm toggles to
/// `mode`. With `maintenance.enabled` `set` to `false` the plugin has patched what is Helm's.
async fn killed(release: &Release<'_>, set: bool, mode: Mode) -> Result<()> {
    let scene = release.scene;
    let helm = release.helm.name();
    let state = if set { "set" } else { "unset" };
    release.two_user_pods().await?;
    let before = (release.pods("user").await?, release.pods("admin").await?);
    kill_helm(release).await?;

    let recorder = release.record();
    // Away from what Helm has, where it has anything.
    let switches = if set { &[Mode::Maintenance][..] } else { &[Mode::Normal, Mode::Maintenance] };
    for &mode in switches {
        plugin::plugin(release, &[plugin::verb(mode)]).await?.success()?;
        release.users_see(mode).await?;
    }
    for (component, before) in [("user", &before.0), ("admin", &before.1)] {
        let now = release.serving(component).await?;
        let old = before.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
        ensure!(now == old, "the {component} pods of before should serve on: {old:?}; those that serve: {now:?}");
    }
    scene.figure(format!(
        "{helm} killed in an upgrade, maintenance.enabled {state}: the old pods serve on and the plugin toggles; {}",
        recorder.finish()?
    ));

    let toggle = release.upgrade_arguments(&["maintenance.enabled=true"], true);
    let message = release.run_helm(&toggle).await?.refusal()?;
    ensure!(message.contains("another operation"), "helm should say that the release is locked: {message}");
    scene.figure(format!("{helm} then says: {message}"));
    // The repair that docs/operations.md gives.
    let repair = [&["rollback", &release.name, "--wait"][..], release.helm.force()].concat();
    let took = rolled_back(release, &repair).await?;
    scene.figure(format!("{helm} repair, maintenance.enabled {state}: helm {}, {took} s", repair.join(" ")));

    // Where the value is unset, the patch is whoever's who made it, and stays; else it is Helm's again.
    let (key, kept) = if set { ("false", Mode::Normal) } else { ("true", Mode::Maintenance) };
    let found = release.patched().await?;
    ensure!(found.as_deref() == Some(key), "after the repair MAINTENANCE_MODE should be {key}, but is {found:?}");
    // No pod restarts, as those of before have what is rolled back to.
    release.refresh().await?;
    release.await_pods(kept, PATCH).await?;
    release.await_users(kept, Duration::from_secs(30)).await?;
    release.toggle(mode).await?;
    release.await_users(mode, Duration::from_secs(30)).await
}

/// Kills Helm when it waits for pods that never come.
async fn kill_helm(release: &Release<'_>) -> Result<()> {
    let arguments =
        [&release.upgrade_arguments(&HANGS, false)[..], &["--timeout", "300s", "--namespace", &release.namespace]]
            .concat();
    let mut upgrade = release
        .scene
        .cluster
        .helm_command(release.helm, &arguments)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("helm cannot be run")?;
    let under_way = wait_for("a pod of the upgrade that fits no node", Duration::from_secs(60), async || {
        let pods = release.get(&["pods", "--selector", &release.selector("user")]).await?;
        let mut pods = pods["items"].as_array().into_iter().flatten();
        let pending =
            pods.any(|pod| pod["spec"]["nodeSelector"]["e2e"] == "no-such-node" && pod["status"]["phase"] == "Pending");
        Ok(pending.then_some(()))
    })
    .await;
    let ended = upgrade.try_wait().context("helm cannot be watched")?;
    // SIGKILL: it cannot tidy up.
    upgrade.kill().await.context("helm cannot be killed")?;
    under_way?;
    ensure!(ended.is_none(), "the upgrade should hang, but had ended by itself: {ended:?}");
    let status = release.run_helm(&["status", &release.name]).await?.success()?;
    ensure!(status.contains("pending-upgrade"), "the release should be locked, but: {status}");
    Ok(())
}

/// Without its flags Helm 4 refuses to roll back what was patched by hand. The revision that has failed so is the newest
/// then, so that the next rollback needs a number: without one it means the revision before that, whatever it was.
async fn refused(release: &Release<'_>) -> Result<()> {
    let deployed = last_deployed(release).await?.to_string();
    release.patch("false").await?;
    let bare = ["rollback", &release.name, &deployed, "--wait"];
    let refusal = release.run_helm(&bare).await?.refusal()?;
    ensure!(refusal.contains("conflict"), "helm should say that the patched key is a conflict: {refusal}");
    let line = refusal.lines().find(|line| line.starts_with("Error: ")).unwrap_or(&refusal);
    release.scene.figure(format!("Helm 4 without its flags, after a patch by hand: {line}"));
    rolled_back(release, &[&bare[..], release.helm.force()].concat()).await?;
    let found = release.patched().await?;
    ensure!(found.as_deref() == Some("true"), "the rollback should bring MAINTENANCE_MODE back, but it is {found:?}");
    Ok(())
}

/// Seconds that the rollback took.
async fn rolled_back(release: &Release<'_>, arguments: &[&str]) -> Result<u64> {
    let ran = release.run_helm(arguments).await?;
    let took = ran.took.as_secs();
    ran.success().map(|_| took)
}

/// The newest revision that Helm has seen to its end.
async fn last_deployed(release: &Release<'_>) -> Result<i64> {
    let history = release.history().await?;
    let revisions = history.iter();
    let deployed = revisions.filter(|one| one["status"] == "deployed").filter_map(|one| one["revision"].as_i64());
    deployed.max().with_context(|| format!("helm history has no deployed revision: {history:?}"))
}

/// Whatever is in the namespace that Kubernetes does not put there itself.
async fn present(release: &Release<'_>) -> Result<Vec<String>> {
    let kinds = "pods,deployments,replicasets,jobs,services,ingresses,httproutes,networkpolicies,configmaps,secrets,serviceaccounts,roles,rolebindings,horizontalpodautoscalers,poddisruptionbudgets,endpointslices";
    let list = release.get(&[kinds]).await?;
    let items = list["items"].as_array().into_iter().flatten();
    let named = items.map(|item| (item["kind"].as_str(), item["metadata"]["name"].as_str()));
    let ours = named.filter(|one| {
        !matches!(one, (Some("ConfigMap"), Some("kube-root-ca.crt")) | (Some("ServiceAccount"), Some("default")))
    });
    Ok(ours.map(|(kind, name)| format!("{}/{}", kind.unwrap_or("?"), name.unwrap_or("?"))).collect())
}
