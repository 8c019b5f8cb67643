//! What stays on the application in maintenance, and what is said of an application that is not there.

use std::time::Duration;

use hyper::header::HeaderName;

use crate::cluster::{Helm, Outcome, run as run_program};
use crate::ensure;
use crate::front::Way;
use crate::recorder::{self, Mode, Reply};
use crate::release::Release;
use crate::report::Scene;

/// Names both sides of the switch on the admins' host, so that a proxy knows both; users must reach neither idle side by it.
const STANDBY: &str = "/maintenance-mode-standby";

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    for way in [Way::Ingress, Way::HttpRoute] {
        kept(scene, way).await?;
    }
    scene.figure("pass paths stay on the application, the health path is 200, /health and /ready are 503; the bearers of a header pass; users reach the idle side in neither mode");
    not_there(scene).await
}

async fn kept(scene: &Scene, way: Way) -> Outcome<()> {
    let mut values =
        vec!["maintenance.passPaths={/pay,/.well-known/acme-challenge}", "maintenance.healthPath=/lb-health"];
    if way == Way::HttpRoute {
        values.extend(["expose.user.bypass.header.name=X-Preview", "expose.user.bypass.header.value=please"]);
    }
    let release = Release::in_front(scene, way.name(), Helm::V4, way, &values).await?;
    // Nothing is idle in normal mode but the page pods, who would answer 503.
    for path in [format!("{STANDBY}/front-user-80"), format!("{STANDBY}/shop-8080")] {
        let reply = release.user(&path).await?;
        ensure!(
            of_application(&reply),
            "{}: in normal mode {path} should be the application's, not {}",
            way.name(),
            reply.status
        );
    }
    if way == Way::Ingress {
        let reply = release.admin(&format!("{STANDBY}/front-user-80")).await?;
        ensure!(reply.mode() == Some(Mode::Maintenance), "the page pods should stand by there, not {}", reply.status);
    }
    release.toggle(Mode::Maintenance).await?;
    release.await_users(Mode::Maintenance, Duration::from_secs(20)).await?;
    for path in ["/pay", "/pay/callback", "/.well-known/acme-challenge/token"] {
        ensure!(of_application(&release.user(path).await?), "{}: {path} should stay on the application", way.name());
    }
    for path in [
        "/",
        "/health",
        "/healthz",
        "/ready",
        "/livez",
        "/payments",
        &format!("{STANDBY}/shop-8080"),
        &format!("{STANDBY}/front-user-80"),
    ] {
        let reply = release.user(path).await?;
        ensure!(
            reply.mode() == Some(Mode::Maintenance),
            "{}: {path} should be the page, not {}",
            way.name(),
            reply.status
        );
    }
    let reply = release.user("/lb-health").await?;
    ensure!(reply.status == 200 && !of_application(&reply), "{}: /lb-health should be ours and 200", way.name());
    ensure!(of_application(&release.admin("/").await?), "{}: admins should get the application", way.name());
    if way == Way::HttpRoute {
        for (value, passes) in [("please", true), ("Please", false)] {
            let header = (HeaderName::from_static("x-preview"), value);
            let reply = recorder::get_with(&scene.cluster.ingress, &release.user_host, "/", Some(header)).await?;
            ensure!(
                of_application(&reply) == passes,
                "X-Preview: {value} should {}pass",
                if passes { "" } else { "not " }
            );
        }
    }
    Ok(())
}

fn of_application(reply: &Reply) -> bool {
    reply.status == 200 && reply.headers.contains_key("application")
}

/// A render cannot look: the status, the script and the test say so.
async fn not_there(scene: &Scene) -> Outcome<()> {
    let mut release = Release::prepare(scene, "absent", Helm::V4).await?;
    release.name = "front".to_owned();
    let images = scene.cluster.image_values();
    let host = format!("expose.user.host={}", release.user_host);
    let admins = format!("expose.admin.host={}", release.admin_host);
    let mut arguments = vec!["install", "front", "./chart", "--wait"];
    for set in [
        &images[0],
        &images[1],
        "app.existingService.name=shop",
        "expose.type=ingress",
        &host,
        &admins,
        "maintenance.enabled=true",
    ] {
        arguments.extend(["--set", set]);
    }
    release.run_helm(&arguments).await?.success()?;
    for script in ["status.sh", "disable-maintenance.sh"] {
        let mut command = scene.cluster.program(scene.cluster.repository.join("scripts").join(script), None)?;
        command.args(["-n", &release.namespace, "-r", "front"]);
        let message = run_program(&mut command, Duration::from_secs(60)).await?.refusal()?;
        ensure!(
            message.contains("service/shop is not there"),
            "{script} should say that the Service is not there: {message}"
        );
    }
    let mut command = scene.cluster.program(scene.cluster.repository.join("scripts/enable-maintenance.sh"), None)?;
    command.args(["-n", &release.namespace, "-r", "front"]);
    let lines = run_program(&mut command, Duration::from_secs(130)).await?.success()?;
    ensure!(lines.contains("note: service/shop is not there"), "enable-maintenance.sh should say so too:\n{lines}");
    let test = release.run_helm(&["test", "front", "--logs", "--timeout", "90s"]).await?.refusal()?;
    ensure!(test.contains("tcp://shop:80 cannot be connected to"), "helm test should name the Service: {test}");
    scene.figure(
        "a Service that is not there: scripts/status.sh, enable- and disable-maintenance.sh and helm test say so",
    );
    Ok(())
}
