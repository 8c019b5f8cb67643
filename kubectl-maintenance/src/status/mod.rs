//! `kubectl maintenance status`: in which mode each release and each switched entry is, and whether all agrees. It compares
//! what it reads, and needs no right to change anything.

mod entry;
mod release;

use std::collections::BTreeMap;
use std::thread;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::{Format, Status};
use crate::doors::ask::{Expect, Question, Verdict, ask_once};
use crate::doors::find::{At, Door};
use crate::entries::{Entries, is_switched, list, name_of};
use crate::failure::Misuse;
use crate::object::Name;
use crate::output::{GOOD, NOTE, WRONG, plain};
use crate::receipt::{API_VERSION, Asked};
use crate::release::{Mode, Release};
use crate::session::Session;
use crate::target::{Target, no_service};
use crate::who;

/// What is looked at.
struct Targets {
    releases: Vec<Release>,
    entries: Vec<(Name, Value)>,
}

/// What was found of one release or entry.
struct Found {
    lines: Vec<String>,
    wrong: Vec<String>,
    json: Value,
}

/// Tells of the targets that are named, else of all releases and all switched entries. Whether all agrees.
///
/// # Errors
/// Where one is not there, or cannot be looked at.
pub fn run(session: &Session<'_>, status: &Status) -> Result<bool> {
    let namespace = match (&status.place.namespace, status.all_namespaces) {
        (_, true) => None,
        (Some(namespace), false) => Some(namespace.clone()),
        (None, false) => Some(who::namespace(session.kubectl)?),
    };
    let Targets { mut releases, entries } = targets(session, status, namespace.as_deref())?;
    if releases.len() + entries.len() != 1 && !status.doors.urls.is_empty() {
        return Err(Misuse("invalid --url: expected one target that it leads to, so name one".to_owned()).into());
    }
    if releases.is_empty()
        && entries.is_empty()
        && let Some(why) = crate::release::nothing(session.kubectl, namespace.as_deref(), None)?
    {
        anyhow::bail!(why);
    }
    let mut around = BTreeMap::new();
    for namespace in
        releases.iter().map(|release| &release.namespace).chain(entries.iter().map(|(name, _)| &name.namespace))
    {
        if !around.contains_key(namespace) {
            around.insert(namespace.clone(), Entries::read(session.kubectl, namespace)?);
        }
    }
    let mut found = Vec::new();
    for release in &mut releases {
        let around = &around[&release.namespace];
        release.led_here = around.led_to(&release.name).map(|(name, _)| name).collect();
        found.push(release::look(session, release, around, status)?);
    }
    for (name, entry) in &entries {
        found.push(entry::look(session, name, entry, &around[&name.namespace], status)?);
    }
    let place =
        namespace.as_ref().map_or_else(|| "any namespace".to_owned(), |namespace| format!("namespace {namespace}"));
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
                session.output.result(&format!("\n{} in {}", found.text("target"), found.text("namespace")));
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

/// The releases and entries that are named, else all releases and all switched entries.
fn targets(session: &Session<'_>, status: &Status, namespace: Option<&str>) -> Result<Targets> {
    let kubectl = session.kubectl;
    let selector = status.selector.as_deref();
    let mut releases = crate::release::find(kubectl, namespace, selector)?;
    let named = |entry: Value| Some((name_of(&entry)?, entry));
    let (listed, unseen) = list(kubectl, namespace, selector.unwrap_or_default())?;
    let mut entries: Vec<(Name, Value)> = listed.into_iter().filter_map(named).collect();
    if status.targets.is_empty() {
        for (kinds, why) in unseen {
            session.output.note(&format!("{kinds} may not be listed, so those that are switched are not told: {why}"));
        }
        entries.retain(|(_, entry)| is_switched(entry));
        return Ok(Targets { releases, entries });
    }
    for target in &status.targets {
        match target {
            Target::Release(name) if !releases.iter().any(|release| &release.name == name) => {
                anyhow::bail!(crate::release::absent(kubectl, namespace, name, &releases)?);
            }
            Target::Entry(kind, _) if !entries.iter().any(|(name, _)| target.is(name)) => {
                if let Some((kinds, why)) = unseen.iter().find(|(unseen, _)| unseen.starts_with(kind.kind())) {
                    anyhow::bail!("{target} cannot be looked at, as {kinds} may not be listed: {why}");
                }
                let place = namespace.map_or_else(|| "any namespace".to_owned(), |name| format!("namespace {name}"));
                let there: Vec<String> = entries.iter().map(|(name, _)| name.to_string()).collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                anyhow::bail!("there is no {target} in {place}; there is: {there}");
            }
            Target::Service(name) => return Err(Misuse(no_service(name)).into()),
            _ => {}
        }
    }
    releases.retain(|release| status.targets.contains(&Target::Release(release.name.clone())));
    entries.retain(|(name, _)| status.targets.iter().any(|target| target.is(name)));
    Ok(Targets { releases, entries })
}

/// A row for each.
fn table(session: &Session<'_>, found: &[Found]) {
    let head = ["NAMESPACE", "TARGET", "KIND", "MODE", "SINCE", "BY", "UNTIL", "REASON"].map(str::to_owned);
    let fields = ["namespace", "target", "kind", "mode", "since", "by", "until", "reason"];
    let mut rows = vec![head];
    rows.extend(found.iter().map(|found| fields.map(|field| plain(found.text(field)))));
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

/// Asks the front doors that are named, else those that lead to what is switched, and tells what they say.
fn ask_doors(
    status: &Status,
    doors: Vec<Door>,
    expect: Expect,
    mode: Option<Mode>,
    lines: &mut Vec<String>,
    wrong: &mut Vec<String>,
) -> Vec<Asked> {
    let named = !status.doors.urls.is_empty();
    let places: Vec<(String, At)> = if named {
        status.doors.urls.iter().map(|url| ("--url".to_owned(), At::Url(url.clone()))).collect()
    } else {
        doors.into_iter().filter(|door| !door.excluded).map(|door| (door.entry, door.at)).collect()
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
    for door in &asked {
        match &door.verdict {
            Verdict::Good(says) => lines.push(format!("front door ({}): {says}", door.entry)),
            Verdict::Unchecked(why) => lines.push(format!("front door ({}) unchecked: {why}", door.entry)),
            // Of neither mode nothing can be wanted.
            Verdict::Bad(says) if mode.is_none() && !named => {
                lines.push(format!("front door ({}): {says}", door.entry));
            }
            Verdict::Bad(says) => wrong.push(format!(
                "front door ({}) does not fit mode {}: {says}",
                door.entry,
                mode.map_or("neither", Mode::as_str)
            )),
        }
    }
    asked
}

impl Found {
    /// A field for people.
    fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or("-")
    }
}
