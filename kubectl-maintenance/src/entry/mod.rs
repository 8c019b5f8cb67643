//! Kind `entry`: an Ingress, a Route or an `HTTPRoute` as it stands. Its backends become the Service of the page pods, and
//! come back exactly. These are pure functions from an object to its change; nothing here asks a cluster.
//!
//! What is written is written with the API server's defaults spelled out, so that the tests of `restore` hold. A list is
//! changed as a whole (`spec.rules`), as the API server owns it: the place of a rule says nothing once somebody has put
//! another before it.

mod http_route;
mod ingress;
mod lost;
pub(crate) mod paths;
mod route;
mod wish;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::change::{self, Change, differences};
use crate::object::{Name, PREFIX, annotation, is_excluded, list, namespace, pointer, text};
use crate::restore::{self, Field};
use crate::stamp::{self, Stamp, keep_meta};

pub use ingress::{is_canary, twins};
pub use lost::{Lost, lost};
pub use wish::{Wish, annotation_key, bypass_header, keep_path};

/// How an entry of one's own for a path or for testers is kept out of the switch.
const EXCLUDED: &str = "with the label maintenance-mode.github.io/exclude: \"true\"";

/// The kinds of entries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum EntryKind {
    /// `networking.k8s.io`.
    Ingress,
    /// `route.openshift.io`.
    Route,
    /// `gateway.networking.k8s.io`.
    HttpRoute,
}

/// The Service of a standby release that always leads to the page: `<fullname>-page`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The release.
    pub release: String,
    /// The Service.
    pub service: String,
    /// Its port.
    pub port: u16,
    /// The name of that port.
    pub port_name: String,
}

/// The change to the page.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The change; empty where it is so already.
    pub change: Change,
    /// What people should know: what is not switched, what is taken away meanwhile.
    pub notes: Vec<String>,
}

/// The change back.
#[derive(Clone, Debug)]
pub struct Back {
    /// The change; empty where the entry is not switched.
    pub change: Change,
    /// What somebody has changed meanwhile. Where there is any, the change is right only if it was forced.
    pub differs: Vec<String>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// Where an entry is switched to, and with which wish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Switched {
    /// The release of the page.
    pub release: String,
    /// Its Service.
    pub service: String,
    /// What was asked for.
    pub wish: Wish,
}

/// Where an entry stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// Not switched.
    Normal,
    /// Switched, and as it was written.
    Switched,
    /// Switched, and then somebody has put fields back as they were, such as by applying the original again. It may be all
    /// of them, and then users are at the application.
    Reapplied,
    /// Switched, and then somebody has changed these fields.
    Changed(Vec<String>),
}

// === impl EntryKind ===

impl EntryKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ingress, Self::Route, Self::HttpRoute];

    /// The kind of an object, where it is an entry.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let api = text(object, "/apiVersion").split('/').next().unwrap_or_default();
        match (api, text(object, "/kind")) {
            ("networking.k8s.io", "Ingress") => Some(Self::Ingress),
            ("route.openshift.io", "Route") => Some(Self::Route),
            ("gateway.networking.k8s.io", "HTTPRoute") => Some(Self::HttpRoute),
            _ => None,
        }
    }

    /// The kind as kubectl takes it, and as a target begins: `ingress`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Route => "route",
            Self::HttpRoute => "httproute",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// The change of an entry to the page. A second one adds its wish to the first, which is computed anew from the original;
/// without a wish it changes the reason alone. Of `around`, the entries of its namespace, no path is taken.
///
/// # Errors
/// Where it is refused: why, and what to do.
pub fn on(entry: &Value, around: &[Value], page: &Page, wish: &Wish, stamp: &Stamp) -> Result<Moved, String> {
    let (kind, name) = kind_and_name(entry)?;
    if let Some(copied) = copied(entry) {
        return Err(format!("{name} {copied}"));
    }
    if is_excluded(entry) {
        return Err(format!("{name} has the label {PREFIX}exclude, and is never switched: take the label away first"));
    }
    let state = state(entry);
    let switched = page_of(entry);
    let mut notes = Vec::new();
    let before = match &state {
        State::Changed(differs) if !is_led_away(entry) => {
            return Err(format!(
                "{name} was changed by somebody while it was switched ({}): give it back first, with off --force",
                differs.join("; ")
            ));
        }
        State::Changed(_) => {
            notes.push("was changed by somebody since it was switched, and is switched as it is now".to_owned());
            restore::unmarked(entry)
        }
        _ => restore::original(entry),
    };
    let was_switched = switched.is_some();
    let wish = switched.map(|switched| switched.wish).unwrap_or_default().and(wish);
    if is_kept_whole(&before, &wish) {
        let instead = if was_switched {
            format!("kubectl maintenance off {name} gives it back")
        } else {
            "leave it out".to_owned()
        };
        return Err(format!(
            "{name} has nothing beside what --keep-path leaves to the application, so there is nothing to switch: {instead}"
        ));
    }

    // What they serve in mode normal, as they may be switched in the same breath.
    let others =
        around.iter().filter(|other| EntryKind::of(other) == Some(kind) && Name::of(kind.kind(), other) != name);
    let others: Vec<Value> = others.map(restore::original).collect();

    let mut planned = Change::of(name.clone(), &before);
    notes.extend(match kind {
        EntryKind::Ingress => ingress::switch(&mut planned, &others, page, &wish)?,
        EntryKind::Route => route::switch(&mut planned, page, &wish)?,
        EntryKind::HttpRoute => http_route::switch(&mut planned, &others, page, &wish)?,
    });
    if !planned.steps().any(|(path, ..)| path.starts_with("/spec/")) {
        return Err(match services(&before).contains(&page.service) {
            true => {
                format!("{name} leads to service/{} already, and it is not known what was there before", page.service)
            }
            false => format!("{name} has no backend that can be switched"),
        });
    }
    notes.extend(drop_annotations(&mut planned, &wish));

    let already = state == State::Switched;
    let mut change = Change::of(name, entry);
    for (path, _, to) in planned.steps() {
        change.set(path.to_owned(), to.cloned());
    }
    stamp.set(&mut change, already);
    let mut meta = Map::new();
    meta.insert("object".to_owned(), change.object.to_string().into());
    meta.insert("page".to_owned(), json!({"release": page.release, "service": page.service}));
    meta.insert("wish".to_owned(), wish.to_json());
    keep_meta(&mut change, already, meta);
    if !change.is_empty() {
        restore::keep(
            &mut change,
            planned.steps().map(|(path, from, to)| Field {
                path: path.to_owned(),
                written: to.cloned(),
                original: from.cloned(),
            }),
        );
    }
    Ok(Moved { change, notes })
}

/// The change of an entry back to what it was. Each field that is so already is left; one that somebody has changed is a
/// difference, which `force` overwrites.
///
/// # Errors
/// Where it is not known what was there before.
pub fn off(entry: &Value, force: bool) -> Result<Back, String> {
    let (_, name) = kind_and_name(entry)?;
    if let Some(copied) = copied(entry) {
        return Err(format!("{name} {copied}"));
    }
    let fields = restore::fields(entry);
    if is_unfinished(entry) {
        let mut change = Change::of(name, entry);
        Stamp::clear(&mut change);
        let notes = vec!["gets back who owns which field, before which an earlier off was ended".to_owned()];
        return Ok(Back { change, differs: Vec::new(), notes });
    }
    if fields.is_empty() && ["restore", "restore-meta"].iter().any(|name| annotation(entry, name).is_some()) {
        return Err(format!(
            "{name} was switched, and its annotation {PREFIX}restore is gone or cannot be read, so it is not known what was \
             there before: apply it again from where it is written"
        ));
    }
    let mut change = Change::of(name, entry);
    let (mut differs, mut notes) = (Vec::new(), Vec::new());
    for field in fields {
        let is_written = field.is_written(entry);
        if !is_written && !field.is_original(entry) {
            differs.extend(differences(&field.path, entry.pointer(&field.path), field.written.as_ref()));
        }
        let parent = field.path.rsplit_once('/').map(|(parent, _)| parent);
        if field.original.is_some() && parent.is_some_and(|parent| entry.pointer(parent).is_none()) {
            notes.push(format!("{} has nothing that it could be put back into", change::field(&field.path)));
        } else if is_written || force {
            change.set(field.path, field.original);
        }
    }
    if !differs.is_empty() && !still_leads_to_the_page(entry) {
        notes.push(format!("somebody has led it away from the page: {}", how_to_keep_it(entry)));
    }
    Stamp::clear(&mut change);
    Ok(Back { change, differs, notes })
}

/// Where it has the annotations of another entry: a copy, made while that was switched. What it is, and what to do.
#[must_use]
pub fn copied(entry: &Value) -> Option<String> {
    let (_, name) = kind_and_name(entry).ok()?;
    let meta = stamp::meta(entry)?;
    let object = meta["object"].as_str().filter(|object| *object != name.to_string())?;
    Some(format!(
        "is a copy of {object}, made while that was switched, and has its way back: lead it to its own backends (kubectl \
         edit {name} --namespace {}), and take our annotations away: {}",
        name.namespace,
        without_annotations(&name)
    ))
}

/// How to keep an entry as somebody has changed it while it was switched.
#[must_use]
pub fn how_to_keep_it(entry: &Value) -> String {
    let Ok((_, name)) = kind_and_name(entry) else { return String::new() };
    let still = match still_written(entry).as_slice() {
        _ if still_leads_to_the_page(entry) => ", once nothing of it leads to the page any more".to_owned(),
        [] => String::new(),
        still => format!(", and put back what is still as it was switched ({})", still.join(", ")),
    };
    format!("to keep what it is now, take our annotations away{still}: {}", without_annotations(&name))
}

/// The command that takes our annotations away.
fn without_annotations(name: &Name) -> String {
    let annotations = restore::NAMES.map(|name| format!("{PREFIX}{name}-")).join(" ");
    format!("kubectl annotate {name} --namespace {} {annotations}", name.namespace)
}

/// Whether somebody has led all of it away from the page, so that `on` takes it as it is now.
#[must_use]
pub fn is_led_away(entry: &Value) -> bool {
    !still_leads_to_the_page(entry) && still_written(entry).is_empty()
}

/// Whether an entry that is not switched has nothing beside what a wish leaves to the application.
#[must_use]
pub fn is_kept_whole(entry: &Value, wish: &Wish) -> bool {
    match EntryKind::of(entry) {
        Some(EntryKind::Ingress) => ingress::is_kept_whole(entry, wish),
        Some(EntryKind::HttpRoute) => http_route::is_kept_whole(entry, wish),
        Some(EntryKind::Route) | None => false,
    }
}

/// Where an entry is switched to; nothing, where it has not been switched.
#[must_use]
pub fn page_of(entry: &Value) -> Option<Switched> {
    kept_page(entry).filter(|_| !is_unfinished(entry))
}

/// Whether it is given back, but for who owns which field: an `off` was ended before that.
#[must_use]
pub fn is_unfinished(entry: &Value) -> bool {
    let led = kept_page(entry).is_some_and(|page| services(entry).contains(&page.service));
    stamp::is_unfinished(entry) && !led
}

/// What is kept of where it was switched to.
fn kept_page(entry: &Value) -> Option<Switched> {
    let meta = stamp::meta(entry)?;
    Some(Switched {
        release: meta.pointer("/page/release")?.as_str()?.to_owned(),
        service: meta.pointer("/page/service")?.as_str()?.to_owned(),
        wish: Wish::from_json(&meta["wish"]),
    })
}

/// Where an entry stands.
#[must_use]
pub fn state(entry: &Value) -> State {
    let fields = restore::fields(entry);
    let changed: Vec<&Field> =
        fields.iter().filter(|field| !field.is_written(entry) && !field.is_original(entry)).collect();
    if fields.is_empty() {
        State::Normal
    } else if !changed.is_empty() {
        let differ = |field: &&Field| differences(&field.path, entry.pointer(&field.path), field.written.as_ref());
        State::Changed(changed.iter().flat_map(differ).collect())
    } else if fields.iter().all(|field| field.is_written(entry)) {
        State::Switched
    } else {
        State::Reapplied
    }
}

/// The entry as it was before it was switched.
#[must_use]
pub fn original(entry: &Value) -> Value {
    // Of a copy that is not known.
    if copied(entry).is_some() { restore::unmarked(entry) } else { restore::original(entry) }
}

/// The Services of its own namespace that its backends name; those of weight 0 are left out.
#[must_use]
pub fn services(entry: &Value) -> BTreeSet<String> {
    match EntryKind::of(entry) {
        Some(EntryKind::Ingress) => ingress::services(entry),
        Some(EntryKind::Route) => route::services(entry),
        Some(EntryKind::HttpRoute) => http_route::services(entry),
        None => BTreeSet::new(),
    }
}

/// Whether it leads anywhere: to Services, those of other namespaces too, or to anything else that `on` would replace.
#[must_use]
pub fn has_backends(entry: &Value) -> bool {
    match EntryKind::of(entry) {
        Some(EntryKind::Ingress) => ingress::has_backends(entry),
        Some(EntryKind::Route) => true,
        Some(EntryKind::HttpRoute) => list(entry, "/spec/rules").any(http_route::has_backends),
        None => false,
    }
}

/// Whether it leads to Services of other namespaces, whose entries are not looked at.
#[must_use]
pub fn leads_to_other_namespaces(entry: &Value) -> bool {
    let backends = list(entry, "/spec/rules").flat_map(|rule| list(rule, "/backendRefs"));
    let elsewhere = |backend: &Value| !["", namespace(entry)].contains(&text(backend, "/namespace"));
    backends.filter(|backend| backend["weight"] != 0).any(elsewhere)
}

/// Takes the annotations away that people have named.
fn drop_annotations(change: &mut Change, wish: &Wish) -> Vec<String> {
    let mut notes = Vec::new();
    for key in &wish.drop_annotations {
        let path = pointer(&["metadata", "annotations", key]);
        if change.before.pointer(&path).is_none() {
            notes.push(format!("has no annotation {key}"));
        } else if !change.changes(&path) {
            change.set(path, None);
        }
    }
    notes
}

fn kind_and_name(entry: &Value) -> Result<(EntryKind, Name), String> {
    let kind = EntryKind::of(entry)
        .ok_or_else(|| format!("{} of {} is no entry", text(entry, "/kind"), text(entry, "/apiVersion")))?;
    Ok((kind, Name::of(kind.kind(), entry)))
}

/// Whether something of an entry that was switched still leads to the page.
fn still_leads_to_the_page(entry: &Value) -> bool {
    page_of(entry).is_none_or(|page| services(entry).contains(&page.service))
}

/// The fields of an entry that are still as its switch has written them.
fn still_written(entry: &Value) -> Vec<String> {
    let fields = restore::fields(entry).into_iter().filter(|field| field.is_written(entry));
    fields.map(|field| change::field(&field.path)).collect()
}

#[cfg(test)]
mod tests;
