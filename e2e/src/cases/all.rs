//! `--all`: three applications of a namespace at once. Where one of them fails, nothing is switched; then all are on the
//! page, and given back exactly; and what is nobody's to switch is left alone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::entry::Before;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{last_line, run as run_program};
use crate::release::Release;
use crate::scene::Scene;

const APPLICATIONS: [(&str, &str); 3] = [("shop", "ingress"), ("cart", "httproute"), ("blog", "ingress")];
const SWITCHED: [&str; 3] = ["ingress/shop", "httproute/cart", "ingress/blog"];
/// The admins', a solver of cert-manager's, and the chart's own.
const LEFT: [&str; 3] = ["ingress/admins", "ingress/cm-acme-http-solver-x7k2p", "ingress/page-page"];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let rights = [
        "rbac.toggle.subjects[0].kind=ServiceAccount",
        "rbac.toggle.subjects[0].name=operator",
        "rbac.toggle.entries={ingress/shop,httproute/cart}",
    ];
    let release = Release::stand_by(scene, "", &["shop", "cart", "blog"], &rights).await?;
    for ((name, manifest), host) in APPLICATIONS.iter().zip(&release.user_hosts) {
        release.apply_entry(manifest, name, host, name).await?;
    }
    release.apply("admin-ingress", &[("HOST", &release.admin_host), ("SERVICE", "shop")]).await?;
    release.apply("solver-ingress", &[("HOST", release.user_host())]).await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    let switched = Before::of_all(&release, &SWITCHED).await?;
    let left = Before::of_all(&release, &LEFT).await?;

    asked_for(&release).await.context("without --yes")?;
    unchanged(&release, &switched).await.context("without --yes")?;
    let told = a_right_less(&release).await.context("a right less")?;
    unchanged(&release, &switched).await.context("a right less")?;
    scene.figure(format!("--all, where one may not be changed: {}", last_line(&told)));
    let told = changed_meanwhile(&release).await.context("changed meanwhile")?;
    unchanged(&release, &switched).await.context("changed meanwhile")?;
    scene.figure(format!("--all, where the last is changed meanwhile: {}", last_line(&told)));

    all_at_once(&release, Mode::Maintenance).await?;
    release.await_users(Mode::Maintenance, Duration::from_secs(30)).await?;
    for entry in &switched {
        entry.leads_to_the_page(&release, &[]).await?;
    }
    ensure!(release.admin("/").await?.mode() == Some(Mode::Normal), "admins should still be served");
    unchanged(&release, &left).await?;
    all_at_once(&release, Mode::Normal).await?;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    unchanged(&release, &switched).await?;
    unchanged(&release, &left).await?;
    scene.figure("--all: three applications by Ingresses and an HTTPRoute, switched and given back; the admins' entry, a solver of cert-manager's and the page's own are left alone");
    Ok(())
}

async fn unchanged(release: &Release<'_>, entries: &[Before]) -> Result<()> {
    for entry in entries {
        entry.is_again(release).await?;
    }
    Ok(())
}

async fn all_at_once(release: &Release<'_>, mode: Mode) -> Result<()> {
    let mut command = plugin::at_the_door(release, &[], mode, release.user_host())?;
    run_program(command.args(["--all", "--yes"]), plugin::LIMIT).await?.success().map(drop)
}

/// Nobody is there to be asked.
async fn asked_for(release: &Release<'_>) -> Result<()> {
    let told = plugin::plugin_for(release, &[], &["on", "--all"]).await?.status(64)?;
    ensure!(told.contains("--yes"), "the plugin should say that --yes is needed, but says: {told}");
    Ok(())
}

/// Whoever has the role of `rbac.toggle` may change two of the three.
async fn a_right_less(release: &Release<'_>) -> Result<String> {
    let operator = format!("system:serviceaccount:{}:operator", release.namespace);
    let told = plugin::plugin_for(release, &[], &["on", "--all", "--yes", "--as", &operator]).await?.status(1)?;
    ensure!(
        told.contains("patch") && told.contains("blog"),
        "the plugin should name the missing right and the Ingress, but says: {told}"
    );
    Ok(told)
}

/// Somebody changes the last of the three between the plugin's look at it and its change: the others are put back.
async fn changed_meanwhile(release: &Release<'_>) -> Result<String> {
    let backend = "/spec/rules/0/backendRefs/0/name";
    let lead_elsewhere = format!(
        r#"kubectl patch httproute cart --namespace {} --type json --patch '[{{"op":"replace","path":"{backend}","value":"blog"}}]'"#,
        release.namespace
    );
    let mut command = plugin::command_for(release, &[], &["on", "--all", "--yes", "--quiet"])?;
    plugin::interfere(&mut command, release, "httproute/cart", &lead_elsewhere);
    let told = run_program(&mut command, plugin::LIMIT).await?.status(1)?;
    ensure!(told.contains("httproute/cart"), "the plugin should name what was changed, but says: {told}");
    for object in ["ingress/shop", "ingress/blog"] {
        ensure!(told.contains(object), "the plugin should say that {object} is put back, but says: {told}");
    }
    let route = release.get(&["httproute/cart"]).await?;
    let service = route.pointer(backend);
    ensure!(service == Some(&"blog".into()), "the other's change should stay, but it leads to {service:?}");
    // By which nobody else owns it any more.
    release.apply_entry("httproute", "cart", &release.user_hosts[1], "cart").await?;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    Ok(told)
}
