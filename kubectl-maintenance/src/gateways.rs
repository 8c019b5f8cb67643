//! Until the gateways of a changed `HTTPRoute` have read it: each says in the status up to which generation it has, and
//! whether it has found the Services.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::change::Change;
use crate::kubectl::Kubectl;
use crate::object::{Name, list, text};
use crate::read;
use crate::session::Session;
use crate::wait::Waited;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// The changes that gateways read.
pub fn read_by(changes: &[Change]) -> impl Iterator<Item = &Change> {
    changes.iter().filter(|change| change.object.kind == "httproute")
}

/// Waits. What was the matter before the change is not waited for.
///
/// # Errors
/// Never but where a look cannot be described.
pub fn follow(session: &Session<'_>, name: &str, changes: &[Change], deadline: Instant) -> Result<Waited> {
    if read_by(changes).next().is_none() {
        return Ok(Waited::InForce);
    }
    loop {
        let mut missing = Vec::new();
        for change in read_by(changes) {
            match look(session.kubectl, change) {
                Ok(now) => {
                    let before = troubles(&change.before);
                    missing.extend(
                        troubles(&now).difference(&before).map(|trouble| format!("{}: {trouble}", change.object)),
                    );
                }
                Err(why) => {
                    missing.push(format!("whether gateways have read {} cannot be told: {why:#}", change.object));
                }
            }
        }
        match () {
            () if missing.is_empty() => {
                // Where no gateway has taken it, none says so.
                if read_by(changes).any(|change| list(&change.before, "/status/parents").next().is_some()) {
                    session.output.progress(name, "its gateways have read the change");
                }
                return Ok(Waited::InForce);
            }
            () if session.stopped() => return Ok(Waited::Interrupted(missing.join("; "))),
            () if session.clock.now() >= deadline => return Ok(Waited::Not(missing.join("; "))),
            () => session.pause(PAUSE),
        }
    }
}

fn look(kubectl: &dyn Kubectl, change: &Change) -> Result<Value> {
    let Name { namespace, name, .. } = &change.object;
    // In the version in which it was read.
    let path = read::path(text(&change.before, "/apiVersion"), Some(namespace), &format!("httproutes/{name}"), "");
    match kubectl.get(&[path])?.pop() {
        Some(answer) if answer.status == 200 => Ok(serde_json::from_str(&answer.body)?),
        Some(answer) => bail!("{}", read::trouble(&answer)),
        None => bail!("no answer"),
    }
}

/// What is the matter with an `HTTPRoute`, by the word of its gateways.
fn troubles(route: &Value) -> BTreeSet<String> {
    let generation = route.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or_default();
    let mut troubles = BTreeSet::new();
    for parent in list(route, "/status/parents") {
        let gateway = text(parent, "/parentRef/name");
        for condition in list(parent, "/conditions") {
            // One that does not say is up to date.
            let seen = condition["observedGeneration"].as_u64().unwrap_or(generation);
            if seen < generation {
                troubles.insert(format!("gateway {gateway} has not read it"));
            } else if ["Accepted", "ResolvedRefs"].contains(&text(condition, "/type"))
                && text(condition, "/status") == "False"
            {
                troubles.insert(format!("gateway {gateway} says: {}", text(condition, "/message")));
            }
        }
    }
    troubles
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateway_has_read_a_route_where_all_conditions_are_of_its_generation() {
        let condition = |kind: &str, status: &str, seen: u64| json!({"type": kind, "status": status, "observedGeneration": seen, "message": "no Service shop"});
        let route = |conditions: &[Value]| {
            let parent = json!({"parentRef": {"name": "contour"}, "conditions": conditions});
            json!({"metadata": {"generation": 2}, "status": {"parents": [parent]}})
        };
        for (conditions, says) in [
            (vec![condition("Accepted", "True", 2), condition("ResolvedRefs", "True", 2)], None),
            (vec![condition("Accepted", "True", 1)], Some("gateway contour has not read it")),
            (vec![condition("ResolvedRefs", "False", 2)], Some("gateway contour says: no Service shop")),
            (vec![condition("PartiallyInvalid", "False", 2)], None),
            (vec![json!({"type": "Accepted", "status": "True"})], None),
            (vec![], None),
        ] {
            let says: BTreeSet<String> = says.into_iter().map(str::to_owned).collect();
            assert_eq!(troubles(&route(&conditions)), says, "{conditions:?}");
        }
    }
}
