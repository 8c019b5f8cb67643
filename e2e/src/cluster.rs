//! kubectl, helm and other programs, always with an explicit kubeconfig and a time limit.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// Why a case failed, in a sentence.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

pub(crate) type Outcome<T> = Result<T, Failure>;

/// Which major version of Helm a command is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Helm {
    V3,
    V4,
}

/// The cluster under test and the tools that reach it.
pub(crate) struct Cluster {
    kubeconfig: PathBuf,
    /// For files that go with the run, whatever ends it. Nobody else may read it, as tokens are among them.
    pub(crate) scratch: PathBuf,
    /// `HOST:PORT` of the Ingress controller.
    pub(crate) ingress: String,
    pub(crate) repository: PathBuf,
    /// Of the chart, as `REPOSITORY:TAG`.
    pub(crate) image: String,
    /// Of the application that is there already.
    pub(crate) application_image: String,
    /// Directories in which `helm` is version 3 or 4; an error says why there is none.
    helm3: Result<PathBuf, String>,
    helm4: Result<PathBuf, String>,
}

/// What a program printed, and how it ended.
pub(crate) struct Output {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    command: String,
}

/// Fails the case with a sentence unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        let holds: bool = $holds;
        if !holds {
            return Err($crate::cluster::Failure(format!($($why)+)));
        }
    };
}

/// Runs a program to its end, or kills it at the limit and fails.
pub(crate) async fn run(command: &mut Command, limit: Duration) -> Outcome<Output> {
    let shown = show(command);
    let started = Instant::now();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(limit, command.output())
        .await
        .map_err(|_| Failure(format!("`{shown}` had not ended after {} s", limit.as_secs())))?
        .map_err(|error| Failure(format!("`{shown}` cannot be run: {error}")))?;
    Ok(Output {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: started.elapsed(),
        command: shown,
    })
}

/// Asks again until there is an answer; fails at the limit and says what was waited for.
pub(crate) async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "waited {} s in vain for {what}", limit.as_secs());
        sleep(Duration::from_millis(500)).await;
    }
}

/// Succeeds if all did, else tells every failure.
pub(crate) fn all(outcomes: impl IntoIterator<Item = Outcome<()>>) -> Outcome<()> {
    let failures = outcomes.into_iter().filter_map(Result::err).map(|failure| failure.0).collect::<Vec<_>>();
    if failures.is_empty() { Ok(()) } else { Err(Failure(failures.join("\n"))) }
}

// === impl Failure ===

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Helm ===

impl fmt::Display for Helm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3 => "helm 3",
            Self::V4 => "helm 4",
        })
    }
}

// === impl Output ===

impl Output {
    /// What was printed, if the program succeeded.
    pub(crate) fn success(self) -> Outcome<String> {
        ensure!(self.ok, "`{}` failed: {}", self.command, self.text());
        Ok(self.stdout)
    }

    /// What was printed, if the program failed, as it should.
    pub(crate) fn refusal(self) -> Outcome<String> {
        ensure!(!self.ok, "`{}` should have failed and printed: {}", self.command, self.text());
        Ok(self.text())
    }

    /// All that was printed, errors first.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.stderr.trim(), self.stdout.trim()).trim().to_owned()
    }
}

// === impl Cluster ===

impl Cluster {
    /// Reads `E2E_*` and looks for the tools; `scratch` is made.
    pub(crate) async fn from_environment(scratch: &Path) -> Outcome<Self> {
        let kubeconfig = env::var_os("E2E_KUBECONFIG").filter(|path| !path.is_empty()).map(PathBuf::from).ok_or_else(|| {
            Failure("E2E_KUBECONFIG is not set: it names the kubeconfig of the cluster to test on, which is never the current context by chance".to_owned())
        })?;
        let kubeconfig = kubeconfig
            .canonicalize()
            .map_err(|error| Failure(format!("E2E_KUBECONFIG is {}: {error}", kubeconfig.display())))?;
        let image =
            env::var("E2E_IMAGE").unwrap_or_else(|_| "ghcr.io/maintenance-mode/maintenance-mode:dev".to_owned());
        let ingress = env::var("E2E_INGRESS")
            .or_else(|_| env::var("CLUSTER_INGRESS"))
            .map_err(|_| Failure("E2E_INGRESS is not set: it is the URL of the cluster's Ingress controller, such as http://127.0.0.1:10080".to_owned()))?;
        check_image(&image)?;
        DirBuilder::new()
            .mode(0o700)
            .create(scratch)
            .map_err(|error| Failure(format!("{}: {error}", scratch.display())))?;
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
        };
        cluster.kubectl(&["version"]).await?;
        Ok(cluster)
    }

    /// The directory in which `helm` has that version.
    fn helm_directory(&self, helm: Helm) -> Outcome<&Path> {
        let found = match helm {
            Helm::V3 => &self.helm3,
            Helm::V4 => &self.helm4,
        };
        found.as_deref().map_err(|why| Failure(format!("could not run: {why}")))
    }

    /// A program that finds this cluster by `KUBECONFIG` and, by `PATH`, the wanted helm.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>, helm: Option<Helm>) -> Outcome<Command> {
        let mut command = Command::new(program);
        command.current_dir(&self.repository).env("KUBECONFIG", &self.kubeconfig);
        if let Some(helm) = helm {
            let path = env::var_os("PATH").unwrap_or_default();
            let directories =
                [self.helm_directory(helm)?.to_owned()].into_iter().chain(env::split_paths(&path)).collect::<Vec<_>>();
            let path = env::join_paths(directories).map_err(|error| Failure(format!("PATH: {error}")))?;
            command.env("PATH", path);
        }
        Ok(command)
    }

    pub(crate) fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).current_dir(&self.repository);
        command
    }

    pub(crate) async fn try_kubectl(&self, arguments: &[&str], limit: Duration) -> Outcome<Output> {
        run(&mut self.kubectl_command(arguments), limit).await
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Outcome<String> {
        self.try_kubectl(arguments, Duration::from_secs(60)).await?.success()
    }

    /// Writes a file of that name into the scratch directory and tells its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Outcome<PathBuf> {
        let path = self.scratch.join(name);
        fs::write(&path, text).map_err(|error| Failure(format!("{}: {error}", path.display())))?;
        Ok(path)
    }

    /// `kubectl apply` of one object.
    pub(crate) async fn apply(&self, object: &Value) -> Outcome<()> {
        let mut command = self.kubectl_command(&["apply", "--filename", "-"]);
        let spawned =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = spawned.map_err(|error| Failure(format!("kubectl cannot be run: {error}")))?;
        let text = object.to_string();
        let fed = async {
            if let Some(mut input) = child.stdin.take() {
                input.write_all(text.as_bytes()).await?;
            }
            child.wait_with_output().await
        };
        let output = timeout(Duration::from_secs(30), fed).await;
        let output = output.map_err(|_| Failure("kubectl apply had not ended after 30 s".to_owned()))?;
        let output = output.map_err(|error| Failure(format!("kubectl apply: {error}")))?;
        let message = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl apply of {text} failed: {message}");
        Ok(())
    }

    pub(crate) async fn get(&self, arguments: &[&str]) -> Outcome<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat()).await?;
        serde_json::from_str(&text).map_err(|error| Failure(format!("kubectl get {}: {error}", arguments.join(" "))))
    }

    pub(crate) fn helm_command(&self, helm: Helm, arguments: &[&str]) -> Outcome<Command> {
        let mut command = self.program(self.helm_directory(helm)?.join("helm"), None)?;
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        Ok(command)
    }

    pub(crate) async fn helm(&self, helm: Helm, arguments: &[&str]) -> Outcome<Output> {
        run(&mut self.helm_command(helm, arguments)?, Duration::from_secs(330)).await
    }

    /// `--set` arguments that every release needs here.
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
        if !output.ok || !output.stdout.starts_with(version) {
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

fn authority(url: &str) -> Outcome<String> {
    let rest = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains('/') => {
            Ok(if rest.contains(':') { rest.to_owned() } else { format!("{rest}:80") })
        }
        _ => Err(Failure(format!("invalid E2E_INGRESS \"{url}\": expected http://HOST or http://HOST:PORT"))),
    }
}

/// Fails unless the image has a tag, which is no port of its registry.
fn check_image(image: &str) -> Outcome<()> {
    let tagged = image.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    ensure!(tagged, "invalid E2E_IMAGE \"{image}\": expected REPOSITORY:TAG");
    Ok(())
}

fn show(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |line, argument| line + " " + &argument.to_string_lossy())
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
    fn tells_every_failure() {
        let failure = |why: &str| Err(Failure(why.to_owned()));
        assert!(all([Ok(()), Ok(())]).is_ok());
        assert_eq!(all([failure("a"), Ok(()), failure("b")]).unwrap_err().0, "a\nb");
    }

    #[test]
    fn a_port_is_no_tag() {
        assert!(check_image("host:5000/a/b:dev").is_ok());
        assert!(check_image("host:5000/a/b").is_err());
    }
}
