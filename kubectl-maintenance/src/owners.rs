//! Who else writes an object: Helm, Argo CD, Flux; which of its fields; and what they will do to a change of ours.

use serde_json::Value;

use crate::managed_fields::{holders, only_ours};
use crate::object::{Name, annotation, label, list, pointer, text};
use crate::release::Mode;

/// The annotation in which `kubectl apply` keeps what it has applied; Argo CD and Flux may apply so, too.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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

/// Who renders a field such as `["data", "MAINTENANCE_MODE"]`: whoever wrote it together with the whole object, which a
/// person who changed it by hand has not. What we have taken meanwhile is told by `restore-meta`; what an `off` has not
/// given back is of whoever renders the rest.
#[must_use]
pub fn renders(object: &Value, field: &[&str]) -> Option<Writer> {
    let before = annotation(object, "restore-meta").and_then(|text| serde_json::from_str::<Value>(text).ok());
    let before = before.as_ref().and_then(|before| before.get("managedFields"));
    let before = before.or_else(|| object.pointer("/metadata/managedFields"));
    let kept = || writer(before?, field);
    let not_given_back = || if only_ours(before?, field) { renders_rest(object) } else { None };
    let applied = || {
        let at = pointer(&["metadata", "annotations", LAST_APPLIED]);
        let applied = serde_json::from_str::<Value>(text(object, &at)).ok()?;
        applied.pointer(&pointer(field)).map(|_| Writer { manager: "kubectl apply".to_owned(), applies: false })
    };
    renders_now(object, field).or_else(kept).or_else(not_given_back).or_else(applied)
}

/// The same, without what somebody else has taken: whose the value is that the field has now.
#[must_use]
pub fn renders_now(object: &Value, field: &[&str]) -> Option<Writer> {
    writer(object.pointer("/metadata/managedFields")?, field)
}

/// Who renders the selector of a front Service. The chart always does; where a person has taken it by a change of their own,
/// the rest of the object tells who.
#[must_use]
pub fn renders_selector(object: &Value) -> Writer {
    let unknown = || Writer { manager: "unknown".to_owned(), applies: false };
    renders(object, &["spec", "selector"]).or_else(|| renders_rest(object)).unwrap_or_else(unknown)
}

/// Who renders the rest of an object, which nobody changes by hand.
#[must_use]
pub fn renders_rest(object: &Value) -> Option<Writer> {
    renders_now(object, &LABEL)
}

/// A label that the chart renders, and nobody else has a reason to change.
const LABEL: [&str; 3] = ["metadata", "labels", "app.kubernetes.io/name"];

/// Who holds a field and has written the whole object. Helm 3 writes what has changed alone, under whatever name its binary has.
fn writer(managed_fields: &Value, field: &[&str]) -> Option<Writer> {
    let whole = |manager: &str| holders(managed_fields, &LABEL).any(|(holder, _)| holder == manager);
    let (manager, operation) =
        holders(managed_fields, field).find(|(manager, _)| manager.starts_with("helm") || whole(manager))?;
    Some(Writer { manager: manager.to_owned(), applies: operation == "Apply" })
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

    /// What to do instead of switching an entry that it applies.
    #[must_use]
    pub fn instead_of_an_entry(&self) -> Option<String> {
        let git = "commit the change in Git as examples/entry-in-git does, or let the entry name a front Service";
        match self {
            Self::ArgoCd(_) => Some(format!("self-heal takes this change back: {git}")),
            Self::Flux(object) => Some(format!(
                "the next reconciliation takes this change back: {git}, or first run: flux suspend {object}"
            )),
            Self::Helm(_) => None,
        }
    }

    /// What the next `helm upgrade` does to an entry that is switched. Helm 3 compares what it renders now with what it has
    /// rendered before; only of built-in kinds it looks at what is there, too.
    #[must_use]
    pub fn next_upgrade_of_an_entry(&self, entry: &Name, applies: bool) -> Option<String> {
        let Self::Helm(release) = self else { return None };
        let does = match (applies, entry.kind) {
            (true, _) => "(by Helm 4) fails with a conflict there, half applied",
            (false, "ingress") => "(by Helm 3) opens it to users at once and without a word",
            (false, _) => "(by Helm 3) leaves it on the page",
        };
        Some(format!("the next helm upgrade of {release} {does}: run off before it, or use a front Service"))
    }

    /// What the next `helm upgrade` does to the mode that is changed by hand.
    #[must_use]
    pub fn next_upgrade(&self, field: &str, writer: Option<&Writer>, mode: Mode) -> Option<String> {
        let Self::Helm(release) = self else { return None };
        let enabled = mode == Mode::Maintenance;
        let forced = if enabled { "ends the maintenance" } else { "puts users back on the page" };
        Some(match writer {
            None => format!(
                "the next helm upgrade of {release} leaves {field} as it is only where its values leave maintenance.enabled unset"
            ),
            Some(writer) if writer.applies => format!(
                "the next helm upgrade of {release} (by Helm 4) stops with a conflict at {field}, unless its values say maintenance.enabled={enabled} too; \
                 with --force-conflicts it {forced} instead"
            ),
            Some(_) => format!(
                "the next helm upgrade of {release} sets {field} as its values say: give it maintenance.enabled={enabled}"
            ),
        })
    }

    /// What the next `helm upgrade` does to texts that are changed by hand, after what it does to the mode.
    #[must_use]
    pub fn next_upgrade_of_texts(&self, of_mode: Option<&str>, fields: &str, writer: &Writer) -> Option<String> {
        let Self::Helm(release) = self else { return None };
        let begin = match of_mode {
            Some(of_mode) => format!("{of_mode}; it"),
            None => format!("the next helm upgrade of {release}"),
        };
        let does = if writer.applies { "stops with a conflict at" } else { "sets" };
        Some(format!("{begin} {does} {fields}, where its values say another"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::managed_fields::MANAGER;

    /// Somebody wrote these fields; who renders an object wrote its labels too.
    fn wrote(manager: &str, operation: &str, fields: &Value) -> Value {
        let mut fields = fields.clone();
        if !["kubectl-patch", "oc", "Mozilla", MANAGER].contains(&manager) {
            fields["f:metadata"] = json!({"f:labels": {"f:app.kubernetes.io/name": {}}});
        }
        json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn writer(manager: &str, applies: bool) -> Writer {
        Writer { manager: manager.to_owned(), applies }
    }

    #[test]
    fn an_object_is_known_by_the_marks_of_its_owner() {
        let argo = || Some(Owner::ArgoCd("shop".to_owned()));
        for (metadata, expected) in [
            (json!({}), None),
            (json!({"labels": {"app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "Helm"}}), None),
            (json!({"annotations": {"meta.helm.sh/release-name": "web"}}), Some(Owner::Helm("web".to_owned()))),
            (json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:v1/ConfigMap:ns/web-config"}}), argo()),
            (json!({"labels": {"argocd.argoproj.io/instance": "shop"}}), argo()),
            // It may leave no mark but its name as a writer.
            (
                json!({
                    "labels": {"app.kubernetes.io/instance": "shop"},
                    "managedFields": [wrote("argocd-controller", "Apply", &json!({}))],
                }),
                argo(),
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
                Some(Owner::Flux("kustomization apps -n flux-system".to_owned())),
            ),
            // Flux runs Helm, which leaves its own mark too.
            (
                json!({
                    "labels": {"helm.toolkit.fluxcd.io/name": "web"},
                    "annotations": {"meta.helm.sh/release-name": "web"},
                }),
                Some(Owner::Flux("helmrelease web".to_owned())),
            ),
        ] {
            assert_eq!(owner(&json!({"metadata": metadata})), expected, "{metadata}");
        }
    }

    #[test]
    fn what_people_wrote_is_rendered_by_nobody() {
        let mode = json!({"f:data": {"f:MAINTENANCE_MODE": {}}});
        let other = json!({"f:data": {"f:RETRY_AFTER": {}}});
        let by = |manager: &str, applies: bool| Some(writer(manager, applies));
        for (managers, expected) in [
            (vec![], None),
            (vec![wrote("helm", "Apply", &other)], None),
            (vec![wrote("kubectl-patch", "Update", &mode)], None),
            (vec![wrote("oc", "Update", &mode)], None),
            // OpenShift's console is a browser.
            (vec![wrote("argocd-controller", "Apply", &other), wrote("Mozilla", "Update", &mode)], None),
            (vec![wrote(MANAGER, "Update", &mode)], None),
            (vec![wrote("helm", "Update", &mode)], by("helm", false)),
            (vec![wrote("kubectl-patch", "Update", &mode), wrote("helm", "Apply", &mode)], by("helm", true)),
            (vec![wrote("argocd-controller", "Apply", &mode)], by("argocd-controller", true)),
        ] {
            let object = json!({"metadata": {"managedFields": managers}});
            assert_eq!(renders(&object, &["data", "MAINTENANCE_MODE"]), expected, "{object}");
        }
    }

    #[test]
    fn what_we_have_taken_is_still_rendered_by_whoever_had_it() {
        let selector = json!({"f:spec": {"f:selector": {}}});
        let kept = json!({"managedFields": [wrote("helm", "Apply", &selector)]}).to_string();
        let object = json!({"metadata": {
            "annotations": {"maintenance-mode.github.io/restore-meta": kept},
            "managedFields": [wrote(MANAGER, "Update", &selector)],
        }});
        assert_eq!(renders(&object, &["spec", "selector"]), Some(writer("helm", true)));
        assert_eq!(renders(&object, &["data", "MAINTENANCE_MODE"]), None);
    }

    #[test]
    fn what_an_off_has_not_given_back_is_still_rendered_by_whoever_wrote_the_rest() {
        let mode = json!({"f:data": {"f:MAINTENANCE_MODE": {}}});
        let written = json!([wrote("helm", "Apply", &json!({})), wrote(MANAGER, "Update", &mode)]);
        let kept = json!({"managedFields": written}).to_string();
        for annotations in [json!({}), json!({"maintenance-mode.github.io/restore-meta": kept})] {
            let object = json!({"metadata": {"annotations": annotations, "managedFields": written}});
            assert_eq!(renders(&object, &["data", "MAINTENANCE_MODE"]), Some(writer("helm", true)));
            assert_eq!(renders(&object, &["data", "MAINTENANCE_MESSAGE"]), None);
        }
    }

    #[test]
    fn a_selector_is_rendered_by_whoever_wrote_the_rest() {
        let (selector, ports) = (json!({"f:spec": {"f:selector": {}}}), json!({"f:spec": {"f:ports": {}}}));
        for applies in [true, false] {
            let rest = wrote("helm", if applies { "Apply" } else { "Update" }, &ports);
            let object = json!({"metadata": {"managedFields": [rest, wrote("kubectl-patch", "Update", &selector)]}});
            assert_eq!(renders_selector(&object), writer("helm", applies));
            assert_eq!(renders_now(&object, &["spec", "selector"]), None);
        }
    }

    #[test]
    fn what_was_applied_by_a_client_is_rendered() {
        let applied = json!({"data": {"MAINTENANCE_MODE": "false"}}).to_string();
        let object = json!({"metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
        }});
        let expected = Some(writer("kubectl apply", false));
        assert_eq!(renders(&object, &["data", "MAINTENANCE_MODE"]), expected);
        assert_eq!(renders(&object, &["data", "MAINTENANCE_UNTIL"]), None);
    }

    #[test]
    fn who_takes_it_back_is_told_with_what_to_do_instead() {
        let argo = Owner::ArgoCd("shop".to_owned()).instead(Mode::Maintenance).unwrap();
        assert!(argo.contains("argocd app set shop -p maintenance.enabled=true"), "{argo}");
        let argo = Owner::ArgoCd("shop".to_owned()).instead(Mode::Normal).unwrap();
        assert!(argo.contains("set maintenance.enabled=false in Git"), "{argo}");
        let flux = Owner::Flux("helmrelease web -n shop".to_owned()).instead(Mode::Maintenance).unwrap();
        assert!(flux.contains("flux suspend helmrelease web -n shop"), "{flux}");
        assert_eq!(Owner::Helm("web".to_owned()).instead(Mode::Maintenance), None);
    }

    #[test]
    fn the_next_helm_upgrade_is_foretold() {
        let says = |applies: Option<bool>| {
            let writer = applies.map(|applies| writer("helm", applies));
            Owner::Helm("web".to_owned()).next_upgrade("spec.selector", writer.as_ref(), Mode::Maintenance).unwrap()
        };
        assert!(says(None).contains("leaves spec.selector as it is only where"));
        assert!(says(Some(false)).contains("give it maintenance.enabled=true"));
        assert!(says(Some(true)).contains("conflict at spec.selector"));
        assert!(says(Some(true)).contains("with --force-conflicts it ends the maintenance"));
        let off =
            Owner::Helm("web".to_owned()).next_upgrade("spec.selector", Some(&writer("helm", true)), Mode::Normal);
        assert!(off.unwrap().ends_with("with --force-conflicts it puts users back on the page instead"));
        assert_eq!(Owner::ArgoCd("shop".to_owned()).next_upgrade("spec.selector", None, Mode::Maintenance), None);
    }
}
