//! What a case leaves behind: its figures, what it made, and what went wrong in it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use tokio::process::Command;

use crate::cluster::{Cluster, Failure, Outcome, all, run};

/// The stage of one case.
pub(crate) struct Scene {
    pub(crate) cluster: Rc<Cluster>,
    prefix: String,
    namespaces: RefCell<Vec<String>>,
    outside: RefCell<Vec<Outside>>,
    figures: RefCell<Vec<String>>,
    not_run: RefCell<Option<String>>,
}

/// What a case has made that does not go with its namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    /// The Argo CD Application of that name.
    Application(String),
    /// The containers of that compose project.
    Compose(String),
}

/// How a case ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Passed,
    Failed(Failure),
    /// Whoever started the run has said that it cannot run here, and why.
    NotRun(String),
}

/// How a case ended, and what it told.
pub(crate) struct Verdict {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) ended: Ended,
    pub(crate) took: Duration,
    pub(crate) figures: Vec<String>,
}

// === impl Scene ===

impl Scene {
    pub(crate) fn new(cluster: Rc<Cluster>, number: u8) -> Self {
        let prefix = format!("e2e-{}-{number}", std::process::id());
        Self {
            cluster,
            prefix,
            namespaces: RefCell::default(),
            outside: RefCell::default(),
            figures: RefCell::default(),
            not_run: RefCell::default(),
        }
    }

    /// Makes a namespace that lasts as long as the case. Pod Security is enforced in it at its strictest.
    pub(crate) async fn namespace(&self, part: &str) -> Outcome<String> {
        let name = format!("{}-{part}", self.prefix);
        self.namespaces.borrow_mut().push(name.clone());
        self.cluster.kubectl(&["create", "namespace", &name]).await?;
        self.cluster.kubectl(&["label", "namespace", &name, "pod-security.kubernetes.io/enforce=restricted"]).await?;
        Ok(name)
    }

    /// Remembers what is about to be made, so that it goes when the case ends, however it ends.
    pub(crate) fn makes(&self, outside: Outside) {
        self.outside.borrow_mut().push(outside);
    }

    /// Notes what was measured; it is printed under the case.
    pub(crate) fn figure(&self, figure: impl Into<String>) {
        self.figures.borrow_mut().push(figure.into());
    }

    pub(crate) fn figures(&self) -> Vec<String> {
        self.figures.borrow().clone()
    }

    /// Notes that the case cannot run here, as whoever started the run has said; it then ends without a failure.
    pub(crate) fn not_run(&self, why: &str) {
        *self.not_run.borrow_mut() = Some(why.to_owned());
    }

    /// What is to be said of a case that ended so.
    pub(crate) fn ended(&self, outcome: Outcome<()>) -> Ended {
        match (outcome, self.not_run.take()) {
            (Err(failure), _) => Ended::Failed(failure),
            (Ok(()), Some(why)) => Ended::NotRun(why),
            (Ok(()), None) => Ended::Passed,
        }
    }

    /// Everything that helps to understand a failure.
    pub(crate) async fn dump(&self) -> String {
        let (namespaces, outside) = (self.namespaces.borrow().clone(), self.outside.borrow().clone());
        let mut dump = String::new();
        for namespace in namespaces {
            for what in [
                &["get", "all,configmaps,ingresses,poddisruptionbudgets", "-o", "wide"][..],
                &["get", "ingresses", "-o", "yaml"],
                &["get", "httproutes", "-o", "yaml"],
                &["get", "endpointslices", "-o", "wide"],
                &["get", "events", "--sort-by=.lastTimestamp"],
                &["describe", "pods"],
                &["logs", "-l", "app.kubernetes.io/component=user", "--prefix", "--tail=40", "--all-containers"],
                &["logs", "-l", "app.kubernetes.io/component=admin", "--prefix", "--tail=20", "--all-containers"],
                // The application's, which have the label `app` and not ours.
                &["logs", "-l", "app,!app.kubernetes.io/name", "--prefix", "--tail=40", "--all-containers"],
            ] {
                let _ = write!(dump, "{}", self.told(&[&["--namespace", &namespace], what].concat()).await);
            }
        }
        for outside in outside {
            if let Outside::Application(name) = outside {
                let what = ["--namespace", "argocd", "get", "application", &name, "-o", "yaml"];
                let _ = write!(dump, "{}", self.told(&what).await);
            }
        }
        dump
    }

    /// What kubectl prints, under a line that says what it is.
    async fn told(&self, arguments: &[&str]) -> String {
        let text = match self.cluster.try_kubectl(arguments, Duration::from_secs(30)).await {
            Ok(output) => output.stdout + &output.stderr,
            Err(Failure(why)) => why,
        };
        format!("--- kubectl {}\n{text}\n", arguments.join(" "))
    }

    /// Takes away all that the case has made and sees it go; tells everything that stays. It may be cut short and repeated.
    pub(crate) async fn clean_up(&self) -> Outcome<()> {
        let (namespaces, outside) = (self.namespaces.borrow().clone(), self.outside.borrow().clone());
        let mut outcomes = Vec::new();
        // Before the namespaces, as Argo CD would make anew what goes.
        for outside in &outside {
            outcomes.push(self.end(outside).await);
        }
        if !namespaces.is_empty() {
            let names = namespaces.iter().map(String::as_str);
            let arguments = ["delete", "namespace", "--ignore-not-found", "--timeout=180s"].into_iter().chain(names);
            outcomes.push(self.delete(&arguments.collect::<Vec<_>>()).await);
        }
        self.outside.borrow_mut().clear();
        self.namespaces.borrow_mut().clear();
        all(outcomes)
    }

    async fn end(&self, outside: &Outside) -> Outcome<()> {
        match outside {
            Outside::Application(name) => {
                let application =
                    ["--namespace", "argocd", "delete", "application", name, "--ignore-not-found", "--timeout=60s"];
                self.delete(&application).await
            }
            Outside::Compose(project) => {
                let mut command = Command::new("docker");
                command.current_dir(&self.cluster.repository);
                command.args(["compose", "--project-name", project, "--profile", "*", "down", "--timeout", "1"]);
                run(&mut command, Duration::from_secs(60)).await?.success().map(drop)
            }
        }
    }

    async fn delete(&self, arguments: &[&str]) -> Outcome<()> {
        self.cluster.try_kubectl(arguments, Duration::from_secs(190)).await?.success().map(drop)
    }
}

/// The table of cases and the last line; `true` unless one failed.
pub(crate) fn summary(results: &[Verdict]) -> (String, bool) {
    let indented = |text: &str| text.replace('\n', "\n                     ");
    let mut table = String::new();
    for result in results {
        let verdict = match result.ended {
            Ended::Passed => "passed",
            Ended::Failed(_) => "FAILED",
            Ended::NotRun(_) => "not run",
        };
        let _ = writeln!(table, "{:>2}  {verdict:<7}  {:>4} s  {}", result.number, result.took.as_secs(), result.name);
        for figure in &result.figures {
            let _ = writeln!(table, "                     {}", indented(figure));
        }
        if let Ended::Failed(Failure(why)) | Ended::NotRun(why) = &result.ended {
            let _ = writeln!(table, "                     why: {}", indented(why));
        }
    }
    let count = |which: fn(&Ended) -> bool| results.iter().filter(|result| which(&result.ended)).count();
    let failed = count(|ended| matches!(ended, Ended::Failed(_)));
    let skipped = count(|ended| matches!(ended, Ended::NotRun(_)));
    let _ = write!(table, "{} passed, {failed} failed", results.len() - failed - skipped);
    if skipped > 0 {
        let _ = write!(table, ", {skipped} skipped");
    }
    (table, failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(ended: Ended) -> Verdict {
        Verdict { number: 1, name: "install", ended, took: Duration::from_secs(3), figures: vec!["x".to_owned()] }
    }

    #[test]
    fn one_failure_fails_the_run_and_says_why() {
        let failed = Ended::Failed(Failure("because".to_owned()));
        let (table, good) = summary(&[result(Ended::Passed), result(failed)]);
        assert!(!good);
        assert!(table.contains("why: because"));
        assert!(table.ends_with("\n1 passed, 1 failed"));
    }

    #[test]
    fn all_passed() {
        let (table, good) = summary(&[result(Ended::Passed)]);
        assert!(good && table.ends_with("\n1 passed, 0 failed"));
    }

    #[test]
    fn what_was_not_run_is_told_and_no_failure() {
        let (table, good) = summary(&[result(Ended::Passed), result(Ended::NotRun("no Argo CD".to_owned()))]);
        assert!(good);
        assert!(table.contains(" 1  not run     3 s  install\n"), "{table}");
        assert!(table.contains("why: no Argo CD"));
        assert!(table.ends_with("\n1 passed, 0 failed, 1 skipped"));
    }
}
