//! An Ingress: the backend of each path, and the default backend where there is one. Nothing is added, as a path or a default
//! backend would take requests from other Ingresses; only a path that people ask to keep is.

use std::collections::BTreeSet;
use std::iter;

use serde_json::{Value, json};

use super::lost::Served;
use super::paths::{covers, has_pattern, length};
use super::{EXCLUDED, EntryKind, Page, Wish};
use crate::change::Change;
use crate::object::{self, is_excluded, list, map, namespace, pointer, text};

/// The prefix of ingress-nginx.
const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// What OpenShift makes of an Ingress: a Route of this termination.
const TERMINATION: &str = "route.openshift.io/termination";

/// Leads it to the page.
pub(super) fn switch(change: &mut Change, others: &[Value], page: &Page, wish: &Wish) -> Result<Vec<String>, String> {
    let name = change.object.to_string();
    let ingress = change.before.clone();
    let taken = taken_away(&ingress);
    refuse(&name, &ingress, &taken, wish)?;
    let unserved = wish.topmost_paths().filter(|keep| !serves(&ingress, keep));
    let mut notes: Vec<String> = unserved.map(|keep| format!("has no path that serves {keep}")).collect();
    let backend = json!({"service": {"name": page.service, "port": {"number": page.port}}});

    let mut rules = ingress.pointer("/spec/rules").cloned().unwrap_or_default();
    for rule in rules.as_array_mut().into_iter().flatten() {
        let host = text(rule, "/host").to_owned();
        let at = |path: &str| format!("the path {path} of {}", if host.is_empty() { "every host" } else { &host });
        let Some(paths) = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut) else { continue };
        let mut kept = Vec::new();
        for keep in wish.topmost_paths() {
            let Some(path) = kept_path(paths, keep) else { continue };
            // Another rule of the same host may serve it, too.
            let mut all = others.iter().filter(|other| may_share_a_controller(other, &ingress)).chain([&ingress]);
            match all.find(|other| serves_more_of(other, &host, keep, paths)) {
                Some(other) if object::name(other) == object::name(&ingress) => {}
                Some(other) => {
                    let other = object::name(other);
                    notes.push(format!("leaves {} to ingress/{other}, which serves it", at(keep)));
                }
                None => {
                    notes.push(format!("has {} meanwhile, to the application", at(keep)));
                    kept.push(path);
                }
            }
        }
        for path in paths.iter_mut() {
            if is_action(&path["backend"]) {
                notes.push(not_switched(&at(path_of(path)), &path["backend"]));
            } else if !wish.topmost_paths().any(|keep| covers(keep, path_of(path))) {
                path["backend"] = backend.clone();
            }
        }
        paths.extend(kept);
    }
    if rules.is_array() {
        change.set("/spec/rules".to_owned(), Some(rules));
    }
    match ingress.pointer("/spec/defaultBackend") {
        Some(default) if is_action(default) => notes.push(not_switched("the default backend", default)),
        Some(_) => change.set("/spec/defaultBackend".to_owned(), Some(backend)),
        None => {}
    }

    let dropped = |key: &String| taken.contains(key) || wish.drop_annotations.contains(key);
    let mut annotations = map(&ingress, "/metadata/annotations");
    let speaks_otherwise = |key: &str, value: &str| match value {
        "reencrypt" => key == TERMINATION,
        _ => key.ends_with("/backend-protocol") && value != "HTTP",
    };
    annotations.retain(|key, value| speaks_otherwise(key, value) && !dropped(key));
    for key in annotations.keys() {
        notes.push(format!(
            "keeps its annotation {key}, and page pods speak plain HTTP: --drop-annotation takes it away"
        ));
    }
    if !taken.is_empty() {
        notes.push(format!("goes without these annotations meanwhile: {}", taken.join(", ")));
    }
    for key in taken {
        change.set(pointer(&["metadata", "annotations", &key]), None);
    }
    Ok(notes)
}

/// Refuses what cannot work.
fn refuse(name: &str, ingress: &Value, taken: &[String], wish: &Wish) -> Result<(), String> {
    if wish.bypass.is_some() {
        return Err(format!(
            "{name} knows no headers, so --bypass-header is for an HTTPRoute: make an Ingress with a host for testers, {EXCLUDED}"
        ));
    }
    let annotations = map(ingress, "/metadata/annotations");
    let passthrough = |(key, value): &(&String, &String)| match value.as_str() {
        "true" => key.ends_with("/ssl-passthrough"),
        "passthrough" => *key == TERMINATION,
        _ => false,
    };
    if let Some((key, _)) = annotations.iter().find(passthrough).filter(|(key, _)| !wish.drop_annotations.contains(key))
    {
        return Err(format!(
            "{name} is passthrough: TLS ends in the application's pods, and no page pod has their certificate. Give it the \
             certificate in spec.tls first, and then --drop-annotation {key}"
        ));
    }
    let Some(path) = wish.topmost_paths().next() else { return Ok(()) };
    let instead =
        format!("make an Ingress of {path} to the application, {EXCLUDED}, and repeat this without --keep-path");
    let mut lost = taken.iter().chain(&wish.drop_annotations).filter(|key| annotations.contains_key(*key));
    if let Some(key) = lost.next() {
        return Err(format!(
            "{name} loses the annotation {key} meanwhile, and annotations hold for all of its paths, so --keep-path cannot \
             keep one as it is: {instead}"
        ));
    }
    if let Some(pattern) = all_paths(ingress).find(|path| is_by_regex(ingress) || is_pattern(path)) {
        return Err(format!(
            "{name} has the pattern {} as a path, and which of its paths comes first is the controller's own, so --keep-path \
             cannot tell: {instead}",
            path_of(pattern)
        ));
    }
    let has_default = ingress.pointer("/spec/defaultBackend").is_some();
    match wish.topmost_paths().find(|keep| has_default && !serves(ingress, keep)) {
        Some(keep) => Err(format!(
            "{name} serves {keep} by its default backend alone, and a path of its own would be taken from other Ingresses, so \
             --keep-path cannot keep it: {instead}"
        )),
        None => Ok(()),
    }
}

/// The path that keeps another on the application: the longest that serves it, made longer. Nothing, where it is there.
fn kept_path(paths: &[Value], keep: &str) -> Option<Value> {
    let serving = paths.iter().filter(|path| serves_below(path, keep)).max_by_key(|path| length(path_of(path)))?;
    let there = length(path_of(serving)) == keep.len() || is_action(&serving["backend"]);
    (!there).then(|| json!({"path": keep, "pathType": "Prefix", "backend": serving["backend"]}))
}

/// The annotations that would keep users from the page: a protocol that page pods do not speak, a login, error pages of the
/// platform.
fn taken_away(ingress: &Value) -> Vec<String> {
    let taken = |key: &str, value: &str| match key.strip_prefix(NGINX).unwrap_or_default() {
        "backend-protocol" => value != "HTTP",
        name => name == "custom-http-errors" || name.starts_with("auth-"),
    };
    let annotations = map(ingress, "/metadata/annotations").into_iter();
    annotations.filter(|(key, value)| taken(key, value)).map(|(key, _)| key).collect()
}

/// Whether an Ingress serves a path, or something below it, by a path of its own.
fn serves(ingress: &Value, keep: &str) -> bool {
    all_paths(ingress).any(|path| serves_below(path, keep) || covers(keep, path_of(path)))
}

/// Whether another Ingress serves a path of a host by a longer prefix than these paths do.
fn serves_more_of(other: &Value, host: &str, keep: &str, paths: &[Value]) -> bool {
    let longest = |paths: &mut dyn Iterator<Item = &Value>| {
        paths.filter(|path| serves_below(path, keep)).map(|path| length(path_of(path))).max()
    };
    let rules = list(other, "/spec/rules").filter(|rule| text(rule, "/host") == host);
    longest(&mut rules.flat_map(|rule| list(rule, "/http/paths"))) > longest(&mut paths.iter())
}

/// Whether one controller may serve both: a class that is not named is the cluster's own default.
pub(super) fn may_share_a_controller(one: &Value, other: &Value) -> bool {
    let class = |ingress| match text(ingress, "/spec/ingressClassName") {
        "" => annotated(ingress, "kubernetes.io/ingress.class"),
        class => class,
    };
    let (one, other) = (class(one), class(other));
    one == other || one.is_empty() || other.is_empty()
}

/// What it serves, by paths of its own.
pub(super) fn served(ingress: &Value) -> Vec<Served> {
    let of_rule = |rule: &Value| -> Vec<Served> {
        let served = |path: &Value| Served {
            host: text(rule, "/host").to_owned(),
            path: path_of(path).to_owned(),
            exact: text(path, "/pathType") == "Exact",
            services: vec![text(path, "/backend/service/name").to_owned()],
        };
        list(rule, "/http/paths").map(served).collect()
    };
    list(ingress, "/spec/rules").flat_map(of_rule).collect()
}

/// Whether it has paths, and a wish keeps all of them. Of a pattern that cannot be told.
pub(super) fn is_kept_whole(ingress: &Value, wish: &Wish) -> bool {
    let switched: Vec<&Value> = all_paths(ingress).filter(|path| !is_action(&path["backend"])).collect();
    let kept = |path: &Value| wish.topmost_paths().any(|keep| covers(keep, path_of(path)));
    !switched.is_empty()
        && ingress.pointer("/spec/defaultBackend").is_none()
        && !is_by_regex(ingress)
        && switched.into_iter().all(|path| kept(path) && !is_pattern(path))
}

/// The Services that it leads to.
pub(super) fn services(ingress: &Value) -> BTreeSet<String> {
    let names = backends(ingress).map(|backend| text(backend, "/service/name"));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whether it has a backend that can be switched, a resource too.
pub(super) fn has_backends(ingress: &Value) -> bool {
    backends(ingress).next().is_some()
}

/// Its backends, but the actions of a load balancer.
fn backends(ingress: &Value) -> impl Iterator<Item = &Value> {
    let of_paths = all_paths(ingress).map(|path| &path["backend"]);
    let all = of_paths.chain(iter::once(&ingress["spec"]["defaultBackend"]));
    all.filter(|backend| backend.is_object() && !is_action(backend))
}

/// The canaries of an Ingress: those of the same host and path, which take a part of its requests. Left out are those
/// with the label `exclude`.
#[must_use]
pub fn twins<'a>(entry: &Value, all: &'a [Value]) -> Vec<&'a Value> {
    let is_ingress = |one: &Value| EntryKind::of(one) == Some(EntryKind::Ingress);
    if !is_ingress(entry) || is_canary(entry) {
        return Vec::new();
    }
    let places = places(entry);
    let twin = |one: &&Value| {
        is_ingress(one)
            && is_canary(one)
            && namespace(one) == namespace(entry)
            && !is_excluded(one)
            && !self::places(one).is_disjoint(&places)
    };
    all.iter().filter(twin).collect()
}

/// The hosts and paths of an Ingress.
fn places(ingress: &Value) -> BTreeSet<(&str, &str)> {
    let rules = list(ingress, "/spec/rules");
    rules.flat_map(|rule| list(rule, "/http/paths").map(|path| (text(rule, "/host"), path_of(path)))).collect()
}

fn all_paths(ingress: &Value) -> impl Iterator<Item = &Value> {
    list(ingress, "/spec/rules").flat_map(|rule| list(rule, "/http/paths"))
}

/// Whether a load balancer's own annotation says what a backend does.
fn is_action(backend: &Value) -> bool {
    text(backend, "/service/port/name") == "use-annotation"
}

/// Whether it takes a part of the requests of another Ingress.
#[must_use]
pub fn is_canary(ingress: &Value) -> bool {
    annotated(ingress, &format!("{NGINX}canary")) == "true"
}

fn is_by_regex(ingress: &Value) -> bool {
    annotated(ingress, &format!("{NGINX}use-regex")) == "true"
}

fn is_pattern(path: &Value) -> bool {
    text(path, "/pathType") == "ImplementationSpecific" && has_pattern(path_of(path))
}

/// Whether a path serves another and all below it.
fn serves_below(path: &Value, other: &str) -> bool {
    text(path, "/pathType") != "Exact" && covers(path_of(path), other)
}

/// A path's path, which need not be there.
fn path_of(path: &Value) -> &str {
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
        "is not switched in {what}: the annotation of the action {} says what happens",
        text(backend, "/service/name")
    )
}
