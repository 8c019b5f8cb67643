//! Rendered manifests: `helm template` and `kubectl apply --server-side`, as a pipeline does it. A second time changes
//! nothing on a live cluster, the HPA's number of pods neither.

use std::time::Duration;

use crate::cluster::{Helm, Outcome, wait_for};
use crate::ensure;
use crate::front::Way;
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let mut release = Release::prepare(scene, "demo", Helm::V4).await?;
    let hosts =
        [format!("expose.user.host={}", release.user_host), format!("expose.admin.host={}", release.admin_host)];
    let demo = ["hpa.minReplicas=3", "expose.type=ingress", &hosts[0], &hosts[1]];
    applied_twice(&release, &demo, Mode::Normal).await?;
    wait_for("the HPA to raise the user tier to three pods", Duration::from_secs(90), async || {
        let deployment = release.get(&["deployment", "shop-user"]).await?;
        Ok((deployment["status"]["readyReplicas"] == 3).then_some(()))
    })
    .await?;
    for on in ["maintenance.enabled=true", "maintenance.enabled=false"] {
        let mode = if on.ends_with("true") { Mode::Maintenance } else { Mode::Normal };
        applied_twice(&release, &[&demo[..], &[on]].concat(), mode).await?;
        let deployment = release.get(&["deployment", "shop-user"]).await?;
        ensure!(
            deployment["spec"]["replicas"] == 3,
            "the HPA's replicas were set to {}",
            deployment["spec"]["replicas"]
        );
    }

    release = Release::prepare(scene, "front", Helm::V4).await?;
    release.apply_application(true).await?;
    release.way = Some(Way::Ingress);
    let hosts =
        [format!("expose.user.host={}", release.user_host), format!("expose.admin.host={}", release.admin_host)];
    let front =
        ["app.existingService.name=shop", "app.existingService.port=8080", "expose.type=ingress", &hosts[0], &hosts[1]];
    for (on, mode) in [("maintenance.enabled=true", Mode::Maintenance), ("maintenance.enabled=false", Mode::Normal)] {
        applied_twice(&release, &[&front[..], &[on]].concat(), mode).await?;
    }
    scene.figure("rendered, applied, and no difference the second time: the demo with the HPA at 3 of its own, and in front of an application, in both modes");
    Ok(())
}

async fn applied_twice(release: &Release<'_>, values: &[&str], mode: Mode) -> Outcome<()> {
    let images = release.scene.cluster.image_values();
    let mut arguments = vec!["template", &release.name, "./chart", "--no-hooks", "--kube-version", "1.34.0"];
    arguments.extend(images.iter().map(String::as_str).chain(values.iter().copied()).flat_map(|set| ["--set", set]));
    let text = release.run_helm(&arguments).await?.success()?;
    let file = release.scene.cluster.write(&format!("{}.yaml", release.namespace), text)?;
    let path = file.to_string_lossy().into_owned();
    release.kubectl(&["apply", "--server-side", "--filename", &path]).await?;
    release.await_users(mode, Duration::from_secs(90)).await?;
    let diff = ["--namespace", &release.namespace, "diff", "--server-side", "--filename", &path];
    let diff = release.scene.cluster.try_kubectl(&diff, Duration::from_secs(60)).await?;
    ensure!(diff.ok && diff.stdout.is_empty(), "applied again it would change: {}{}", diff.stdout, diff.stderr);
    Ok(())
}
