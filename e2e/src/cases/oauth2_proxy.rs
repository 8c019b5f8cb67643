//! An OAuth proxy in the admin pods, before the admin tier, by `admin.extraContainers` and `service.admin.targetPort`: admins
//! are sent to their provider, whoever is known gets through, users are asked for nothing, and the switch goes on.

use std::env;
use std::time::Duration;

use anyhow::{Result, ensure};
use hyper::header::{AUTHORIZATION, LOCATION};

use crate::cluster::Helm;
use crate::http::{self, Mode};
use crate::plugin;
use crate::programs::wait_for;
use crate::release::Release;
use crate::scene::Scene;

/// boss:open-sesame, whose digest is in the manifest.
const KNOWN: &str = "Basic Ym9zczpvcGVuLXNlc2FtZQ==";

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let image =
        env::var("E2E_OAUTH2_PROXY_IMAGE").unwrap_or_else(|_| "quay.io/oauth2-proxy/oauth2-proxy:v7.15.6".to_owned());
    let release = Release::prepare(scene, "", Helm::V4).await?;
    release.apply("oauth2-proxy-secret", &[]).await?;
    let values = scene.cluster.manifest("oauth2-proxy-values", &[("IMAGE", &image), ("HOST", &release.admin_host)])?;
    let values = scene.cluster.write("oauth2-proxy-values.yaml", values)?;
    release.helm_install(&[], &["--values", &values.to_string_lossy()]).await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;

    let provider = wait_for("admins to be sent to their provider", Duration::from_secs(30), async || {
        let reply = release.admin("/oauth2/start").await?;
        Ok((reply.status == 302).then(|| reply.headers[LOCATION].to_str().unwrap_or_default().to_owned()))
    })
    .await?;
    ensure!(
        provider.starts_with("http://login.test/authorize?") && provider.contains("client_id=shop-admin"),
        "admins should be sent to their provider, but are sent to {provider}"
    );
    for mode in [Mode::Normal, Mode::Maintenance] {
        if mode == Mode::Maintenance {
            plugin::switch(&release, mode).await?.success()?;
        }
        let stranger = release.admin("/admin").await?;
        ensure!(
            stranger.status == 403 && !stranger.has_marker(),
            "an admin who is not known should be asked to sign in, with 403, but gets {}",
            stranger.status
        );
        let known = Some((AUTHORIZATION, KNOWN));
        let known = http::get_with(&scene.cluster.ingress, &release.admin_host, "/admin", known).await?;
        ensure!(known.status == 200, "an admin who is known should get 200, but gets {}", known.status);
        release.users_see(mode).await?;
    }
    let told = plugin::plugin(&release, &["off"]).await?.success()?;
    release.users_see(Mode::Normal).await?;
    ensure!(!told.contains("oauth"), "the proxy is no business of the plugin's: {told}");
    scene.figure("oauth2-proxy before the admin tier: strangers are sent to the provider, whoever is known gets 200 in either mode, users are asked for nothing");
    Ok(())
}
