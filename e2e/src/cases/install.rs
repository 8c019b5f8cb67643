//! Installed with `--wait`, everything is there: the tiers with the defaults and as OpenShift would run them, and page pods
//! that stand by.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::programs::{all, wait_for};
use crate::release::Release;
use crate::scene::Scene;

/// A UID of a namespace's range, as OpenShift's restricted-v2 assigns it.
const OPENSHIFT: [&str; 2] = ["podSecurityContext.runAsUser=1000650000", "securityContext.readOnlyRootFilesystem=true"];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (defaults, openshift, standby) = tokio::join!(
        tiers(scene, "defaults", Helm::V4, &[], None),
        tiers(scene, "openshift", Helm::V3, &OPENSHIFT, Some(1_000_650_000)),
        standby(scene),
    );
    all([defaults, openshift, standby])
}

async fn tiers(scene: &Scene, part: &str, helm: Helm, values: &[&str], uid: Option<i64>) -> Result<()> {
    let release = Release::prepare(scene, part, helm).await?;
    release.helm_install(values, &[]).await?;
    // What --wait promises is there when it returns, not a moment later.
    let pods = release.pods("user").await?;
    ensure!(pods.iter().any(|pod| pod.ready), "--wait returned without a Ready user pod: {pods:?}");
    // The HPA, which owns the number, then raises it to minReplicas.
    release.two_user_pods().await?;
    let admins = release.pods("admin").await?;
    ensure!(admins.len() == 1 && admins[0].ready, "one Ready admin pod was expected: {admins:?}");
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    wait_for("/admin to answer 200", Duration::from_secs(30), async || {
        Ok((release.admin("/admin").await?.status == 200).then_some(()))
    })
    .await?;

    for pod in release.pods("user").await? {
        confined(&release, &pod.name, uid).await?;
    }
    let figures = wait_for("the HPA to have figures", Duration::from_secs(120), async || {
        let hpa = release.get(&["hpa", &format!("{}-user-hpa", release.fullname)]).await?;
        Ok(hpa_figures(&hpa))
    })
    .await?;
    let took = helm_test(&release).await?;
    scene.figure(format!("{part} ({}): HPA {figures}; helm test {took} s", helm.name()));
    Ok(())
}

/// Page pods are Ready, an entry of their own shows the page, and users are the application's.
async fn standby(scene: &Scene) -> Result<()> {
    let release = Release::prepare_front(scene, "standby", Helm::V4, &["shop"]).await?;
    let look = format!("{}-look.test", release.namespace);
    release.helm_install(&[&format!("page.host={look}"), "expose.type=ingress"], &[]).await?;
    let pods = release.pods("page").await?;
    ensure!(pods.len() == 2 && pods.iter().all(|pod| pod.ready), "two Ready page pods were expected: {pods:?}");
    for pod in pods {
        confined(&release, &pod.name, None).await?;
    }
    release.apply_ingress("shop", release.user_host(), "shop-front").await?;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    wait_for("page.host to show the page", Duration::from_secs(30), async || {
        Ok((release.ask(&look, "/").await?.mode() == Some(Mode::Maintenance)).then_some(()))
    })
    .await?;
    release.users_see(Mode::Normal).await?;
    let took = helm_test(&release).await?;
    scene.figure(format!("standby (helm4): two page pods Ready, page.host shows the page; helm test {took} s"));
    Ok(())
}

async fn confined(release: &Release<'_>, pod: &str, uid: Option<i64>) -> Result<()> {
    let pod = release.get(&["pod", pod]).await?;
    let container = &pod["spec"]["containers"][0]["securityContext"];
    ensure!(container["readOnlyRootFilesystem"] == true, "the root is writable: {container}");
    let told = pod["spec"]["securityContext"]["runAsUser"].as_i64();
    ensure!(told == uid, "the pod is told to run as {told:?}, not {uid:?}");
    Ok(())
}

/// Seconds that `helm test` took.
async fn helm_test(release: &Release<'_>) -> Result<u64> {
    let tested = release.run_helm(&["test", &release.name, "--timeout", "120s"]).await?;
    let took = tested.took.as_secs();
    tested.success().context("helm test")?;
    Ok(took)
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
