//! Plans for an entry as it stands: its users are led to the page of a standby release, and back.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::{Plan, Subject};
use crate::change::Change;
use crate::choose::Chosen;
use crate::doors::ask::Expect;
use crate::doors::find::{Door, find};
use crate::entries::{Entries, is_switched, is_the_charts, name_of};
use crate::entry::{self, EntryKind, Lost, Moved, Page, State, Wish};
use crate::object::{Name, PREFIX, annotation, label, map, name};
use crate::release::INSTANCE;
use crate::session::Session;
use crate::stamp::Stamp;
use crate::switch::refuse;
use crate::{cold, endpoints, foretell, page};

/// Leads the users of the chosen entries to the page.
///
/// # Errors
/// Where that is refused, or the cluster cannot be asked.
pub fn on(
    session: &Session<'_>,
    force: bool,
    chosen: &Chosen,
    page: Option<&str>,
    wish: &Wish,
    stamp: &Stamp,
) -> Result<Vec<Plan>> {
    let (mut plans, mut ready) = (Vec::new(), BTreeSet::new());
    // Of those that are refused all are told at once.
    let (mut refused, mut taken_back) = (Vec::new(), Vec::new());
    for (name, entry) in &chosen.entries {
        refuse_what_needs_none(name, entry, chosen)?;
        let release = page::of(entry, chosen, page)?;
        if ready.insert(&release.name) {
            page::check_ready(session, force, release, &release.pods(session.kubectl)?)?;
        }
        taken_back.extend(foretell::taken_back(name, entry));
        let page = page::service(release, &chosen.around)?;
        match entry::on(entry, &chosen.around.all, &page, wish, stamp) {
            Ok(moved) => plans.push(lead_to_page(session, chosen, name, entry, &page, moved)?),
            Err(why) => refused.push(why),
        }
    }
    let instead = if chosen.all && !force {
        format!("; with --all leave out what is refused by the label {PREFIX}exclude: \"true\", or name the others")
    } else {
        String::new()
    };
    if !refused.is_empty() {
        refused.extend(taken_back.into_iter().filter(|_| !force));
        bail!("{}{instead}. Nothing has changed", refused.join("; "));
    }
    if !taken_back.is_empty() {
        refuse(session, force, &format!("{}{instead}", taken_back.join("; ")))?;
    }
    refuse_lost_paths(session, force, chosen, wish, &plans)?;
    Ok(plans)
}

/// Refuses to lead a path to the page that is to be kept: another entry of the same host serves it.
fn refuse_lost_paths(session: &Session<'_>, force: bool, chosen: &Chosen, wish: &Wish, plans: &[Plan]) -> Result<()> {
    let changes = || plans.iter().flat_map(|plan| &plan.changes);
    let will_be = |entry: &Value| {
        let change = changes().find(|change| Some(&change.object) == name_of(entry).as_ref());
        change.map_or_else(|| entry.clone(), Change::after)
    };
    let all: Vec<Value> = chosen.around.named().map(|(_, entry)| will_be(entry)).collect();
    // What is so already is no reason to refuse another change.
    let before = lost_paths(&chosen.around.all);
    let was_lost = |name: &Name, lost: &Lost| {
        before.iter().any(|(one, before)| one == name && (&before.other, &before.path) == (&lost.other, &lost.path))
    };
    let mut refused = Vec::new();
    for (name, lost) in lost_paths(&all) {
        let Lost { path, other, instead } = &lost;
        if chosen.has_entry(other) && !was_lost(&name, &lost) {
            refused.push(format!(
                "{other} serves {path}, which {name} leaves to the application: --keep-path {path} keeps it"
            ));
        } else if chosen.has_entry(&name) && wish.keep_paths.contains(path) {
            refused.push(format!(
                "{other} serves {path} of the same host as {name}, and leads it to the page already: {instead} keeps it, and is to be run first"
            ));
        }
    }
    if refused.is_empty() { Ok(()) } else { refuse(session, force, &refused.join("; ")) }
}

/// The paths that switched entries are to keep, and that another leads to the page.
fn lost_paths(all: &[Value]) -> Vec<(Name, Lost)> {
    let lost = |entry: &Value| {
        let (name, switched) = (name_of(entry)?, entry::page_of(entry)?);
        let lost = entry::lost(entry, &switched.wish, all).into_iter();
        Some(lost.map(|lost| (name.clone(), lost)).collect::<Vec<_>>())
    };
    all.iter().filter_map(lost).flatten().collect()
}

/// Gives the chosen entries back.
///
/// # Errors
/// Where that is refused, or the cluster cannot be asked.
pub fn off(session: &Session<'_>, force: bool, chosen: &Chosen) -> Result<Vec<Plan>> {
    chosen.entries.iter().map(|(name, entry)| give_back(session, force, chosen, name, entry)).collect()
}

/// Refuses an entry all of whose users another target switches.
fn refuse_what_needs_none(name: &Name, entry: &Value, chosen: &Chosen) -> Result<()> {
    if let Some(copied) = entry::copied(entry) {
        bail!("{name} {copied}. Nothing has changed");
    }
    let services = entry::services(&entry::original(entry));
    let fronts = chosen.there.iter().flat_map(|release| release.fronts.iter().map(|front| front.name().name));
    let behind_fronts = services.is_subset(&fronts.collect());
    for release in &chosen.there {
        let release_name = &release.name;
        let front = release.fronts.iter().find(|front| services.contains(&front.name().name));
        if let Some(front) = front.filter(|_| behind_fronts) {
            bail!(
                "{name} leads to {}, a front Service of release {release_name}, which switches it: kubectl maintenance on {release_name}. Nothing has changed",
                front.name()
            );
        }
        let page = page::service(release, &chosen.around).ok();
        let page = page.filter(|page| services.iter().eq([&page.service]));
        if let Some(page) = page {
            bail!(
                "{name} leads to service/{}, the page of release {release_name}, in either mode: there is nothing to switch. Nothing has changed",
                page.service
            );
        }
    }
    if is_the_charts(entry) {
        let release = label(entry, INSTANCE);
        bail!(
            "{name} is a part of release {release}, which is switched as a whole: kubectl maintenance on {release}. Nothing has changed"
        );
    }
    Ok(())
}

fn lead_to_page(
    session: &Session<'_>,
    chosen: &Chosen,
    name: &Name,
    entry: &Value,
    page: &Page,
    moved: Moved,
) -> Result<Plan> {
    let doors = doors(moved.change.after(), &BTreeSet::from([page.service.clone()]), &chosen.around);
    let mut plan = Plan::new(Subject::Entry(name.clone()), vec![moved.change], Expect::Page, &chosen.around, doors);
    if entry::state(entry) == State::Switched {
        plan.notes.insert(0, already(entry, page));
    }
    plan.notes.extend(moved.notes);
    plan.notes.extend(canary_alone(chosen, name, entry));
    plan.notes.extend(foretell::maker(entry));
    let upgrade = plan.changes.first().and_then(foretell::next_upgrade_of_an_entry);
    plan.notes.extend(upgrade);
    if !plan.changes.is_empty() && may_be_cold(name) {
        plan.notes.extend(cold::page(&page.service, &chosen.around));
    }
    let (empty, _) = empty(session, chosen, &entry::services(&entry::original(entry)))?;
    let led =
        empty.iter().map(|service| format!("leads to {service}, in mode normal: off is refused while that is so"));
    plan.notes.extend(led);
    plan.others = others(session, chosen, entry)?;
    plan.notes.push("callers inside the cluster, jobs and workers are not stopped".to_owned());
    Ok(plan)
}

fn give_back(session: &Session<'_>, force: bool, chosen: &Chosen, name: &Name, entry: &Value) -> Result<Plan> {
    let services = entry::services(&entry::original(entry));
    let doors = |entry: Value| doors(entry, &services, &chosen.around);
    if !is_switched(entry) {
        let doors = doors(entry.clone());
        let mut plan = Plan::new(Subject::Entry(name.clone()), Vec::new(), Expect::Application, &chosen.around, doors);
        plan.notes.push("it was in mode normal already".to_owned());
        return Ok(plan);
    }
    let back = entry::off(entry, force).map_err(|why| anyhow!("{why}. Nothing has changed"))?;
    if !back.differs.is_empty() {
        let why = format!("{name} was changed by somebody meanwhile ({})", back.differs.join("; "));
        if !force {
            back.notes.iter().for_each(|note| session.output.note(&format!("{name}: {note}")));
            bail!(
                "{why}. Nothing has changed{}; --force restores it as it was before{}",
                without(chosen, name),
                if chosen.releases.len() + chosen.entries.len() > 1 { ", best in a command of its own" } else { "" }
            );
        }
        session.output.note(&format!("forced: {why}"));
    }
    let doors = doors(back.change.after());
    let mut plan =
        Plan::new(Subject::Entry(name.clone()), vec![back.change], Expect::Application, &chosen.around, doors);
    plan.notes.extend(back.notes);
    if !entry::is_unfinished(entry) {
        check_application(session, force, chosen, &services, &mut plan)?;
    }
    if may_be_cold(name) {
        plan.notes.extend(cold::application(services.iter(), &chosen.around));
    }
    Ok(plan)
}

/// That a canary is switched without the Ingress whose requests it takes a part of.
fn canary_alone(chosen: &Chosen, name: &Name, entry: &Value) -> Option<String> {
    let goes_along = |(main, one): (Name, &Value)| {
        (chosen.has_entry(&main) || is_switched(one))
            && entry::twins(one, &chosen.around.all).into_iter().any(|twin| name_of(twin).as_ref() == Some(name))
    };
    (entry::is_canary(entry) && !chosen.around.named().any(goes_along))
        .then(|| "is a canary: what the Ingress of its host answers is not switched with it".to_owned())
}

/// Whether the proxy behind an entry may be one that forgets Services; OpenShift's router, `HAProxy`, does not.
fn may_be_cold(entry: &Name) -> bool {
    entry.kind != EntryKind::Route.kind()
}

/// Where others are to be given back with it: how to do that without it.
fn without(chosen: &Chosen, name: &Name) -> String {
    let releases = chosen.releases.iter().map(|release| release.name.clone());
    let entries = chosen.entries.iter().filter(|(other, _)| other != name).map(|(other, _)| other.to_string());
    let others: Vec<String> = releases.chain(entries).collect();
    if others.is_empty() {
        return String::new();
    }
    format!(
        "; to give back the others, name them without it: kubectl maintenance off {} -n {}",
        others.join(" "),
        chosen.namespace
    )
}

/// Before users are let in again: whether there is something to let them in to, behind each of the entry's Services.
fn check_application(
    session: &Session<'_>,
    force: bool,
    chosen: &Chosen,
    services: &BTreeSet<String>,
    plan: &mut Plan,
) -> Result<()> {
    let (empty, unknown) = empty(session, chosen, services)?;
    unknown.iter().for_each(|unknown| session.output.note(unknown));
    if empty.is_empty() {
        return Ok(());
    }
    plan.empty = true;
    let Subject::Entry(name) = &plan.subject else { return Ok(()) };
    let why = format!(
        "{name} leads to {}: users would get no answer there, so start the application first{}",
        empty.join(", and to "),
        without(chosen, name)
    );
    refuse(session, force, &why)
}

/// The Services without a ready endpoint, of those that can have some; and what cannot be told of them.
fn empty(session: &Session<'_>, chosen: &Chosen, services: &BTreeSet<String>) -> Result<(Vec<String>, Vec<String>)> {
    let services: Vec<String> =
        services.iter().filter(|service| !chosen.around.is_external(service)).cloned().collect();
    let listed = endpoints::ready(session.kubectl, &chosen.namespace, services.iter().cloned())?;
    let around = &chosen.around;
    let seen = !around.unseen.iter().any(|(kinds, _)| *kinds == "services");
    let (mut empty, mut unknown) = (Vec::new(), Vec::new());
    for (service, listed) in services.into_iter().zip(listed) {
        let there = around.services.iter().any(|known| name(known) == service);
        match listed {
            Ok(endpoints) if !endpoints.is_empty() => {}
            Ok(_) if seen && !there => empty.push(format!("service/{service}, which is not there")),
            Ok(_) => empty.push(format!("service/{service}, which has no ready pod")),
            Err(why) => unknown.push(format!("whether service/{service} has ready pods cannot be told: {why}")),
        }
    }
    Ok((empty, unknown))
}

/// The entries that still lead to the application of an entry that is switched.
fn others(session: &Session<'_>, chosen: &Chosen, entry: &Value) -> Result<Vec<String>> {
    let services = entry::services(&entry::original(entry));
    let fronts = chosen.fronts_to_the_page();
    let of_the_application = |service: &&Value| services.contains(name(service)) && !fronts.contains(name(service));
    let ours = chosen.around.services.iter().filter(of_the_application);
    let selectors: Vec<BTreeMap<String, String>> =
        ours.map(|service| map(service, "/spec/selector")).filter(|selector| !selector.is_empty()).collect();
    let others = chosen.around.leading_to(session.kubectl, &chosen.namespace, &services, &selectors, &fronts)?;
    Ok(others.into_iter().filter(|other| !other.excluded).map(|other| other.entry).collect())
}

/// The front doors of an entry that lead to Services.
fn doors(entry: Value, services: &BTreeSet<String>, around: &Entries) -> Vec<Door> {
    let with_gateways: Vec<Value> = [entry].into_iter().chain(around.gateways().cloned()).collect();
    find(&with_gateways, services)
}

/// That it leads to the page already, since when and by whom.
fn already(entry: &Value, page: &Page) -> String {
    let since = annotation(entry, "since").map(|since| format!(" since {since}")).unwrap_or_default();
    let by = annotation(entry, "by").map(|by| format!(", by {by}")).unwrap_or_default();
    format!("was led to the page of release {} already{since}{by}", page.release)
}
