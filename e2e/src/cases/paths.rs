//! An application of several Services: its paths switch together, and admins have a Service of their own. And one whose
//! port is told by number.

use std::time::Duration;

use crate::cluster::{Failure, Helm, Outcome, all};
use crate::ensure;
use crate::front::Way;
use crate::recorder::{Mode, Reply};
use crate::release::Release;
use crate::report::Scene;

use super::scripts;

/// As docs/your-application.md has it, with a Service of the admins' own.
const VALUES: [&str; 7] = [
    "expose.user.paths[0].path=/",
    "expose.user.paths[1].path=/api",
    "expose.user.paths[1].service.name=shop-api",
    "expose.user.paths[1].service.port=8080",
    "maintenance.passPaths={/api/payments/callback}",
    "app.admin.existingService.name=shop-office",
    "app.admin.existingService.port=8080",
];

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    // One after the other: each is recorded, and two cores can only send so much at once.
    let mut outcomes = Vec::new();
    for way in [Way::Ingress, Way::HttpRoute] {
        let told = |Failure(why): Failure| Failure(format!("{}: {why}", way.name()));
        outcomes.push(several(scene, way).await.map_err(told));
    }
    outcomes.push(by_number(scene).await.map_err(|Failure(why)| Failure(format!("app.targetPort by number: {why}"))));
    all(outcomes)
}

async fn several(scene: &Scene, way: Way) -> Outcome<()> {
    let mut release = Release::prepare(scene, way.name(), Helm::V4).await?;
    for part in ["shop", "shop-api", "shop-office"] {
        release.apply_part(part, true).await?;
    }
    release.stand_in_front(way, &VALUES, &[]).await?;
    let recorder = release.record_application();
    for mode in [Mode::Normal, Mode::Maintenance, Mode::Normal] {
        release.toggle(mode).await?;
        release.await_users(mode, Duration::from_secs(30)).await?;
        served(&release, mode).await?;
    }
    // The script waits at the front door of one path: the others are patched with it.
    for mode in [Mode::Maintenance, Mode::Normal] {
        scripts::switch_application(&release, mode, &recorder).await?;
        served(&release, mode).await?;
    }
    scene.figure(format!(
        "{}: / and /api of two Services switch together, a path below /api stays, admins have a third Service; {}",
        way.name(),
        recorder.finish()?
    ));
    Ok(())
}

/// Sees who answers users and admins.
async fn served(release: &Release<'_>, mode: Mode) -> Outcome<()> {
    for (path, part) in [("/", "shop"), ("/apiary", "shop"), ("/api", "shop-api"), ("/api/carts", "shop-api")] {
        let reply = release.user(path).await?;
        let (told, wanted) = match mode {
            Mode::Normal => (by(&reply), Some(part)),
            Mode::Maintenance => (by(&reply), None),
        };
        ensure!(
            told == wanted && reply.mode() == Some(mode),
            "{path} should be {wanted:?}'s in mode {mode:?}, but is {told:?}'s, with status {}",
            reply.status
        );
    }
    for (reply, what, part) in [
        (release.user("/api/payments/callback").await?, "the pass path", "shop-api"),
        (release.admin("/").await?, "the admins' way in", "shop-office"),
    ] {
        let told = by(&reply);
        ensure!(
            told == Some(part) && reply.status == 200,
            "{what} should be {part}'s in either mode, but is {told:?}'s"
        );
    }
    Ok(())
}

/// The part of the application that an answer is of.
fn by(reply: &Reply) -> Option<&str> {
    reply.headers.get("application").and_then(|name| name.to_str().ok())
}

/// The page pods then listen on that number.
async fn by_number(scene: &Scene) -> Outcome<()> {
    let release = Release::in_front(scene, "number", Helm::V4, Way::Selector, &["app.targetPort=8080"]).await?;
    let service = release.get(&["service", "shop"]).await?;
    let port = &service["spec"]["ports"][0]["targetPort"];
    ensure!(*port == 8080, "the Service's targetPort should be the number 8080, but is {port}");
    let recorder = release.record_application();
    for mode in [Mode::Maintenance, Mode::Normal] {
        release.toggle(mode).await?;
        release.await_users(mode, Duration::from_secs(30)).await?;
    }
    for mode in [Mode::Maintenance, Mode::Normal] {
        scripts::switch_application(&release, mode, &recorder).await?;
    }
    scene.figure(format!("selector with app.targetPort=8080: {}", recorder.finish()?));
    Ok(())
}
