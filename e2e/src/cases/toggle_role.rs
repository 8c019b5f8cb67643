//! `rbac.toggle.subjects`: whoever has that role can switch by the scripts, and do nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster::{Failure, Helm, Outcome, all, run as run_program};
use crate::ensure;
use crate::front::Way;
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

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
const NEVER: [&[&str]; 14] = [
    &["delete", "pods"],
    // `pods/exec` would be a pod of that name.
    &["create", "pods", "--subresource=exec"],
    &["get", "secrets"],
    &["list", "configmaps"],
    &["patch", "deployments.apps"],
    &["patch", "configmaps/other"],
    &["patch", "services/other"],
    &["patch", "ingresses.networking.k8s.io/other"],
    &["patch", "httproutes.gateway.networking.k8s.io/other"],
    &["patch", "routes.route.openshift.io/other"],
    &["update", "services"],
    &["delete", "ingresses.networking.k8s.io"],
    &["create", "pods"],
    &["patch", "roles.rbac.authorization.k8s.io"],
];

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let mut outcomes = Vec::new();
    for way in [None, Some(Way::Ingress), Some(Way::HttpRoute), Some(Way::Selector)] {
        let name = way.map_or("config", Way::name);
        let outcome = switched(scene, name, way).await;
        outcomes.push(outcome.map_err(|Failure(why)| Failure(format!("{name}: {why}"))));
    }
    all(outcomes)?;
    scene.figure("every kind of switch by the scripts with the role of rbac.toggle.subjects alone, and nothing else");
    Ok(())
}

async fn switched(scene: &Scene, name: &str, way: Option<Way>) -> Outcome<()> {
    let release = match way {
        None => Release::install(scene, name, Helm::V4, &SUBJECTS).await?,
        Some(way) => Release::in_front(scene, name, Helm::V4, way, &SUBJECTS).await?,
    };
    release.kubectl(&["create", "serviceaccount", "operator"]).await?;
    let kubeconfig = kubeconfig_of(&release).await?;
    for (script, mode) in [("enable-maintenance.sh", Mode::Maintenance), ("disable-maintenance.sh", Mode::Normal)] {
        run_as(&release, &kubeconfig, script).await?;
        release.users_see(mode).await?;
        run_as(&release, &kubeconfig, "status.sh").await?;
    }
    only_the_switch(&release).await
}

/// The switch itself may be patched by either subject, and nothing else by anyone.
async fn only_the_switch(release: &Release<'_>) -> Outcome<()> {
    let namespace = release.namespace.as_str();
    let (operator, pipeline) = (account(namespace, "operator"), account("ci", "pipeline"));
    let switch = match release.way {
        None => "configmaps/shop-config",
        Some(Way::Ingress) => "ingresses.networking.k8s.io/front-user",
        Some(Way::HttpRoute) => "httproutes.gateway.networking.k8s.io/front-user",
        Some(Way::Selector) => "services/shop",
    };
    for (who, may) in [(&operator, true), (&pipeline, true), (&account(namespace, "pipeline"), false)] {
        expect(release, who, &["patch", switch], may).await?;
    }
    for what in NEVER {
        expect(release, &operator, what, false).await?;
    }
    // Only where the switch is the ConfigMap must kubelets be made to look, and only else is there an application.
    expect(release, &operator, &["patch", "pods"], release.way.is_none()).await?;
    for what in [&["list", "endpointslices.discovery.k8s.io"], &["get", "services"]] {
        expect(release, &operator, what, release.way.is_some()).await?;
    }
    Ok(())
}

fn account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Fails unless that is what the API server says of what somebody may do.
async fn expect(release: &Release<'_>, who: &str, what: &[&str], may: bool) -> Outcome<()> {
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

async fn run_as(release: &Release<'_>, kubeconfig: &Path, script: &str) -> Outcome<()> {
    let cluster = &release.scene.cluster;
    let url = format!("http://{}/", cluster.ingress);
    let mut command = cluster.program(cluster.repository.join("scripts").join(script), None)?;
    command.env("KUBECONFIG", kubeconfig);
    command.args(["-n", &release.namespace, "-r", &release.name, "--url", &url, "--host", &release.user_host]);
    if release.way.is_some() {
        command.args(["--admin-url", &url, "--admin-host", &release.admin_host]);
    }
    let lines = run_program(&mut command, Duration::from_secs(60)).await?.success()?;
    let allowed = !lines.contains("may not") && !lines.contains("orbidden") && !lines.contains("cannot be listed");
    ensure!(allowed, "{script} lacks a permission:\n{lines}");
    Ok(())
}

/// A kubeconfig of the service account `operator`.
async fn kubeconfig_of(release: &Release<'_>) -> Outcome<PathBuf> {
    let token = release.kubectl(&["create", "token", "operator"]).await?;
    let text =
        release.scene.cluster.kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]).await?;
    let mut config: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Failure(format!("kubectl config view: {error}")))?;
    config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
    release.scene.cluster.write(&format!("{}.kubeconfig", release.namespace), config.to_string())
}
