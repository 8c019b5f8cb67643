//! What `on` and `off` are about in a namespace: the releases and entries that are named, else the only release.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::entries::{Entries, is_excluded, is_switched, is_the_charts, name_of};
use crate::entry;
use crate::failure::Misuse;
use crate::kubectl::Kubectl;
use crate::object::Name;
use crate::receipt::Receipt;
use crate::release::{self, Mode, Release};
use crate::session::Session;
use crate::target::{Target, no_service};
use crate::{cli, who};

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
}

/// The targets that are named, else the only release in the namespace.
///
/// # Errors
/// Where one is not there or cannot be switched, or none is named and there is not just one release.
pub fn choose(session: &Session<'_>, switch: &cli::Switch, mode: Mode, receipt: &mut Receipt) -> Result<Chosen> {
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
    let mut chosen = Chosen { namespace, releases: Vec::new(), entries: Vec::new(), there, around };
    match switch.targets.as_slice() {
        [] => chosen.take_the_only_release(kubectl, mode)?,
        targets => {
            for target in targets {
                chosen.take(kubectl, target)?;
            }
        }
    }
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

    fn take_the_only_release(&mut self, kubectl: &dyn Kubectl, mode: Mode) -> Result<()> {
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
                    (entries, Mode::Normal) if entries.is_empty() => misuse(format!(
                        "release {name} has no front Service, and no entry leads to its page, so nothing is in maintenance"
                    )),
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
                match release::nothing(kubectl, Some(namespace), None)? {
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
                        bail!(release::absent(kubectl, Some(&self.namespace), wanted, &self.there)?);
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
                return Err(Misuse(no_service(name)).into());
            }
        }
        Ok(())
    }

    /// Takes the canary Ingresses of chosen ones too: they lead a part of the same users.
    fn take_twins(&mut self, session: &Session<'_>, mode: Mode) {
        let goes_along = |twin: &Value| match mode {
            Mode::Maintenance => !is_excluded(twin),
            Mode::Normal => is_switched(twin),
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
