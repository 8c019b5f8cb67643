//! What is checked before the first change: each patch by a dry run at the API server (rights, admission, validation,
//! size), and the rights that no patch shows.

use anyhow::{Result, bail};
use serde_json::{Deserializer, Value, json};

use crate::change::Change;
use crate::object::{list, text};
use crate::plan::Plan;
use crate::session::Session;
use crate::undo::{patch, read, refused};

/// A right in a namespace: `get pods/proxy`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Right {
    namespace: String,
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
}

/// Sends each patch without its effect.
///
/// # Errors
/// Where one would be refused, or something else would be stored than what is wanted: there would be no exact way back.
pub fn patches(session: &Session<'_>, changes: &[&Change]) -> Result<()> {
    for change in changes {
        let ran = patch(session, &change.object, &change.patch(), true)?;
        if !ran.ok {
            bail!("{}. Nothing has changed", refused(change, &ran, read(session, &change.object).ok().as_ref()));
        }
        let stored = serde_json::from_str(&ran.stdout)?;
        let others = change.misses(&stored);
        if !others.is_empty() {
            let name = &change.object;
            bail!(
                "the cluster changes what is written to {name} in namespace {} ({}), so it could not be given back exactly: is there a mutating webhook? Nothing has changed",
                name.namespace,
                others.join("; ")
            );
        }
    }
    Ok(())
}

/// Asks for the rights that no dry run shows: to wait for these plans, where that is wanted, and to give back what they take
/// away.
///
/// # Errors
/// Where one is missing: one would have to leave in the middle.
pub fn rights(session: &Session<'_>, plans: &[Plan], wait: bool) -> Result<()> {
    let changed = plans.iter().any(|plan| !plan.changes.is_empty());
    let mut wanted: Vec<Right> = plans.iter().filter(|_| wait && changed).flat_map(needed).collect();
    let with_ca = plans.iter().flat_map(|plan| &plan.changes).find(|change| takes_ca_away(change));
    wanted.extend(with_ca.into_iter().flat_map(custom_host));
    let denied = denied(session, &wanted)?;
    let (no_host, denied): (Vec<&Right>, Vec<&Right>) =
        denied.into_iter().partition(|right| right.subresource == "custom-host");
    if let (Some(route), 2) = (with_ca.map(|change| &change.object), no_host.len()) {
        bail!(
            "you may neither update nor create routes/custom-host in namespace {}, without which OpenShift does not give the destinationCACertificate of {route} back: rbac.toggle.entries gives that right. Nothing has changed",
            route.namespace
        );
    }
    let (slow, missing): (Vec<&Right>, Vec<&Right>) = denied.into_iter().partition(|right| right.verb == "patch");
    if let Some(right) = missing.first() {
        let all = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        bail!(
            "you may not {all} in namespace {}, without which nobody can tell when it is in force: rbac.toggle.subjects gives that right, and --wait=false does without. Nothing has changed",
            right.namespace
        );
    }
    if !slow.is_empty() {
        session.output.note("you may not patch pods, so their kubelets look in their own time, which takes up to 90 s");
    }
    Ok(())
}

/// Those of the rights that are denied; none where that cannot be asked.
fn denied<'r>(session: &Session<'_>, wanted: &'r [Right]) -> Result<Vec<&'r Right>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let named = wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    session.output.command(&format!("# SelfSubjectAccessReview for each of: {named}"));
    let reviews: Vec<Value> = wanted.iter().map(Right::review).collect();
    let reviews = json!({"apiVersion": "v1", "kind": "List", "items": reviews}).to_string();
    let ran = session.kubectl.change(&["create", "-f", "-", "-o", "json"], &reviews)?;
    if !ran.ok {
        session.output.note(&format!("whether all rights are there cannot be asked: {}", ran.message()));
        return Ok(Vec::new());
    }
    // kubectl prints one object after the other, or a list of them.
    let printed: Vec<Value> = Deserializer::from_str(&ran.stdout).into_iter().collect::<Result<_, _>>()?;
    let answers = printed.iter().flat_map(|one| match text(one, "/kind") {
        "List" => list(one, "/items").collect(),
        _ => vec![one],
    });
    let denied = answers.zip(wanted).filter(|(answer, _)| answer["status"]["allowed"] == false);
    Ok(denied.map(|(_, right)| right).collect())
}

/// Whether a Route loses the CA of its pods. OpenShift lets anybody take it away, and not give it back.
fn takes_ca_away(change: &Change) -> bool {
    change.object.kind == "route"
        && change.steps().any(|(path, _, to)| path == "/spec/tls/destinationCACertificate" && to.is_none())
}

/// The rights of which either lets one give a certificate to a Route.
fn custom_host(change: &Change) -> [Right; 2] {
    ["update", "create"].map(|verb| Right {
        namespace: change.object.namespace.clone(),
        verb,
        group: "route.openshift.io",
        resource: "routes",
        subresource: "custom-host",
    })
}

/// What waiting for a plan takes. Of an entry the dry run has shown it: whoever may patch it may get it.
fn needed(plan: &Plan) -> Vec<Right> {
    if plan.release().is_none() {
        return Vec::new();
    }
    let right = |verb, group, resource, subresource| Right {
        namespace: plan.namespace().to_owned(),
        verb,
        group,
        resource,
        subresource,
    };
    let mut rights = vec![right("list", "", "pods", "")];
    if plan.pods.is_some() {
        rights.extend([right("get", "", "pods", "proxy"), right("patch", "", "pods", "")]);
    }
    if plan.behind_fronts().is_some() {
        rights.push(right("list", "discovery.k8s.io", "endpointslices", ""));
    }
    rights
}

// === impl Right ===

impl Right {
    fn review(&self) -> Value {
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": self.namespace,
                "verb": self.verb,
                "group": self.group,
                "resource": self.resource,
                "subresource": self.subresource,
            }},
        })
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        write!(f, "{} {}{slash}{}", self.verb, self.resource, self.subresource)
    }
}
