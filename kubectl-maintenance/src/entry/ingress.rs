//! An Ingress: the backend of each path, and the default backend where there is one. Nothing is added, as a path or a default
//! backend would take requests from other Ingresses; only a path that people ask to keep is.

use std::collections::BTreeSet;
use std::iter;

use serde_json::{Value, json};

use super::paths::{covers, length};
use super::{Page, Wish};
use crate::change::Change;
use crate::object::{PREFIX, label, list, map, namespace, pointer, text};

/// The prefix of ingress-nginx.
const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// Leads it to the page.
pub(super) fn switch(change: &mut Change, page: &Page, wish: &Wish) -> Result<Vec<String>, String> {
    let name = change.object.to_string();
    let ingress = change.before.clone();
    if wish.bypass.is_some() {
        return Err(format!(
            "{name} knows no headers, so --bypass-header is for an HTTPRoute: make an Ingress with a host for testers, with \
             the label {PREFIX}exclude: \"true\""
        ));
    }
    let dropped = |key: &str| wish.drop_annotations.iter().any(|drop| drop == key);
    let passthrough = format!("{NGINX}ssl-passthrough");
    if annotated(&ingress, &passthrough) == "true" && !dropped(&passthrough) {
        return Err(format!(
            "{name} is passthrough: TLS ends in the application's pods, and no page pod has their certificate. Give it the \
             certificate in spec.tls first, and then --drop-annotation {passthrough}"
        ));
    }
    let taken = taken_away(&ingress);
    if !wish.keep_paths.is_empty() {
        refuse_paths(
            &name,
            &ingress,
            taken.first().map(String::as_str).or_else(|| {
                wish.drop_annotations
                    .iter()
                    .map(String::as_str)
                    .find(|key| map(&ingress, "/metadata/annotations").contains_key(*key))
            }),
        )?;
    }

    let mut notes = Vec::new();
    let backend = json!({"service": {"name": page.service, "port": {"number": page.port}}});
    let mut rules = ingress.pointer("/spec/rules").cloned().unwrap_or_default();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for rule in rules.as_array_mut().into_iter().flatten() {
        let host = text(rule, "/host").to_owned();
        let Some(paths) = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut) else { continue };
        let mut kept = Vec::new();
        for path in wish.topmost_paths() {
            let below = paths.iter().any(|one| is_kept(one, path));
            let above = paths.iter().filter(|one| is_prefix(one) && covers(value(one), path));
            let above = above.max_by_key(|one| length(value(one))).filter(|one| length(value(one)) < path.len());
            if below || above.is_some() {
                found.insert(path);
            }
            let itself =
                paths.iter().any(|one| is_prefix(one) && length(value(one)) == path.len() && is_kept(one, path));
            if let Some(above) = above.filter(|_| !itself) {
                kept.push(json!({"path": path, "pathType": "Prefix", "backend": above["backend"]}));
                notes.push(format!("has the path {path} of {} meanwhile, to the application", of(&host)));
            }
        }
        for path in paths.iter_mut() {
            if is_action(&path["backend"]) {
                notes.push(not_switched(&format!("the path {} of {}", value(path), of(&host)), &path["backend"]));
            } else if !wish.topmost_paths().any(|keep| is_kept(path, keep)) {
                path["backend"] = backend.clone();
            }
        }
        paths.extend(kept);
    }
    if let Some(path) = wish.topmost_paths().find(|path| !found.contains(path)) {
        return Err(format!(
            "{name} has no path that {path} lies below, so --keep-path cannot keep it: make an Ingress of that path to the \
             application, with the label {PREFIX}exclude: \"true\""
        ));
    }
    if rules.is_array() {
        change.set("/spec/rules".to_owned(), Some(rules));
    }
    match ingress.pointer("/spec/defaultBackend") {
        Some(default) if is_action(default) => notes.push(not_switched("the default backend", default)),
        Some(_) => change.set("/spec/defaultBackend".to_owned(), Some(backend)),
        None => {}
    }
    if annotated(&ingress, &format!("{NGINX}canary")) == "true" {
        notes.push("is a canary: what its host's own Ingress answers is not switched by it".to_owned());
    }
    for key in map(&ingress, "/metadata/annotations").keys() {
        if key.ends_with("/backend-protocol") && !taken.contains(key) && !dropped(key) {
            notes.push(format!("keeps its annotation {key}, and page pods speak plain HTTP: see --drop-annotation"));
        }
    }
    if !taken.is_empty() {
        notes.push(format!("has these annotations no more meanwhile: {}", taken.join(", ")));
    }
    for key in taken {
        change.set(pointer(&["metadata", "annotations", &key]), None);
    }
    Ok(notes)
}

/// The annotations that would keep users from the page: a protocol that page pods do not speak, a login, error pages of the
/// platform.
fn taken_away(ingress: &Value) -> Vec<String> {
    let keys = map(ingress, "/metadata/annotations").into_keys();
    let taken = |key: &String| {
        let name = key.strip_prefix(NGINX).unwrap_or_default();
        ["backend-protocol", "custom-http-errors"].contains(&name) || name.starts_with("auth-")
    };
    keys.filter(taken).collect()
}

/// Refuses to keep a path where that cannot work.
fn refuse_paths(name: &str, ingress: &Value, taken: Option<&str>) -> Result<(), String> {
    let instead = format!(
        "make an Ingress of that path to the application, with the label {PREFIX}exclude: \"true\", and repeat this without \
         --keep-path"
    );
    if let Some(key) = taken {
        return Err(format!(
            "{name} loses the annotation {key} meanwhile, and annotations hold for all of its paths, so --keep-path cannot \
             keep one as it is: {instead}"
        ));
    }
    let paths = list(ingress, "/spec/rules").flat_map(|rule| list(rule, "/http/paths"));
    let pattern = |path: &&Value| {
        text(path, "/pathType") == "ImplementationSpecific"
            && value(path).contains(['(', ')', '[', ']', '*', '+', '?', '|', '^', '$', '\\'])
    };
    let by_regex = annotated(ingress, &format!("{NGINX}use-regex")) == "true";
    match paths.into_iter().find(|path| by_regex || pattern(path)) {
        Some(path) => Err(format!(
            "{name} has the pattern {} as a path, and which of two patterns wins is the controller's own, so --keep-path \
             cannot tell: {instead}",
            value(path)
        )),
        None => Ok(()),
    }
}

/// The Services that it leads to.
pub(super) fn services(ingress: &Value) -> BTreeSet<String> {
    let paths = list(ingress, "/spec/rules").flat_map(|rule| list(rule, "/http/paths"));
    let backends = paths.map(|path| &path["backend"]).chain(iter::once(&ingress["spec"]["defaultBackend"]));
    let backends = backends.filter(|backend| !is_action(backend) && !text(backend, "/service/name").is_empty());
    backends.map(|backend| text(backend, "/service/name").to_owned()).collect()
}

/// The canaries of an Ingress: those of the same host and path, which take a part of its requests. Left out are those
/// with the label `exclude`.
#[must_use]
pub fn twins<'a>(entry: &Value, all: &'a [Value]) -> Vec<&'a Value> {
    let canary = |one: &Value| annotated(one, &format!("{NGINX}canary")) == "true";
    if super::EntryKind::of(entry) != Some(super::EntryKind::Ingress) || canary(entry) {
        return Vec::new();
    }
    let places = places(entry);
    let twin = |one: &&Value| {
        super::EntryKind::of(one) == Some(super::EntryKind::Ingress)
            && canary(one)
            && namespace(one) == namespace(entry)
            && label(one, &format!("{PREFIX}exclude")) != "true"
            && !self::places(one).is_disjoint(&places)
    };
    all.iter().filter(twin).collect()
}

/// The hosts and paths of an Ingress.
fn places(ingress: &Value) -> BTreeSet<(&str, &str)> {
    let rules = list(ingress, "/spec/rules");
    rules.flat_map(|rule| list(rule, "/http/paths").map(|path| (text(rule, "/host"), value(path)))).collect()
}

/// Whether a load balancer's own annotation says what a backend does.
fn is_action(backend: &Value) -> bool {
    text(backend, "/service/port/name") == "use-annotation"
}

/// Whether a path is kept with another.
fn is_kept(path: &Value, keep: &str) -> bool {
    covers(keep, value(path))
}

fn is_prefix(path: &Value) -> bool {
    text(path, "/pathType") != "Exact"
}

/// A path's path, which need not be there.
fn value(path: &Value) -> &str {
    match text(path, "/path") {
        "" => "/",
        path => path,
    }
}

fn annotated<'i>(ingress: &'i Value, key: &str) -> &'i str {
    text(ingress, &pointer(&["metadata", "annotations", key]))
}

fn not_switched(what: &str, backend: &Value) -> String {
    format!(
        "is not switched in {what}, where the annotation of the action {} says what happens",
        text(backend, "/service/name")
    )
}

fn of(host: &str) -> &str {
    if host.is_empty() { "every host" } else { host }
}
