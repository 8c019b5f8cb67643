//! What there is to tell of a release.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Found, ask_doors};
use crate::cli::Status;
use crate::doors::ask::Expect;
use crate::doors::find::find;
use crate::entries::{Entries, Other};
use crate::object::query;
use crate::owners::owner;
use crate::pods::{Pod, Told, ask, list_pods};
use crate::receipt::Asked;
use crate::release::{Kind, Mode, Release};
use crate::session::Session;
use crate::{settings, wait};

/// What was found so far.
struct Look<'r> {
    release: &'r Release,
    lines: Vec<String>,
    wrong: Vec<String>,
}

/// Looks at a release.
///
/// # Errors
/// Where the cluster cannot be asked.
pub(super) fn look(session: &Session<'_>, release: &Release, around: &Entries, status: &Status) -> Result<Found> {
    let mode = release.mode();
    let mut look = Look { release, lines: Vec::new(), wrong: Vec::new() };
    let objects = look.objects();
    let entries = look.entries();
    let pods = release.pods(session.kubectl)?;
    let told = ask(session.kubectl, &release.namespace, &pods.iter().collect::<Vec<_>>(), false)?;
    let answers = look.pods(&pods, &told);
    let endpoints = look.endpoints(session)?;
    let application = look.application(session)?;
    let doors = look.doors(around, status, &pods);
    let others = look.others(session, around)?;
    let said = |key: &str| settings::get(release, key).filter(|_| release.is_shown());
    let (until, message) = (said(settings::UNTIL), said(settings::MESSAGE));
    if let Some(message) = message {
        look.lines.insert(0, format!("the page says: {message}"));
    }
    // A page alone is in no mode: its entries are.
    let (kind, mode) = match release.is_page_alone() {
        true => ("page", None),
        false => (release.kind.as_str(), Some(mode.map_or("neither", Mode::as_str))),
    };
    let json = json!({
        "namespace": release.namespace,
        "target": release.name,
        "kind": kind,
        "mode": mode,
        "since": release.told("since"),
        "by": release.told("by"),
        "reason": release.told("reason"),
        "until": until,
        "message": message,
        "objects": objects,
        "entries": entries,
        "pods": answers,
        "endpoints": endpoints,
        "application": application,
        "frontDoors": doors.iter().map(Asked::json).collect::<Vec<_>>(),
        "otherEntries": others.iter().map(|other| json!({"entry": other.entry, "excluded": other.excluded})).collect::<Vec<_>>(),
        "lookedAt": around.looked_at,
        "wrong": look.wrong,
    });
    Ok(Found { lines: look.lines, wrong: look.wrong, json })
}

impl Look<'_> {
    /// What is switched.
    fn objects(&mut self) -> Vec<Value> {
        let mut objects = Vec::new();
        self.wrong.extend(self.release.obstacle());
        if self.release.is_page_alone() {
            self.lines.push("no front Service: entries can be led to its page".to_owned());
        }
        for ((name, mode), object) in self.release.modes().into_iter().zip(self.release.switched()) {
            let owner = owner(object).map(|owner| owner.describe());
            let owned = owner.as_ref().map(|owner| format!(", owned by {owner}")).unwrap_or_default();
            match &mode {
                Ok(mode) => {
                    let value = match self.release.kind {
                        Kind::Config => format!(
                            " (MAINTENANCE_MODE is {})",
                            settings::get(self.release, settings::MODE).unwrap_or("unset")
                        ),
                        Kind::Service => String::new(),
                    };
                    self.lines.push(format!("{name}: {mode}{value}{owned}"));
                }
                Err(why) => self.wrong.push(format!("{name}: {why}: run kubectl maintenance on or off")),
            }
            objects.push(
                json!({"object": name.to_string(), "mode": mode.map_or("neither", Mode::as_str), "owner": owner}),
            );
        }
        let left = settings::leftovers(self.release);
        if !left.is_empty() {
            self.wrong.push(format!(
                "{} has {} of an earlier maintenance, which the next page would show: run kubectl maintenance off",
                self.release.config_name(),
                left.join(" and ")
            ));
        }
        if self.release.is_unfinished() {
            // A page alone is no target.
            let target = if self.release.is_page_alone() { "--all" } else { &self.release.name };
            self.wrong.push(format!(
                "an off was ended before it had given back who owns which field: kubectl maintenance off {target} -n {} does that",
                self.release.namespace
            ));
        }
        let agree = self.release.modes().windows(2).all(|two| two[0].1 == two[1].1);
        if !agree {
            self.wrong
                .push("not all front Services are in the same mode: repeat kubectl maintenance on or off".to_owned());
        }
        objects
    }

    /// The entries that lead to its page.
    fn entries(&mut self) -> Vec<String> {
        let names: Vec<String> = self.release.led_here.iter().map(ToString::to_string).collect();
        if !names.is_empty() {
            self.lines.push(format!("entries that are led to its page: {}", names.join(", ")));
        }
        names
    }

    /// The pods that show the page.
    fn pods(&mut self, pods: &[Pod], told: &[Told]) -> Vec<Value> {
        let (kind, mode) = (self.release.kind, self.release.mode());
        let what = match kind {
            Kind::Config => "user",
            Kind::Service => "page",
        };
        if pods.is_empty() {
            self.wrong.push(format!("no {what} pod is there: nobody would get the page"));
        }
        let mut answers = Vec::new();
        for (pod, told) in pods.iter().zip(told) {
            let shown = match (kind, told.mode) {
                (Kind::Service, Some(Mode::Maintenance)) if !self.release.is_shown() => {
                    "stands by with the page".to_owned()
                }
                (Kind::Service, Some(Mode::Maintenance)) => "serves the page".to_owned(),
                (_, Some(mode)) => mode.to_string(),
                (_, None) if pod.starting => "is starting".to_owned(),
                (_, None) => format!("cannot be asked: {}", told.trouble),
            };
            let ready = if pod.ready { "" } else { ", not Ready" };
            self.lines.push(format!("pod/{}: {shown}{ready}", pod.name));
            let name = &pod.name;
            if let Some(lacks) = &pod.lacks {
                self.wrong.push(format!("pod/{name}: {lacks}"));
            }
            match (kind, told.mode) {
                (Kind::Config, Some(is)) if mode.is_some_and(|mode| mode != is) => {
                    self.wrong.push(format!(
                        "pod/{name} should be in mode {}: it may need up to 90 s to follow",
                        mode.map_or("", Mode::as_str)
                    ));
                }
                (Kind::Config, None) if pod.ready => {
                    self.wrong.push(format!("pod/{name} should tell in which mode it is"));
                }
                (Kind::Service, Some(Mode::Normal)) => {
                    self.wrong.push(format!("pod/{name} should show the page: the page pods stand by in maintenance"));
                }
                // Whether page pods may be asked is a network policy's business.
                _ => {}
            }
            answers.push(json!({
                "pod": name,
                "ready": pod.ready,
                "mode": told.mode.map(Mode::as_str),
                "trouble": Some(&told.trouble).filter(|trouble| !trouble.is_empty()),
            }));
        }
        // One that is withdrawn in maintenance is not Ready, and answers.
        let serves = pods.iter().zip(told).any(|(pod, told)| pod.ready || told.mode.is_some());
        if !pods.is_empty() && !serves {
            self.wrong.push(format!("no {what} pod is Ready, and none answers: nobody would get the page"));
        }
        answers
    }

    /// Where the front Services lead.
    fn endpoints(&mut self, session: &Session<'_>) -> Result<Vec<Value>> {
        let mut endpoints = Vec::new();
        if self.release.kind == Kind::Config {
            return Ok(endpoints);
        }
        let sides = wait::sides(session, self.release)?;
        for (front, sides) in self.release.fronts.iter().zip(sides) {
            let name = front.name().to_string();
            let wait::Sides { page, others } = match sides {
                Ok(sides) => sides,
                Err(why) => {
                    self.lines.push(format!("{name}: its endpoints may not be listed: {why}"));
                    continue;
                }
            };
            self.lines.push(format!("{name}: {page} ready endpoints are page pods, {others} are others"));
            match front.mode() {
                Ok(Mode::Maintenance) if others > 0 => {
                    self.wrong.push(format!("{name} should lead to page pods alone"));
                }
                Ok(Mode::Maintenance) if page == 0 => {
                    self.wrong.push(format!("{name} should lead to page pods, and has no ready endpoint"));
                }
                Ok(Mode::Normal) if page > 0 => self.wrong.push(format!("{name} should lead to no page pod")),
                Ok(Mode::Normal) if others == 0 => {
                    self.wrong.push(format!("{name} has no ready endpoint: users get no answer"));
                }
                _ => {}
            }
            endpoints.push(json!({"service": name, "pagePods": page, "others": others}));
        }
        Ok(endpoints)
    }

    /// The application behind the front Services: whether `off` would lead to somebody.
    fn application(&mut self, session: &Session<'_>) -> Result<Vec<Value>> {
        let mut application = Vec::new();
        for front in &self.release.fronts {
            let pods = list_pods(session.kubectl, &self.release.namespace, &query(&front.normal))?;
            let ready = pods.iter().filter(|pod| pod.ready).count();
            self.lines.push(format!(
                "application behind {} ({}): {ready} of {} pods ready",
                front.name(),
                query(&front.normal),
                pods.len()
            ));
            application.push(json!({"service": front.name().to_string(), "ready": ready, "pods": pods.len()}));
        }
        Ok(application)
    }

    /// The front doors.
    fn doors(&mut self, entries: &Entries, status: &Status, pods: &[Pod]) -> Vec<Asked> {
        let doors = find(&entries.all, &self.release.services(&entries.services, pods));
        let mode = self.release.mode();
        let expect = match mode {
            Some(Mode::Maintenance) if pods.iter().any(|pod| pod.withdrawn) => Expect::WithoutPage,
            Some(Mode::Maintenance) => Expect::Page,
            _ => Expect::Application,
        };
        let asked = ask_doors(status, doors, expect, mode, &mut self.lines, &mut self.wrong);
        if asked.is_empty() && !self.release.is_page_alone() {
            self.lines
                .push("front door: not asked: no entry whose host is known leads here (--url names one)".to_owned());
        }
        for (kinds, why) in &entries.unseen {
            self.lines.push(format!("{kinds} may not be listed, so front doors may be missing: {why}"));
        }
        asked
    }

    /// The entries that lead to the application past the switch.
    fn others(&mut self, session: &Session<'_>, entries: &Entries) -> Result<Vec<Other>> {
        if self.release.kind == Kind::Config || self.release.is_page_alone() {
            return Ok(Vec::new());
        }
        let others = entries.others(session.kubectl, self.release)?;
        let names = |excluded: bool| {
            let names: Vec<&str> =
                others.iter().filter(|other| other.excluded == excluded).map(|other| other.entry.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        self.lines.push(format!(
            "other entries that lead to the application: {}; excluded: {}",
            names(false),
            names(true)
        ));
        self.lines.push(format!("looked at in this namespace: {}", entries.looked_at.join(", ")));
        Ok(others)
    }
}
