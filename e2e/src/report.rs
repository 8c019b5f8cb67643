//! What a case leaves behind: its figures, its namespaces, and what went wrong in them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use crate::cluster::{Cluster, Failure, Outcome};

/// The stage of one case.
pub(crate) struct Scene {
    pub(crate) cluster: Rc<Cluster>,
    prefix: String,
    namespaces: RefCell<Vec<String>>,
    figures: RefCell<Vec<String>>,
}

/// How a case ended.
pub(crate) struct Verdict {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome<()>,
    pub(crate) took: Duration,
    pub(crate) figures: Vec<String>,
}

// === impl Scene ===

impl Scene {
    pub(crate) fn new(cluster: Rc<Cluster>, number: u8) -> Self {
        let prefix = format!("e2e-{}-{number}", std::process::id());
        Self { cluster, prefix, namespaces: RefCell::default(), figures: RefCell::default() }
    }

    /// Makes a namespace that lasts as long as the case. Pod Security is enforced in it at its strictest.
    pub(crate) async fn namespace(&self, part: &str) -> Outcome<String> {
        let name = self.namespace_name(part);
        self.namespaces.borrow_mut().push(name.clone());
        self.cluster.kubectl(&["create", "namespace", &name]).await?;
        self.cluster.kubectl(&["label", "namespace", &name, "pod-security.kubernetes.io/enforce=restricted"]).await?;
        Ok(name)
    }

    /// What that namespace is called.
    pub(crate) fn namespace_name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    /// Notes what was measured; it is printed under the case.
    pub(crate) fn figure(&self, figure: impl Into<String>) {
        self.figures.borrow_mut().push(figure.into());
    }

    pub(crate) fn figures(&self) -> Vec<String> {
        self.figures.borrow().clone()
    }

    /// Everything that helps to understand a failure.
    pub(crate) async fn dump(&self) -> String {
        let namespaces = self.namespaces.borrow().clone();
        let mut dump = String::new();
        for namespace in namespaces {
            for what in [
                &["get", "all,configmaps,ingresses,poddisruptionbudgets", "-o", "wide"][..],
                &["get", "events", "--sort-by=.lastTimestamp"],
                &["describe", "pods"],
                &["logs", "-l", "app.kubernetes.io/component=user", "--prefix", "--tail=40", "--all-containers"],
                &["logs", "-l", "app.kubernetes.io/component=admin", "--prefix", "--tail=20", "--all-containers"],
            ] {
                let arguments = [&["--namespace", &namespace], what].concat();
                let text = match self.cluster.try_kubectl(&arguments, Duration::from_secs(30)).await {
                    Ok(output) => output.stdout + &output.stderr,
                    Err(Failure(why)) => why,
                };
                let _ = writeln!(dump, "--- {namespace}: kubectl {}\n{text}", what.join(" "));
            }
        }
        dump
    }

    /// Deletes the namespaces and sees them go.
    pub(crate) async fn clean_up(&self) -> Outcome<()> {
        let namespaces = self.namespaces.take();
        if namespaces.is_empty() {
            return Ok(());
        }
        let names = namespaces.iter().map(String::as_str);
        let arguments = ["delete", "namespace", "--ignore-not-found", "--timeout=180s"].into_iter().chain(names);
        let arguments = arguments.collect::<Vec<_>>();
        self.cluster.try_kubectl(&arguments, Duration::from_secs(190)).await?.success().map(drop)
    }
}

/// The table of cases and the last line; `true` if all passed.
pub(crate) fn summary(results: &[Verdict]) -> (String, bool) {
    let mut table = String::new();
    for result in results {
        let verdict = if result.outcome.is_ok() { "passed" } else { "FAILED" };
        let _ = writeln!(table, "{:>2}  {verdict}  {:>4} s  {}", result.number, result.took.as_secs(), result.name);
        for figure in &result.figures {
            let _ = writeln!(table, "                    {}", figure.replace('\n', "\n                    "));
        }
        if let Err(why) = &result.outcome {
            let _ = writeln!(table, "                    why: {}", why.0.replace('\n', "\n                    "));
        }
    }
    let passed = results.iter().filter(|result| result.outcome.is_ok()).count();
    let failed = results.len() - passed;
    let _ = write!(table, "{passed} passed, {failed} failed");
    (table, failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(outcome: Outcome<()>) -> Verdict {
        Verdict { number: 1, name: "install", outcome, took: Duration::from_secs(3), figures: vec!["x".to_owned()] }
    }

    #[test]
    fn one_failure_fails_the_run_and_says_why() {
        let (table, good) = summary(&[result(Ok(())), result(Err(Failure("because".to_owned())))]);
        assert!(!good);
        assert!(table.contains("why: because"));
        assert!(table.ends_with("\n1 passed, 1 failed"));
    }

    #[test]
    fn all_passed() {
        let (table, good) = summary(&[result(Ok(()))]);
        assert!(good && table.ends_with("\n1 passed, 0 failed"));
    }
}
