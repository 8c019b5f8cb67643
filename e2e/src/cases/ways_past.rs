//! What reaches the application while its entries are switched: paths that are kept, testers with a header, an entry that
//! was forgotten. And what the page says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::header::HeaderName;

use crate::entry::Before;
use crate::http::{self, Mode, Reply};
use crate::plugin;
use crate::programs::{last_line, run as run_program, wait_for};
use crate::release::Release;
use crate::scene::Scene;

const TARGETS: [&str; 2] = ["ingress/shop", "httproute/shop"];
const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::stand_by(scene, "", &["shop"], &[]).await?;
    let (ingress, route) = (release.user_host(), format!("route-{}", release.user_host()));
    release.apply("kept-path-ingress", &[("HOST", ingress)]).await?;
    release.apply_entry("httproute", "shop", &route, "shop").await?;
    for host in [ingress, &route] {
        release.await_host(host, Mode::Normal, SOON).await?;
    }
    let before = Before::of_all(&release, &TARGETS).await?;

    for (target, host) in TARGETS.iter().zip([ingress, &route]) {
        kept_path(&release, target, host).await.with_context(|| format!("{target}, --keep-path"))?;
    }
    tester(&release, &route).await.context("--bypass-header")?;
    message(&release, &route).await.context("--message")?;
    plugin::plugin_for(&release, &TARGETS, &["off", "--wait=false"]).await?.success()?;
    for entry in &before {
        entry.is_again(&release).await?;
    }
    let told = strict(&release, &before).await.context("--strict")?;
    scene.figure("--keep-path by an Ingress and an HTTPRoute, --bypass-header and --message, through the proxy");
    scene.figure(format!("--strict: {}", last_line(&told)));
    Ok(())
}

/// What the plugin says when it switches the targets and waits at the front door of a host.
async fn on(release: &Release<'_>, targets: &[&str], host: &str, flags: &[&str]) -> Result<String> {
    let mut command = plugin::at_the_door(release, targets, Mode::Maintenance, host)?;
    let told = run_program(command.args(flags), plugin::LIMIT).await?;
    let text = told.text();
    told.success().map(|_| text)
}

async fn kept_path(release: &Release<'_>, target: &str, host: &str) -> Result<()> {
    on(release, &[target], host, &["--keep-path", "/webhooks", "--keep-path", "/callbacks/pay"]).await?;
    release.await_host(host, Mode::Maintenance, SOON).await?;
    // The first is a path of the Ingress's own; else each is below the path of another.
    for (path, wanted) in [
        ("/", Mode::Maintenance),
        ("/webhooks", Mode::Normal),
        ("/webhooks/pay?order=1", Mode::Normal),
        ("/webhooksome", Mode::Maintenance),
        ("/callbacks", Mode::Maintenance),
        ("/callbacks/pay", Mode::Normal),
    ] {
        is(&release.ask(host, path).await?, wanted).with_context(|| path)?;
    }
    Ok(())
}

/// A second `on`, which keeps the path.
async fn tester(release: &Release<'_>, host: &str) -> Result<()> {
    let text = on(release, &[TARGETS[1]], host, &["--bypass-header", "X-Tester=yes"]).await?;
    ensure!(text.contains("authentication"), "the plugin should say that it is no authentication: {text}");
    let ask = async |value| {
        let header = Some((HeaderName::from_static("x-tester"), value));
        http::get_with(&release.scene.cluster.ingress, host, "/", header).await
    };
    wait_for("testers to reach the application", SOON, async || {
        Ok((ask("yes").await?.mode() == Some(Mode::Normal)).then_some(()))
    })
    .await?;
    is(&ask("no").await?, Mode::Maintenance).context("another value")?;
    release.host_is(host, Mode::Maintenance).await?;
    is(&release.ask(host, "/webhooks").await?, Mode::Normal).context("the path that was kept before")
}

async fn message(release: &Release<'_>, host: &str) -> Result<()> {
    let message = "We move to a faster database.";
    on(release, &TARGETS, host, &["--message", message]).await?;
    let page = release.ask(host, "/").await?.body;
    ensure!(page.contains(message), "the page should have the message when the command returns: {page}");
    Ok(())
}

/// Another entry leads to the application: refused, unless it is excluded.
async fn strict(release: &Release<'_>, before: &[Before]) -> Result<String> {
    let forgotten = format!("old-{}", release.user_host());
    release.apply_ingress("old", &forgotten, "shop").await?;
    let told = plugin::plugin_for(release, &TARGETS, &["on", "--strict"]).await?.status(1)?;
    ensure!(told.contains("ingress/old"), "the plugin should name the other entry, but says: {told}");
    for entry in before {
        entry.is_again(release).await?;
    }
    release.kubectl(&["label", "ingress", "old", "maintenance-mode.github.io/exclude=true"]).await?;
    plugin::plugin_for(release, &TARGETS, &["on", "--strict", "--wait=false"]).await?.success()?;
    plugin::plugin_for(release, &TARGETS, &["off", "--wait=false"]).await?.success()?;
    for entry in before {
        entry.is_again(release).await?;
    }
    release.await_host(&forgotten, Mode::Normal, SOON).await?;
    Ok(told)
}

fn is(reply: &Reply, wanted: Mode) -> Result<()> {
    ensure!(reply.mode() == Some(wanted), "expected mode {}, but the status is {}", wanted.word(), reply.status);
    Ok(())
}
