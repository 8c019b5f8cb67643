//! Takes over an Ingress and a Service that are there already, and gives them back, under traffic.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Failure, Helm, Outcome, all};
use crate::ensure;
use crate::front::{APPLICATION, Way, app_service, ingress};
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let (own, service) = tokio::join!(
        adopted(scene, Way::Ingress, Helm::V4, "expose.user.annotations"),
        adopted(scene, Way::Selector, Helm::V3, "app.serviceAnnotations"),
    );
    all([own, service])
}

async fn adopted(scene: &Scene, way: Way, helm: Helm, annotations: &str) -> Outcome<()> {
    let told = |Failure(why): Failure| Failure(format!("{}, {helm}: {why}", way.name()));
    taken_and_given_back(scene, way, helm, annotations).await.map_err(told)
}

async fn taken_and_given_back(scene: &Scene, way: Way, helm: Helm, annotations: &str) -> Outcome<()> {
    let mut release = Release::prepare(scene, way.name(), helm).await?;
    release.apply_application(false).await?;
    release.apply(&app_service(&release.namespace)).await?;
    release.apply(&ingress(&release.namespace, APPLICATION, &release.user_host)).await?;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let object = if way == Way::Selector { "service/shop" } else { "ingress/shop" };
    let before = release.get(&[object]).await?;

    let recorder = release.record_users_of_application();
    let name = if way == Way::Selector { vec![] } else { vec!["expose.user.name=shop"] };
    release.stand_in_front(way, &name, &["--take-ownership"]).await?;
    same(&before, &release.get(&[object]).await?, "taken over")?;
    for mode in [Mode::Maintenance, Mode::Normal] {
        release.toggle(mode).await?;
        release.await_users(mode, Duration::from_secs(30)).await?;
        release.users_see(mode).await?;
    }

    // Back out again.
    let keep = format!("{annotations}.helm\\.sh/resource-policy=keep");
    let upgrade = release.upgrade_arguments(&["maintenance.enabled=false", &keep], true);
    release.run_helm(&upgrade).await?.success()?;
    release.run_helm(&["uninstall", &release.name, "--wait"]).await?.success()?;
    let left = release.get(&["deployments,services,ingresses"]).await?;
    let left = left["items"].as_array().into_iter().flatten();
    let ours = left.filter(|one| one["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("front")));
    ensure!(ours.count() == 0, "helm uninstall left something of its own");
    same(&before, &release.get(&[object]).await?, "given back")?;
    release.users_see(Mode::Normal).await?;
    scene.figure(format!("{object} by {helm}: taken over, switched and given back; {}", recorder.finish()?));
    Ok(())
}

/// The same object with the same address, leading where it led.
fn same(before: &Value, now: &Value, what: &str) -> Outcome<()> {
    ensure!(before["metadata"]["uid"] == now["metadata"]["uid"], "the object was made anew when it was {what}");
    for field in ["clusterIP", "selector", "rules"] {
        let (before, now) = (&before["spec"][field], &now["spec"][field]);
        ensure!(before == now, "{field} was {before}, and is {now} when it was {what}");
    }
    Ok(())
}
