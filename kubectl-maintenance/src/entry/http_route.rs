//! An `HTTPRoute`: the backends of every rule that has some.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Page, Wish};
use crate::change::Change;
use crate::object::{list, namespace, text};

/// Leads it to the page.
pub(super) fn switch(change: &mut Change, page: &Page, wish: &Wish) -> Result<Vec<String>, String> {
    let mut rules = change.before.pointer("/spec/rules").cloned().unwrap_or_default();
    let _ = wish;
    for rule in rules.as_array_mut().into_iter().flatten() {
        if list(rule, "/backendRefs").next().is_some() {
            rule["backendRefs"] =
                json!([{"group": "", "kind": "Service", "name": page.service, "port": page.port, "weight": 1}]);
        }
    }
    change.set("/spec/rules".to_owned(), Some(rules));
    Ok(Vec::new())
}

/// The Services that it leads to.
pub(super) fn services(route: &Value) -> BTreeSet<String> {
    let backends = list(route, "/spec/rules").flat_map(|rule| list(rule, "/backendRefs"));
    let own = |backend: &&Value| {
        let elsewhere = text(backend, "/namespace");
        backend["weight"] != 0
            && matches!(text(backend, "/kind"), "" | "Service")
            && text(backend, "/group").is_empty()
            && (elsewhere.is_empty() || elsewhere == namespace(route))
    };
    backends.filter(own).map(|backend| text(backend, "/name").to_owned()).collect()
}
