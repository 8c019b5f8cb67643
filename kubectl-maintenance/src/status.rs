//! `kubectl maintenance status`: in which mode each release is, and whether all agrees. It compares what it reads, and needs
//! no right to change anything.

use std::thread;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::{Format, Status};
use crate::doors::ask::{Expect, Question, Verdict, ask_once};
use crate::doors::find::{At, find};
use crate::entries::{Entries, Other};
use crate::failure::Misuse;
use crate::object::query;
use crate::output::{GOOD, NOTE, WRONG, plain};
use crate::owners::owner;
use crate::pods::{Pod, Told, ask, list_pods};
use crate::receipt::{API_VERSION, Asked};
use crate::release::{self, Kind, Mode, Release};
use crate::session::Session;
use crate::{settings, wait, who};

/// What was found of one release.
struct Found {
    release: Release,
    lines: Vec<String>,
    wrong: Vec<String>,
    json: Value,
}

/// Tells of the releases that are named, else of all. Whether all agrees.
///
/// # Errors
/// Where one is not there, or cannot be looked at.
pub fn run(session: &Session<'_>, status: &Status) -> Result<bool> {
    let namespace = match (&status.place.namespace, status.all_namespaces) {
        (_, true) => None,
        (Some(namespace), false) => Some(namespace.clone()),
        (None, false) => Some(who::namespace(session.kubectl)?),
    };
    let mut releases = release::find(session.kubectl, namespace.as_deref(), status.selector.as_deref())?;
    let place =
        namespace.as_ref().map_or_else(|| "any namespace".to_owned(), |namespace| format!("namespace {namespace}"));
    for name in &status.releases {
        if !releases.iter().any(|release| &release.name == name) {
            anyhow::bail!(release::absent(session.kubectl, namespace.as_deref(), name, &releases)?);
        }
    }
    if !status.releases.is_empty() {
        releases.retain(|release| status.releases.contains(&release.name));
    }
    if releases.len() != 1 && !status.doors.urls.is_empty() {
        return Err(Misuse("invalid --url: expected one release that it leads to, so name one".to_owned()).into());
    }
    if releases.is_empty()
        && let Some(why) = release::nothing(session.kubectl, namespace.as_deref(), None)?
    {
        anyhow::bail!(why);
    }
    let mut found = Vec::new();
    for release in releases {
        found.push(Found::look(session, release, status)?);
    }
    match status.output {
        Format::Json => {
            let items: Vec<&Value> = found.iter().map(|found| &found.json).collect();
            let all = json!({"apiVersion": API_VERSION, "kind": "StatusList", "items": items});
            session.output.result(&format!("{all:#}"));
        }
        Format::Table if found.is_empty() => session.output.result(&format!("there is no release in {place}")),
        Format::Table => {
            table(session, &found);
            for found in &found {
                session.output.result(&format!("\n{} in {}", found.release.name, found.release.namespace));
                for line in &found.lines {
                    session.output.result(&format!("  {}", plain(line)));
                }
                for wrong in &found.wrong {
                    session.output.result(&format!("  {WRONG}WRONG:{WRONG:#} {}", plain(wrong)));
                }
            }
        }
    }
    Ok(found.iter().all(|found| found.wrong.is_empty()))
}

/// A row for each release.
fn table(session: &Session<'_>, found: &[Found]) {
    let head = ["NAMESPACE", "RELEASE", "KIND", "MODE", "SINCE", "BY", "UNTIL", "REASON"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(found.iter().map(|found| {
        let release = &found.release;
        let text = |field: &str| plain(found.json[field].as_str().unwrap_or("-"));
        [
            release.namespace.clone(),
            release.name.clone(),
            release.kind.to_string(),
            text("mode"),
            text("since"),
            text("by"),
            text("until"),
            text("reason"),
        ]
    }));
    let widths: Vec<usize> =
        (0..8).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default()).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| {
            let style = match cell.as_str() {
                "normal" => GOOD,
                "maintenance" => NOTE,
                "neither" => WRONG,
                _ => anstyle::Style::new(),
            };
            format!("{style}{cell:width$}{style:#}")
        });
        session.output.result(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

impl Found {
    fn look(session: &Session<'_>, release: Release, status: &Status) -> Result<Self> {
        let mode = release.mode();
        let mut found = Self { lines: Vec::new(), wrong: Vec::new(), json: Value::Null, release };
        let objects = found.objects();
        let pods = found.release.pods(session.kubectl)?;
        let told = ask(session.kubectl, &found.release.namespace, &pods.iter().collect::<Vec<_>>(), false)?;
        let answers = found.pods(&pods, &told);
        let endpoints = found.endpoints(session)?;
        let application = found.application(session)?;
        let entries = Entries::read(session.kubectl, &found.release.namespace)?;
        let doors = found.doors(&entries, status, &pods);
        let others = found.others(session, &entries)?;
        let release = &found.release;
        let said = |key: &str| settings::get(release, key).filter(|_| mode != Some(Mode::Normal));
        let (until, message) = (said(settings::UNTIL), said(settings::MESSAGE));
        if let Some(message) = message {
            found.lines.insert(0, format!("the page says: {message}"));
        }
        found.json = json!({
            "namespace": release.namespace,
            "release": release.name,
            "kind": release.kind.as_str(),
            "mode": mode.map_or("neither", Mode::as_str),
            "since": release.told("since"),
            "by": release.told("by"),
            "reason": release.told("reason"),
            "until": until,
            "message": message,
            "objects": objects,
            "pods": answers,
            "endpoints": endpoints,
            "application": application,
            "frontDoors": doors.iter().map(Asked::json).collect::<Vec<_>>(),
            "otherEntries": others.iter().map(|other| json!({"entry": other.entry, "excluded": other.excluded})).collect::<Vec<_>>(),
            "lookedAt": entries.looked_at,
            "wrong": found.wrong,
        });
        Ok(found)
    }

    /// What is switched.
    fn objects(&mut self) -> Vec<Value> {
        let mut objects = Vec::new();
        self.wrong.extend(self.release.obstacle());
        if self.release.modes().is_empty() && self.release.unknown.is_empty() {
            self.wrong
                .push("there is no front Service, so nothing can be switched: name one in frontServices".to_owned());
        }
        for ((name, mode), object) in self.release.modes().into_iter().zip(self.release.switched()) {
            let owner = owner(object).map(|owner| owner.describe());
            let owned = owner.as_ref().map(|owner| format!(", owned by {owner}")).unwrap_or_default();
            match &mode {
                Ok(mode) => {
                    let value = match self.release.kind {
                        Kind::Config => format!(
                            " (MAINTENANCE_MODE is {})",
                            settings::get(&self.release, settings::MODE).unwrap_or("unset")
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
        let left = settings::leftovers(&self.release);
        if !left.is_empty() {
            self.wrong.push(format!(
                "{} has {} of an earlier maintenance, which the next page would show: run kubectl maintenance off",
                self.release.config_name(),
                left.join(" and ")
            ));
        }
        let agree = self.release.modes().windows(2).all(|two| two[0].1 == two[1].1);
        if !agree {
            self.wrong
                .push("not all front Services are in the same mode: repeat kubectl maintenance on or off".to_owned());
        }
        objects
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
                (Kind::Service, Some(Mode::Maintenance)) if mode == Some(Mode::Normal) => {
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
        let sides = wait::sides(session, &self.release)?;
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
        let named = !status.doors.urls.is_empty();
        let services = self.release.services(&entries.services, pods);
        let places: Vec<(String, At)> = if named {
            status.doors.urls.iter().map(|url| ("--url".to_owned(), At::Url(url.clone()))).collect()
        } else {
            let doors = find(&entries.all, &services).into_iter().filter(|door| !door.excluded);
            doors.map(|door| (door.entry, door.at)).collect()
        };
        let mode = self.release.mode();
        let expect = match mode {
            Some(Mode::Maintenance) if pods.iter().any(|pod| pod.withdrawn) => Expect::WithoutPage,
            Some(Mode::Maintenance) => Expect::Page,
            _ => Expect::Application,
        };
        let host = status.doors.host.as_deref();
        let ask = |(entry, at): (String, At)| match at {
            At::Unasked(why) => Asked { entry, url: None, verdict: Verdict::Unchecked(why) },
            At::Url(url) => {
                let verdict = ask_once(&Question { url: &url, host, expect, named });
                Asked { entry, url: Some(url), verdict }
            }
        };
        let asked: Vec<Asked> = thread::scope(|scope| {
            let asked: Vec<_> = places.into_iter().map(|place| scope.spawn(|| ask(place))).collect();
            asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
        });
        if asked.is_empty() {
            self.lines
                .push("front door: not asked: no entry whose host is known leads here (--url names one)".to_owned());
        }
        for door in &asked {
            match &door.verdict {
                Verdict::Good(says) => self.lines.push(format!("front door ({}): {says}", door.entry)),
                Verdict::Unchecked(why) => self.lines.push(format!("front door ({}) unchecked: {why}", door.entry)),
                // Of neither mode nothing can be wanted.
                Verdict::Bad(says) if mode.is_none() && !named => {
                    self.lines.push(format!("front door ({}): {says}", door.entry));
                }
                Verdict::Bad(says) => self.wrong.push(format!(
                    "front door ({}) does not fit mode {}: {says}",
                    door.entry,
                    mode.map_or("neither", Mode::as_str)
                )),
            }
        }
        for (kinds, why) in &entries.unseen {
            self.lines.push(format!("{kinds} may not be listed, so front doors may be missing: {why}"));
        }
        asked
    }

    /// The entries that lead to the application past the switch.
    fn others(&mut self, session: &Session<'_>, entries: &Entries) -> Result<Vec<Other>> {
        if self.release.kind == Kind::Config {
            return Ok(Vec::new());
        }
        let others = entries.others(session.kubectl, &self.release)?;
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
