//! The stage of one case: what it has made, so that it goes again, and what it has measured.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::judge::Switch;
use crate::programs::{all, run};

pub(crate) struct Scene {
    pub(crate) cluster: Rc<Cluster>,
    prefix: String,
    namespaces: RefCell<Vec<String>>,
    outside: RefCell<Vec<Outside>>,
    figures: RefCell<Vec<String>>,
    switches: RefCell<Vec<Switches>>,
    not_run: RefCell<Option<String>>,
}

/// What a case has made that does not go with its namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    /// The Argo CD Application of that name.
    Application(String),
    /// The containers of that compose project.
    Compose(String),
    /// The definition of an API that the cluster did not have, with all objects of that kind.
    Definition(String),
}

/// Switches of one kind by one command, for the table at the end.
#[derive(Clone, Debug)]
pub(crate) struct Switches {
    /// Such as `config`, or `service, 3 front Services`.
    pub(crate) what: String,
    /// Who has switched, such as `helm4`.
    pub(crate) by: &'static str,
    pub(crate) requests: usize,
    pub(crate) failed: usize,
    /// Whether a failed one is a failure of the case. What is not judged is a figure alone, in a row of its own.
    pub(crate) judged: bool,
    pub(crate) each: Vec<Switch>,
}

impl Scene {
    pub(crate) fn new(cluster: Rc<Cluster>, case: &str) -> Self {
        let prefix = format!("e2e-{}-{case}", std::process::id());
        Self {
            cluster,
            prefix,
            namespaces: RefCell::default(),
            outside: RefCell::default(),
            figures: RefCell::default(),
            switches: RefCell::default(),
            not_run: RefCell::default(),
        }
    }

    /// Makes a namespace that lasts as long as the case. Pod Security is enforced in it at its strictest.
    pub(crate) async fn namespace(&self, part: &str) -> Result<String> {
        let name = if part.is_empty() { self.prefix.clone() } else { format!("{}-{part}", self.prefix) };
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

    /// Notes a line of the table of switches.
    pub(crate) fn switched(&self, switches: Switches) {
        self.switches.borrow_mut().push(switches);
    }

    pub(crate) fn switches(&self) -> Vec<Switches> {
        self.switches.borrow().clone()
    }

    /// Notes that the case cannot run here, as whoever started the run has said; it then ends without a failure.
    pub(crate) fn not_run(&self, why: &str) {
        *self.not_run.borrow_mut() = Some(why.to_owned());
    }

    /// Why the case was not run, where it said so.
    pub(crate) fn why_not_run(&self) -> Option<String> {
        self.not_run.borrow().clone()
    }

    /// Everything that helps to understand a failure.
    pub(crate) async fn dump(&self) -> String {
        let (namespaces, outside) = (self.namespaces.borrow().clone(), self.outside.borrow().clone());
        let mut dump = String::new();
        for namespace in namespaces {
            for what in [
                &["get", "all,configmaps,ingresses,poddisruptionbudgets", "-o", "wide"][..],
                &["get", "services,ingresses,httproutes", "-o", "yaml", "--show-managed-fields"],
                &["get", "endpointslices", "-o", "wide"],
                &["get", "events", "--sort-by=.lastTimestamp"],
                &["describe", "pods"],
                &["logs", "-l", "app.kubernetes.io/component in (user,page)", "--prefix", "--tail=40"],
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
            Err(why) => format!("{why:#}"),
        };
        format!("--- kubectl {}\n{text}\n", arguments.join(" "))
    }

    /// Takes away all that the case has made and sees it go; tells everything that stays. It may be cut short and repeated.
    pub(crate) async fn clean_up(&self) -> Result<()> {
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

    async fn end(&self, outside: &Outside) -> Result<()> {
        match outside {
            Outside::Application(name) => {
                let application =
                    ["--namespace", "argocd", "delete", "application", name, "--ignore-not-found", "--timeout=60s"];
                self.delete(&application).await
            }
            Outside::Definition(name) => {
                self.delete(&["delete", "customresourcedefinition", name, "--ignore-not-found", "--timeout=60s"]).await
            }
            Outside::Compose(project) => {
                let mut command = Command::new("docker");
                command.current_dir(&self.cluster.repository);
                command.args(["compose", "--project-name", project, "--profile", "*", "down", "--timeout", "1"]);
                run(&mut command, Duration::from_secs(60)).await?.success().map(drop)
            }
        }
    }

    async fn delete(&self, arguments: &[&str]) -> Result<()> {
        self.cluster.try_kubectl(arguments, Duration::from_secs(190)).await?.success().map(drop)
    }
}
