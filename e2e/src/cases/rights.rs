//! `rbac.toggle.subjects`: whoever has that role can switch by the plugin, and do nothing else; with a right less they are
//! told before anything is changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cluster::Helm;
use crate::entry::Before;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{Output, all, last_line, run as run_program};
use crate::release::{Release, Shape};
use crate::scene::Scene;

/// The operator without a namespace, which is then the release's; and one of another namespace.
const SUBJECTS: [&str; 5] = [
    "rbac.toggle.subjects[0].kind=ServiceAccount",
    "rbac.toggle.subjects[0].name=operator",
    "rbac.toggle.subjects[1].kind=ServiceAccount",
    "rbac.toggle.subjects[1].name=pipeline",
    "rbac.toggle.subjects[1].namespace=ci",
];

/// What no kind of switch needs, as arguments of `kubectl auth can-i`. Types are named with their groups, as one that the
/// cluster does not know would be refused as well.
const NEVER: [&[&str]; 15] = [
    &["delete", "pods"],
    // `pods/exec` would be a pod of that name.
    &["create", "pods", "--subresource=exec"],
    &["get", "secrets"],
    &["list", "secrets"],
    &["patch", "deployments.apps"],
    &["patch", "configmaps/other"],
    &["patch", "services/other"],
    &["patch", "ingresses.networking.k8s.io/other"],
    &["patch", "httproutes.gateway.networking.k8s.io/other"],
    &["patch", "routes.route.openshift.io/other"],
    &["update", "services"],
    &["delete", "configmaps"],
    &["delete", "ingresses.networking.k8s.io"],
    &["create", "pods"],
    &["patch", "roles.rbac.authorization.k8s.io"],
];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (config, service, entry) = tokio::join!(config(scene), service(scene), entry(scene));
    all([config.context("config"), service.context("service"), entry.context("entry")])?;
    scene.figure("each kind of switch by the plugin with the role of rbac.toggle.subjects alone, and nothing else");
    Ok(())
}

async fn config(scene: &Scene) -> Result<()> {
    let release = Release::install(scene, "config", Helm::V4, &SUBJECTS).await?;
    release.two_user_pods().await?;
    let operator = account(&release, "operator").await?;
    switched_by(&release, &operator).await?;
    only_the_switch(&release, &["configmaps/shop-config"]).await?;

    let narrow = narrower(&release, |rule| {
        if !rule["resourceNames"].is_null() {
            rule["verbs"] = json!(["get"]);
        }
    });
    let told = refused(&release, &narrow.await?).await?;
    ensure!(
        told.contains("patch") && told.contains("shop-config"),
        "the plugin should name the missing right and the ConfigMap, but says: {told}"
    );
    let key = release.patched().await?;
    ensure!(key.as_deref() != Some("true"), "nothing should have changed, but the key is {key:?}");
    scene.figure(format!("config, a right less: {}", last_line(&told)));
    Ok(())
}

async fn service(scene: &Scene) -> Result<()> {
    let release = Release::in_front(scene, "service", Helm::V4, &["shop", "cart", "blog"], &SUBJECTS).await?;
    let operator = account(&release, "operator").await?;
    switched_by(&release, &operator).await?;
    only_the_switch(&release, &["configmaps/page-config", "services/shop-front", "services/blog-front"]).await?;

    // One of the three front Services may not be patched.
    let narrow = narrower(&release, |rule| {
        for name in rule["resourceNames"].as_array_mut().into_iter().flatten().filter(|name| *name == "cart-front") {
            // Without a name the rule would be about all of them.
            *name = "another".into();
        }
    });
    let told = refused(&release, &narrow.await?).await?;
    ensure!(told.contains("cart-front"), "the plugin should name the Service that may not be patched, but: {told}");
    release.fronts_are(Mode::Normal).await?;
    scene.figure(format!("service, a right less: {}", last_line(&told)));
    Ok(())
}

/// Entries by their names, each kind in its API.
async fn entry(scene: &Scene) -> Result<()> {
    let entries = ["rbac.toggle.entries={ingress/shop,httproute/shop}"];
    let release = Release::stand_by(scene, "entry", &["shop"], &[&SUBJECTS[..], &entries].concat()).await?;
    let host = release.user_host();
    release.apply_ingress("shop", host, "shop").await?;
    release.apply_entry("httproute", "shop", &format!("new-{host}"), "shop").await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    let targets = ["ingress/shop", "httproute/shop"];
    let before = Before::of_all(&release, &targets).await?;

    let operator = account(&release, "operator").await?;
    for mode in Mode::BOTH {
        let mut command = plugin::at_the_door(&release, &targets, mode, host)?;
        let told = run_program(command.env("KUBECONFIG", &operator), plugin::LIMIT).await?;
        let text = told.text();
        told.success()?;
        ensure!(!text.contains("orbidden") && !text.contains("cannot be"), "the plugin lacks a right: {text}");
        release.users_see(mode).await?;
    }
    for entry in &before {
        entry.is_again(&release).await?;
    }
    let switched = ["ingresses.networking.k8s.io/shop", "httproutes.gateway.networking.k8s.io/shop"];
    only_the_switch(&release, &[&switched[..], &["configmaps/page-config"]].concat()).await
}

async fn switched_by(release: &Release<'_>, kubeconfig: &Path) -> Result<()> {
    for mode in Mode::BOTH {
        let told = by(release, kubeconfig, &[plugin::verb(mode)]).await?.success()?;
        let allowed = !told.contains("orbidden") && !told.contains("cannot be listed");
        ensure!(allowed, "the plugin lacks a right: {told}");
        release.users_see(mode).await?;
        by(release, kubeconfig, &["status"]).await?.success()?;
    }
    Ok(())
}

/// What the plugin says to who has a right too few; users notice nothing.
async fn refused(release: &Release<'_>, kubeconfig: &Path) -> Result<String> {
    let told = by(release, kubeconfig, &["on"]).await?.status(1)?;
    release.users_see(Mode::Normal).await?;
    Ok(told)
}

async fn by(release: &Release<'_>, kubeconfig: &Path, arguments: &[&str]) -> Result<Output> {
    let url = format!("http://{}/", release.scene.cluster.ingress);
    let arguments = [arguments, &["--url", &url, "--host", release.user_host()]].concat();
    let mut command = plugin::command(release, &arguments)?;
    run_program(command.env("KUBECONFIG", kubeconfig), plugin::LIMIT).await
}

/// The switch itself may be patched by either subject, and nothing else by anyone.
async fn only_the_switch(release: &Release<'_>, switched: &[&str]) -> Result<()> {
    let namespace = release.namespace.as_str();
    let operator = format!("system:serviceaccount:{namespace}:operator");
    let who = [
        (operator.clone(), true),
        ("system:serviceaccount:ci:pipeline".to_owned(), true),
        (format!("system:serviceaccount:{namespace}:pipeline"), false),
    ];
    for (who, may) in &who {
        for object in switched {
            expect(release, who, &["patch", object], *may).await?;
        }
    }
    for what in NEVER {
        expect(release, &operator, what, false).await?;
    }
    let mine = matches!(&release.shape, Shape::Standby(fronts) if !fronts.is_empty());
    expect(release, &operator, &["list", "endpointslices.discovery.k8s.io"], true).await?;
    expect(release, &operator, &["patch", "pods"], true).await?;
    // An application's own Service is not the chart's.
    expect(release, &operator, &["patch", "services/shop"], false).await?;
    expect(release, &operator, &["patch", "services/shop-front"], mine).await
}

/// Fails unless that is what the API server says of what somebody may do.
async fn expect(release: &Release<'_>, who: &str, what: &[&str], may: bool) -> Result<()> {
    let told = what.join(" ");
    let arguments = [&["--namespace", &release.namespace, "auth", "can-i"], what, &["--as", who]].concat();
    let answer = release.scene.cluster.try_kubectl(&arguments, Duration::from_secs(20)).await?;
    let wanted = if may { "yes" } else { "no" };
    let known = !answer.stderr.contains("doesn't have a resource type");
    ensure!(known, "the cluster does not know what \"{told}\" is about: {}", answer.stderr);
    ensure!(
        answer.stdout.trim() == wanted,
        "whether {who} may {told} should be {wanted}, but is: {}{}",
        answer.stdout,
        answer.stderr
    );
    Ok(())
}

/// A kubeconfig of a service account of that name, which is made.
async fn account(release: &Release<'_>, name: &str) -> Result<PathBuf> {
    release.kubectl(&["create", "serviceaccount", name]).await?;
    let token = release.kubectl(&["create", "token", name]).await?;
    let cluster = &release.scene.cluster;
    let text = cluster.kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]).await?;
    let mut config: Value = serde_json::from_str(&text).context("kubectl config view")?;
    config["users"][0]["user"] = json!({ "token": token.trim() });
    cluster.write(&format!("{}-{name}.kubeconfig", release.namespace), config.to_string())
}

/// The same of one whose role has less than the chart's.
async fn narrower(release: &Release<'_>, less: impl Fn(&mut Value)) -> Result<PathBuf> {
    let mut role = release.get(&["role", &format!("{}-toggle", release.fullname)]).await?;
    role["metadata"] = json!({ "name": "narrow" });
    role["rules"].as_array_mut().into_iter().flatten().for_each(less);
    release.scene.cluster.apply(&release.namespace, &role.to_string()).await?;
    let kubeconfig = account(release, "narrow").await?;
    let subject = format!("{}:narrow", release.namespace);
    release.kubectl(&["create", "rolebinding", "narrow", "--role=narrow", "--serviceaccount", &subject]).await?;
    Ok(kubeconfig)
}
