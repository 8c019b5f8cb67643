//! On a real Argo CD: Applications from Git repositories on this machine, toggled by commits, by hand and by a parameter.
//! That of the standby shape is the one of `examples/argocd`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::sleep;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{Output, all, run as run_program, wait_for};
use crate::release::{PATCH, Release};
use crate::scene::{Outside, Scene};
use anyhow::{Context, Result, anyhow, bail, ensure};

const SYNC: Duration = Duration::from_secs(150);

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let told = |name| env::var(name).unwrap_or_default();
    if let Some(why) = why_not(&told("E2E_ARGOCD"), &told("ARGOCD_SERVER"))? {
        scene.not_run(&why);
        return Ok(());
    }
    let (tiers, standby) = tokio::join!(tiers(scene), standby(scene));
    all([tiers.context("tiers"), standby.context("standby")])
}

/// Why the case is not run, if whoever started it says so; without an Argo CD and without that word it fails.
fn why_not(told: &str, server: &str) -> Result<Option<String>> {
    match (told, server) {
        ("none", _) => Ok(Some("E2E_ARGOCD=none: no Argo CD here can read this machine's files".to_owned())),
        ("", "") => bail!(
            "could not run: ARGOCD_SERVER is not set. `ci/airgap/argocd up` starts an Argo CD on this machine; E2E_ARGOCD=none says that there is to be none"
        ),
        ("", _) => Ok(None),
        _ => bail!("invalid E2E_ARGOCD \"{told}\": expected none, or unset"),
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

/// The standby shape, by the Application of `examples/argocd`: the front Service is Argo CD's, the Ingresses are not.
async fn standby(scene: &Scene) -> Result<()> {
    let mut release = Release::prepare_front(scene, "standby", Helm::V4, &["shop"]).await?;
    release.name = "shop-front".to_owned();
    release.fullname = release.name.clone();
    release.apply_ingress("shop", release.user_host(), "shop-front").await?;
    release.apply("admin-ingress", &[("HOST", &release.admin_host), ("SERVICE", "shop")]).await?;
    let app = App::of_example(release).await?;
    toggled(&app).await
}

async fn toggled(app: &App<'_>) -> Result<()> {
    let release = &app.release;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let recorder = release.record();
    release.scene.figure("examples/argocd, with the repositories of this machine: Synced and Healthy");

    app.commit(&app.example_values(Mode::Maintenance)?).await?;
    app.synced(Mode::Maintenance).await?;
    release.scene.figure("toggled by a commit of one line: Synced and Healthy in maintenance");

    // By hand: the plugin stops, and who goes on all the same is taken back.
    stops(&plugin::plugin(release, &["off"]).await?.status(1)?)?;
    release.fronts_are(Mode::Maintenance).await?;
    let before = release.version("service/shop-front").await?;
    // Whether it sees the endpoints in the new mode before self-heal comes is chance.
    let forced = plugin::plugin(release, &["off", "--force", "--timeout", "5s"]).await?.text();
    wait_for("self-heal to take the forced change back", Duration::from_secs(60), async || {
        let changed = release.version("service/shop-front").await? != before;
        Ok((changed && release.fronts_are(Mode::Maintenance).await.is_ok()).then_some(()))
    })
    .await
    .context(forced)?;
    app.synced(Mode::Maintenance).await?;
    release
        .scene
        .figure("by hand where Git has the value: the plugin stops, and self-heal takes back what --force does");

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
    release.scene.figure(format!("standby, toggled by commits, by hand and by parameter: {}", recorder.finish()?));
    Ok(())
}

/// The tiers: the key in the ConfigMap is nobody's where the value is unset.
async fn tiers(scene: &Scene) -> Result<()> {
    let release = Release::prepare(scene, "tiers", Helm::V4).await?;
    let app = App::of_tiers(release).await?;
    patched(&app).await?;
    withdrawn(&app).await
}

async fn patched(app: &App<'_>) -> Result<()> {
    let release = &app.release;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    for mode in [Mode::Maintenance, Mode::Normal, Mode::Maintenance] {
        plugin::switch(release, mode).await?.success()?;
        app.synced(mode).await?;
    }
    // Self-heal would have come long before.
    sleep(Duration::from_secs(10)).await;
    release.users_see(Mode::Maintenance).await?;
    release.scene.figure("by hand where Git has no value: the patch survives, Synced and Healthy in maintenance");

    app.commit(&app.tiers_values(&json!({ "enabled": true }))).await?;
    app.synced(Mode::Maintenance).await?;
    app.commit(&app.tiers_values(&json!({ "enabled": false }))).await?;
    app.synced(Mode::Normal).await?;

    // By hand where Git has the value.
    stops(&plugin::plugin(release, &["on"]).await?.status(1)?)?;
    let key = release.patched().await?;
    ensure!(
        key.as_deref() == Some("false"),
        "the plugin that stopped should have changed nothing, but the key is {key:?}"
    );
    let configmap = format!("configmap/{}", release.configmap);
    let before = release.version(&configmap).await?;
    // Whether it sees the pods in the new mode before self-heal comes is chance.
    let forced = plugin::plugin(release, &["on", "--force", "--timeout", "5s"]).await?.text();
    wait_for("self-heal to take the forced change back", Duration::from_secs(60), async || {
        let changed = release.version(&configmap).await? != before;
        Ok((changed && release.patched().await?.as_deref() == Some("false")).then_some(()))
    })
    .await
    .context(forced)?;
    // Pods may have read what --force wrote.
    release.refresh().await?;
    release.await_pods(Mode::Normal, PATCH).await?;
    app.synced(Mode::Normal).await?;
    release
        .scene
        .figure("tiers, by hand where Git has the value: the plugin stops, and self-heal takes back what --force does");
    release.scene.figure(format!("tiers, toggled by commits and by hand: {}", recorder.finish()?));
    Ok(())
}

/// `maintenance.endpoints=withdrawn`: what Argo CD makes of pods that are not ready on purpose.
async fn withdrawn(app: &App<'_>) -> Result<()> {
    let release = &app.release;
    let values = |on: bool| app.tiers_values(&json!({ "enabled": on, "endpoints": "withdrawn", "rollout": "live" }));
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
    seen.with_context(|| format!("withdrawn: last: {last}"))?;
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

/// Fails unless the plugin has stopped before Argo CD.
fn stops(message: &str) -> Result<()> {
    ensure!(
        message.contains("Argo CD") && message.contains("--force"),
        "the plugin should stop before Argo CD: {message}"
    );
    Ok(())
}

// === impl App ===

impl<'a> App<'a> {
    /// The Application of `examples/argocd` and its values, each from a repository of its own.
    async fn of_example(release: Release<'a>) -> Result<Self> {
        let trees = vec![Tree::of_chart(&release).await?, Tree::new(&release, "deploy").await?];
        let app = Self { release, trees, file: "shop/maintenance.yaml" };
        let example = app.example("application.yaml");
        let mut application = app.read(&example).await?;
        let sources = application["spec"]["sources"].as_array_mut().map(Vec::as_mut_slice);
        let Some([chart, values]) = sources else {
            return Err(anyhow!("{} should have two sources, the chart and the values", example.display()));
        };
        for (source, tree) in [chart, values].into_iter().zip(&app.trees) {
            source["repoURL"] = tree.url().into();
            source["targetRevision"] = "main".into();
        }
        app.start(application, &app.example_values(Mode::Normal)?).await?;
        Ok(app)
    }

    /// The demo's own application, with the values beside the chart.
    async fn of_tiers(release: Release<'a>) -> Result<Self> {
        let app = Self { trees: vec![Tree::of_chart(&release).await?], release, file: "values.yaml" };
        let cluster = &app.release.scene.cluster;
        let (url, values) = (app.trees[0].url(), format!("../{}", app.file));
        let names = [("URL", url.as_str()), ("RELEASE", &app.release.name), ("VALUES", &values)];
        let text = cluster.manifest("argocd-application", &names)?;
        let file = cluster.write(&format!("{}-application.yaml", app.release.namespace), text)?;
        let application = app.read(&file).await?;
        app.start(application, &app.tiers_values(&json!({}))).await?;
        Ok(app)
    }

    /// A manifest as JSON.
    async fn read(&self, file: &Path) -> Result<Value> {
        let path = file.to_string_lossy();
        let convert = ["create", "--dry-run=client", "--filename", &path, "-o", "json"];
        let text = self.release.scene.cluster.kubectl(&convert).await?;
        serde_json::from_str(&text).with_context(|| path.clone().into_owned())
    }

    /// Gives the Application the names of this case and waits until it is in the cluster.
    async fn start(&self, mut application: Value, values: &str) -> Result<()> {
        self.commit(values).await?;
        application["metadata"]["name"] = self.application_name().into();
        application["spec"]["destination"]["namespace"] = self.release.namespace.clone().into();
        self.release.scene.makes(Outside::Application(self.application_name().to_owned()));
        self.release.scene.cluster.apply("argocd", &application.to_string()).await?;
        self.synced(Mode::Normal).await
    }

    fn application_name(&self) -> &str {
        &self.release.namespace
    }

    fn example(&self, name: &str) -> PathBuf {
        self.release.scene.cluster.repository.join("examples/argocd").join(name)
    }

    /// The values of `examples/argocd`, with the host and the image of this run and the toggle in that mode.
    fn example_values(&self, mode: Mode) -> Result<String> {
        let path = self.example("maintenance.yaml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let (repository, tag) = self.release.scene.cluster.image_parts();
        let image = format!("image: {{repository: {repository}, tag: {tag}}}\n");
        Ok(example_values(&text, &self.release.namespace, mode)? + &image)
    }

    /// The demo's values. JSON is YAML.
    fn tiers_values(&self, maintenance: &Value) -> String {
        let (repository, tag) = self.release.scene.cluster.image_parts();
        let values = json!({
            "image": { "repository": repository, "tag": tag },
            "maintenance": maintenance,
            "expose": {
                "type": "ingress",
                "user": { "host": self.release.user_host() },
                "admin": { "host": self.release.admin_host },
            },
        });
        format!("{values:#}\n")
    }

    /// Commits these values and pushes them.
    async fn commit(&self, values: &str) -> Result<()> {
        let tree = self.trees.last().context("the Application follows no repository")?;
        tree.commit(self.file, values).await
    }

    async fn refresh(&self) -> Result<()> {
        let mark = "argocd.argoproj.io/refresh=normal";
        let annotate =
            ["--namespace", "argocd", "annotate", "application", self.application_name(), mark, "--overwrite"];
        self.release.scene.cluster.kubectl(&annotate).await.map(drop)
    }

    async fn application(&self) -> Result<Value> {
        self.release.scene.cluster.get(&["--namespace", "argocd", "application", self.application_name()]).await
    }

    async fn status(&self) -> Result<Value> {
        Ok(self.application().await?["status"].take())
    }

    /// Waits until the last commit is synced and all is Healthy, and users see that mode.
    async fn synced(&self, mode: Mode) -> Result<()> {
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
        waited.with_context(|| format!("last: {last}"))?;
        self.release.await_users(mode, Duration::from_secs(20)).await
    }

    async fn argocd(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.release.scene.cluster.program("argocd", None)?;
        run_program(command.args(arguments), Duration::from_secs(30)).await
    }
}

// === impl Tree ===

impl Tree {
    /// An empty repository of the run's, on the branch `main`.
    async fn new(release: &Release<'_>, part: &str) -> Result<Self> {
        let tree = Self(release.scene.cluster.scratch.join(format!("{}-{part}", release.namespace)));
        fs::create_dir(&tree.0).with_context(|| tree.0.display().to_string())?;
        tree.git(&["init", "--quiet", "--bare", "--initial-branch=main", &tree.bare()]).await?;
        tree.git(&["init", "--quiet", "--initial-branch=main"]).await?;
        Ok(tree)
    }

    /// One that has this repository's chart.
    async fn of_chart(release: &Release<'_>) -> Result<Self> {
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

    async fn head(&self) -> Result<String> {
        Ok(self.git(&["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    /// Writes a file, commits and pushes it.
    async fn commit(&self, file: &str, text: &str) -> Result<()> {
        let path = self.0.join(file);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| path.display().to_string())?;
        self.push(&format!("Change {file}")).await
    }

    async fn push(&self, message: &str) -> Result<()> {
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", message]).await?;
        self.git(&["push", "--quiet", &self.bare(), "main"]).await.map(drop)
    }

    async fn git(&self, arguments: &[&str]) -> Result<String> {
        git(&self.0, arguments).await
    }
}

async fn git(tree: &Path, arguments: &[&str]) -> Result<String> {
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

/// The example's text for another host of the page, and with its one line toggled.
fn example_values(text: &str, namespace: &str, mode: Mode) -> Result<String> {
    let (off, host) = ("enabled: false # the toggle\n", "host: maintenance.shop.example.org\n");
    for part in [off, host] {
        ensure!(text.contains(part), "examples/argocd/maintenance.yaml should have \"{}\"", part.trim());
    }
    let on = format!("enabled: {} # the toggle\n", mode.value());
    Ok(text.replace(host, &format!("host: {namespace}-page.test\n")).replace(off, &on))
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
        let values = example_values(text, "e2e", Mode::Maintenance).unwrap();
        assert!(values.contains("enabled: true # the toggle"));
        assert!(values.contains("host: e2e-page.test"));
        assert!(example_values("nothing", "e2e", Mode::Normal).is_err());
    }
}
