//! Somebody else changes an object between the plugin's look at it and its change: nothing is half switched, and the message
//! says which field differs.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{all, last_line, run as run_program};
use crate::release::Release;
use crate::scene::Scene;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (config, service) = tokio::join!(config(scene), service(scene));
    all([config, service])
}

/// The ConfigMap's key.
async fn config(scene: &Scene) -> Result<()> {
    let values = ["maintenance.enabled=false", "hpa.enabled=false"];
    let release = Release::install(scene, "config", Helm::V4, &values).await?;
    let change = format!(
        r#"kubectl patch configmap {} --namespace {} --patch '{{"data":{{"MAINTENANCE_MODE":"perhaps"}}}}'"#,
        release.configmap, release.namespace
    );
    let told = refused(&release, &release.configmap, &change).await?;
    ensure!(told.contains("MAINTENANCE_MODE"), "the plugin should name the field that differs, but says: {told}");
    let key = release.patched().await?;
    ensure!(key.as_deref() == Some("perhaps"), "the other's change should stay, but the key is {key:?}");
    scene.figure(format!("config: {}", last_line(&told)));
    Ok(())
}

/// The selector of the second of three front Services: the first is put back.
async fn service(scene: &Scene) -> Result<()> {
    let release = Release::in_front(scene, "service", Helm::V4, &["shop", "cart", "blog"], &[]).await?;
    let recorder = release.record();
    // Another key, by which the same pods are found: users notice nothing.
    let change = format!(
        r#"kubectl patch service cart-front --namespace {} --patch '{{"spec":{{"selector":{{"tier":"web"}}}}}}'"#,
        release.namespace
    );
    let told = refused(&release, "cart-front", &change).await?;
    ensure!(
        told.contains("cart-front") && told.contains("selector"),
        "the plugin should name the object and the field that differs, but says: {told}"
    );
    for (name, wanted) in [
        ("shop-front", json!({ "app": "shop" })),
        ("cart-front", json!({ "app": "cart", "tier": "web" })),
        ("blog-front", json!({ "app": "blog" })),
    ] {
        let selector = release.service_selector(name).await?;
        ensure!(selector == wanted, "{name} should select {wanted}, but selects {selector}");
    }
    release.users_see(Mode::Normal).await?;
    scene.figure(format!("service, the second of three: {}; {}", last_line(&told), recorder.finish()?));
    Ok(())
}

/// What the plugin says when `on` meets the change.
async fn refused(release: &Release<'_>, of: &str, change: &str) -> Result<String> {
    let mut command = plugin::command(release, &["on", "--quiet"])?;
    plugin::interfere(&mut command, release, of, change);
    let told = run_program(&mut command, plugin::LIMIT).await?.status(1)?;
    ensure!(
        release.scene.cluster.scratch.join(format!("{}-once", release.namespace)).exists(),
        "the plugin never patched {of}, so nothing was proved: {told}"
    );
    Ok(told)
}
