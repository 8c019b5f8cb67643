//! An Application of Argo CD, and the Git repositories of this machine that it follows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::http::Mode;
use crate::programs::{Output, run as run_program, wait_for};
use crate::release::Release;
use crate::scene::Outside;

pub(super) const SYNC: Duration = Duration::from_secs(150);

/// An Application and the repositories that it follows.
pub(super) struct App<'a> {
    pub(super) release: Release<'a>,
    /// The chart's, and that of the values where they are not in the same.
    trees: Vec<Tree>,
    /// Of the values, in the last of the trees.
    file: &'static str,
}

/// A work tree; the bare repository is beside it.
struct Tree(PathBuf);

// === impl App ===

impl<'a> App<'a> {
    /// The Application of `examples/argocd` and its values, each from a repository of its own.
    pub(super) async fn of_example(release: Release<'a>) -> Result<Self> {
        let trees = vec![Tree::of_chart(&release, "chart").await?, Tree::new(&release, "deploy").await?];
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
    pub(super) async fn of_tiers(release: Release<'a>) -> Result<Self> {
        let tree = Tree::of_chart(&release, "chart").await?;
        let app = Self { release, trees: vec![tree], file: "values.yaml" };
        let application = app.of_one_repository(&app.release.name).await?;
        app.start(application, &app.tiers_values(&json!({}))).await?;
        Ok(app)
    }

    /// An application's own chart, of which its entry is a part.
    pub(super) async fn of_entry(release: Release<'a>) -> Result<Self> {
        let tree = Tree::of_chart(&release, "e2e/manifests/entry-chart").await?;
        let app = Self { release, trees: vec![tree], file: "values.yaml" };
        let application = app.of_one_repository("shop").await?;
        app.start(application, &format!("host: {}\n", app.release.user_host())).await?;
        Ok(app)
    }

    /// An Application with the chart and its values from the one tree.
    async fn of_one_repository(&self, release: &str) -> Result<Value> {
        let cluster = &self.release.scene.cluster;
        let (url, values) = (self.trees[0].url(), format!("../{}", self.file));
        let names = [("URL", url.as_str()), ("RELEASE", release), ("VALUES", &values)];
        let text = cluster.manifest("argocd-application", &names)?;
        let file = cluster.write(&format!("{}-application.yaml", self.release.namespace), text)?;
        self.read(&file).await
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

    pub(super) fn application_name(&self) -> &str {
        &self.release.namespace
    }

    fn example(&self, name: &str) -> PathBuf {
        self.release.scene.cluster.repository.join("examples/argocd").join(name)
    }

    /// The values of `examples/argocd`, with the host and the image of this run and the toggle in that mode.
    pub(super) fn example_values(&self, mode: Mode) -> Result<String> {
        let path = self.example("maintenance.yaml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let (repository, tag) = self.release.scene.cluster.image_parts();
        let image = format!("image: {{repository: {repository}, tag: {tag}}}\n");
        Ok(example_values(&text, &self.release.namespace, mode)? + &image)
    }

    /// The demo's values. JSON is YAML.
    pub(super) fn tiers_values(&self, maintenance: &Value) -> String {
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
    pub(super) async fn commit(&self, values: &str) -> Result<()> {
        let tree = self.trees.last().context("the Application follows no repository")?;
        tree.commit(self.file, values).await
    }

    pub(super) async fn refresh(&self) -> Result<()> {
        let mark = "argocd.argoproj.io/refresh=normal";
        let annotate =
            ["--namespace", "argocd", "annotate", "application", self.application_name(), mark, "--overwrite"];
        self.release.scene.cluster.kubectl(&annotate).await.map(drop)
    }

    async fn application(&self) -> Result<Value> {
        self.release.scene.cluster.get(&["--namespace", "argocd", "application", self.application_name()]).await
    }

    pub(super) async fn status(&self) -> Result<Value> {
        Ok(self.application().await?["status"].take())
    }

    /// Waits until the last commit is synced and all is Healthy, and users see that mode.
    pub(super) async fn synced(&self, mode: Mode) -> Result<()> {
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

    pub(super) async fn argocd(&self, arguments: &[&str]) -> Result<Output> {
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

    /// One that has a chart of this repository as its folder `chart`.
    async fn of_chart(release: &Release<'_>, chart: &str) -> Result<Self> {
        let tree = Self::new(release, "chart").await?;
        let mut copy = Command::new("cp");
        copy.arg("-R").arg(release.scene.cluster.repository.join(chart)).arg(tree.0.join("chart"));
        run_program(&mut copy, Duration::from_secs(10)).await?.success()?;
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
    fn an_application_has_a_revision_for_each_source() {
        assert_eq!(revisions(&json!({ "revision": "a" })), ["a"]);
        assert_eq!(revisions(&json!({ "revisions": ["a", "b"] })), ["a", "b"]);
    }

    #[test]
    fn the_example_has_what_is_replaced() {
        let text = include_str!("../../../../examples/argocd/maintenance.yaml");
        let values = example_values(text, "e2e", Mode::Maintenance).unwrap();
        assert!(values.contains("enabled: true # the toggle"));
        assert!(values.contains("host: e2e-page.test"));
        assert!(example_values("nothing", "e2e", Mode::Normal).is_err());
    }
}
