//! The cluster under test: kubectl and the helms, always with its own kubeconfig, and manifests.

use std::cell::Cell;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::programs::{Output, run};

/// Which major version of Helm a command is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Helm {
    V3,
    V4,
}

/// The cluster and the tools that reach it.
pub(crate) struct Cluster {
    kubeconfig: PathBuf,
    /// For files that go with the run, whatever ends it. Nobody else may read it, as tokens are among them.
    pub(crate) scratch: PathBuf,
    /// `HOST:PORT` of the Ingress controller.
    pub(crate) ingress: String,
    pub(crate) repository: PathBuf,
    /// The server's, as `REPOSITORY:TAG`.
    pub(crate) image: String,
    /// That of `e2e/application`.
    pub(crate) application_image: String,
    /// Directories in which `helm` is version 3 or 4; an error says why there is none.
    helm3: Result<PathBuf, String>,
    helm4: Result<PathBuf, String>,
    /// How many manifests have been written.
    written: Cell<usize>,
}

// === impl Helm ===

impl Helm {
    pub(crate) const BOTH: [Self; 2] = [Self::V3, Self::V4];

    /// As namespaces and figures have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V3 => "helm3",
            Self::V4 => "helm4",
        }
    }

    /// With these Helm 4 takes back what somebody else has patched; Helm 3 does so by itself and knows neither.
    pub(crate) fn force(self) -> &'static [&'static str] {
        match self {
            Self::V3 => &[],
            Self::V4 => &["--server-side=true", "--force-conflicts"],
        }
    }
}

// === impl Cluster ===

impl Cluster {
    /// Reads `E2E_*` and looks for the tools; `scratch` is made.
    pub(crate) async fn from_environment(scratch: &Path) -> Result<Self> {
        let kubeconfig = env::var_os("E2E_KUBECONFIG").filter(|path| !path.is_empty()).map(PathBuf::from).context(
            "E2E_KUBECONFIG is not set: it names the kubeconfig of the cluster to test on, which is never the current context by chance",
        )?;
        let kubeconfig =
            kubeconfig.canonicalize().with_context(|| format!("E2E_KUBECONFIG is {}", kubeconfig.display()))?;
        let image =
            env::var("E2E_IMAGE").unwrap_or_else(|_| "ghcr.io/maintenance-mode/maintenance-mode:dev".to_owned());
        let ingress = env::var("E2E_INGRESS").or_else(|_| env::var("CLUSTER_INGRESS")).context(
            "E2E_INGRESS is not set: it is the URL of the cluster's Ingress controller, such as http://127.0.0.1:10080",
        )?;
        check_image(&image)?;
        DirBuilder::new().recursive(true).mode(0o700).create(scratch).with_context(|| scratch.display().to_string())?;
        let cluster = Self {
            kubeconfig,
            scratch: scratch.to_owned(),
            ingress: authority(&ingress)?,
            repository: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")),
            image,
            application_image: env::var("E2E_APPLICATION_IMAGE")
                .unwrap_or_else(|_| "ghcr.io/maintenance-mode/e2e-application:dev".to_owned()),
            helm3: find_helm(scratch, "HELM3", &["helm3", "helm"], "v3.").await,
            helm4: find_helm(scratch, "HELM4", &["helm"], "v4.").await,
            written: Cell::new(0),
        };
        cluster.kubectl(&["version"]).await?;
        Ok(cluster)
    }

    /// The directory in which `helm` has that version.
    fn helm_directory(&self, helm: Helm) -> Result<&Path> {
        let found = match helm {
            Helm::V3 => &self.helm3,
            Helm::V4 => &self.helm4,
        };
        found.as_deref().map_err(|why| anyhow!("could not run: {why}"))
    }

    /// A program that finds this cluster by `KUBECONFIG` and, by `PATH`, the wanted helm.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>, helm: Option<Helm>) -> Result<Command> {
        let mut command = Command::new(program);
        command.current_dir(&self.repository).env("KUBECONFIG", &self.kubeconfig);
        if let Some(helm) = helm {
            let path = env::var_os("PATH").unwrap_or_default();
            let directories =
                [self.helm_directory(helm)?.to_owned()].into_iter().chain(env::split_paths(&path)).collect::<Vec<_>>();
            command.env("PATH", env::join_paths(directories).context("PATH")?);
        }
        Ok(command)
    }

    pub(crate) fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).current_dir(&self.repository);
        command
    }

    pub(crate) async fn try_kubectl(&self, arguments: &[&str], limit: Duration) -> Result<Output> {
        run(&mut self.kubectl_command(arguments), limit).await
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.try_kubectl(arguments, Duration::from_secs(60)).await?.success()
    }

    pub(crate) async fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat()).await?;
        serde_json::from_str(&text).with_context(|| format!("kubectl get {}", arguments.join(" ")))
    }

    /// The internal address of the first node.
    pub(crate) async fn node_address(&self) -> Result<String> {
        let mut nodes = self.get(&["nodes"]).await?;
        let addresses = nodes["items"][0]["status"]["addresses"].take();
        let mut addresses = addresses.as_array().into_iter().flatten();
        let node = addresses.find(|one| one["type"] == "InternalIP").and_then(|one| one["address"].as_str());
        node.map(str::to_owned).context("the first node has no InternalIP")
    }

    /// Writes a file of that name into the scratch directory and tells its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.scratch.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// A file of this repository.
    pub(crate) fn read(&self, name: &str) -> Result<String> {
        let path = self.repository.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// `e2e/manifests/NAME.yaml` with `$NAME` and its like replaced.
    pub(crate) fn manifest(&self, name: &str, values: &[(&str, &str)]) -> Result<String> {
        fill(&self.read(&format!("e2e/manifests/{name}.yaml"))?, values).with_context(|| format!("{name}.yaml"))
    }

    /// `kubectl apply` of a text, YAML or JSON.
    pub(crate) async fn apply(&self, namespace: &str, text: &str) -> Result<()> {
        let number = self.written.replace(self.written.get() + 1);
        let file = self.write(&format!("{namespace}-{number}.yaml"), text)?;
        let file = file.to_string_lossy();
        self.kubectl(&["apply", "--namespace", namespace, "--filename", &file]).await.map(drop)
    }

    pub(crate) fn helm_command(&self, helm: Helm, arguments: &[&str]) -> Result<Command> {
        let mut command = self.program(self.helm_directory(helm)?.join("helm"), None)?;
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        Ok(command)
    }

    pub(crate) async fn helm(&self, helm: Helm, arguments: &[&str]) -> Result<Output> {
        run(&mut self.helm_command(helm, arguments)?, Duration::from_secs(330)).await
    }

    /// The chart's image, as its values have it.
    pub(crate) fn image_values(&self) -> [String; 2] {
        let (repository, tag) = self.image_parts();
        [format!("image.repository={repository}"), format!("image.tag={tag}")]
    }

    /// The image's repository and tag.
    pub(crate) fn image_parts(&self) -> (&str, &str) {
        self.image.rsplit_once(':').unwrap_or((&self.image, "latest"))
    }
}

/// Links the first program that has the wanted version as `DIRECTORY/helm`.
async fn find_helm(scratch: &Path, variable: &str, names: &[&str], version: &str) -> Result<PathBuf, String> {
    let told = env::var(variable).ok();
    let names = told.as_deref().map_or_else(|| names.to_vec(), |one| vec![one]);
    for name in &names {
        let mut command = Command::new(name);
        command.args(["version", "--template", "{{.Version}}"]);
        let Ok(output) = run(&mut command, Duration::from_secs(20)).await else { continue };
        if !output.ok() || !output.stdout.starts_with(version) {
            continue;
        }
        let Some(program) = find_program(name) else { continue };
        let directory = scratch.join(variable);
        fs::create_dir_all(&directory)
            .and_then(|()| symlink(&program, directory.join("helm")))
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        return Ok(directory);
    }
    Err(format!("no helm {version}* was found ({variable}, or on PATH: {})", names.join(", ")))
}

fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).canonicalize().ok();
    }
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(|path| path.is_file())
}

fn authority(url: &str) -> Result<String> {
    match url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) {
        Some(rest) if !rest.is_empty() && !rest.contains('/') => {
            Ok(if rest.contains(':') { rest.to_owned() } else { format!("{rest}:80") })
        }
        _ => bail!("invalid E2E_INGRESS \"{url}\": expected http://HOST or http://HOST:PORT"),
    }
}

/// Fails unless the image has a tag, which is no port of its registry.
fn check_image(image: &str) -> Result<()> {
    let tagged = image.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    ensure!(tagged, "invalid E2E_IMAGE \"{image}\": expected REPOSITORY:TAG");
    Ok(())
}

/// Replaces each `$NAME`; every one must have a value, and every value a place.
fn fill(text: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut text = text.to_owned();
    for (name, value) in values {
        let place = format!("${name}");
        ensure!(text.contains(&place), "there is no {place}");
        text = text.replace(&place, value);
    }
    ensure!(!text.contains('$'), "a $NAME has no value");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_the_ingress_is() {
        assert_eq!(authority("http://127.0.0.1:10080/").unwrap(), "127.0.0.1:10080");
        assert_eq!(authority("http://edge").unwrap(), "edge:80");
        assert!(authority("https://edge").is_err());
        assert!(authority("http://edge/path").is_err());
    }

    #[test]
    fn a_port_is_no_tag() {
        assert!(check_image("host:5000/a/b:dev").is_ok());
        assert!(check_image("host:5000/a/b").is_err());
    }

    #[test]
    fn a_manifest_is_filled_whole() {
        assert_eq!(fill("name: $NAME", &[("NAME", "shop")]).unwrap(), "name: shop");
        assert!(fill("name: $NAME", &[]).is_err());
        assert!(fill("name: shop", &[("NAME", "shop")]).is_err());
    }
}
