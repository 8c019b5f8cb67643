//! What `on` and `off` are about in a namespace: the releases and entries that are named, else the only release.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::entries::{Entries, is_switched, is_the_charts, name_of};
use crate::entry::{self, Wish};
use crate::failure::Misuse;
use crate::kubectl::Kubectl;
use crate::object::{Name, is_excluded};
use crate::read::{self, Listed};
use crate::receipt::{LeftOut, Receipt};
use crate::release::{self, Mode, Release};
use crate::session::Session;
use crate::switch::refuse;
use crate::target::{Target, no_service};
use crate::{all, cli, page, who};

/// What is to be switched, and what else there is.
#[derive(Debug)]
pub struct Chosen {
    /// Where.
    pub namespace: String,
    /// The releases that are to be switched by their own switch.
    pub releases: Vec<Release>,
    /// The entries that are to be switched.
    pub entries: Vec<(Name, Value)>,
    /// All releases of the namespace.
    pub there: Vec<Release>,
    /// All entries and Services of the namespace.
    pub around: Entries,
    /// Whether that is `--all`.
    pub all: bool,
    /// What is left out: by `--all`, or as `--keep-path` keeps it as a whole.
    pub left_out: Vec<LeftOut>,
    /// The entries that `--keep-path` keeps as a whole.
    pub kept: Vec<String>,
}

/// The targets that are named, or all that `--all` takes, else the only release in the namespace.
///
/// # Errors
/// Where one is not there or cannot be switched, or none is named and there is not just one release.
pub fn choose(
    session: &Session<'_>,
    switch: &cli::Switch,
    force: bool,
    mode: Mode,
    receipt: &mut Receipt,
) -> Result<Chosen> {
    let kubectl = session.kubectl;
    let namespace = match &switch.place.namespace {
        Some(namespace) => namespace.clone(),
        None => who::namespace(kubectl)?,
    };
    receipt.namespace = Some(namespace.clone());
    let mut there = release::find(kubectl, Some(&namespace), None)?;
    let around = Entries::read(kubectl, &namespace)?;
    for release in &mut there {
        release.led_here = around.led_to(&release.name).map(|(name, _)| name).collect();
    }
    let (releases, entries, left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut chosen =
        Chosen { namespace, releases, entries, there, around, all: switch.all, left_out, kept: Vec::new() };
    match switch.targets.as_slice() {
        [] if switch.all => chosen.take_all(session, force, mode)?,
        [] => chosen.take_the_only_release(session, mode)?,
        targets => {
            for target in targets {
                chosen.take(kubectl, target)?;
            }
        }
    }
    receipt.left_out = chosen.left_out.clone();
    chosen.take_twins(session, mode);
    if mode == Mode::Normal {
        chosen.leave_out_of_led_here();
    }
    // In the order of their names, whatever was typed.
    chosen.releases.sort_by(|one, other| one.name.cmp(&other.name));
    match chosen.releases.iter().find_map(Release::obstacle) {
        Some(why) => bail!("{why}. Nothing has changed"),
        None => Ok(chosen),
    }
}

// === impl Chosen ===

impl Chosen {
    /// Whether an entry is to be switched.
    #[must_use]
    pub fn has_entry(&self, name: &Name) -> bool {
        self.entries.iter().any(|(chosen, _)| chosen == name)
    }

    /// Whether a release is to be switched by its own switch.
    #[must_use]
    pub fn has_release(&self, name: &str) -> bool {
        self.releases.iter().any(|release| release.name == name)
    }

    /// The front Services that lead to the page once all is switched.
    #[must_use]
    pub fn fronts_to_the_page(&self) -> BTreeSet<String> {
        let fronts = self.there.iter().flat_map(|release| release.fronts.iter().map(move |front| (release, front)));
        let to_the_page =
            fronts.filter(|(release, front)| self.has_release(&release.name) || front.mode() == Ok(Mode::Maintenance));
        to_the_page.map(|(_, front)| front.name().name).collect()
    }

    /// Leaves entries out that have nothing beside what a wish keeps, where others are to be switched.
    pub fn leave_what_is_kept(&mut self, session: &Session<'_>, wish: &Wish, receipt: &mut Receipt) {
        let kept = |entry: &Value| !is_switched(entry) && entry::is_kept_whole(entry, wish);
        if self.entries.iter().all(|(_, entry)| kept(entry)) {
            return;
        }
        for (name, _) in self.entries.extract_if(.., |(_, entry)| kept(entry)) {
            let why = "has nothing beside what --keep-path leaves to the application".to_owned();
            if !self.all {
                session.output.note(&format!("{name} {why}, and is not switched"));
            }
            self.kept.push(name.to_string());
            self.left_out.push(LeftOut { object: name.to_string(), why });
        }
        receipt.left_out = self.left_out.clone();
    }

    /// Everything that is to be switched.
    fn take_all(&mut self, session: &Session<'_>, force: bool, mode: Mode) -> Result<()> {
        let namespace = &self.namespace;
        for (kinds, why) in &self.around.unseen {
            let why = format!("{kinds} may not be listed in namespace {namespace}, so it would not be all: {why}");
            refuse(session, force, &why)?;
        }
        let all = match mode {
            Mode::Maintenance => {
                all::on(&self.around, &self.there, &self.by_releases(session.kubectl)?, &self.grpc_routes(session)?)
            }
            Mode::Normal => all::off(&self.around, &self.there),
        };
        if all.targets.is_empty() {
            if let Some(why) = release::nothing(session.kubectl, Some(namespace), None)? {
                bail!(why);
            }
            match mode {
                Mode::Maintenance => {
                    let left = all.left_out.iter().map(|left| format!("; {} {}", left.object, left.why));
                    bail!("there is nothing to switch in namespace {namespace}{}", left.collect::<String>());
                }
                Mode::Normal => session.output.note(&format!("nothing in namespace {namespace} is in maintenance")),
            }
        }
        self.left_out = all.left_out;
        all.targets.iter().try_for_each(|target| self.take(session.kubectl, target))
    }

    /// Each Service that leads to what a release switches, with the release.
    fn by_releases(&self, kubectl: &dyn Kubectl) -> Result<BTreeMap<String, String>> {
        let mut by = BTreeMap::new();
        for release in &self.there {
            let services = release.services(&self.around.services, &release.pods(kubectl)?);
            by.extend(services.into_iter().map(|service| (service, release.name.clone())));
        }
        Ok(by)
    }

    /// The `GRPCRoutes`, which are not switched. Where they may not be listed, nothing is lost but their names.
    fn grpc_routes(&self, session: &Session<'_>) -> Result<Vec<Value>> {
        let path = read::path("gateway.networking.k8s.io/v1", Some(&self.namespace), "grpcroutes", "");
        match read::lists(session.kubectl, &[path])?.pop() {
            Some(Listed::Items(routes)) => Ok(routes),
            Some(Listed::Forbidden(why)) => {
                session.output.note(&format!(
                    "grpcroutes may not be listed, so those that stay with the application are not named: {why}"
                ));
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn take_the_only_release(&mut self, session: &Session<'_>, mode: Mode) -> Result<()> {
        let namespace = &self.namespace;
        let misuse = |why: String| Err(Misuse(why).into());
        match self.there.as_slice() {
            [only] if only.is_page_alone() => {
                let name = &only.name;
                match (self.candidates(mode), mode) {
                    (entries, Mode::Maintenance) if entries.is_empty() => misuse(format!(
                        "release {name} has no front Service, and namespace {namespace} no entry that could lead to its page"
                    )),
                    (entries, Mode::Maintenance) => misuse(format!(
                        "release {name} has no front Service, so name what is to lead to its page: {}",
                        entries.join(", ")
                    )),
                    (entries, Mode::Normal) if entries.is_empty() => {
                        session.output.note(&format!(
                            "release {name} has no front Service, and no entry leads to its page, so nothing is in maintenance"
                        ));
                        Ok(())
                    }
                    (entries, Mode::Normal) => misuse(format!(
                        "release {name} has no front Service, so name what is to be given back: {}",
                        entries.join(", ")
                    )),
                }
            }
            [only] => {
                self.releases.push(only.clone());
                Ok(())
            }
            [] => {
                let switched = self.candidates(Mode::Normal);
                if !switched.is_empty() {
                    return misuse(format!(
                        "there is no release in namespace {namespace}, so name the entries that are to be given back: {}",
                        switched.join(", ")
                    ));
                }
                match release::nothing(session.kubectl, Some(namespace), None)? {
                    Some(why) => bail!(why),
                    None => {
                        misuse(format!("there is no release in namespace {namespace}: name another with --namespace"))
                    }
                }
            }
            several => {
                let names = several.iter().map(|release| release.name.as_str()).collect::<Vec<_>>().join(", ");
                misuse(format!("there are several releases in namespace {namespace}, so name one: {names}"))
            }
        }
    }

    /// The entries that could be meant.
    fn candidates(&self, mode: Mode) -> Vec<String> {
        let meant = |entry: &Value| match mode {
            Mode::Maintenance => !is_excluded(entry) && !is_the_charts(entry),
            Mode::Normal => is_switched(entry),
        };
        self.around.named().filter(|(_, entry)| meant(entry)).map(|(name, _)| name.to_string()).collect()
    }

    fn take(&mut self, kubectl: &dyn Kubectl, target: &Target) -> Result<()> {
        match target {
            Target::Release(wanted) => {
                if self.has_release(wanted) {
                    return Ok(());
                }
                match self.there.iter().find(|release| &release.name == wanted) {
                    Some(release) => self.releases.push(release.clone()),
                    None => {
                        self.refuse_front(wanted)?;
                        let absent = release::absent(kubectl, Some(&self.namespace), wanted, &self.there)?;
                        let namesakes = self.around.named().map(|(name, _)| name).filter(|name| name.name == *wanted);
                        match namesakes.map(|name| name.to_string()).collect::<Vec<_>>().as_slice() {
                            [] => bail!(absent),
                            namesakes => bail!("{absent}; an entry is named with its kind: {}", namesakes.join(", ")),
                        }
                    }
                }
            }
            Target::Entry(..) => {
                let named = self.around.named().find(|(name, _)| target.is(name));
                let Some((name, entry)) = named else { bail!(self.absent(kubectl, target)?) };
                if !self.has_entry(&name) {
                    self.entries.push((name, entry.clone()));
                }
            }
            Target::Service(name) => {
                self.refuse_front(name)?;
                self.refuse_page(name)?;
                return Err(Misuse(no_service(name)).into());
            }
        }
        Ok(())
    }

    /// Takes the canary Ingresses of chosen ones too: they lead a part of the same users.
    fn take_twins(&mut self, session: &Session<'_>, mode: Mode) {
        let goes_along = |twin: &Value| match mode {
            Mode::Maintenance => !is_excluded(twin),
            Mode::Normal => is_switched(twin) && entry::copied(twin).is_none(),
        };
        for (name, one) in self.entries.clone() {
            for twin in entry::twins(&one, &self.around.all).into_iter().filter(|twin| goes_along(twin)) {
                let Some(twins) = name_of(twin).filter(|twin| !self.has_entry(twin)) else { continue };
                session.output.note(&format!("{twins} is a canary of {name}, and goes with it"));
                self.entries.push((twins, twin.clone()));
            }
        }
    }

    /// Entries that are to be given back lead to no page any more.
    fn leave_out_of_led_here(&mut self) {
        for release in self.there.iter_mut().chain(&mut self.releases) {
            release.led_here.retain(|name| !self.entries.iter().any(|(given_back, _)| given_back == name));
        }
    }

    /// A front Service is switched by its release.
    fn refuse_front(&self, service: &str) -> Result<()> {
        let front = |release: &&Release| release.fronts.iter().any(|front| front.name().name == service);
        match self.there.iter().find(front) {
            Some(release) => Err(Misuse(format!(
                "service/{service} is a front Service of release {}: name the release",
                release.name
            ))
            .into()),
            None => Ok(()),
        }
    }

    /// The Service of a page is no application's, which could be taken over.
    fn refuse_page(&self, service: &str) -> Result<()> {
        let page = |release: &&Release| page::service(release, &self.around).is_ok_and(|page| page.service == service);
        match self.there.iter().find(page) {
            Some(release) => Err(Misuse(format!(
                "service/{service} leads to the page of release {} in either mode: there is nothing to switch",
                release.name
            ))
            .into()),
            None => Ok(()),
        }
    }

    /// That an entry which was named is not there, and what is.
    fn absent(&self, kubectl: &dyn Kubectl, target: &Target) -> Result<String> {
        let namespace = &self.namespace;
        let kinds = target.to_string();
        let kinds = kinds.split('/').next().unwrap_or_default();
        if let Some((kinds, why)) = self.around.unseen.iter().find(|(unseen, _)| unseen.starts_with(kinds)) {
            return Ok(format!(
                "{target} cannot be looked at, as {kinds} may not be listed in namespace {namespace}: {why}"
            ));
        }
        if let Some((_, ingress)) = self.around.made.iter().find(|(made, _)| target.is(made)) {
            return Ok(format!("{target} is made of {ingress}, and follows it: name that instead"));
        }
        if self.there.is_empty()
            && let Some(why) = release::nothing(kubectl, Some(namespace), None)?
        {
            return Ok(why);
        }
        let there: Vec<String> = self.around.named().map(|(name, _)| name.to_string()).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        Ok(format!("there is no {target} in namespace {namespace}; there is: {there}"))
    }
}
