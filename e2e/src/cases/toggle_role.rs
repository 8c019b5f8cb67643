//! `rbac.toggle.subjects`: whoever has that role can switch by the scripts, and do nothing else.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::{Failure, Helm, Outcome, run as run_program};
use crate::ensure;
use crate::front::Way;
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let mut outcomes = Vec::new();
    for way in [None, Some(Way::Ingress), Some(Way::HttpRoute), Some(Way::Selector)] {
        let name = way.map_or("config", Way::name);
        let outcome = switched(scene, name, way).await;
        outcomes.push(outcome.map_err(|Failure(why)| Failure(format!("{name}: {why}"))));
    }
    let failures = outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    let told = failures.into_iter().map(|failure| failure.0).collect::<Vec<_>>();
    ensure!(told.is_empty(), "{}", told.join("\n"));
    scene.figure("every kind of switch by the scripts with the role of rbac.toggle.subjects alone");
    Ok(())
}

async fn switched(scene: &Scene, name: &str, way: Option<Way>) -> Outcome<()> {
    let values = [
        "rbac.toggle.subjects[0].kind=ServiceAccount".to_owned(),
        "rbac.toggle.subjects[0].name=operator".to_owned(),
        // The namespace of the release is its default.
        format!("rbac.toggle.subjects[0].namespace={}", scene.namespace_name(name)),
    ];
    let values = values.iter().map(String::as_str).collect::<Vec<_>>();
    let release = match way {
        None => Release::install(scene, name, Helm::V4, &values).await?,
        Some(way) => Release::in_front(scene, name, Helm::V4, way, &values).await?,
    };
    release.kubectl(&["create", "serviceaccount", "operator"]).await?;
    let kubeconfig = kubeconfig_of(&release).await?;
    for (script, mode) in [("enable-maintenance.sh", Mode::Maintenance), ("disable-maintenance.sh", Mode::Normal)] {
        run_as(&release, &kubeconfig, script).await?;
        release.users_see(mode).await?;
        run_as(&release, &kubeconfig, "status.sh").await?;
    }
    let operator = format!("--as=system:serviceaccount:{}:operator", release.namespace);
    for (verb, what) in [
        ("delete", "pods"),
        ("create", "pods/exec"),
        ("get", "secrets"),
        ("list", "configmaps"),
        ("patch", "deployments"),
        ("patch", "services/other"),
        ("patch", "ingresses/other"),
        ("delete", "ingresses"),
    ] {
        let arguments = ["--namespace", &release.namespace, "auth", "can-i", verb, what, &operator];
        let answer = scene.cluster.try_kubectl(&arguments, Duration::from_secs(20)).await?;
        ensure!(answer.stdout.trim() == "no", "the operator may {verb} {what}: {}", answer.stdout);
    }
    fs::remove_file(&kubeconfig).map_err(|error| Failure(format!("{}: {error}", kubeconfig.display())))
}

async fn run_as(release: &Release<'_>, kubeconfig: &PathBuf, script: &str) -> Outcome<()> {
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
    let path = std::env::temp_dir().join(format!("{}.kubeconfig", release.namespace));
    fs::write(&path, config.to_string()).map_err(|error| Failure(format!("{}: {error}", path.display())))?;
    Ok(path)
}
