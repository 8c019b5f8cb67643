//! What is to happen to one target: a release, or an entry; and to the page that entries lead to.

pub mod entry;
pub mod page;
pub mod release;

use std::time::Duration;

use crate::change::Change;
use crate::doors::ask::Expect;
use crate::doors::find::Door;
use crate::entries::Entries;
use crate::object::Name;
use crate::pods::Wanted;
use crate::release::{Kind, Release};

/// Where no front door can tell that proxies have followed the endpoints, they are given this time; they take a tenth.
const PROXIES_FOLLOW: Duration = Duration::from_secs(1);
/// Where none can tell that a controller has read an entry, it is given this time: OpenShift's router reloads every 5 s.
const CONTROLLERS_FOLLOW: Duration = Duration::from_secs(6);

/// What a plan is about.
#[derive(Debug)]
pub enum Subject {
    /// A release, which is switched by its own switch.
    Release(Release),
    /// What the page of a standby release says to users whom entries lead to it. Nothing is switched.
    Page(Release),
    /// An entry, and its canary twins.
    Entry(Name),
}

/// What is to happen to one target.
#[derive(Debug)]
pub struct Plan {
    /// What it is about.
    pub subject: Subject,
    /// The changes, in order; those that change nothing are left out.
    pub changes: Vec<Change>,
    /// What page or user pods are waited for to say; nothing where they are not waited for.
    pub pods: Option<Wanted>,
    /// What the front doors should answer.
    pub expect: Expect,
    /// The application has no ready pod, and it is gone on all the same.
    pub empty: bool,
    /// What people should know.
    pub notes: Vec<String>,
    /// The entries that still lead to the application, but those that people have excluded.
    pub others: Vec<String>,
    /// The front doors.
    pub doors: Vec<Door>,
}

// === impl Plan ===

impl Plan {
    /// The changes that change something; what is around it that cannot be seen is noted.
    fn new(subject: Subject, changes: Vec<Change>, expect: Expect, around: &Entries, doors: Vec<Door>) -> Self {
        let changes = changes.into_iter().filter(|change| !change.is_empty()).collect();
        let unseen = around.unseen.iter();
        let notes =
            unseen.map(|(kinds, why)| format!("{kinds} may not be listed, so front doors may be missing: {why}"));
        let notes = notes.collect();
        Self { subject, changes, pods: None, expect, empty: false, notes, others: Vec::new(), doors }
    }

    /// Its target as it is typed: `page`, `ingress/shop`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.subject {
            Subject::Release(release) | Subject::Page(release) => release.name.clone(),
            Subject::Entry(name) => name.to_string(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match &self.subject {
            Subject::Release(release) | Subject::Page(release) => &release.namespace,
            Subject::Entry(name) => &name.namespace,
        }
    }

    /// Its kind of switch.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.subject {
            Subject::Release(release) => release.kind.as_str(),
            Subject::Page(_) | Subject::Entry(_) => "entry",
        }
    }

    /// The release whose pods are waited for.
    #[must_use]
    pub fn release(&self) -> Option<&Release> {
        match &self.subject {
            Subject::Release(release) | Subject::Page(release) => Some(release),
            Subject::Entry(_) => None,
        }
    }

    /// The release whose front Services are switched.
    #[must_use]
    pub fn behind_fronts(&self) -> Option<&Release> {
        match &self.subject {
            Subject::Release(release) if release.kind == Kind::Service => Some(release),
            _ => None,
        }
    }

    /// Whether it is about what a page says alone.
    #[must_use]
    pub fn is_page(&self) -> bool {
        matches!(self.subject, Subject::Page(_))
    }

    /// What is switched, for people.
    #[must_use]
    pub fn objects(&self) -> String {
        let names: Vec<String> = match &self.subject {
            Subject::Release(release) => release.modes().iter().map(|(object, _)| object.to_string()).collect(),
            Subject::Page(release) => vec![release.config_name().to_string()],
            Subject::Entry(name) if self.changes.is_empty() => vec![name.to_string()],
            Subject::Entry(_) => self.changes.iter().map(|change| change.object.to_string()).collect(),
        };
        names.join(", ")
    }

    /// How long it takes until a change is in force, where nothing tells.
    #[must_use]
    pub fn follows_within(&self) -> Duration {
        match &self.subject {
            Subject::Release(release) if release.kind == Kind::Service => PROXIES_FOLLOW,
            Subject::Release(_) | Subject::Page(_) => Duration::ZERO,
            Subject::Entry(_) => CONTROLLERS_FOLLOW,
        }
    }

    /// What open connections do, where kube-proxy made them: for certain where a front Service has a port on the nodes, and
    /// where no entry leads to it.
    fn open_connections(&self) -> Option<String> {
        let unnamed = self.doors.is_empty();
        let behind = self.behind_fronts()?.fronts.iter().filter(|front| unnamed || front.on_nodes());
        let behind: Vec<String> = behind.map(|front| front.name().to_string()).collect();
        (!behind.is_empty() && !self.changes.is_empty()).then(|| {
            format!(
                "through a cluster IP, a node port or a load balancer before node ports ({}), connections that are open stay where they are until they end",
                behind.join(", ")
            )
        })
    }
}
