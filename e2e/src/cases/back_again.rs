//! Users are let in again when there is something to let them in to; and whatever else leads to the application is told.

use std::time::Duration;

use crate::cluster::{Failure, Helm, Outcome, run as run_program, wait_for};
use crate::ensure;
use crate::front::{APPLICATION, Way, ingress};
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    for way in [Way::Ingress, Way::Selector] {
        let told = |Failure(why): Failure| Failure(format!("{}: {why}", way.name()));
        looked_for(scene, way).await.map_err(told)?;
    }
    scene.figure("scripts/disable-maintenance.sh stops before an application without ready endpoints, and goes on with --force; the scripts name another Ingress to it");
    Ok(())
}

async fn looked_for(scene: &Scene, way: Way) -> Outcome<()> {
    let release = Release::in_front(scene, way.name(), Helm::V4, way, &[]).await?;
    let also = format!("also-{}", release.user_host);
    if way == Way::Selector {
        // The Service itself is switched, so only another one still leads to the pods.
        let mut service = crate::front::app_service(&release.namespace, APPLICATION);
        service["metadata"]["name"] = "direct".into();
        release.apply(&service).await?;
    }
    let mut other = ingress(&release.namespace, "also", &also);
    if way == Way::Selector {
        other["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "direct".into();
    }
    release.apply(&other).await?;

    let lines = script(&release, "enable-maintenance.sh", &[]).await?.success()?;
    names_the_other(&lines)?;
    let lines = script(&release, "status.sh", &[]).await?.success()?;
    names_the_other(&lines)?;
    let other = crate::recorder::get(&scene.cluster.ingress, &also, "/").await?;
    ensure!(other.mode() == Some(Mode::Normal), "the other Ingress should lead to the application, as the scripts say");

    release.kubectl(&["scale", "deployment/shop", "--replicas=0"]).await?;
    wait_for("the application's pods to be gone", Duration::from_secs(60), async || {
        let pods = release.get(&["pods", "--selector", "app=shop"]).await?;
        Ok(pods["items"].as_array().is_some_and(Vec::is_empty).then_some(()))
    })
    .await?;
    // Not from before the pods went.
    wait_for("the application's endpoints to be gone", Duration::from_secs(20), async || {
        let slices = release.get(&["endpointslices"]).await?;
        let slices = slices["items"].as_array().into_iter().flatten();
        let mut endpoints = slices.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
        let left = endpoints.any(|one| one["targetRef"]["name"].as_str().is_some_and(|name| name.starts_with("shop-")));
        Ok((!left).then_some(()))
    })
    .await?;
    let refusal = script(&release, "disable-maintenance.sh", &[]).await?.refusal()?;
    ensure!(
        refusal.contains("has no ready endpoint: users would get no answer. Nothing has changed"),
        "disable-maintenance.sh should stop before an application without endpoints, but: {refusal}"
    );
    release.users_see(Mode::Maintenance).await?;

    // It patches, and waits at the front door until somebody brings the application back.
    let (forced, back) = tokio::join!(script(&release, "disable-maintenance.sh", &["--force"]), async {
        wait_for("--force to move users to the application", Duration::from_secs(30), async || {
            Ok((release.user("/").await?.mode() != Some(Mode::Maintenance)).then_some(()))
        })
        .await?;
        release.kubectl(&["scale", "deployment/shop", "--replicas=2"]).await
    });
    back?;
    let lines = forced?.success()?;
    ensure!(
        lines.contains("forced: ") && lines.contains("no ready endpoint"),
        "--force should say what it passes over: {lines}"
    );
    release.users_see(Mode::Normal).await
}

fn names_the_other(lines: &str) -> Outcome<()> {
    let line = lines.lines().find(|line| line.starts_with("other ways in that still lead to the application:"));
    let names = line.is_some_and(|line| line.split_whitespace().any(|word| word == "ingresses/also"));
    ensure!(names, "the script should name ingresses/also as another way in, but says:\n{lines}");
    Ok(())
}

async fn script(release: &Release<'_>, name: &str, flags: &[&str]) -> Outcome<crate::cluster::Output> {
    let cluster = &release.scene.cluster;
    let url = format!("http://{}/", cluster.ingress);
    let mut command = cluster.program(cluster.repository.join("scripts").join(name), None)?;
    command.args(["-n", &release.namespace, "-r", &release.name, "--url", &url, "--host", &release.user_host]);
    command.args(["--admin-url", &url, "--admin-host", &release.admin_host]).args(flags);
    run_program(&mut command, Duration::from_secs(130)).await
}
