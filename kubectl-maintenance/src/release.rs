//! The releases of a namespace, and what each of them switches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::kubectl::Kubectl;
use crate::object::{self, Name, PREFIX, annotation, label, map, name, namespace, selects, text};
use crate::pods::{Pod, list_pods};
use crate::read::{self, Listed};
use crate::stamp;

/// The label of a release.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The label of a part of a release.
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// What users get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The application.
    Normal,
    /// The page.
    Maintenance,
}

/// What is changed to go from one mode to the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `MAINTENANCE_MODE` in the ConfigMap, which the user pods read.
    Config,
    /// The selector of each front Service.
    Service,
}

/// A release of the chart.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its kind of switch.
    pub kind: Kind,
    /// The ConfigMap of its pods' settings.
    pub config: Value,
    /// Its front Services; none for kind config.
    pub fronts: Vec<Front>,
    /// Those that cannot be switched, as they do not say what their selectors are.
    pub unknown: Vec<Name>,
    /// The entries that are switched to its page, where they have been looked at.
    pub led_here: Vec<Name>,
}

/// A front Service, with the selectors of both modes.
#[derive(Clone, Debug)]
pub struct Front {
    /// The Service.
    pub service: Value,
    /// Its whole selector in mode normal.
    pub normal: BTreeMap<String, String>,
    /// Its whole selector in mode maintenance.
    pub maintenance: BTreeMap<String, String>,
}

/// The releases of a namespace, or of all, with the labels that are wanted.
///
/// # Errors
/// Where they cannot be listed.
pub fn find(kubectl: &dyn Kubectl, namespace: Option<&str>, selector: Option<&str>) -> Result<Vec<Release>> {
    let mut switch = format!("{PREFIX}switch in (config,service)");
    if let Some(selector) = selector {
        switch = format!("{switch},{selector}");
    }
    let path = |kinds: &str, selector: &str| read::path("v1", namespace, kinds, selector);
    let configs = listed(kubectl, &path("configmaps", &switch), "the releases cannot be listed by their ConfigMaps")?;
    let mut releases: Vec<Release> = configs.into_iter().map(Release::of).collect();
    releases.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    if releases.iter().any(|release| release.kind == Kind::Service) {
        let services = path("services", &format!("{PREFIX}switch=service"));
        let services = listed(kubectl, &services, "the front Services cannot be listed")?;
        for service in services {
            let of = |release: &&mut Release| {
                release.kind == Kind::Service
                    && release.namespace == self::namespace(&service)
                    && release.name == label(&service, INSTANCE)
            };
            if let Some(release) = releases.iter_mut().find(of) {
                match Front::of(&service) {
                    Some(front) => release.fronts.push(front),
                    None => release.unknown.push(Name::of("service", &service)),
                }
            }
        }
    }
    Ok(releases)
}

/// The items at a path. That the API server cannot be asked at all is told without what was wanted of it.
fn listed(kubectl: &dyn Kubectl, path: &str, cannot: &str) -> Result<Vec<Value>> {
    match read::lists(kubectl, &[path.to_owned()])?.pop() {
        Some(Listed::Items(items)) => Ok(items),
        Some(Listed::Forbidden(why)) => bail!("{cannot}: {why}"),
        _ => bail!("{cannot}: the API server does not serve {path}"),
    }
}

/// That a release which was named is not there, and what is.
///
/// # Errors
/// Where the cluster cannot be asked.
pub fn absent(kubectl: &dyn Kubectl, namespace: Option<&str>, release: &str, there: &[Release]) -> Result<String> {
    if let Some(why) = nothing(kubectl, namespace, Some(release))? {
        return Ok(why);
    }
    let place = namespace.map_or_else(|| "any namespace".to_owned(), |namespace| format!("namespace {namespace}"));
    let there: Vec<&str> = there.iter().map(|release| release.name.as_str()).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Ok(format!("there is no release {release} in {place}; there is: {there}"))
}

/// Why there is no release, or not the one that was named, beside that none is installed: it is of an older chart, or there
/// is no such namespace.
///
/// # Errors
/// Where the cluster cannot be asked.
pub fn nothing(kubectl: &dyn Kubectl, namespace: Option<&str>, release: Option<&str>) -> Result<Option<String>> {
    let path = read::path("v1", namespace, "configmaps", &format!("{COMPONENT}=config,!{PREFIX}switch"));
    let configs = listed(kubectl, &path, "the releases of older charts cannot be listed")?;
    let older = configs.iter().find(|config| {
        let ours = label(config, "helm.sh/chart").starts_with("maintenance-mode-");
        ours && release.is_none_or(|release| release == label(config, INSTANCE))
    });
    if let Some(older) = older {
        return Ok(Some(format!(
            "release {} in namespace {} was installed by an older chart: upgrade it first, see CHANGELOG.md",
            label(older, INSTANCE),
            self::namespace(older)
        )));
    }
    let Some(namespace) = namespace else { return Ok(None) };
    let answers = kubectl.get(&[format!("/api/v1/namespaces/{namespace}")])?;
    // Whoever may not look does not know.
    let gone = answers.first().is_some_and(|answer| answer.status == 404);
    Ok(gone.then(|| format!("namespace {namespace} does not exist")))
}

// === impl Release ===

impl Release {
    fn of(config: Value) -> Self {
        let kind = if label(&config, &format!("{PREFIX}switch")) == "service" { Kind::Service } else { Kind::Config };
        Self {
            namespace: namespace(&config).to_owned(),
            name: label(&config, INSTANCE).to_owned(),
            kind,
            config,
            fronts: Vec::new(),
            unknown: Vec::new(),
            led_here: Vec::new(),
        }
    }

    /// Why a front Service cannot be switched.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        let name = self.unknown.first()?;
        Some(format!(
            "{name} in namespace {} has no annotation {PREFIX}selectors with both selectors, by which it is switched: helm upgrade renders it",
            name.namespace
        ))
    }

    /// The ConfigMap's name.
    #[must_use]
    pub fn config_name(&self) -> Name {
        Name::of("configmap", &self.config)
    }

    /// The pods that show the page: the user tier, or the page pods.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn pods(&self, kubectl: &dyn Kubectl) -> Result<Vec<Pod>> {
        list_pods(kubectl, &self.namespace, &self.pod_labels()).with_context(|| {
            format!(
                "the {} pods of release {} in namespace {} cannot be listed",
                self.component(),
                self.name,
                self.namespace
            )
        })
    }

    /// The labels of those pods, as a query has them.
    #[must_use]
    pub fn pod_labels(&self) -> String {
        format!("{INSTANCE}={},{COMPONENT}={}", self.name, self.component())
    }

    /// The labels of all pods that read the ConfigMap, as a query has them: the admin pods' too.
    #[must_use]
    pub fn readers(&self) -> String {
        match self.kind {
            Kind::Config => format!("{INSTANCE}={},{COMPONENT} in (user,admin)", self.name),
            Kind::Service => self.pod_labels(),
        }
    }

    /// The admin pods of the tiers.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn admins(&self, kubectl: &dyn Kubectl) -> Result<Vec<Pod>> {
        match self.kind {
            Kind::Config => list_pods(kubectl, &self.namespace, &format!("{INSTANCE}={},{COMPONENT}=admin", self.name)),
            Kind::Service => Ok(Vec::new()),
        }
    }

    const fn component(&self) -> &'static str {
        match self.kind {
            Kind::Config => "user",
            Kind::Service => "page",
        }
    }

    /// The mode that each switched object is in, or what is the matter with it.
    #[must_use]
    pub fn modes(&self) -> Vec<(Name, Result<Mode, String>)> {
        match self.kind {
            Kind::Config => vec![(self.config_name(), config_mode(&self.config))],
            Kind::Service => self.fronts.iter().map(|front| (front.name(), front.mode())).collect(),
        }
    }

    /// The mode of all that is switched; nothing where it does not agree. Without a front Service it is normal.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        if self.is_page_alone() {
            return Some(Mode::Normal);
        }
        let mut modes = self.modes().into_iter().map(|(_, mode)| mode.ok());
        let first = modes.next()??;
        modes.all(|mode| mode == Some(first)).then_some(first)
    }

    /// Whether it has no switch of its own, but a page to which entries can lead.
    #[must_use]
    pub fn is_page_alone(&self) -> bool {
        self.kind == Kind::Service && self.fronts.is_empty() && self.unknown.is_empty()
    }

    /// Whether users get its page: by its own switch, or by an entry.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.modes().iter().any(|(_, mode)| *mode != Ok(Mode::Normal)) || !self.led_here.is_empty()
    }

    /// Whether it is in mode normal, and an `off` was ended before it had given back who owns which field.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        let mut objects = self.switched().into_iter().chain([&self.config]);
        !self.is_shown() && objects.any(stamp::is_unfinished)
    }

    /// The objects that are switched.
    #[must_use]
    pub fn switched(&self) -> Vec<&Value> {
        match self.kind {
            Kind::Config => vec![&self.config],
            Kind::Service => self.fronts.iter().map(|front| &front.service).collect(),
        }
    }

    /// An annotation of what is switched: `since`, `by`, `reason`. Only in maintenance: what an upgrade has left says nothing.
    #[must_use]
    pub fn told(&self, name: &str) -> Option<&str> {
        let objects = self.switched().into_iter().zip(self.modes());
        let mut switched = objects.filter(|(_, (_, mode))| *mode != Ok(Mode::Normal));
        switched.find_map(|(object, _)| annotation(object, name))
    }

    /// That it is in its mode already, since when and by whom.
    #[must_use]
    pub fn already(&self) -> String {
        let mode = self.mode().map_or("neither", Mode::as_str);
        let since = self.told("since").map(|since| format!(" since {since}")).unwrap_or_default();
        let by = self.told("by").map(|by| format!(", by {by}")).unwrap_or_default();
        format!("it was in mode {mode} already{since}{by}")
    }

    /// The Services that lead to what is switched: the front Services, or those among `all` before the user pods.
    #[must_use]
    pub fn services(&self, all: &[Value], pods: &[Pod]) -> BTreeSet<String> {
        if self.kind == Kind::Service {
            return self.fronts.iter().map(|front| front.name().name).collect();
        }
        let leads = |service: &&Value| {
            let selector = map(service, "/spec/selector");
            let own = label(service, INSTANCE) == self.name && label(service, COMPONENT) == "user";
            own || pods.iter().any(|pod| selects(&selector, &pod.labels))
        };
        all.iter().filter(leads).map(|service| name(service).to_owned()).collect()
    }
}

fn config_mode(config: &Value) -> Result<Mode, String> {
    match config.pointer("/data/MAINTENANCE_MODE").and_then(Value::as_str) {
        Some("true") => Ok(Mode::Maintenance),
        Some("false") | None => Ok(Mode::Normal),
        Some(other) => Err(format!(
            "MAINTENANCE_MODE is {other:?}, neither true nor false: pods keep the mode they are in, and one that starts ends at once"
        )),
    }
}

// === impl Front ===

impl Front {
    fn of(service: &Value) -> Option<Self> {
        let selectors = serde_json::from_str::<Value>(annotation(service, "selectors")?).ok()?;
        let (normal, maintenance) = (map(&selectors, "/normal"), map(&selectors, "/maintenance"));
        let both = !normal.is_empty() && !maintenance.is_empty();
        both.then(|| Self { service: service.clone(), normal, maintenance })
    }

    /// The Service's name.
    #[must_use]
    pub fn name(&self) -> Name {
        Name::of("service", &self.service)
    }

    /// Its whole selector in a mode.
    #[must_use]
    pub fn selector(&self, mode: Mode) -> &BTreeMap<String, String> {
        match mode {
            Mode::Normal => &self.normal,
            Mode::Maintenance => &self.maintenance,
        }
    }

    /// The mode that its selector stands for.
    ///
    /// # Errors
    /// Where it stands for neither.
    pub fn mode(&self) -> Result<Mode, String> {
        let now = map(&self.service, "/spec/selector");
        match () {
            () if now == self.maintenance => Ok(Mode::Maintenance),
            () if now == self.normal => Ok(Mode::Normal),
            () => Err(format!(
                "its selector {} is that of neither mode; normal is {}, maintenance is {}",
                object::query(&now),
                object::query(&self.normal),
                object::query(&self.maintenance)
            )),
        }
    }

    /// Whether open connections go through kube-proxy for certain: its type has a port on the nodes.
    #[must_use]
    pub fn on_nodes(&self) -> bool {
        matches!(text(&self.service, "/spec/type"), "NodePort" | "LoadBalancer")
    }
}

// === impl Mode, Kind ===

impl Mode {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
