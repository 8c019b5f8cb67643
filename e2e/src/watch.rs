//! Sees when pods become Ready and when they are told to end, as it happens.

use std::cell::RefCell;
use std::collections::HashMap;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::task::{JoinHandle, spawn_local};

use crate::cluster::{Failure, Outcome};
use crate::release::Release;

/// When a pod was first seen Ready, and first seen with a deletionTimestamp.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    ready: Option<Instant>,
    terminating: Option<Instant>,
}

/// A watch of the user pods, until it is dropped.
pub(crate) struct PodWatch {
    seen: Rc<RefCell<HashMap<String, Seen>>>,
    reader: JoinHandle<()>,
    // Killed when it is dropped.
    _kubectl: Child,
}

impl PodWatch {
    pub(crate) fn start(release: &Release<'_>) -> Outcome<Self> {
        let columns = r#"jsonpath={.metadata.name}|{.metadata.deletionTimestamp}|{.status.conditions[?(@.type=="Ready")].status}{"\n"}"#;
        let selector = release.selector("user");
        let arguments =
            ["--namespace", &release.namespace, "get", "pods", "--selector", &selector, "--watch", "-o", columns];
        let mut kubectl = release
            .scene
            .cluster
            .kubectl_command(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure(format!("kubectl cannot be run: {error}")))?;
        let stdout = kubectl.stdout.take().ok_or_else(|| Failure("kubectl has no output".to_owned()))?;
        let seen = Rc::new(RefCell::new(HashMap::new()));
        let reader = spawn_local(read(BufReader::new(stdout), Rc::clone(&seen)));
        Ok(Self { seen, reader, _kubectl: kubectl })
    }

    /// When the last of `new` was Ready and the last of `old` was told to end.
    pub(crate) fn settled(&self, old: &[String], new: &[String]) -> Outcome<Instant> {
        let seen = self.seen.borrow();
        let of = |name: &String| seen.get(name).copied().unwrap_or_default();
        let ready = new.iter().map(|name| of(name).ready.ok_or_else(|| format!("{name} was never seen Ready")));
        let gone =
            old.iter().map(|name| of(name).terminating.ok_or_else(|| format!("{name} was never seen terminating")));
        let times = ready.chain(gone).collect::<Result<Vec<_>, _>>().map_err(Failure)?;
        times.into_iter().max().ok_or_else(|| Failure("no pod was seen".to_owned()))
    }
}

impl Drop for PodWatch {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(output: impl tokio::io::AsyncBufRead + Unpin, seen: Rc<RefCell<HashMap<String, Seen>>>) {
    let mut lines = output.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        note(&mut seen.borrow_mut(), &line, Instant::now());
    }
}

fn note(seen: &mut HashMap<String, Seen>, line: &str, now: Instant) {
    let mut columns = line.split('|');
    let (Some(name), Some(deletion), Some(ready)) = (columns.next(), columns.next(), columns.next()) else { return };
    let pod = seen.entry(name.to_owned()).or_default();
    if !deletion.is_empty() {
        pod.terminating.get_or_insert(now);
    }
    if ready == "True" {
        pod.ready.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_time_of_each() {
        let mut seen = HashMap::new();
        let start = Instant::now();
        let later = start + std::time::Duration::from_secs(1);
        note(&mut seen, "a||False", start);
        assert!(seen["a"].ready.is_none());
        note(&mut seen, "a||True", start);
        note(&mut seen, "a|2026-01-01T00:00:00Z|True", later);
        assert_eq!((seen["a"].ready, seen["a"].terminating), (Some(start), Some(later)));
    }
}
