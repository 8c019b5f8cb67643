//! A Route of OpenShift. Its router ends TLS for the page, as page pods have no certificate. The certificates and the key
//! that a Route holds are never read.

use std::collections::BTreeSet;
use std::iter;

use serde_json::{Value, json};

use super::{EXCLUDED, Page, Wish};
use crate::change::Change;
use crate::object::{list, text};

/// Leads it to the page.
pub(super) fn switch(change: &mut Change, page: &Page, wish: &Wish) -> Result<Vec<String>, String> {
    let name = change.object.clone();
    let route = change.before.clone();
    if !wish.keep_paths.is_empty() {
        return Err(format!(
            "{name} has one path, so --keep-path cannot keep another: make a Route of that path to the application, {EXCLUDED}"
        ));
    }
    if wish.bypass.is_some() {
        return Err(format!(
            "{name} knows no headers, so --bypass-header is for an HTTPRoute: make a Route with a host for testers, {EXCLUDED}"
        ));
    }
    let mut notes = Vec::new();
    match text(&route, "/spec/tls/termination") {
        "passthrough" => {
            return Err(format!(
                "{name} is passthrough: TLS ends in the application's pods, and no page pod has their certificate. Give it the \
                 certificate and termination edge or reencrypt first"
            ));
        }
        "reencrypt" => {
            change.set("/spec/tls/termination".to_owned(), Some("edge".into()));
            change.set("/spec/tls/destinationCACertificate".to_owned(), None);
            notes.push("is edge instead of reencrypt meanwhile, as page pods speak plain HTTP".to_owned());
        }
        _ => {}
    }
    change.set("/spec/to".to_owned(), Some(json!({"kind": "Service", "name": page.service, "weight": 100})));
    change.set("/spec/alternateBackends".to_owned(), None);
    // Without one the router takes the Service's only port.
    if route.pointer("/spec/port").is_some() {
        change.set("/spec/port".to_owned(), Some(json!({"targetPort": page.port_name})));
    }
    Ok(notes)
}

/// The Services that it leads to.
pub(super) fn services(route: &Value) -> BTreeSet<String> {
    let backends = iter::once(&route["spec"]["to"]).chain(list(route, "/spec/alternateBackends"));
    let backends = backends.filter(|backend| backend["weight"] != 0 && !text(backend, "/name").is_empty());
    backends.map(|backend| text(backend, "/name").to_owned()).collect()
}
