//! What belongs to Helm, Argo CD or Flux.

use serde_json::{Value, json};

use crate::cluster::Cluster;

const CONFIG: &str = "configmaps/app-config";

#[test]
fn helm_and_what_the_next_upgrade_does() {
    let cluster = Cluster::tiers();
    cluster.edit(CONFIG, "/metadata/annotations", json!({"meta.helm.sh/release-name": "web"}));
    let said = cluster.run(&["on", "--wait=false"]);
    said.ended(0, &["note: web: the next helm upgrade of web leaves data.MAINTENANCE_MODE of configmap/app-config as it is only where its values leave maintenance.enabled unset"]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    let fields = json!({"f:data": {"f:MAINTENANCE_MODE": {}}});
    cluster.written(CONFIG, "helm", "Update", &fields);
    let said = cluster.run(&["on", "--wait=false"]);
    said.ended(0, &["the next helm upgrade of web sets data.MAINTENANCE_MODE of configmap/app-config as its values say: give it maintenance.enabled=true"]);
    // What on took is given back, so there is nothing to say.
    cluster.run(&["off", "--wait=false"]).not("helm upgrade");
    cluster.written(CONFIG, "helm", "Apply", &fields);
    let said = cluster.run(&["on", "--wait=false"]);
    said.ended(0, &["(by Helm 4) stops with a conflict at data.MAINTENANCE_MODE of configmap/app-config, unless its values say maintenance.enabled=true too"]);
}

#[test]
fn helm_is_told_of_in_one_line() {
    let cluster = Cluster::standby();
    let selector = json!({"f:spec": {"f:selector": {}}});
    for front in ["api-front", "shop-front"] {
        cluster.front(front, "shop");
        cluster.annotate(&format!("services/{front}"), "meta.helm.sh/release-name", "page");
        cluster.written(&format!("services/{front}"), "helm", "Apply", &selector);
    }
    let said = cluster.run(&["on"]);
    said.ended(0, &["conflict at spec.selector of service/api-front, spec.selector of service/shop-front, unless"]);
    assert_eq!(said.err.matches("helm upgrade").count(), 1, "{}", said.err);
    cluster.run(&["off"]).not("helm upgrade");
}

#[test]
fn a_selector_that_a_person_has_patched_is_rendered_all_the_same() {
    let cluster = Cluster::standby();
    cluster.annotate("services/shop-front", "meta.helm.sh/release-name", "page");
    // Its selector has no holder among the writers any more.
    cluster.written("services/shop-front", "helm", "Apply", &json!({"f:spec": {"f:ports": {}}}));
    cluster.run(&["on"]).ended(0, &["(by Helm 4) stops with a conflict at spec.selector of service/shop-front"]);
    cluster.run(&["off"]).not("helm upgrade");
}

#[test]
fn what_helm_itself_has_set_it_sets_again_or_meets_a_conflict() {
    let cluster = Cluster::standby();
    cluster.annotate("services/shop-front", "meta.helm.sh/release-name", "page");
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "page"}));
    cluster.written("services/shop-front", "helm", "Apply", &json!({"f:spec": {"f:selector": {}}}));
    let says = "conflict at spec.selector of service/shop-front, unless its values say maintenance.enabled=false too";
    cluster.run(&["off"]).ended(0, &[says]);
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "page"}));
    cluster.written("services/shop-front", "helm", "Update", &json!({"f:spec": {"f:selector": {}}}));
    let says = "sets spec.selector of service/shop-front as its values say: give it maintenance.enabled=false";
    cluster.run(&["off"]).ended(0, &[says]);
}

#[test]
fn argo_cd_keeps_a_patch_of_what_it_does_not_render() {
    let cluster = Cluster::tiers();
    cluster.edit(
        CONFIG,
        "/metadata/annotations",
        json!({"argocd.argoproj.io/tracking-id": "shop:v1/ConfigMap:shop/app-config"}),
    );
    cluster.run(&["on"]).ended(0, &["maintenance is in force after"]);
}

#[test]
fn argo_cd_takes_back_what_it_renders() {
    let cluster = Cluster::tiers();
    cluster.edit(
        CONFIG,
        "/metadata/annotations",
        json!({"argocd.argoproj.io/tracking-id": "front:v1/ConfigMap:shop/app-config"}),
    );
    cluster.written(CONFIG, "argocd-controller", "Update", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
    let said = cluster.run(&["on"]);
    said.ended(1, &[
        "configmap/app-config is written by Argo CD (front), which renders data.MAINTENANCE_MODE; self-heal takes this change back",
        "argocd app set front -p maintenance.enabled=true",
        "Nothing has changed; --force goes on all the same",
    ]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
    cluster
        .run(&["on", "--force"])
        .ended(0, &["forced: configmap/app-config is written by Argo CD (front)", "maintenance is in force"]);
    // Its mark among the writers is kept by us meanwhile.
    cluster.run(&["off"]).ended(1, &["argocd app set front -p maintenance.enabled=false"]);
}

#[test]
fn argo_cd_is_known_by_its_name_as_a_writer_too() {
    let cluster = Cluster::tiers();
    cluster.written(CONFIG, "argocd-controller", "Apply", &json!({"f:data": {"f:RETRY_AFTER": {}}}));
    cluster.run(&["on", "--wait=false"]).ended(0, &[]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    cluster.written(CONFIG, "argocd-controller", "Apply", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
    cluster.run(&["on"]).ended(1, &["is written by Argo CD (web)", "argocd app set web -p maintenance.enabled=true"]);
}

#[test]
fn argo_cd_that_applies_as_kubectl_does_is_told_by_what_it_applied() {
    let cluster = Cluster::tiers();
    let applied = json!({"data": {"MAINTENANCE_MODE": "false"}}).to_string();
    let annotations = json!({
        "argocd.argoproj.io/tracking-id": "front:v1/ConfigMap:shop/app-config",
        "kubectl.kubernetes.io/last-applied-configuration": applied,
    });
    cluster.edit(CONFIG, "/metadata/annotations", annotations);
    cluster.run(&["on"]).ended(1, &["which renders data.MAINTENANCE_MODE"]);
}

#[test]
fn texts_that_argo_cd_renders_are_refused_where_the_mode_is_not() {
    let cluster = Cluster::tiers();
    cluster.edit(
        CONFIG,
        "/metadata/annotations",
        json!({"argocd.argoproj.io/tracking-id": "front:v1/ConfigMap:shop/app-config"}),
    );
    cluster.written(CONFIG, "argocd-controller", "Update", &json!({"f:data": {"f:MAINTENANCE_MESSAGE": {}}}));
    cluster.run(&["on", "--message", "Back soon"]).ended(1, &["which renders data.MAINTENANCE_MESSAGE"]);
    cluster.run(&["on", "--for", "2h"]).ended(0, &["maintenance is in force"]);
}

#[test]
fn argo_cd_takes_back_a_selector() {
    let cluster = Cluster::standby();
    cluster.annotate("services/shop-front", "argocd.argoproj.io/tracking-id", "front:v1/Service:shop/shop-front");
    cluster.written("services/shop-front", "argocd-controller", "Update", &json!({"f:spec": {"f:selector": {}}}));
    cluster.run(&["on"]).ended(1, &["service/shop-front is written by Argo CD (front), which renders spec.selector"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn flux_takes_back_what_it_renders() {
    for (tool, object) in
        [("kustomize", "kustomization shop -n flux-system"), ("helm", "helmrelease shop -n flux-system")]
    {
        let cluster = Cluster::standby();
        cluster.label("services/shop-front", &format!("{tool}.toolkit.fluxcd.io/name"), "shop");
        cluster.label("services/shop-front", &format!("{tool}.toolkit.fluxcd.io/namespace"), "flux-system");
        cluster.written("services/shop-front", "kustomize-controller", "Apply", &json!({"f:spec": {"f:selector": {}}}));
        let said = cluster.run(&["on"]);
        said.ended(
            1,
            &[
                &format!("is written by Flux ({object}), which renders spec.selector"),
                &format!("first run: flux suspend {object}"),
            ],
        );
        assert_eq!(cluster.changes(), [[""; 0]; 0]);
    }
}

#[test]
fn status_tells_who_owns_what_is_switched() {
    let cluster = Cluster::standby();
    cluster.annotate("services/shop-front", "meta.helm.sh/release-name", "page");
    cluster.run(&["status"]).ended(0, &["service/shop-front: normal, owned by Helm (page)"]);
    cluster.annotate("services/shop-front", "argocd.argoproj.io/tracking-id", "front:v1/Service:shop/shop-front");
    cluster.run(&["status"]).ended(0, &["service/shop-front: normal, owned by Argo CD (front)"]);
}

#[test]
fn what_helm_4_itself_has_set_stays_ours_so_that_its_next_upgrade_stops() {
    let ours = |object: &Value| {
        let mut managers = object["metadata"]["managedFields"].as_array().unwrap().iter();
        managers.any(|entry| entry["manager"] == "kubectl-maintenance")
    };
    let helm = |mode: &str| {
        let cluster = Cluster::tiers();
        cluster.edit(CONFIG, "/metadata/annotations", json!({"meta.helm.sh/release-name": "web"}));
        cluster.edit(CONFIG, "/data/MAINTENANCE_MODE", json!(mode));
        cluster.written(CONFIG, "helm", "Apply", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
        cluster
    };
    let cluster = helm("true");
    let says = "conflict at data.MAINTENANCE_MODE of configmap/app-config, unless its values say maintenance.enabled=false too; with --force-conflicts it puts users back on the page";
    cluster.run(&["off", "--wait=false"]).ended(0, &[says]);
    assert!(ours(&cluster.object(CONFIG)));
    // Nor after another maintenance, of which Helm is known to render the mode.
    cluster.run(&["on", "--wait=false"]).ended(0, &["unless its values say maintenance.enabled=true too"]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    assert!(ours(&cluster.object(CONFIG)));
    // What is again as Helm wrote it is Helm's.
    let cluster = helm("false");
    cluster.run(&["on", "--wait=false"]).ended(0, &[]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    assert!(!ours(&cluster.object(CONFIG)));
}

#[test]
fn helm_4_meets_a_message_of_ours_that_its_values_newly_set() {
    let cluster = Cluster::tiers();
    cluster.edit(CONFIG, "/metadata/annotations", json!({"meta.helm.sh/release-name": "web"}));
    cluster.written(CONFIG, "helm", "Apply", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
    let says =
        "it stops with a conflict at data.MAINTENANCE_MESSAGE of configmap/app-config, where its values say another";
    cluster.run(&["on", "--wait=false", "--message", "Back soon"]).ended(0, &[says]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    cluster.written(CONFIG, "helm", "Update", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
    cluster.run(&["on", "--wait=false", "--message", "Back soon"]).not("MAINTENANCE_MESSAGE");
}

#[test]
fn what_helm_took_when_it_ended_a_maintenance_is_its_own_after_the_next_one() {
    let cluster = Cluster::tiers();
    let before = json!([
        {"manager": "ann", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:MAINTENANCE_MODE": {}}}},
    ]);
    cluster.edit(CONFIG, "/metadata/managedFields", before);
    cluster.run(&["on", "--wait=false", "--message", "Back soon"]).ended(0, &[]);
    cluster.edit(CONFIG, "/data/MAINTENANCE_MODE", json!("false"));
    cluster.written(CONFIG, "helm", "Apply", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
    let helms = cluster.object(CONFIG)["metadata"]["managedFields"].clone();
    cluster.run(&["on", "--wait=false"]).ended(0, &[]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    assert_eq!(cluster.object(CONFIG)["metadata"]["managedFields"], helms);
}

/// Each kind, with the object that is switched, who owns its field, and the target.
const EACH_KIND: [(&str, &str, &str, [&str; 2]); 3] = [
    ("give back configmap/app-config", CONFIG, "web", ["f:data", "f:MAINTENANCE_MODE"]),
    ("give back service/shop-front", "services/shop-front", "page", ["f:spec", "f:selector"]),
    ("give back ingress/shop", "ingresses/shop", "ingress/shop", ["f:spec", "f:rules"]),
];

fn of_each_kind(at: usize) -> Cluster {
    let cluster = if at == 0 { Cluster::tiers() } else { Cluster::standby() };
    cluster.ingress("shop", "*.example.org", "shop", &json!({}));
    let (_, object, _, [map, field]) = EACH_KIND[at];
    cluster.written(object, "helm", "Apply", &json!({map: {field: {}}}));
    cluster
}

/// What is there but its version, and an empty map, which the API server leaves out.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    if object["metadata"]["annotations"] == json!({}) {
        object["metadata"].as_object_mut().unwrap().remove("annotations");
    }
    object
}

#[test]
fn an_off_that_was_ended_before_it_gave_back_who_owns_which_field_is_finished_by_the_next() {
    for (at, (forbidden, object, target, _)) in EACH_KIND.into_iter().enumerate() {
        let named = forbidden.trim_start_matches("give back ");
        let cluster = of_each_kind(at);
        let before = comparable(&cluster.object(object));
        for ended in 1..=2 {
            cluster.run(&["on", "--wait=false", target]).ended(0, &[]);
            cluster.forbid(forbidden);
            let says = format!("{named} in namespace shop: its managedFields cannot be given back");
            cluster.run(&["off", "--wait=false", target]).ended(0, &[&says, "repeat this command to try it again"]);
            let left = cluster.object(object);
            let annotations = left["metadata"]["annotations"].as_object().unwrap();
            let ours: Vec<&str> = annotations
                .keys()
                .filter_map(|name| name.strip_prefix("maintenance-mode.github.io/"))
                .filter(|name| *name != "selectors")
                .collect();
            assert_eq!(ours, ["restore-meta"], "{ended} {left:#}");
            cluster
                .run(&["status", target])
                .ended(1, &["WRONG: an off was ended before it had given back who owns which field"]);
            cluster.allow_all();
        }
        cluster.run(&["off", "--all", "--yes", "--wait=false"]).ended(0, &[]);
        assert_eq!(comparable(&cluster.object(object)), before);
        cluster.run(&["off", "--wait=false", target]).ended(0, &[]);
        assert_eq!(cluster.changes(), [[""; 0]; 0]);
    }
}

#[test]
fn the_wish_of_a_maintenance_that_is_over_does_not_come_back_with_the_next() {
    let cluster = of_each_kind(2);
    cluster.run(&["on", "--wait=false", "ingress/shop", "--keep-path", "/pay"]).ended(0, &[]);
    cluster.forbid("give back ingress/shop");
    cluster.run(&["off", "--wait=false", "ingress/shop"]).ended(0, &[]);
    cluster.run(&["on", "--wait=false", "ingress/shop"]).ended(0, &[]);
    assert!(!cluster.object("ingresses/shop")["spec"].to_string().contains("/pay"));
}

#[test]
fn what_is_put_back_after_an_off_that_failed_is_as_on_has_left_it() {
    let cluster = of_each_kind(2);
    cluster.ingress("two", "*.example.org", "shop", &json!({}));
    let before = comparable(&cluster.object("ingresses/shop"));
    let both = ["ingress/shop", "ingress/two"];
    cluster.run(&["on", "--wait=false", both[0], both[1]]).ended(0, &[]);
    let during = comparable(&cluster.object("ingresses/shop"));
    cluster.forbid("really patch ingress/two");
    cluster
        .run(&["off", "--wait=false", both[0], both[1]])
        .ended(1, &["What is in which mode now: ingress/shop in namespace shop is as it was"]);
    assert_eq!(comparable(&cluster.object("ingresses/shop")), during);
    cluster.allow_all();
    cluster.run(&["off", "--wait=false", both[0], both[1]]).ended(0, &[]);
    assert_eq!(comparable(&cluster.object("ingresses/shop")), before);
}

#[test]
fn an_off_that_is_finished_later_keeps_what_was_to_stay_ours() {
    let cluster = Cluster::tiers();
    cluster.edit(CONFIG, "/data/MAINTENANCE_MODE", json!("true"));
    cluster.written(CONFIG, "helm", "Apply", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
    cluster.forbid("give back configmap/app-config");
    cluster.run(&["off", "--wait=false"]).ended(0, &["repeat this command"]);
    cluster.allow_all();
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    let object = cluster.object(CONFIG);
    assert!(object["metadata"]["managedFields"].to_string().contains("kubectl-maintenance"), "{object:#}");
    assert!(!object["metadata"].to_string().contains("restore-meta"), "{object:#}");
}
