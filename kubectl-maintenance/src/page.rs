//! The page that users of an entry get: that of a standby release in its namespace.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::choose::Chosen;
use crate::entries::{Entries, name_of};
use crate::entry::{self, Page};
use crate::failure::Misuse;
use crate::object::{list, name, text};
use crate::pods::Pod;
use crate::release::{COMPONENT, INSTANCE, Kind, Release};
use crate::session::Session;
use crate::switch::refuse;

/// The release whose page an entry leads to; of one that is switched it stays the same.
///
/// # Errors
/// Where it is not there, or another is named.
pub fn of<'c>(entry: &Value, chosen: &'c Chosen, named: Option<&str>) -> Result<&'c Release> {
    let Some(switched) = entry::page_of(entry) else { return choose(&chosen.there, named, &chosen.namespace) };
    let name = name_of(entry).map(|name| name.to_string()).unwrap_or_default();
    let now = &switched.release;
    let is_there = chosen.there.iter().any(|release| &release.name == now);
    // Somebody has led it away meanwhile, so that it may be led to any.
    if !entry::services(entry).contains(&switched.service) && (named.is_some() || !is_there) {
        return choose(&chosen.there, named, &chosen.namespace);
    }
    if let Some(named) = named.filter(|named| named != now) {
        bail!(
            "{name} leads to the page of release {now} already: run kubectl maintenance off {name} before it leads to that of {named}. Nothing has changed"
        );
    }
    match chosen.there.iter().find(|release| &release.name == now) {
        Some(release) => Ok(release),
        None => bail!(
            "{name} leads to the page of release {now}, which is not there any more: run kubectl maintenance off {name} first. Nothing has changed"
        ),
    }
}

/// The standby release that is named, else the only one.
fn choose<'r>(there: &'r [Release], named: Option<&str>, namespace: &str) -> Result<&'r Release> {
    let standby: Vec<&Release> = there.iter().filter(|release| release.kind == Kind::Service).collect();
    let names = || standby.iter().map(|release| release.name.as_str()).collect::<Vec<_>>().join(", ");
    match (named, standby.as_slice()) {
        (_, []) => bail!(
            "there is no standby release in namespace {namespace}, whose page users would get: install one with shape=standby"
        ),
        (Some(named), all) => match all.iter().find(|release| release.name == named) {
            Some(release) => Ok(release),
            None => Err(Misuse(format!(
                "invalid --page {named:?}: expected a standby release of namespace {namespace}: {}",
                names()
            ))
            .into()),
        },
        (None, [only]) => Ok(only),
        (None, _) => Err(Misuse(format!(
            "there are several standby releases in namespace {namespace}, so name one with --page: {}",
            names()
        ))
        .into()),
    }
}

/// The Service that leads to the page pods of a release.
///
/// # Errors
/// Where it is not there.
pub fn service(release: &Release, around: &Entries) -> Result<Page> {
    let ours = |service: &&Value| {
        let label = |label| crate::object::label(service, label);
        label(INSTANCE) == release.name && label(COMPONENT) == "page"
    };
    let port = |service: &Value| {
        let port = list(service, "/spec/ports").next()?;
        Some((u16::try_from(port["port"].as_u64()?).ok()?, text(port, "/name").to_owned()))
    };
    let found = around.services.iter().filter(ours).find_map(|service| Some((name(service), port(service)?)));
    match found {
        Some((name, (port, port_name))) => {
            Ok(Page { release: release.name.clone(), service: name.to_owned(), port, port_name })
        }
        None => {
            let unseen = around.unseen.iter().find(|(kinds, _)| *kinds == "services");
            let why = unseen.map(|(_, why)| format!(": {why}")).unwrap_or_default();
            bail!(
                "release {} in namespace {} has no Service that leads to its page pods{why}. Nothing has changed",
                release.name,
                release.namespace
            )
        }
    }
}

/// Before users get the page: whether there is a pod that shows it.
///
/// # Errors
/// Where there is none, and it is not forced.
pub fn check_ready(session: &Session<'_>, force: bool, release: &Release, pods: &[Pod]) -> Result<()> {
    if pods.iter().any(|pod| pod.ready) {
        return Ok(());
    }
    let lacks = pods.iter().find_map(|pod| Some(format!("pod/{}: {}", pod.name, pod.lacks.as_ref()?)));
    let because = lacks.map(|lacks| format!(" ({lacks})")).unwrap_or_default();
    let why =
        format!("no page pod of release {} is Ready{because}: users would get the router's own error", release.name);
    refuse(session, force, &why)
}
