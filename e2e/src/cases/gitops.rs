//! On a real Argo CD: Applications from Git repositories on this machine, toggled by commits, by hand and by a parameter.
//! That of an application of its own is the one of `examples/argocd`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::sleep;

use crate::cluster::{Failure, Helm, Outcome, Output, all, run as run_program, wait_for};
use crate::ensure;
use crate::front::Way;
use crate::recorder::Mode;
use crate::release::{PATCH, Release};
use crate::report::{Outside, Scene};

const SYNC: Duration = Duration::from_secs(150);

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let told = |name| env::var(name).unwrap_or_default();
    if let Some(why) = why_not(&told("E2E_ARGOCD"), &told("ARGOCD_SERVER"))? {
        scene.not_run(&why);
        return Ok(());
    }
    let (own, demo) = tokio::join!(own_application(scene), demo(scene));
    all([own, demo])
}

/// Why the case is not run, if whoever started it says so; without an Argo CD and without that word it fails.
fn why_not(told: &str, server: &str) -> Outcome<Option<String>> {
    match (told, server) {
        ("none", _) => Ok(Some("E2E_ARGOCD=none: no Argo CD here can read this machine's files".to_owned())),
        ("", "") => Err(Failure(
            "could not run: ARGOCD_SERVER is not set. `ci/airgap/argocd up` starts an Argo CD on this machine; E2E_ARGOCD=none says that there is to be none".to_owned(),
        )),
        ("", _) => Ok(None),
        _ => Err(Failure(format!("invalid E2E_ARGOCD \"{told}\": expected none, or unset"))),
    }
}

/// An Application and the repositories that it follows.
struct App<'a> {
    release: Release<'a>,
    /// The chart's, and that of the values where they are not in the same.
    trees: Vec<Tree>,
    /// Of the values, in the last of the trees.
    file: &'static str,
}

/// A work tree; the bare repository is beside it.
struct Tree(PathBuf);

/// In front of an application that is there already: everything that moves its Ingress is Argo CD's.
async fn own_application(scene: &Scene) -> Outcome<()> {
    let mut release = Release::prepare(scene, "front", Helm::V4).await?;
    release.apply_application(true).await?;
    release.name = "shop-front".to_owned();
    release.fullname = release.name.clone();
    release.way = Some(Way::Ingress);
    let app = App::of_example(release).await?;
    toggled(&app).await
}

async fn toggled(app: &App<'_>) -> Outcome<()> {
    let release = &app.release;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let recorder = release.record_application();
    release.scene.figure("examples/argocd, with the repositories of this machine: Synced and Healthy");

    app.commit(&app.example_values(Mode::Maintenance)?).await?;
    app.synced(Mode::Maintenance).await?;
    release.scene.figure("toggled by a commit of one line: Synced and Healthy in maintenance");

    // By hand: the script stops, and who patches all the same is taken back.
    stops(&app.script("disable", &[]).await?.refusal()?)?;
    release.users_see(Mode::Maintenance).await?;
    let name = format!("{}-user", release.fullname);
    let ingress = release.get(&["ingress", &name]).await?;
    let patch = ingress["metadata"]["annotations"]["maintenance-mode/to-normal"].as_str().unwrap_or_default();
    let before = ingress["metadata"]["generation"].as_i64().unwrap_or_default();
    release.kubectl(&["patch", "ingress", &name, "--type", "merge", "--patch", patch]).await?;
    wait_for("self-heal to take the patch back", Duration::from_secs(60), async || {
        let ingress = release.get(&["ingress", &name]).await?;
        let generation = ingress["metadata"]["generation"].as_i64().unwrap_or_default();
        let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"];
        Ok((generation >= before + 2 && *backend == *name).then_some(()))
    })
    .await?;
    app.synced(Mode::Maintenance).await?;
    release.scene.figure("by hand where Git has the value: the script stops, and self-heal takes a patch back");

    // By a parameter, which outranks Git until it is unset. Of several sources it must be told which.
    let source = ["--source-position", "1"];
    let set = [&["app", "set", app.application_name(), "-p", "maintenance.enabled=false"][..], &source].concat();
    app.argocd(&set[..5]).await?.refusal()?;
    app.argocd(&set).await?.success()?;
    app.synced(Mode::Normal).await?;
    app.commit(&(app.example_values(Mode::Maintenance)? + "# Another commit.\n")).await?;
    app.synced(Mode::Normal).await?;
    app.argocd(&[&["app", "unset", app.application_name(), "-p", "maintenance.enabled"][..], &source].concat())
        .await?
        .success()?;
    app.synced(Mode::Maintenance).await?;
    release.scene.figure(
        "argocd app set -p maintenance.enabled=… --source-position 1 outranks Git until argocd app unset; without the position it is refused",
    );

    app.commit(&app.example_values(Mode::Normal)?).await?;
    app.synced(Mode::Normal).await?;
    release.scene.figure(format!("in front of an application: {}", recorder.finish()?));
    Ok(())
}

/// The chart's own application: the key in the ConfigMap is nobody's where the value is unset.
async fn demo(scene: &Scene) -> Outcome<()> {
    let release = Release::prepare(scene, "demo", Helm::V4).await?;
    let app = App::of_demo(release).await?;
    patched(&app).await?;
    withdrawn(&app).await
}

async fn patched(app: &App<'_>) -> Outcome<()> {
    let release = &app.release;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    for (script, mode) in [("enable", Mode::Maintenance), ("disable", Mode::Normal), ("enable", Mode::Maintenance)] {
        app.script(script, &[]).await?.success()?;
        app.synced(mode).await?;
    }
    // Self-heal would have come long before.
    sleep(Duration::from_secs(10)).await;
    release.users_see(Mode::Maintenance).await?;
    release.scene.figure("by hand where Git has no value: the patch survives, Synced and Healthy in maintenance");

    app.commit(&app.demo_values(&json!({ "enabled": true }))).await?;
    app.synced(Mode::Maintenance).await?;
    app.commit(&app.demo_values(&json!({ "enabled": false }))).await?;
    app.synced(Mode::Normal).await?;

    // By hand where Git has the value.
    stops(&app.script("enable", &[]).await?.refusal()?)?;
    let key = release.patched().await?;
    ensure!(
        key.as_deref() == Some("false"),
        "the script that stopped should have changed nothing, but the key is {key:?}"
    );
    let before = release.version().await?;
    // Whether it sees the pods in the new mode before self-heal comes is chance.
    let forced = app.script("enable", &["--force", "--timeout", "5"]).await?;
    let lines = forced.text();
    ensure!(lines.contains("forced: ") && lines.contains("patched"), "--force should go on and patch, but: {lines}");
    wait_for("self-heal to take the forced change back", Duration::from_secs(60), async || {
        let changed = release.version().await? != before;
        Ok((changed && release.patched().await?.as_deref() == Some("false")).then_some(()))
    })
    .await?;
    app.synced(Mode::Normal).await?;
    release.scene.figure(
        "by hand where Git has the value, the demo's own application: the script stops, and self-heal takes back what --force does",
    );
    release.scene.figure(format!("the demo, toggled by commits and by hand: {}", recorder.finish()?));
    Ok(())
}

/// `maintenance.endpoints=withdrawn`: what Argo CD makes of pods that are not ready on purpose.
async fn withdrawn(app: &App<'_>) -> Outcome<()> {
    let release = &app.release;
    let values = |on: bool| app.demo_values(&json!({ "enabled": on, "endpoints": "withdrawn", "rollout": "live" }));
    // In normal mode first: a rollout in maintenance would never end.
    app.commit(&values(false)).await?;
    app.synced(Mode::Normal).await?;
    release.two_user_pods().await?;
    app.commit(&values(true)).await?;
    wait_for("the commit to be in the ConfigMap", SYNC, async || {
        app.refresh().await?;
        Ok((release.patched().await?.as_deref() == Some("true")).then_some(()))
    })
    .await?;
    release.refresh().await?;
    let mut last = Value::Null;
    let seen = wait_for("Synced and Progressing, while users get the router's own 503", PATCH, async || {
        let status = app.status().await?;
        last = json!([status["sync"]["status"], status["health"]]);
        let told = status["sync"]["status"] == "Synced" && status["health"]["status"] == "Progressing";
        let reply = release.user("/").await?;
        Ok((told && reply.status == 503 && !reply.has_marker()).then_some(()))
    })
    .await;
    seen.map_err(|Failure(why)| Failure(format!("withdrawn: {why}; last: {last}")))?;
    let mut healths = vec!["Progressing".to_owned()];
    for _ in 0..20 {
        sleep(Duration::from_secs(2)).await;
        let health = app.status().await?["health"]["status"].as_str().unwrap_or_default().to_owned();
        ensure!(health != "Healthy", "withdrawn pods are not ready, but Argo CD says Healthy");
        if healths.last() != Some(&health) {
            healths.push(health);
        }
    }
    release.scene.figure(format!("withdrawn in maintenance: Synced, {} in 40 s", healths.join(", then ")));
    Ok(())
}

/// Fails unless the script has stopped before Argo CD.
fn stops(message: &str) -> Outcome<()> {
    ensure!(
        message.contains("is Argo CD's") && message.contains("--force goes on all the same"),
        "the script should stop before Argo CD: {message}"
    );
    Ok(())
}

// === impl App ===

impl<'a> App<'a> {
    /// The Application of `examples/argocd` and its values, each from a repository of its own.
    async fn of_example(release: Release<'a>) -> Outcome<Self> {
        let trees = vec![Tree::of_chart(&release).await?, Tree::new(&release, "deploy").await?];
        let app = Self { release, trees, file: "shop/maintenance.yaml" };
        let example = app.example("application.yaml").to_string_lossy().into_owned();
        let convert = ["create", "--dry-run=client", "--filename", &example, "-o", "json"];
        let text = app.release.scene.cluster.kubectl(&convert).await?;
        let mut application: Value =
            serde_json::from_str(&text).map_err(|error| Failure(format!("{example}: {error}")))?;
        let sources = application["spec"]["sources"].as_array_mut().map(Vec::as_mut_slice);
        let Some([chart, values]) = sources else {
            return Err(Failure(format!("{example} should have two sources, the chart and the values")));
        };
        for (source, tree) in [chart, values].into_iter().zip(&app.trees) {
            source["repoURL"] = tree.url().into();
            source["targetRevision"] = "main".into();
        }
        app.start(application, &app.example_values(Mode::Normal)?).await?;
        Ok(app)
    }

    /// The demo's own application, with the values beside the chart.
    async fn of_demo(release: Release<'a>) -> Outcome<Self> {
        let app = Self { trees: vec![Tree::of_chart(&release).await?], release, file: "values.yaml" };
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": { "namespace": "argocd" },
            "spec": {
                "project": "default",
                "source": {
                    "repoURL": app.trees[0].url(),
                    "targetRevision": "main",
                    "path": "chart",
                    "helm": { "releaseName": app.release.name, "valueFiles": [format!("../{}", app.file)] },
                },
                "destination": { "server": "https://kubernetes.default.svc" },
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true } },
            },
        });
        app.start(application, &app.demo_values(&json!({}))).await?;
        Ok(app)
    }

    /// Gives the Application the names of this case and waits until it is in the cluster.
    async fn start(&self, mut application: Value, values: &str) -> Outcome<()> {
        self.commit(values).await?;
        application["metadata"]["name"] = self.application_name().into();
        application["spec"]["destination"]["namespace"] = self.release.namespace.clone().into();
        self.release.scene.makes(Outside::Application(self.application_name().to_owned()));
        self.release.apply(&application).await?;
        self.synced(Mode::Normal).await
    }

    fn application_name(&self) -> &str {
        &self.release.namespace
    }

    fn example(&self, name: &str) -> PathBuf {
        self.release.scene.cluster.repository.join("examples/argocd").join(name)
    }

    /// The values of `examples/argocd`, with the hosts and the image of this run and the toggle in that mode.
    fn example_values(&self, mode: Mode) -> Outcome<String> {
        let path = self.example("maintenance.yaml");
        let text = fs::read_to_string(&path).map_err(|error| Failure(format!("{}: {error}", path.display())))?;
        let (user, admin) = (&self.release.user_host, &self.release.admin_host);
        let (repository, tag) = self.release.scene.cluster.image_parts();
        let image = format!("image: {{repository: {repository}, tag: {tag}}}\n");
        Ok(example_values(&text, user, admin, mode)? + &image)
    }

    /// The demo's values. JSON is YAML.
    fn demo_values(&self, maintenance: &Value) -> String {
        let (repository, tag) = self.release.scene.cluster.image_parts();
        let values = json!({
            "image": { "repository": repository, "tag": tag },
            "maintenance": maintenance,
            "expose": {
                "type": "ingress",
                "user": { "host": self.release.user_host },
                "admin": { "host": self.release.admin_host },
            },
        });
        format!("{values:#}\n")
    }

    /// Commits these values and pushes them.
    async fn commit(&self, values: &str) -> Outcome<()> {
        let tree = self.trees.last().ok_or_else(|| Failure("the Application follows no repository".to_owned()))?;
        tree.commit(self.file, values).await
    }

    async fn refresh(&self) -> Outcome<()> {
        let mark = "argocd.argoproj.io/refresh=normal";
        let annotate =
            ["--namespace", "argocd", "annotate", "application", self.application_name(), mark, "--overwrite"];
        self.release.scene.cluster.kubectl(&annotate).await.map(drop)
    }

    async fn application(&self) -> Outcome<Value> {
        self.release.scene.cluster.get(&["--namespace", "argocd", "application", self.application_name()]).await
    }

    async fn status(&self) -> Outcome<Value> {
        Ok(self.application().await?["status"].take())
    }

    /// Waits until the last commit is synced and all is Healthy, and users see that mode.
    async fn synced(&self, mode: Mode) -> Outcome<()> {
        let mut commits = Vec::new();
        for tree in &self.trees {
            commits.push(tree.head().await?);
        }
        self.refresh().await?;
        let mut last = Value::Null;
        let what =
            format!("{} to be Synced and Healthy at {commits:?}, with users in mode {mode:?}", self.application_name());
        let waited = wait_for(&what, SYNC, async || {
            let application = self.application().await?;
            // Argo CD takes the annotation away when it has looked.
            let looked = application["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();
            let status = &application["status"];
            let sync = &status["sync"];
            last = json!([sync["status"], status["health"], status["conditions"], status["operationState"]["message"]]);
            let good =
                sync["status"] == "Synced" && status["health"]["status"] == "Healthy" && revisions(sync) == commits;
            let seen = self.release.user("/").await.ok().and_then(|reply| reply.mode());
            Ok((looked && good && seen == Some(mode)).then_some(()))
        })
        .await;
        waited.map_err(|Failure(why)| Failure(format!("{why}; last: {last}")))?;
        self.release.await_users(mode, Duration::from_secs(20)).await
    }

    async fn argocd(&self, arguments: &[&str]) -> Outcome<Output> {
        let mut command = self.release.scene.cluster.program("argocd", None)?;
        run_program(command.args(arguments), Duration::from_secs(30)).await
    }

    /// An operator's script, `enable` or `disable`, at the front door of this run.
    async fn script(&self, which: &str, flags: &[&str]) -> Outcome<Output> {
        let release = &self.release;
        let cluster = &release.scene.cluster;
        let url = format!("http://{}/", cluster.ingress);
        let script = cluster.repository.join(format!("scripts/{which}-maintenance.sh"));
        let mut script = cluster.program(script, None)?;
        script.args(["-n", &release.namespace, "-r", &release.name, "--url", &url, "--host", &release.user_host]);
        run_program(script.args(flags), Duration::from_secs(130)).await
    }
}

// === impl Tree ===

impl Tree {
    /// An empty repository of the run's, on the branch `main`.
    async fn new(release: &Release<'_>, part: &str) -> Outcome<Self> {
        let tree = Self(release.scene.cluster.scratch.join(format!("{}-{part}", release.namespace)));
        fs::create_dir(&tree.0).map_err(|error| Failure(format!("{}: {error}", tree.0.display())))?;
        tree.git(&["init", "--quiet", "--bare", "--initial-branch=main", &tree.bare()]).await?;
        tree.git(&["init", "--quiet", "--initial-branch=main"]).await?;
        Ok(tree)
    }

    /// One that has this repository's chart.
    async fn of_chart(release: &Release<'_>) -> Outcome<Self> {
        let tree = Self::new(release, "chart").await?;
        let chart = release.scene.cluster.repository.join("chart");
        let mut copy = Command::new("cp");
        run_program(copy.arg("-R").arg(chart).arg(&tree.0), Duration::from_secs(10)).await?.success()?;
        tree.push("Add the chart").await?;
        Ok(tree)
    }

    fn bare(&self) -> String {
        format!("{}.git", self.0.display())
    }

    fn url(&self) -> String {
        format!("file://{}", self.bare())
    }

    async fn head(&self) -> Outcome<String> {
        Ok(self.git(&["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    /// Writes a file, commits and pushes it.
    async fn commit(&self, file: &str, text: &str) -> Outcome<()> {
        let path = self.0.join(file);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Failure(format!("{}: {error}", path.display())))?;
        self.push(&format!("Change {file}")).await
    }

    async fn push(&self, message: &str) -> Outcome<()> {
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", message]).await?;
        self.git(&["push", "--quiet", &self.bare(), "main"]).await.map(drop)
    }

    async fn git(&self, arguments: &[&str]) -> Outcome<String> {
        git(&self.0, arguments).await
    }
}

async fn git(tree: &Path, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new("git");
    command.current_dir(tree).args(["-c", "user.name=e2e", "-c", "user.email=e2e@example.org"]).args(arguments);
    run_program(&mut command, Duration::from_secs(30)).await?.success()
}

/// The commits that an Application is synced to: one a source.
fn revisions(sync: &Value) -> Vec<&str> {
    match sync["revisions"].as_array() {
        Some(several) => several.iter().filter_map(Value::as_str).collect(),
        None => sync["revision"].as_str().into_iter().collect(),
    }
}

/// The example's text for other hosts, and with its one line toggled.
fn example_values(text: &str, user: &str, admin: &str, mode: Mode) -> Outcome<String> {
    let off = "enabled: false # the toggle\n";
    let (users, admins) = ("{host: shop.example.org}", "{host: office.shop.example.org, ");
    for part in [off, users, admins] {
        ensure!(text.contains(part), "examples/argocd/maintenance.yaml should have \"{}\"", part.trim());
    }
    let on = format!("enabled: {} # the toggle\n", mode == Mode::Maintenance);
    let text = text.replace(users, &format!("{{host: {user}}}")).replace(admins, &format!("{{host: {admin}, "));
    Ok(text.replace(off, &on))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_argo_cd_it_fails_unless_that_is_said() {
        assert!(why_not("", "").is_err());
        assert!(why_not("some", "127.0.0.1:1").is_err());
        assert_eq!(why_not("", "127.0.0.1:1").unwrap(), None);
        assert!(why_not("none", "").unwrap().unwrap().starts_with("E2E_ARGOCD=none: "));
    }

    #[test]
    fn an_application_has_a_revision_for_each_source() {
        assert_eq!(revisions(&json!({ "revision": "a" })), ["a"]);
        assert_eq!(revisions(&json!({ "revisions": ["a", "b"] })), ["a", "b"]);
    }

    #[test]
    fn the_example_has_what_is_replaced() {
        let text = include_str!("../../../examples/argocd/maintenance.yaml");
        let values = example_values(text, "users.test", "admins.test", Mode::Maintenance).unwrap();
        assert!(values.contains("enabled: true # the toggle"));
        assert!(values.contains("user: {host: users.test}"));
        assert!(values.contains("admin: {host: admins.test, path: /}"));
        assert!(example_values("nothing", "a", "b", Mode::Normal).is_err());
    }
}
