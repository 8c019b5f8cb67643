//! Rendered manifests: `helm template` and `kubectl apply --server-side`, as a pipeline does it. A second time changes
//! nothing on a live cluster, the HPA's number of pods neither.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Helm;
use crate::http::Mode;
use crate::programs::wait_for;
use crate::release::Release;
use crate::scene::Scene;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let tiers = Release::prepare(scene, "tiers", Helm::V4).await?;
    applied_twice(&tiers, &["hpa.minReplicas=3"], Mode::Normal).await?;
    wait_for("the HPA to raise the user tier to three pods", Duration::from_secs(90), async || {
        let deployment = tiers.get(&["deployment", "shop-user"]).await?;
        Ok((deployment["status"]["readyReplicas"] == 3).then_some(()))
    })
    .await?;
    for mode in Mode::BOTH {
        let enabled = format!("maintenance.enabled={}", mode.value());
        applied_twice(&tiers, &["hpa.minReplicas=3", &enabled], mode).await?;
        let replicas = &tiers.get(&["deployment", "shop-user"]).await?["spec"]["replicas"];
        ensure!(*replicas == 3, "the HPA's replicas were set to {replicas}");
    }

    let standby = Release::prepare_front(scene, "standby", Helm::V4, &["shop"]).await?;
    standby.apply_ingress("shop", standby.user_host(), "shop-front").await?;
    for mode in Mode::BOTH {
        applied_twice(&standby, &[&format!("maintenance.enabled={}", mode.value())], mode).await?;
    }
    scene.figure("rendered, applied, and no difference the second time: the tiers with the HPA at 3 of its own, and standby, in both modes");
    Ok(())
}

async fn applied_twice(release: &Release<'_>, values: &[&str], mode: Mode) -> Result<()> {
    let sets = release.values();
    let mut arguments = vec!["template", &release.name, "./chart", "--no-hooks", "--kube-version", "1.34.0"];
    arguments.extend(sets.iter().map(String::as_str).chain(values.iter().copied()).flat_map(|set| ["--set", set]));
    let text = release.run_helm(&arguments).await?.success()?;
    let file = release.scene.cluster.write(&format!("{}.yaml", release.namespace), text)?;
    let path = file.to_string_lossy().into_owned();
    release.kubectl(&["apply", "--server-side", "--filename", &path]).await?;
    release.await_users(mode, Duration::from_secs(90)).await?;
    let diff = ["--namespace", &release.namespace, "diff", "--server-side", "--filename", &path];
    let mut last = String::new();
    // What its controllers write meanwhile looks like a difference, but one of ours would stay.
    let same = wait_for("no difference", Duration::from_secs(20), async || {
        let diff = release.scene.cluster.try_kubectl(&diff, Duration::from_secs(60)).await?;
        last = diff.text();
        Ok((diff.ok() && diff.stdout.is_empty()).then_some(()))
    })
    .await;
    same.with_context(|| format!("applied again it would change: {last}"))
}
