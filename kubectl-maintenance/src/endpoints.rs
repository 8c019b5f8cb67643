//! The ready endpoints of Services.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use crate::kubectl::Kubectl;
use crate::object::{list, text};
use crate::read::{self, Listed};

/// The names of the ready endpoints of each Service, or why they may not be listed. One that is no pod has its address for a
/// name.
///
/// # Errors
/// Where the API server cannot be asked.
pub fn ready(
    kubectl: &dyn Kubectl,
    namespace: &str,
    services: impl Iterator<Item = String>,
) -> Result<Vec<Result<BTreeSet<String>, String>>> {
    let path = |service: String| {
        let selector = format!("kubernetes.io/service-name={service}");
        read::path("discovery.k8s.io/v1", Some(namespace), "endpointslices", &selector)
    };
    let lists = read::lists(kubectl, &services.map(path).collect::<Vec<_>>())?;
    Ok(lists
        .into_iter()
        .map(|listed| match listed {
            Listed::Items(slices) => {
                let endpoints = slices.iter().flat_map(|slice| list(slice, "/endpoints"));
                // One that does not say is ready.
                let ready = endpoints
                    .filter(|endpoint| endpoint.pointer("/conditions/ready").is_none_or(|ready| ready != false));
                // A pod with addresses of two families is in two slices.
                Ok(ready.map(name).collect())
            }
            Listed::Forbidden(why) => Err(why),
            Listed::NotServed => Err("the API server serves no endpointslices".to_owned()),
        })
        .collect())
}

fn name(endpoint: &Value) -> String {
    match text(endpoint, "/targetRef/name") {
        "" => text(endpoint, "/addresses/0").to_owned(),
        name => name.to_owned(),
    }
}
