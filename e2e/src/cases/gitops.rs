//! On a real Argo CD: an Application from a Git repository on this machine, toggled by commits, by hand and by a
//! parameter.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::sleep;

use crate::cluster::{Failure, Helm, Outcome, run as run_program, wait_for};
use crate::ensure;
use crate::front::Way;
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

const SYNC: Duration = Duration::from_secs(150);

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let server = std::env::var("ARGOCD_SERVER").unwrap_or_default();
    ensure!(
        !server.is_empty(),
        "could not run: ARGOCD_SERVER is not set; `ci/airgap/argocd up` starts an Argo CD on this machine"
    );
    own_application(scene).await?;
    demo(scene).await
}

/// A Git repository and the Application that follows it.
struct App<'a> {
    release: Release<'a>,
    /// The work tree; the bare repository is beside it.
    tree: PathBuf,
    values: Value,
}

/// In front of an application that is there already: everything that moves its Ingress is Argo CD's.
async fn own_application(scene: &Scene) -> Outcome<()> {
    let mut release = Release::prepare(scene, "front", Helm::V4).await?;
    release.apply_application(true).await?;
    release.name = "front".to_owned();
    release.way = Some(Way::Ingress);
    let values = json!({
        "app": { "existingService": { "name": "shop", "port": 8080 } },
        "maintenance": { "enabled": false },
        "expose": {
            "type": "ingress",
            "user": { "host": release.user_host },
            "admin": { "host": release.admin_host, "path": "/" },
        },
    });
    let mut app = App::start(release, values).await?;
    let outcome = toggled(&mut app).await;
    app.end().await?;
    outcome
}

async fn toggled(app: &mut App<'_>) -> Outcome<()> {
    app.release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let recorder = app.release.record_application();

    app.commit("maintenance", json!({ "enabled": true })).await?;
    app.synced(Mode::Maintenance).await?;
    app.release.scene.figure("toggled by a commit: Synced and Healthy in maintenance");

    // By hand: the script stops, and who patches all the same is taken back.
    let cluster = &app.release.scene.cluster;
    let mut script = cluster.program(cluster.repository.join("scripts/disable-maintenance.sh"), None)?;
    script.args(["-n", &app.release.namespace, "-r", &app.release.name]);
    let message = run_program(&mut script, Duration::from_secs(30)).await?.refusal()?;
    ensure!(
        message.contains("is Argo CD's") && message.contains("--force goes on all the same"),
        "the script should stop before Argo CD: {message}"
    );
    app.release.users_see(Mode::Maintenance).await?;
    let ingress = app.release.get(&["ingress", "front-user"]).await?;
    let patch = ingress["metadata"]["annotations"]["maintenance-mode/to-normal"].as_str().unwrap_or_default();
    let before = ingress["metadata"]["generation"].as_i64().unwrap_or_default();
    app.release.kubectl(&["patch", "ingress", "front-user", "--type", "merge", "--patch", patch]).await?;
    wait_for("self-heal to take the patch back", Duration::from_secs(60), async || {
        let ingress = app.release.get(&["ingress", "front-user"]).await?;
        let generation = ingress["metadata"]["generation"].as_i64().unwrap_or_default();
        let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"];
        Ok((generation >= before + 2 && backend == "front-user").then_some(()))
    })
    .await?;
    app.synced(Mode::Maintenance).await?;
    app.release.scene.figure("by hand where Git has the value: the script stops, and self-heal takes a patch back");

    // By a parameter, which outranks Git until it is unset.
    app.argocd(&["app", "set", &app.name(), "-p", "maintenance.enabled=false"]).await?;
    app.synced(Mode::Normal).await?;
    app.commit("maintenance", json!({ "enabled": true, "title": "Another commit" })).await?;
    app.synced(Mode::Normal).await?;
    app.argocd(&["app", "unset", &app.name(), "-p", "maintenance.enabled"]).await?;
    app.synced(Mode::Maintenance).await?;
    app.release.scene.figure("argocd app set -p maintenance.enabled=… outranks Git until argocd app unset");

    app.commit("maintenance", json!({ "enabled": false })).await?;
    app.synced(Mode::Normal).await?;
    app.release.scene.figure(format!("in front of an application: {}", recorder.finish()?));
    Ok(())
}

/// The chart's own application: the key in the ConfigMap is nobody's where the value is unset.
async fn demo(scene: &Scene) -> Outcome<()> {
    let release = Release::prepare(scene, "demo", Helm::V4).await?;
    let values = json!({
        "expose": { "type": "ingress", "user": { "host": release.user_host }, "admin": { "host": release.admin_host } },
    });
    let mut app = App::start(release, values).await?;
    let outcome = patched(&mut app).await;
    app.end().await?;
    outcome
}

async fn patched(app: &mut App<'_>) -> Outcome<()> {
    app.release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    app.release.two_user_pods().await?;
    let recorder = app.release.record();
    let url = format!("http://{}/", app.release.scene.cluster.ingress);
    let cluster = &app.release.scene.cluster;
    for (script, mode) in [("enable", Mode::Maintenance), ("disable", Mode::Normal), ("enable", Mode::Maintenance)] {
        let script = cluster.repository.join(format!("scripts/{script}-maintenance.sh"));
        let mut script = cluster.program(script, None)?;
        script.args([
            "-n",
            &app.release.namespace,
            "-r",
            &app.release.name,
            "--url",
            &url,
            "--host",
            &app.release.user_host,
        ]);
        run_program(&mut script, Duration::from_secs(130)).await?.success()?;
        app.synced(mode).await?;
    }
    // Self-heal would have come long before.
    sleep(Duration::from_secs(10)).await;
    app.release.users_see(Mode::Maintenance).await?;
    app.release.scene.figure("by hand where Git has no value: the patch survives, Synced and Healthy in maintenance");

    app.commit("maintenance", json!({ "enabled": true })).await?;
    app.synced(Mode::Maintenance).await?;
    app.commit("maintenance", json!({ "enabled": false })).await?;
    app.synced(Mode::Normal).await?;
    app.release.scene.figure(format!("the demo, toggled by commits and by hand: {}", recorder.finish()?));
    Ok(())
}

// === impl App ===

impl<'a> App<'a> {
    /// Pushes the chart and the values, and waits until they are in the cluster.
    async fn start(release: Release<'a>, mut values: Value) -> Outcome<Self> {
        let [repository, tag] = release.scene.cluster.image_values();
        let after = |set: &str| set.split_once('=').map(|(_, value)| value.to_owned()).unwrap_or_default();
        values["image"] = json!({ "repository": after(&repository), "tag": after(&tag) });
        let tree = std::env::temp_dir().join(&release.namespace);
        fs::create_dir_all(&tree).map_err(|error| Failure(format!("{}: {error}", tree.display())))?;
        let mut app = Self { release, tree, values };
        let bare = app.bare();
        git(&app.tree, &["init", "--quiet", "--bare", "--initial-branch=main", &bare]).await?;
        git(&app.tree, &["init", "--quiet", "--initial-branch=main"]).await?;
        let chart = app.release.scene.cluster.repository.join("chart");
        let mut copy = Command::new("cp");
        run_program(copy.arg("-R").arg(chart).arg(&app.tree), Duration::from_secs(10)).await?.success()?;
        app.commit("fullnameOverride", json!("")).await?;
        let application = app.application();
        app.release.apply(&application).await?;
        let started = app.synced(Mode::Normal).await;
        if started.is_err() {
            app.end().await?;
        }
        started.map(|()| app)
    }

    fn name(&self) -> String {
        self.release.namespace.clone()
    }

    fn bare(&self) -> String {
        format!("{}.git", self.tree.display())
    }

    fn application(&self) -> Value {
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": { "name": self.name(), "namespace": "argocd" },
            "spec": {
                "project": "default",
                "source": {
                    "repoURL": format!("file://{}", self.bare()),
                    "targetRevision": "main",
                    "path": "chart",
                    "helm": { "releaseName": self.release.name, "valueFiles": ["../values.yaml"] },
                },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": self.release.namespace },
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true } },
            },
        })
    }

    /// Changes one value, commits and pushes it.
    async fn commit(&mut self, key: &str, value: Value) -> Outcome<()> {
        self.values[key] = value;
        let file = self.tree.join("values.yaml");
        // JSON is YAML.
        fs::write(&file, format!("{:#}\n", self.values))
            .map_err(|error| Failure(format!("{}: {error}", file.display())))?;
        git(&self.tree, &["add", "--all"]).await?;
        git(&self.tree, &["commit", "--quiet", "--message", &format!("Set {key}")]).await?;
        git(&self.tree, &["push", "--quiet", &self.bare(), "main"]).await?;
        Ok(())
    }

    /// Waits until the last commit is synced and all is Healthy, and users see that mode.
    async fn synced(&self, mode: Mode) -> Outcome<()> {
        let commit = git(&self.tree, &["rev-parse", "HEAD"]).await?;
        let cluster = &self.release.scene.cluster;
        let refresh = [
            "--namespace",
            "argocd",
            "annotate",
            "application",
            &self.name(),
            "argocd.argoproj.io/refresh=normal",
            "--overwrite",
        ];
        cluster.kubectl(&refresh).await?;
        let mut last = Value::Null;
        let what = format!("{} to be Synced and Healthy at {commit}, with users in mode {mode:?}", self.name());
        let waited = wait_for(&what, SYNC, async || {
            let application = cluster.get(&["--namespace", "argocd", "application", &self.name()]).await?;
            // Argo CD takes the annotation away when it has looked.
            let looked = application["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();
            let status = &application["status"];
            last = json!([
                status["sync"]["status"],
                status["health"],
                status["sync"]["revision"],
                status["conditions"],
                status["operationState"]["message"]
            ]);
            let good = status["sync"]["status"] == "Synced"
                && status["health"]["status"] == "Healthy"
                && status["sync"]["revision"] == commit.trim();
            let seen = self.release.user("/").await.ok().and_then(|reply| reply.mode());
            Ok((looked && good && seen == Some(mode)).then_some(()))
        })
        .await;
        waited.map_err(|Failure(why)| Failure(format!("{why}; last: {last}")))?;
        self.release.await_users(mode, Duration::from_secs(20)).await
    }

    async fn argocd(&self, arguments: &[&str]) -> Outcome<String> {
        let mut command = self.release.scene.cluster.program("argocd", None)?;
        run_program(command.args(arguments), Duration::from_secs(30)).await?.success()
    }

    /// The Application goes; its namespace goes with the case.
    async fn end(&self) -> Outcome<()> {
        let delete =
            ["--namespace", "argocd", "delete", "application", &self.name(), "--ignore-not-found", "--timeout=60s"];
        self.release.scene.cluster.try_kubectl(&delete, Duration::from_secs(70)).await?.success()?;
        for directory in [self.tree.clone(), PathBuf::from(self.bare())] {
            fs::remove_dir_all(&directory).map_err(|error| Failure(format!("{}: {error}", directory.display())))?;
        }
        Ok(())
    }
}

async fn git(tree: &Path, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new("git");
    command.current_dir(tree).args(["-c", "user.name=e2e", "-c", "user.email=e2e@example.org"]).args(arguments);
    run_program(&mut command, Duration::from_secs(30)).await?.success()
}
