//! Installed with `--wait`, everything is there: with the defaults, and as OpenShift would run it.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Failure, Helm, Outcome, all, wait_for};
use crate::ensure;
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

/// A UID of a namespace's range, as OpenShift's restricted-v2 assigns it.
const OPENSHIFT: [&str; 2] = ["podSecurityContext.runAsUser=1000650000", "securityContext.readOnlyRootFilesystem=true"];

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let (defaults, openshift) = tokio::join!(
        installed(scene, "defaults", Helm::V4, &[], None),
        installed(scene, "openshift", Helm::V3, &OPENSHIFT, Some(1_000_650_000)),
    );
    all([defaults, openshift])
}

async fn installed(scene: &Scene, part: &str, helm: Helm, values: &[&str], uid: Option<i64>) -> Outcome<()> {
    let release = Release::prepare(scene, part, helm).await?;
    release.helm_install(values).await?;
    // What --wait promises is there when it returns, not a moment later.
    let pods = release.pods("user").await?;
    ensure!(pods.iter().any(|pod| pod.ready), "--wait returned without a Ready user pod: {pods:?}");
    // The HPA, which owns the number, then raises it to minReplicas.
    release.two_user_pods().await?;
    let admins = release.pods("admin").await?;
    ensure!(admins.len() == 1 && admins[0].ready, "one Ready admin pod was expected: {admins:?}");
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let admin = release.admin("/admin").await?;
    ensure!(admin.status == 200, "/admin answers {}", admin.status);

    for pod in release.pods("user").await? {
        let pod = release.get(&["pod", &pod.name]).await?;
        let container = &pod["spec"]["containers"][0]["securityContext"];
        ensure!(container["readOnlyRootFilesystem"] == true, "the root is writable: {container}");
        let told = pod["spec"]["securityContext"]["runAsUser"].as_i64();
        ensure!(told == uid, "the pod is told to run as {told:?}, not {uid:?}");
    }
    let figures = wait_for("the HPA to have figures", Duration::from_secs(120), async || {
        let hpa = release.get(&["hpa", &format!("{}-user-hpa", release.fullname)]).await?;
        Ok(hpa_figures(&hpa))
    })
    .await?;
    let tested = release.run_helm(&["test", &release.name, "--timeout", "120s"]).await?;
    let took = tested.took.as_secs_f64();
    tested.success().map_err(|Failure(why)| Failure(format!("helm test: {why}")))?;
    scene.figure(format!("{part} ({helm}): HPA {figures}; helm test {took:.0} s"));
    Ok(())
}

/// `cpu 4 %, memory 12 %`, once the HPA has both.
fn hpa_figures(hpa: &Value) -> Option<String> {
    let figure = |name: &str| {
        let metrics = hpa["status"]["currentMetrics"].as_array()?;
        let metric = metrics.iter().find(|metric| metric["resource"]["name"] == name)?;
        metric["resource"]["current"]["averageUtilization"].as_i64()
    };
    Some(format!("cpu {} %, memory {} %", figure("cpu")?, figure("memory")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hpa_has_figures_when_it_has_both() {
        let metric =
            |name: &str| serde_json::json!({ "resource": { "name": name, "current": { "averageUtilization": 4 } } });
        let hpa = |metrics: Vec<Value>| serde_json::json!({ "status": { "currentMetrics": metrics } });
        assert_eq!(hpa_figures(&hpa(vec![metric("cpu")])), None);
        assert_eq!(hpa_figures(&hpa(vec![metric("cpu"), metric("memory")])).unwrap(), "cpu 4 %, memory 4 %");
    }
}
