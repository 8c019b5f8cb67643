//! OpenShift's Routes as they stand: one of each termination, and one ten times there and back. There is no router here, so
//! they are judged by what they are before, while and after.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::entries::apply;
use crate::entry::Before;
use crate::plugin;
use crate::programs::{run as run_program, wait_for};
use crate::release::Release;
use crate::scene::{Outside, Scene};

const ROUNDS: usize = 10;
const ROUTES: [&str; 4] = ["route/plain", "route/edge", "route/reencrypt", "route/reencrypt-by-service"];
/// Which of them is switched so often.
const OFTEN: usize = 2;
/// What is in the key of a certificate.
const KEY: &str = "bm90IGEga2V5";
const DEFINITION: &str = "routes.route.openshift.io";

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    serve(scene).await?;
    let release = Release::stand_by(scene, "", &["shop"], &[]).await?;
    for file in ["services", "routes", "passthrough"] {
        apply(&release, file, &[]).await?;
    }
    let before = Before::of_all(&release, &ROUTES).await?;
    there_and_back(&release, &before, "--wait").await.context("all of them")?;
    passthrough(&release).await?;

    let mut took = Vec::new();
    for round in 1..=ROUNDS {
        // Without a router there is no more to wait for than once.
        let times = there_and_back(&release, &before[OFTEN..=OFTEN], "--wait=false").await;
        took.extend(times.with_context(|| format!("round {round}"))?);
    }
    took.sort();
    scene.figure(format!(
        "a Route of each termination, of which passthrough is refused; {} {ROUNDS} times switched and given back: a command took {:.1} s (at most {:.1} s)",
        ROUTES[OFTEN],
        took[took.len() / 2].as_secs_f64(),
        took[took.len() - 1].as_secs_f64()
    ));
    Ok(())
}

/// How long `on` and `off` took.
async fn there_and_back(release: &Release<'_>, before: &[Before], wait: &str) -> Result<[Duration; 2]> {
    let targets = before.iter().map(|route| route.object.as_str()).collect::<Vec<_>>();
    let on = plugin::plugin_for(release, &targets, &["on", wait, "-v", "-o", "json"]).await?;
    let (on_took, text) = (on.took, on.text());
    on.success()?;
    ensure!(!text.contains(KEY), "the key of a certificate is in what the plugin prints: {text}");
    for route in before {
        route.leads_to_the_page(release, &[]).await?;
    }
    for target in &targets {
        edge(release, target).await?;
    }
    let off = plugin::plugin_for(release, &targets, &["off", wait, "-v", "-o", "json"]).await?;
    let (off_took, text) = (off.took, off.text());
    off.success()?;
    ensure!(!text.contains(KEY), "the key of a certificate is in what the plugin prints: {text}");
    for route in before {
        route.is_again(release).await?;
    }
    Ok([on_took, off_took])
}

/// While the page pods, which have no certificate, are behind it, the router ends TLS with the Route's own.
async fn edge(release: &Release<'_>, name: &str) -> Result<()> {
    let route = release.get(&[name]).await?;
    let annotations = route["metadata"]["annotations"].as_object().into_iter().flatten();
    let mut ours = annotations.filter(|(annotation, _)| annotation.starts_with("maintenance-mode.github.io/"));
    let leak = ours.find(|(_, text)| text.to_string().contains(KEY));
    ensure!(leak.is_none(), "{name} has the key of its certificate in an annotation: {leak:?}");
    let (tls, wanted) = (&route["spec"]["tls"], if name == "route/plain" { Value::Null } else { json!("edge") });
    ensure!(tls["termination"] == wanted, "{name} should be {wanted}, but is {}", tls["termination"]);
    ensure!(tls["destinationCACertificate"].is_null(), "{name} should have no destinationCACertificate: {tls}");
    let own = name == "route/edge" || name == "route/reencrypt";
    ensure!(tls["key"].to_string().contains(KEY) == own, "{name} should keep its certificate: {tls}");
    Ok(())
}

/// The pods have its certificate: it cannot be switched, alone or with others.
async fn passthrough(release: &Release<'_>) -> Result<()> {
    let targets = ["route/plain", "route/passthrough"];
    let before = Before::of_all(release, &targets).await?;
    let told = plugin::plugin_for(release, &targets, &["on"]).await?.status(1)?;
    ensure!(
        told.contains("route/passthrough") && told.contains("passthrough"),
        "the plugin should name the Route and why it is refused, but says: {told}"
    );
    for route in &before {
        route.is_again(release).await?;
    }
    Ok(())
}

/// Lends the cluster OpenShift's definition of a Route where it has none.
async fn serve(scene: &Scene) -> Result<()> {
    let cluster = &scene.cluster;
    let list = ["get", DEFINITION, "--namespace", "default"];
    if cluster.try_kubectl(&list, Duration::from_secs(20)).await?.ok() {
        return Ok(());
    }
    let mut module = Command::new("bash");
    module
        .current_dir(&cluster.repository)
        .args(["-euc", ". ci/tools/lib.sh; module openshift-api github.com/openshift/api"]);
    let module = run_program(&mut module, Duration::from_secs(120)).await?.success()?;
    let file = format!("{}/route/v1/zz_generated.crd-manifests/routes.crd.yaml", module.trim());
    scene.makes(Outside::Definition(DEFINITION.to_owned()));
    cluster.kubectl(&["create", "--filename", &file]).await?;
    wait_for("Routes to be served", Duration::from_secs(30), async || {
        Ok(cluster.try_kubectl(&list, Duration::from_secs(20)).await?.ok().then_some(()))
    })
    .await
}
