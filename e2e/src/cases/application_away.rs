//! An application without pods while it is in maintenance, page pods that are gone while it is not, and another way in: the
//! plugin looks first, and says so.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin::{self, plugin};
use crate::programs::{last_line, wait_for};
use crate::release::Release;
use crate::scene::Scene;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::in_front(scene, "", Helm::V4, &["shop"], &[]).await?;
    another_way_in(&release).await.context("another way in")?;
    without_page_pods(&release).await.context("without page pods")?;
    without_application(&release).await.context("without the application")
}

/// `status` lists an entry that names the application, and that of the admins as one that is excluded.
async fn another_way_in(release: &Release<'_>) -> Result<()> {
    let host = format!("also-{}", release.user_host());
    release.apply_ingress("also", &host, "shop").await?;
    plugin::switch(release, Mode::Maintenance).await?.success()?;
    let reply = release.ask(&host, "/").await?;
    ensure!(
        reply.mode() == Some(Mode::Normal),
        "the other Ingress should lead to the application, not to {}",
        reply.status
    );
    let told = plugin(release, &["status"]).await?.text();
    let names = |name: &str| told.lines().any(|line| line.contains(name));
    ensure!(names("also"), "status should name the Ingress also as another way in, but says: {told}");
    let admins = told.lines().find(|line| line.contains("admins")).unwrap_or_default();
    ensure!(admins.contains("exclude"), "status should list the admins' Ingress as excluded, but says: {told}");
    release.kubectl(&["delete", "ingress", "also"]).await?;
    plugin::switch(release, Mode::Normal).await?.success()?;
    release.scene.figure("status names another Ingress to the application, and the admins' as excluded");
    Ok(())
}

/// `on` is refused; users are served all the time.
async fn without_page_pods(release: &Release<'_>) -> Result<()> {
    let recorder = release.record();
    release.scale("page-page", 0).await?;
    let told = plugin(release, &["on"]).await?.status(1)?;
    ensure!(told.contains("page"), "the plugin should say that no page pod is Ready, but says: {told}");
    release.fronts_are(Mode::Normal).await?;
    release.users_see(Mode::Normal).await?;
    release.scale("page-page", 2).await?;
    plugin::switch(release, Mode::Maintenance).await?.success()?;
    plugin::switch(release, Mode::Normal).await?.success()?;
    release.scene.figure(format!("on without page pods: {}; {}", last_line(&told), recorder.finish()?));
    Ok(())
}

/// `off` is refused until there is an application to let users in to; `--force` goes on.
async fn without_application(release: &Release<'_>) -> Result<()> {
    plugin::switch(release, Mode::Maintenance).await?.success()?;
    let recorder = release.record_users();
    release.scale("shop", 0).await?;
    let told = plugin(release, &["off"]).await?.status(1)?;
    ensure!(told.contains("shop-front"), "the plugin should name the front Service without pods, but says: {told}");
    release.fronts_are(Mode::Maintenance).await?;
    release.users_see(Mode::Maintenance).await?;
    let figures = recorder.finish()?;

    // It switches, and waits until somebody brings the application back.
    let (forced, back) = tokio::join!(plugin(release, &["off", "--force"]), async {
        wait_for("--force to move users to the application", Duration::from_secs(30), async || {
            Ok(release.fronts_are(Mode::Normal).await.is_ok().then_some(()))
        })
        .await?;
        release.scale("shop", 2).await
    });
    back?;
    forced?.success()?;
    release.await_users(Mode::Normal, Duration::from_secs(20)).await?;
    release.scene.figure(format!("off without an application: {}; {figures}", last_line(&told)));
    Ok(())
}
