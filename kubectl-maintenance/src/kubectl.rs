//! How the cluster is reached: by the operator's own kubectl (or oc), so that logins, proxies and impersonation work as
//! they do by hand. Behind a trait, so that tests need none.

use std::env;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

use crate::output::Output;
use crate::proxy::Proxy;

/// The flags whose values are secret.
pub(crate) const SECRET: [&str; 2] = ["--token", "--password"];

/// What a command printed, and whether it was content.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Whether its exit status was 0.
    pub ok: bool,
    /// Its result.
    pub stdout: String,
    /// Its messages.
    pub stderr: String,
}

/// An answer of the API server to a GET.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// The operator's kubectl.
pub trait Kubectl {
    /// Runs one command that only reads, as by hand: Ctrl-C ends it.
    ///
    /// # Errors
    /// Where it cannot be started.
    fn read(&self, arguments: &[&str]) -> Result<Ran>;

    /// Runs one command that changes something, to its end: Ctrl-C does not reach it.
    ///
    /// # Errors
    /// Where it cannot be started.
    fn change(&self, arguments: &[&str], input: &str) -> Result<Ran>;

    /// Asks the API server for paths, all at once, through the proxy; the answers are in the order of the paths.
    ///
    /// # Errors
    /// Where there is no proxy to ask.
    fn get(&self, paths: &[String]) -> Result<Vec<Answer>>;

    /// A command as a person would type it, without what is secret.
    fn as_typed(&self, arguments: &[&str]) -> String;
}

/// Processes of kubectl.
#[derive(Debug)]
pub struct Processes {
    client: PathBuf,
    passed_on: Vec<String>,
    output: Arc<Output>,
    proxy: Mutex<Option<Arc<Proxy>>>,
}

// === impl Ran ===

impl Ran {
    /// What it said, in one line. Never its result: that is an object, and a Route holds the key of its certificate.
    #[must_use]
    pub fn message(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() { "kubectl has ended without a word".to_owned() } else { lines.join("; ") }
    }
}

// === impl Processes ===

impl Processes {
    /// The client that `KUBECTL` names, else kubectl, else oc.
    ///
    /// # Errors
    /// Where there is none.
    pub fn find(passed_on: Vec<String>, output: Arc<Output>) -> Result<Self> {
        let client = match env::var_os("KUBECTL").filter(|named| !named.is_empty()) {
            Some(named) => on_path(&named).with_context(|| {
                format!("invalid KUBECTL {named:?} (from the environment): expected a program that is there")
            })?,
            None => ["kubectl", "oc"].iter().find_map(|name| on_path(OsStr::new(name))).context(
                "neither kubectl nor oc is on PATH: install one of them, or name it in the environment variable KUBECTL",
            )?,
        };
        Ok(Self { client, passed_on, output, proxy: Mutex::new(None) })
    }

    /// Ends the proxy, if there is one. Waits for nobody: one that is about to start gets Ctrl-C itself.
    pub fn end(&self) {
        if let Ok(Some(proxy)) = self.proxy.try_lock().as_deref() {
            proxy.end();
        }
    }

    fn proxy(&self) -> Result<Arc<Proxy>> {
        let mut proxy = self.proxy.lock().unwrap_or_else(PoisonError::into_inner);
        match &*proxy {
            Some(proxy) if proxy.runs() => Ok(Arc::clone(proxy)),
            _ => Ok(Arc::clone(proxy.insert(Arc::new(Proxy::start(|arguments| self.command(arguments))?)))),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.output.command(&self.as_typed(arguments));
        let mut command = Command::new(&self.client);
        command.args(arguments).args(&self.passed_on);
        command
    }

    fn cannot_start(&self) -> String {
        format!("{} cannot be started", self.client.display())
    }
}

impl Kubectl for Processes {
    fn read(&self, arguments: &[&str]) -> Result<Ran> {
        // With our stdin: a login may have something to ask.
        let ran = self.command(arguments).stdin(Stdio::inherit()).output().with_context(|| self.cannot_start())?;
        Ok(ran.into())
    }

    fn change(&self, arguments: &[&str], input: &str) -> Result<Ran> {
        let mut command = self.command(arguments);
        apart(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.cannot_start())?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends early says why itself.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child.wait_with_output().with_context(|| self.cannot_start())?.into())
    }

    fn get(&self, paths: &[String]) -> Result<Vec<Answer>> {
        let proxy = self.proxy()?;
        for path in paths {
            self.output.poll(&self.as_typed(&["get", "--raw", path]));
        }
        proxy.get(paths)
    }

    fn as_typed(&self, arguments: &[&str]) -> String {
        let client = self.client.file_stem().unwrap_or_default().to_string_lossy();
        let passed_on = self.passed_on.iter().map(|flag| without_secret(flag));
        let words = [client.into_owned()].into_iter().chain(arguments.iter().map(|&word| word.to_owned()));
        words.chain(passed_on).map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }
}

impl From<std::process::Output> for Ran {
    fn from(output: std::process::Output) -> Self {
        Self {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// In a process group of its own, so that Ctrl-C does not reach it.
#[cfg(unix)]
fn apart(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn apart(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

/// A flag without its value, where that is secret.
pub(crate) fn without_secret(flag: &str) -> String {
    match flag.split_once('=') {
        Some((name, _)) if SECRET.contains(&name) => format!("{name}=…"),
        _ => flag.to_owned(),
    }
}

/// A word as a POSIX shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./:,@%+…".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A program by its path, or by its name on PATH.
fn on_path(name: &OsStr) -> Option<PathBuf> {
    let named = PathBuf::from(name);
    if named.components().count() > 1 {
        return program(named);
    }
    env::split_paths(&env::var_os("PATH")?).find_map(|folder| program(folder.join(name)))
}

#[cfg(unix)]
fn program(path: PathBuf) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = path.metadata().ok()?;
    (file.is_file() && file.permissions().mode() & 0o111 != 0).then_some(path)
}

#[cfg(windows)]
fn program(path: PathBuf) -> Option<PathBuf> {
    let ends = ["", ".exe", ".cmd", ".bat"].iter();
    let named = ends.map(|end| {
        let mut name = path.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    });
    named.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it_without_secrets() {
        let kubectl = Processes {
            client: "/usr/bin/kubectl".into(),
            passed_on: vec!["--context=there".into(), "--token=secret".into(), "--password=secret".into()],
            output: Arc::default(),
            proxy: Mutex::default(),
        };
        assert_eq!(
            kubectl.as_typed(&["patch", "configmap/app-config", "-p", r#"[{"value":"it's"}]"#]),
            r#"kubectl patch configmap/app-config -p '[{"value":"it'\''s"}]' --context=there --token=… --password=…"#
        );
    }

    #[test]
    fn what_went_wrong_is_told_without_the_object() {
        let ran = |stderr: &str| Ran { ok: false, stdout: r#"{"key": "secret"#.into(), stderr: stderr.into() };
        assert_eq!(ran("").message(), "kubectl has ended without a word");
        assert_eq!(ran("Warning: old\n\nError: no\n").message(), "Warning: old; Error: no");
    }

    #[cfg(unix)]
    #[test]
    fn a_proxy_that_has_ended_is_started_again() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let client = folder.path().join("kubectl");
        std::fs::write(&client, "#!/bin/sh\necho Starting to serve\n").unwrap();
        std::fs::set_permissions(&client, std::fs::Permissions::from_mode(0o755)).unwrap();
        let kubectl = Processes { client, passed_on: Vec::new(), output: Arc::default(), proxy: Mutex::default() };
        let first = kubectl.proxy().unwrap();
        while first.runs() {
            std::thread::yield_now();
        }
        assert!(!Arc::ptr_eq(&first, &kubectl.proxy().unwrap()));
    }
}
