//! An entry that Argo CD renders: the plugin stops; who goes on all the same is taken back, and what is left goes with
//! `off`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::app::App;
use super::stops;
use crate::entry::Before;
use crate::http::Mode;
use crate::plugin;
use crate::programs::wait_for;
use crate::release::Release;
use crate::scene::Scene;

const TARGET: [&str; 1] = ["ingress/shop"];

pub(super) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::stand_by(scene, "entry", &["shop"], &[]).await?;
    let app = App::of_entry(release).await?;
    let release = &app.release;
    let before = Before::of(release, TARGET[0]).await?;

    stops(&plugin::plugin_for(release, &TARGET, &["on"]).await?.status(1)?)?;
    before.is_again(release).await.context("refused")?;

    let was = release.version(TARGET[0]).await?;
    // Whether it sees the page before self-heal comes is chance.
    let forced = plugin::plugin_for(release, &TARGET, &["on", "--force", "--timeout", "5s"]).await?.text();
    ensure!(release.version(TARGET[0]).await? != was, "--force should have changed the Ingress: {forced}");
    let backend = "/spec/rules/0/http/paths/0/backend/service/name";
    wait_for("self-heal to take the forced change back", Duration::from_secs(60), async || {
        let ingress = release.get(&TARGET).await?;
        Ok((ingress.pointer(backend) == Some(&"shop".into())).then_some(()))
    })
    .await
    .with_context(|| forced.clone())?;
    app.synced(Mode::Normal).await?;
    plugin::plugin_for(release, &TARGET, &["off", "--force"]).await?.success()?;
    before.is_again(release).await.context("after off")?;
    scene.figure("an Ingress that Argo CD renders: the plugin stops; self-heal takes back what --force does, and off the annotations");
    Ok(())
}
