//! What there is to tell of an entry.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Found, ask_doors};
use crate::cli::Status;
use crate::doors::ask::Expect;
use crate::doors::find::find;
use crate::entries::{Entries, is_switched};
use crate::entry::{self, Lost, State, Switched};
use crate::object::{self, Name, annotation, is_excluded};
use crate::owners::owner;
use crate::receipt::Asked;
use crate::release::{self, Mode, Release};
use crate::session::Session;
use crate::{endpoints, settings};

/// Looks at an entry.
///
/// # Errors
/// Where the cluster cannot be asked.
pub(super) fn look(
    session: &Session<'_>,
    name: &Name,
    entry: &Value,
    around: &Entries,
    status: &Status,
) -> Result<Found> {
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    let page = entry::page_of(entry);
    let mut kept_paths = page.as_ref().map(|page| page.wish.keep_paths.clone()).unwrap_or_default();
    let mode = mode(entry, page.as_ref());
    let owner = owner(entry).map(|owner| owner.describe());
    lines.push(headline(name, entry, mode, page.as_ref(), owner.as_deref()));
    let releases = release::find(session.kubectl, Some(&name.namespace), None)?;
    let release = page.as_ref().and_then(|page| releases.iter().find(|release| release.name == page.release));
    if let Some(page) = &page {
        let lost = entry::lost(entry, &page.wish, &around.all);
        kept_paths.retain(|kept| !lost.iter().any(|lost| lost.path == *kept));
        lines.extend(kept(page, &kept_paths));
        wrong.extend(lost.into_iter().map(|Lost { path, other, instead }| {
            format!("{path} should stay with the application, and {other}, which serves it, leads it to the page: run {instead}")
        }));
        wrong.extend(gone(name, page, release, around));
    }
    wrong.extend(changed_meanwhile(name, entry, mode));
    let services = entry::services(&entry::original(entry));
    let own: Vec<String> = services.iter().filter(|service| !around.is_external(service)).cloned().collect();
    let application = application(session, name, &own, mode, &mut lines, &mut wrong)?;
    let leads_to = match (&page, mode) {
        (Some(page), Some(Mode::Maintenance)) => BTreeSet::from([page.service.clone()]),
        _ => services,
    };
    let expect = if mode == Some(Mode::Maintenance) { Expect::Page } else { Expect::Application };
    let entry_alone: Vec<Value> = [entry].into_iter().chain(around.gateways()).cloned().collect();
    let doors = ask_doors(status, find(&entry_alone, &leads_to), expect, mode, &mut lines, &mut wrong);
    let said = |key| release.and_then(|release: &Release| settings::get(release, key));
    let told = |key| annotation(entry, key).filter(|_| page.is_some());
    let json = json!({
        "namespace": name.namespace,
        "target": name.to_string(),
        "kind": "entry",
        "mode": mode.map_or("neither", Mode::as_str),
        "since": told("since"),
        "by": told("by"),
        "reason": told("reason"),
        "until": said(settings::UNTIL),
        "message": said(settings::MESSAGE),
        "page": page.as_ref().map(|page| &page.release),
        "keptPaths": page.as_ref().map(|_| kept_paths),
        "objects": [{"object": name.to_string(), "mode": mode.map_or("neither", Mode::as_str), "owner": owner}],
        "application": application,
        "frontDoors": doors.iter().map(Asked::json).collect::<Vec<_>>(),
        "wrong": wrong,
    });
    Ok(Found { lines, wrong, json })
}

/// The mode: by whether it leads to the page. Where somebody has changed a part of it, it is neither.
fn mode(entry: &Value, page: Option<&Switched>) -> Option<Mode> {
    let led = page.is_some_and(|page| entry::services(entry).contains(&page.service));
    match entry::state(entry) {
        // It has lost its way back, and not its page.
        State::Normal if led => None,
        State::Normal => Some(Mode::Normal),
        State::Switched => Some(Mode::Maintenance),
        _ if !led => Some(Mode::Normal),
        State::Reapplied | State::Changed(_) => None,
    }
}

fn headline(name: &Name, entry: &Value, mode: Option<Mode>, page: Option<&Switched>, owner: Option<&str>) -> String {
    let led = match page {
        Some(page) if mode == Some(Mode::Maintenance) => {
            format!(", led to the page of release {} (service/{})", page.release, page.service)
        }
        _ => String::new(),
    };
    let owned = owner.map(|owner| format!(", owned by {owner}")).unwrap_or_default();
    let excluded = if is_excluded(entry) { ", excluded from every switch" } else { "" };
    format!("{name}: {}{led}{owned}{excluded}", mode.map_or("neither", Mode::as_str))
}

/// Whether the page is still there.
fn gone(name: &Name, page: &Switched, release: Option<&Release>, around: &Entries) -> Option<String> {
    let (Switched { release: named, service, .. }, off) = (page, format!("kubectl maintenance off {name}"));
    if release.is_none() {
        return Some(format!("release {named}, to whose page it is led, is not there any more: run {off}"));
    }
    let there = around.services.iter().any(|known| object::name(known) == service);
    (!there && !around.services.is_empty()).then(|| {
        format!("service/{service}, to which it is led, is not there any more: run kubectl maintenance on {name} again, or {off}")
    })
}

/// What is not led to the page.
fn kept(page: &Switched, paths: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if !paths.is_empty() {
        lines.push(format!("stays with the application: {}", paths.join(", ")));
    }
    if let Some((header, _)) = &page.wish.bypass {
        lines.push(format!("requests with the header {header} that testers know get the application"));
    }
    if !page.wish.drop_annotations.is_empty() {
        lines.push(format!("annotations that are taken away meanwhile: {}", page.wish.drop_annotations.join(", ")));
    }
    lines
}

/// Whether it is still as it was switched.
fn changed_meanwhile(name: &Name, entry: &Value, mode: Option<Mode>) -> Option<String> {
    let off = format!("kubectl maintenance off {name}");
    if let Some(copied) = entry::copied(entry) {
        return Some(format!("it {copied}"));
    }
    match entry::state(entry) {
        State::Normal if entry::is_unfinished(entry) => {
            Some(format!("an off was ended before it had given back who owns which field: {off} does that"))
        }
        State::Normal if is_switched(entry) => Some(
            "it was switched, and its annotation maintenance-mode.github.io/restore is gone or cannot be read: apply it again from where it is written, and take what is left of our annotations away"
                .to_owned(),
        ),
        State::Normal | State::Switched => None,
        State::Reapplied if mode == Some(Mode::Normal) => Some(format!(
            "somebody has put it back, so users get the application: {off} takes the annotations that are left away, kubectl maintenance on {name} leads them to the page again"
        )),
        State::Reapplied => Some(format!("somebody has put a part of it back: {off} gives the rest back")),
        State::Changed(differs) => {
            let users = if mode == Some(Mode::Normal) { ", and users get the application" } else { "" };
            let again = if entry::is_led_away(entry) {
                format!("; kubectl maintenance on {name} leads it to the page as it is now, and the next off gives that back")
            } else {
                String::new()
            };
            Some(format!(
                "somebody changed it meanwhile ({}){users}: {}{again}; {off} --force restores it as it was before",
                differs.join("; "),
                entry::how_to_keep_it(entry)
            ))
        }
    }
}

/// The application's Services: whether users get an answer of it, now or after `off`.
fn application(
    session: &Session<'_>,
    name: &Name,
    services: &[String],
    mode: Option<Mode>,
    lines: &mut Vec<String>,
    wrong: &mut Vec<String>,
) -> Result<Vec<Value>> {
    let listed = endpoints::ready(session.kubectl, &name.namespace, services.iter().cloned())?;
    let mut application = Vec::new();
    for (service, listed) in services.iter().zip(listed) {
        match listed {
            Ok(ready) => {
                lines.push(format!("application behind service/{service}: {} ready endpoints", ready.len()));
                if ready.is_empty() && mode == Some(Mode::Normal) {
                    wrong.push(format!("service/{service} has no ready endpoint: users get no answer"));
                }
                application.push(json!({"service": format!("service/{service}"), "ready": ready.len()}));
            }
            Err(why) => lines.push(format!("service/{service}: its endpoints may not be listed: {why}")),
        }
    }
    Ok(application)
}
