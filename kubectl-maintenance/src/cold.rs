//! Cold proxies: Envoy forgets a Service that no entry names, and may answer the first requests after it is named again with
//! an error of its own. So the side that users go to should be named by another entry beforehand.

use crate::entries::Entries;

/// What to know before users get the page of a Service.
#[must_use]
pub fn page(service: &str, around: &Entries) -> Option<String> {
    (!around.names(service)).then(|| {
        format!(
            "no other entry names service/{service}, so a proxy such as Envoy may answer the first requests with an error of \
             its own until it knows the page pods: with page.host set, the release has an entry that keeps them known"
        )
    })
}

/// What to know before users get the application behind Services.
#[must_use]
pub fn application<'s>(services: impl Iterator<Item = &'s String>, around: &Entries) -> Option<String> {
    let cold: Vec<String> =
        services.filter(|service| !around.names(service)).map(|service| format!("service/{service}")).collect();
    (!cold.is_empty()).then(|| {
        format!(
            "no other entry names {}, so a proxy such as Envoy may answer the first requests with an error of its own until it \
             knows the application again: an entry for admins that names the same Service keeps it known",
            cold.join(", ")
        )
    })
}
