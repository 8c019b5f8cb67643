//! Who else writes an object: Helm, Argo CD, Flux; which of its fields; and what they will do to a change of ours.

use serde_json::Value;

use crate::managed_fields::{MANAGER, holders};
use crate::object::{annotation, label, list, pointer, text};
use crate::release::Mode;

/// Who owns an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// Argo CD, and its Application.
    ArgoCd(String),
    /// Flux, and its `kustomization NAME` or `helmrelease NAME`.
    Flux(String),
    /// Helm, and the release.
    Helm(String),
}

/// Who wrote a field, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Writer {
    /// Its name among the managers.
    pub manager: String,
    /// By server-side apply, as Helm 4 does; else as Helm 3 and `kubectl apply` do.
    pub applies: bool,
}

/// Who owns an object; nobody where people applied it.
#[must_use]
pub fn owner(object: &Value) -> Option<Owner> {
    let annotated = |name: &str| text(object, &pointer(&["metadata", "annotations", name]));
    // Argo CD may also track by the label app.kubernetes.io/instance, or leave no mark; it always writes as argocd-….
    let application = annotated("argocd.argoproj.io/tracking-id").split(':').next().unwrap_or_default();
    let managers = || list(object, "/metadata/managedFields").map(|entry| text(entry, "/manager"));
    let by_name = managers().any(|manager| manager.starts_with("argocd"));
    for application in [application, label(object, "argocd.argoproj.io/instance")] {
        if !application.is_empty() {
            return Some(Owner::ArgoCd(application.to_owned()));
        }
    }
    if by_name {
        return Some(Owner::ArgoCd(label(object, "app.kubernetes.io/instance").to_owned()));
    }
    for (tool, kind) in [("kustomize", "kustomization"), ("helm", "helmrelease")] {
        let name = label(object, &format!("{tool}.toolkit.fluxcd.io/name"));
        if !name.is_empty() {
            let namespace = label(object, &format!("{tool}.toolkit.fluxcd.io/namespace"));
            let place = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
            return Some(Owner::Flux(format!("{kind} {name}{place}")));
        }
    }
    let release = annotated("meta.helm.sh/release-name");
    (!release.is_empty()).then(|| Owner::Helm(release.to_owned()))
}

/// Who renders a field such as `["data", "MAINTENANCE_MODE"]`: whoever wrote it and is no person at a command line. What we
/// have taken meanwhile is told by `restore-meta`.
#[must_use]
pub fn renders(object: &Value, field: &[&str]) -> Option<Writer> {
    let before = annotation(object, "restore-meta").and_then(|text| serde_json::from_str::<Value>(text).ok());
    let before = before.and_then(|meta| meta.get("managedFields").cloned()).unwrap_or_default();
    let now = object.pointer("/metadata/managedFields").cloned().unwrap_or_default();
    let person = |manager: &str| manager == MANAGER || manager.starts_with("kubectl") || manager == "oc";
    for fields in [&now, &before] {
        if let Some((manager, operation)) = holders(fields, field).find(|(manager, _)| !person(manager)) {
            return Some(Writer { manager: manager.to_owned(), applies: operation == "Apply" });
        }
    }
    // `kubectl apply`, as Argo CD and Flux may do it, leaves this.
    let applied =
        text(object, &pointer(&["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"]));
    let applied = serde_json::from_str::<Value>(applied).unwrap_or_default();
    applied.pointer(&pointer(field)).map(|_| Writer { manager: "kubectl apply".to_owned(), applies: false })
}

// === impl Owner ===

impl Owner {
    /// Who it is, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::ArgoCd(application) => format!("Argo CD ({application})"),
            Self::Flux(object) => format!("Flux ({object})"),
            Self::Helm(release) => format!("Helm ({release})"),
        }
    }

    /// What to do instead, where it takes back what it renders.
    #[must_use]
    pub fn instead(&self, mode: Mode) -> Option<String> {
        let enabled = mode == Mode::Maintenance;
        match self {
            Self::ArgoCd(application) => Some(format!(
                "self-heal takes this change back: set maintenance.enabled={enabled} in Git, or run: argocd app set {application} -p maintenance.enabled={enabled} \
                 (with several sources add --source-position and the number of the chart's)"
            )),
            Self::Flux(object) => Some(format!(
                "the next reconciliation takes this change back: set maintenance.enabled={enabled} in Git, or first run: flux suspend {object}"
            )),
            Self::Helm(_) => None,
        }
    }

    /// What the next `helm upgrade` does to a field that is changed by hand.
    #[must_use]
    pub fn next_upgrade(&self, field: &str, writer: Option<&Writer>, mode: Mode) -> Option<String> {
        let Self::Helm(release) = self else { return None };
        let enabled = mode == Mode::Maintenance;
        Some(match writer {
            None => format!(
                "the next helm upgrade of {release} leaves {field} as it is, while maintenance.enabled is unset"
            ),
            Some(writer) if writer.applies => format!(
                "the next helm upgrade of {release} (by Helm 4) stops with a conflict at {field}, unless its values say maintenance.enabled={enabled} too, \
                 or it is told --force-conflicts"
            ),
            Some(_) => format!(
                "the next helm upgrade of {release} sets {field} as its values say: give it maintenance.enabled={enabled}"
            ),
        })
    }
}
