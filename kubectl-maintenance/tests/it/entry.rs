//! Kind `entry`: an Ingress, a Route or an `HTTPRoute` as it stands is led to the page, and given back exactly.

use serde_json::{Value, json};

use crate::cluster::{Cluster, NAMESPACE, page_labels};
use crate::doors::Door;

const EXCLUDE: &str = "maintenance-mode.github.io/exclude";
/// No host of it can be asked.
const HOST: &str = "*.example.org";

/// A standby release without a front Service, and one entry of each kind to an application that knows nothing of it.
fn shop() -> Cluster {
    let cluster = Cluster::standby();
    cluster.remove("services/shop-front");
    cluster.ingress("shop", HOST, "shop", &json!({}));
    cluster.route("shop", "shop");
    cluster.http_route("shop", "shop");
    cluster
}

/// As it may be compared: what the API server counts is left out, and an empty map, which it leaves out.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    for counted in ["resourceVersion", "generation"] {
        metadata.remove(counted);
    }
    if metadata.get("annotations") == Some(&json!({})) {
        metadata.remove("annotations");
    }
    object
}

fn backend(cluster: &Cluster, name: &str) -> String {
    let ingress = cluster.object(&format!("ingresses/{name}"));
    let name = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"];
    name.as_str().unwrap().to_owned()
}

#[track_caller]
fn nothing_has_changed(cluster: &Cluster) {
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn each_kind_is_led_to_the_page_and_given_back_exactly() {
    let cluster = shop();
    for (target, object, spec) in [
        ("ingress/shop", "ingresses/shop", json!({"f:spec": {"f:rules": {}}})),
        ("route/shop", "routes/shop", json!({"f:spec": {"f:to": {}, "f:port": {}, "f:tls": {"f:termination": {}}}})),
        ("httproute/shop", "httproutes/shop", json!({"f:spec": {"f:rules": {}, "f:hostnames": {}}})),
    ] {
        cluster.written(object, "helm", "Apply", &spec);
        let before = comparable(&cluster.object(object));
        let says = format!("{target}: maintenance is in force after");
        cluster.run(&["on", target]).ended(0, &[&says, "no front door was checked"]);
        let during = cluster.object(object);
        assert!(during["spec"].to_string().contains("page-page"), "{during:#}");
        assert!(!during["metadata"]["annotations"].to_string().contains("secret"), "{during:#}");
        assert_eq!(during["metadata"]["annotations"]["maintenance-mode.github.io/by"], "ann");
        cluster.run(&["off", target]).ended(0, &[&format!("{target}: normal is in force after")]);
        assert_eq!(comparable(&cluster.object(object)), before);
    }
}

#[test]
fn an_entry_that_no_command_line_holds_is_switched_too() {
    let cluster = shop();
    let rule = cluster.object("ingresses/shop")["spec"]["rules"][0].clone();
    cluster.edit("ingresses/shop", "/spec/rules", vec![rule; 300].into());
    let before = comparable(&cluster.object("ingresses/shop"));
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    assert_eq!(backend(&cluster, "shop"), "page-page");
    let longest = cluster.changes().into_iter().flatten().map(|word| word.len()).max();
    assert!(longest < Some(32_767), "{longest:?}");
    cluster.run(&["off", "ingress/shop"]).ended(0, &[]);
    assert_eq!(comparable(&cluster.object("ingresses/shop")), before);
}

#[test]
fn kubectl_alone_can_restore_by_the_annotation() {
    let cluster = shop();
    let before = comparable(&cluster.object("ingresses/shop"));
    cluster.run(&["on", "ingress/shop", "--reason", "new database"]).ended(0, &[]);
    let during = cluster.object("ingresses/shop");
    let restore = during["metadata"]["annotations"]["maintenance-mode.github.io/restore"].as_str().unwrap();
    assert!(cluster.patch("ingresses/shop", restore));
    let mut after = comparable(&cluster.object("ingresses/shop"));
    after["metadata"]["managedFields"] = json!([]);
    assert_eq!(after, before);
}

#[test]
fn several_entries_move_together_or_not_at_all() {
    let cluster = shop();
    cluster.forbid("really patch route/shop");
    let said = cluster.run(&["on", "ingress/shop", "route/shop"]);
    said.ended(1, &["route/shop in namespace shop cannot be patched", "ingress/shop in namespace shop is as it was"]);
    assert_eq!(backend(&cluster, "shop"), "shop");
}

#[test]
fn a_missing_right_is_told_before_anything_changes() {
    let cluster = shop();
    cluster.forbid("patch route/shop");
    cluster.run(&["on", "ingress/shop", "route/shop"]).ended(
        1,
        &[
            "route/shop in namespace shop cannot be patched",
            "rbac.toggle.entries gives that right. Nothing has changed",
        ],
    );
    nothing_has_changed(&cluster);
}

#[test]
fn a_ca_that_could_not_be_given_back_to_a_route_is_told_before_anything_changes() {
    let cluster = shop();
    let tls = json!({"termination": "reencrypt", "destinationCACertificate": "the CA"});
    cluster.edit("routes/shop", "/spec/tls", tls);
    cluster.forbid("update routes/custom-host");
    // Either right suffices.
    cluster.run(&["on", "route/shop", "--dry-run"]).ended(0, &[]);
    cluster.forbid("create routes/custom-host");
    for wait in ["--wait=true", "--wait=false"] {
        cluster.run(&["on", "route/shop", wait]).ended(
            1,
            &["you may neither update nor create routes/custom-host in namespace shop, without which OpenShift does not give the destinationCACertificate of route/shop back", "Nothing has changed"],
        );
    }
    nothing_has_changed(&cluster);
    // One that has none needs no such right.
    cluster.edit("routes/shop", "/spec/tls", json!({"termination": "reencrypt"}));
    cluster.run(&["on", "route/shop"]).ended(0, &[]);
}

#[test]
fn a_change_whose_answer_is_lost_counts_as_made() {
    let cluster = shop();
    cluster.forbid("answer patch ingress/shop");
    cluster.run(&["on", "ingress/shop"]).ended(0, &["ingress/shop: maintenance is in force"]);
    assert_eq!(backend(&cluster, "shop"), "page-page");
}

#[test]
fn ctrl_c_while_it_changes_puts_back_what_was_changed() {
    let cluster = shop();
    cluster.interrupt_at("patch ingress/shop");
    let said = cluster.run(&["on", "ingress/shop", "route/shop"]);
    said.ended(130, &["interrupted: ingress/shop in namespace shop is as it was"]);
    assert_eq!(backend(&cluster, "shop"), "shop");
    assert_eq!(cluster.object("routes/shop")["spec"]["to"]["name"], "shop");
}

#[test]
fn ctrl_c_while_it_waits_puts_nothing_back_and_says_how_far_it_is() {
    let cluster = shop();
    cluster.state.borrow_mut().gateways_sleep = true;
    cluster.interrupt_at("get --raw /apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/shop");
    let said = cluster.run(&["on", "httproute/shop"]);
    let how_far = "httproute/shop is changed to maintenance, and nothing is put back: httproute/shop: gateway public has not read it";
    said.ended(130, &[&format!("interrupted: {how_far}")]);
    assert!(cluster.object("httproutes/shop")["spec"].to_string().contains("page-page"));
}

#[test]
fn a_webhook_that_changes_what_is_written_is_told_before_anything_changes() {
    let cluster = shop();
    cluster.state.borrow_mut().webhook = Some(|object| {
        if let Some(path) = object.pointer_mut("/spec/rules/0/http/paths/0/pathType") {
            *path = json!("Exact");
        }
    });
    cluster.run(&["on", "ingress/shop"]).ended(
        1,
        &[
            "the cluster changes what is written to ingress/shop in namespace shop",
            r#"spec.rules.0.http.paths.0.pathType is "Exact" instead of "Prefix""#,
            "is there a mutating webhook? Nothing has changed",
        ],
    );
    nothing_has_changed(&cluster);
}

#[test]
fn a_change_between_the_look_and_the_patch_is_named() {
    let cluster = shop();
    cluster.before("patch", |state| state.edit("ingresses/shop", "/spec/rules/0/host", json!("theirs")));
    let said = cluster.run(&["on", "ingress/shop"]);
    said.ended(1, &[r#"ingress/shop in namespace shop was changed by somebody meanwhile (spec.rules.0.host is "theirs", and was "*.example.org")"#]);
}

#[test]
fn what_somebody_led_elsewhere_can_be_kept_as_it_is() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    cluster.edit("ingresses/shop", "/spec/rules/0/http/paths/0/backend/service/name", json!("theirs"));
    cluster.run(&["off", "ingress/shop"]).ended(
        1,
        &["note: ingress/shop: somebody has led it away from the page: to keep what it is now, take our annotations away: kubectl annotate ingress/shop"],
    );
    nothing_has_changed(&cluster);
    cluster.run(&["status", "ingress/shop"]).ended(
        1,
        &[
            "and users get the application: to keep what it is now, take our annotations away: kubectl annotate ingress/shop",
            "; kubectl maintenance on ingress/shop leads it to the page as it is now, and the next off gives that back; kubectl maintenance off ingress/shop --force restores it as it was before",
        ],
    );
}

#[test]
fn status_tells_which_entries_it_may_not_see() {
    let cluster = shop();
    cluster.run(&["on", "route/shop"]).ended(0, &[]);
    cluster.forbid("list routes");
    cluster.run(&["status"]).ended(0, &["routes may not be listed, so those that are switched are not told"]);
    cluster
        .run(&["status", "route/shop"])
        .ended(1, &["route/shop cannot be looked at, as routes may not be listed: 403 routes is forbidden"]);
}

#[test]
fn an_entry_that_has_lost_its_way_back_is_wrong_and_in_neither_mode() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    for lost in ["[", ""] {
        cluster.annotate("ingresses/shop", "maintenance-mode.github.io/restore", lost);
        cluster.run(&["status"]).ended(
            1,
            &["ingress/shop  entry  neither", "ingress/shop: neither", "WRONG: it was switched, and its annotation maintenance-mode.github.io/restore is gone or cannot be read"],
        );
        cluster.run(&["off", "ingress/shop", "--force"]).ended(1, &["not known what was there before"]);
    }
}

#[test]
fn a_page_service_that_is_gone_is_wrong() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    cluster.remove("services/page-page");
    cluster.run(&["status"]).ended(1, &["WRONG: service/page-page, to which it is led, is not there any more"]);
}

#[test]
fn an_entry_that_leads_to_the_page_by_one_of_its_paths_is_switched() {
    let cluster = shop();
    let path = |path: &str, service: &str| json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}});
    cluster.edit("ingresses/shop", "/spec/rules/0/http/paths", json!([path("/look", "page-page"), path("/", "shop")]));
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    cluster.run(&["off", "ingress/shop"]).ended(0, &[]);
    let paths = &cluster.object("ingresses/shop")["spec"]["rules"][0]["http"]["paths"];
    assert_eq!(
        (&paths[0]["backend"]["service"]["name"], &paths[1]["backend"]["service"]["name"]),
        (&json!("page-page"), &json!("shop"))
    );
}

// === what is refused ===

#[test]
fn an_entry_that_is_not_there_is_named_with_those_that_are() {
    let cluster = shop();
    cluster.remove("httproutes/shop");
    cluster
        .run(&["on", "ingress/shpo"])
        .ended(1, &["there is no ingress/shpo in namespace shop; there is: ingress/shop, route/shop"]);
    cluster.run(&["on", "shop"]).ended(
        1,
        &["there is no release shop in namespace shop; there is: page; an entry is named with its kind: ingress/shop, route/shop"],
    );
    cluster.forbid("list routes");
    cluster
        .run(&["on", "route/shop"])
        .ended(1, &["route/shop cannot be looked at, as routes may not be listed in namespace shop"]);
}

#[test]
fn a_route_that_openshift_makes_of_an_ingress_follows_it() {
    let cluster = shop();
    cluster.remove("httproutes/shop");
    let owner = json!([{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "shop", "controller": true}]);
    cluster.edit("routes/shop", "/metadata/ownerReferences", owner);
    cluster
        .run(&["on", "route/shop"])
        .ended(1, &["route/shop is made of ingress/shop, and follows it: name that instead"]);
    nothing_has_changed(&cluster);
    // It is no other way in, and --all leaves it.
    let said = cluster.run(&["on", "--all", "--yes", "--strict"]);
    said.ended(0, &["route/shop: is made of ingress/shop, and follows it", "ingress/shop: maintenance is in force"]);
    assert_eq!(cluster.patched(), ["ingress/shop"]);
}

#[test]
fn one_that_needs_no_switch_of_its_own_is_refused_and_says_what_to_do() {
    let cluster = Cluster::standby();
    cluster.ingress("excluded", HOST, "shop", &json!({EXCLUDE: "true"}));
    let labels = json!({"helm.sh/chart": "maintenance-mode-0.2.0", "app.kubernetes.io/instance": "page"});
    cluster.ingress("own", HOST, "admins", &labels);
    cluster.ingress("pages", HOST, "page-page", &labels);
    cluster.ingress("front", HOST, "shop-front", &json!({}));
    cluster.ingress("page", HOST, "page-page", &json!({}));
    for (name, says) in [
        ("excluded", "has the label maintenance-mode.github.io/exclude"),
        ("own", "is a part of release page, which is switched as a whole: kubectl maintenance on page"),
        (
            "front",
            "leads to service/shop-front, a front Service of release page, which switches it: kubectl maintenance on page",
        ),
        ("page", "leads to service/page-page, the page of release page, in either mode: there is nothing to switch"),
        ("pages", "leads to service/page-page, the page of release page, in either mode: there is nothing to switch"),
    ] {
        let said = cluster.run(&["on", &format!("ingress/{name}")]);
        said.ended(1, &[&format!("ingress/{name} {says}"), "Nothing has changed"]);
        nothing_has_changed(&cluster);
    }
}

#[test]
fn an_entry_that_leads_to_a_front_service_by_one_of_its_paths_is_switched_and_given_back() {
    let cluster = Cluster::standby();
    cluster.service("cart", &json!({"app": "cart"}));
    cluster.pod("cart-1", &json!({"app": "cart"}), None);
    cluster.ingress("both", HOST, "shop-front", &json!({}));
    let path = |path, service| json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}});
    let paths = json!([path("/", "shop-front"), path("/cart", "cart")]);
    cluster.edit("ingresses/both", "/spec/rules/0/http/paths", paths.clone());
    cluster.run(&["on", "page"]).ended(0, &[]);
    // Who comes to the cart is with the application still, and nothing else is.
    let said = cluster.run(&["on", "ingress/both", "--strict"]);
    said.ended(0, &["ingress/both: maintenance is in force"]);
    cluster.run(&["off", "ingress/both", "page"]).ended(0, &[]);
    assert_eq!(cluster.object("ingresses/both")["spec"]["rules"][0]["http"]["paths"], paths);
}

#[test]
fn services_are_refused_and_front_services_by_naming_their_release() {
    let cluster = Cluster::standby();
    for target in ["service/shop-front", "shop-front"] {
        cluster
            .run(&["on", target])
            .ended(64, &["service/shop-front is a front Service of release page: name the release"]);
    }
    cluster
        .run(&["on", "service/page-page"])
        .ended(64, &["service/page-page leads to the page of release page in either mode: there is nothing to switch"]);
    for command in ["on", "off", "status"] {
        cluster.run(&[command, "service/shop"]).ended(
            64,
            &[
                "service/shop cannot be switched: the page pods lack the labels that it selects",
                "Take it over as a front Service",
            ],
        );
    }
}

#[test]
fn the_page_is_that_of_the_only_standby_release_or_of_the_one_that_is_named() {
    let cluster = shop();
    cluster.release("other", "service", "other-config", &json!({}));
    let mut labels = page_labels();
    labels["app.kubernetes.io/instance"] = "other".into();
    cluster.pod("other-1", &labels, Some("other-config"));
    cluster
        .run(&["on", "ingress/shop"])
        .ended(64, &["there are several standby releases in namespace shop, so name one with --page: other, page"]);
    cluster
        .run(&["on", "ingress/shop", "--page", "third"])
        .ended(64, &[r#"invalid --page "third": expected a standby release of namespace shop: other, page"#]);
    cluster
        .run(&["on", "ingress/shop", "--page", "other"])
        .ended(1, &["release other in namespace shop has no Service that leads to its page pods. Nothing has changed"]);
    cluster.page_service("other");
    cluster.run(&["on", "ingress/shop", "--page", "other"]).ended(0, &[]);
    assert_eq!(backend(&cluster, "shop"), "other-page");
    cluster.run(&["on", "ingress/shop", "--page", "page"]).ended(
        1,
        &["ingress/shop leads to the page of release other already: run kubectl maintenance off ingress/shop"],
    );
    // Of one that is switched it stays the same.
    cluster
        .run(&["on", "ingress/shop", "--reason", "longer"])
        .ended(0, &["was led to the page of release other already since"]);
    // One that somebody has put back leads to no page, and may be led to another's.
    cluster.edit(
        "ingresses/shop",
        "/spec/rules/0/http/paths/0/backend",
        json!({"service": {"name": "shop", "port": {"number": 80}}}),
    );
    cluster.run(&["on", "ingress/shop", "--page", "page"]).ended(0, &[]);
    assert_eq!(backend(&cluster, "shop"), "page-page");
    let cluster = shop();
    cluster.remove("configmaps/page-config");
    cluster.run(&["on", "ingress/shop"]).ended(
        1,
        &["there is no standby release in namespace shop, whose page users would get: install one with shape=standby"],
    );
}

#[test]
fn no_page_pod_that_is_ready_is_refused() {
    let cluster = shop();
    cluster.unready("page-1");
    cluster.unready("page-2");
    cluster.run(&["on", "ingress/shop"]).ended(
        1,
        &["no page pod of release page is Ready: users would get the router's own error. Nothing has changed"],
    );
    nothing_has_changed(&cluster);
    cluster.run(&["on", "ingress/shop", "--force"]).ended(0, &["forced: no page pod of release page is Ready"]);
}

#[test]
fn flags_of_entries_are_misuse_for_releases() {
    let cluster = shop();
    for flag in [["--keep-path", "/hooks"], ["--bypass-header", "X-Tester=1"], ["--drop-annotation", "a/b"]] {
        let name = flag[0];
        cluster
            .run(&["on", "page", flag[0], flag[1]])
            .ended(64, &[&format!("{name} is for entries"), "page is a release"]);
        cluster.run(&["on", "ingress/shop", "page", flag[0], flag[1]]).ended(64, &["page is a release"]);
        cluster
            .run(&["on", flag[0], flag[1]])
            .ended(64, &[&format!("{name} is for entries: name one as ingress/NAME")]);
    }
    cluster.run(&["on", "page", "--page", "page"]).ended(64, &["--page is for entries"]);
    nothing_has_changed(&cluster);
}

#[test]
fn what_a_kind_cannot_do_is_refused() {
    let cluster = shop();
    cluster
        .run(&["on", "route/shop", "--keep-path", "/hooks"])
        .ended(1, &["route/shop has one path", "Nothing has changed"]);
    cluster.edit("routes/shop", "/spec/tls/termination", json!("passthrough"));
    cluster.run(&["on", "ingress/shop", "route/shop"]).ended(1, &["route/shop is passthrough", "Nothing has changed"]);
    nothing_has_changed(&cluster);
}

// === who else writes it ===

#[test]
fn argo_cd_and_flux_are_refused_with_what_to_do_instead() {
    let instead = "commit the change in Git as examples/entry-in-git does, or let the entry name a front Service";
    let cluster = shop();
    cluster.edit(
        "ingresses/shop",
        "/metadata/annotations",
        json!({"argocd.argoproj.io/tracking-id": "shop:v1/Ingress:shop/shop"}),
    );
    cluster.run(&["on", "ingress/shop"]).ended(
        1,
        &[
            "ingress/shop is written by Argo CD (shop); self-heal takes this change back",
            instead,
            "--force goes on all the same",
        ],
    );
    nothing_has_changed(&cluster);
    cluster.run(&["on", "ingress/shop", "--force"]).ended(0, &["forced: ingress/shop is written by Argo CD (shop)"]);
    // What Git has is put back.
    cluster.run(&["off", "ingress/shop"]).ended(0, &["normal is in force"]);
    cluster.label("routes/shop", "kustomize.toolkit.fluxcd.io/name", "apps");
    cluster
        .run(&["on", "route/shop"])
        .ended(1, &["written by Flux (kustomization apps)", instead, "flux suspend kustomization apps"]);
}

#[test]
fn a_controller_that_has_made_an_entry_is_told_of() {
    let cluster = shop();
    let owner = json!([{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "shop", "controller": true}]);
    cluster.edit("httproutes/shop", "/metadata/ownerReferences", owner);
    cluster
        .run(&["on", "httproute/shop"])
        .ended(0, &["is made by the controller of Canary shop, which may take this change back"]);
}

#[test]
fn helm_is_told_of_in_one_line_by_its_version_and_the_kind() {
    for (operation, target, says) in [
        ("Update", "ingress/shop", "(by Helm 3) opens it to users at once and without a word"),
        ("Update", "route/shop", "(by Helm 3) leaves it on the page"),
        ("Update", "httproute/shop", "(by Helm 3) leaves it on the page"),
        ("Apply", "ingress/shop", "(by Helm 4) fails with a conflict there, half applied"),
    ] {
        let cluster = shop();
        let object = target.replace("ingress/", "ingresses/").replace("route/", "routes/");
        cluster.edit(&object, "/metadata/annotations", json!({"meta.helm.sh/release-name": "app"}));
        cluster.written(&object, "helm", operation, &json!({"f:spec": {"f:rules": {}, "f:to": {}}}));
        let said = cluster.run(&["on", target]);
        said.ended(0, &[&format!("note: {target}: the next helm upgrade of app {says}"), "run off before it"]);
        assert_eq!(said.err.matches("helm upgrade").count(), 1, "{}", said.err);
        // It is told by who wrote it before we did.
        cluster.run(&["on", target, "--reason", "longer"]).ended(0, &[says]);
        cluster.run(&["off", target]).not("helm upgrade");
    }
}

#[test]
fn kubectl_apply_is_told_of_too() {
    let cluster = shop();
    cluster.edit(
        "ingresses/shop",
        "/metadata/annotations",
        json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
    );
    let says = "note: ingress/shop: the next kubectl apply of it opens it to users at once and without a word";
    cluster.run(&["on", "ingress/shop"]).ended(0, &[says]);
    cluster.run(&["on", "route/shop"]).not("kubectl apply");
}

// === a second on, and off ===

#[test]
fn a_second_on_adds_to_the_first() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    let said = cluster.run(&["on", "ingress/shop", "--keep-path", "/hooks"]);
    said.ended(0, &["was led to the page of release page already since 2026-12-01T20:00:00Z, by ann"]);
    let paths = cluster.object("ingresses/shop")["spec"]["rules"][0]["http"]["paths"].clone();
    assert!(paths.to_string().contains("/hooks"), "{paths}");
    cluster.run(&["off", "ingress/shop"]).ended(0, &[]);
    assert_eq!(cluster.object("ingresses/shop")["spec"]["rules"][0]["http"]["paths"].as_array().unwrap().len(), 1);
}

#[test]
fn off_of_what_is_not_switched_changes_nothing() {
    let cluster = shop();
    cluster.run(&["off", "ingress/shop"]).ended(0, &["it was in mode normal already"]);
    let says = "ingress/shop: was in mode normal already; whether that is in force was not waited for";
    cluster.run(&["off", "ingress/shop", "--wait=false"]).ended(0, &[says]);
    nothing_has_changed(&cluster);
}

#[test]
fn what_somebody_changed_meanwhile_is_told_and_only_restored_by_force() {
    let cluster = shop();
    let before = comparable(&cluster.object("ingresses/shop"));
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    cluster.edit("ingresses/shop", "/spec/rules/0/host", json!("new.example.org"));
    let said = cluster.run(&["off", "ingress/shop"]);
    said.ended(
        1,
        &[
            "ingress/shop was changed by somebody meanwhile",
            r#"spec.rules.0.host is "new.example.org""#,
            "Nothing has changed; --force restores it as it was before",
        ],
    );
    nothing_has_changed(&cluster);
    cluster
        .run(&["off", "ingress/shop", "--force"])
        .ended(0, &["forced: ingress/shop was changed by somebody meanwhile"]);
    assert_eq!(comparable(&cluster.object("ingresses/shop"))["spec"], before["spec"]);
}

#[test]
fn what_was_applied_again_only_loses_our_annotations() {
    let cluster = shop();
    let before = cluster.object("ingresses/shop");
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    cluster.edit("ingresses/shop", "/spec", before["spec"].clone());
    cluster.run(&["status", "ingress/shop"]).ended(
        1,
        &["WRONG: somebody has put it back, so users get the application: kubectl maintenance off ingress/shop takes"],
    );
    cluster.run(&["off", "ingress/shop"]).ended(0, &["normal is in force"]);
    for change in cluster.changes() {
        let at = change.iter().position(|word| word == "-p").unwrap();
        let patch: Value = serde_json::from_str(&change[at + 1]).unwrap();
        let paths: Vec<&Value> = patch.as_array().unwrap().iter().map(|operation| &operation["path"]).collect();
        assert!(paths.iter().all(|path| path.as_str().unwrap().starts_with("/metadata/")), "{paths:?}");
    }
    assert_eq!(comparable(&cluster.object("ingresses/shop")), comparable(&before));
}

#[test]
fn users_are_let_in_where_each_service_of_the_entry_has_a_ready_pod() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    cluster.remove("pods/shop-1");
    cluster.remove("pods/shop-2");
    let why = "ingress/shop leads to service/shop, which has no ready pod: users would get no answer there, so start the application first. Nothing has changed";
    cluster.run(&["off", "ingress/shop"]).ended(1, &[why]);
    nothing_has_changed(&cluster);
    cluster
        .run(&["off", "ingress/shop", "--force"])
        .ended(0, &["forced: ingress/shop leads to service/shop, which has no"]);

    let cluster = shop();
    let more =
        json!({"path": "/api", "pathType": "Prefix", "backend": {"service": {"name": "api", "port": {"number": 80}}}});
    let mut ingress = cluster.object("ingresses/shop");
    ingress["spec"]["rules"][0]["http"]["paths"].as_array_mut().unwrap().push(more);
    cluster.edit("ingresses/shop", "/spec", ingress["spec"].clone());
    cluster.ingress("old", HOST, "shop", &json!({}));
    let note =
        "ingress/shop: leads to service/api, which is not there, in mode normal: off is refused while that is so";
    cluster.run(&["on", "ingress/shop", "ingress/old"]).ended(0, &[note]);
    let others = "to give back the others, name them without it: kubectl maintenance off ingress/old -n shop. Nothing";
    cluster
        .run(&["off", "--all", "--yes"])
        .ended(1, &["ingress/shop leads to service/api, which is not there: users would get no answer there", others]);
    nothing_has_changed(&cluster);
    cluster.service("api", &json!({"app": "api"}));
    cluster.run(&["on", "ingress/shop"]).ended(0, &["leads to service/api, which has no ready pod, in mode normal"]);
    cluster.run(&["off", "ingress/shop"]).ended(1, &["leads to service/api, which has no ready pod: users would"]);
    nothing_has_changed(&cluster);
    cluster.run(&["off", "ingress/shop", "--force"]).ended(0, &["forced: ingress/shop leads to service/api"]);
}

#[test]
fn a_service_that_is_but_a_name_for_something_outside_needs_no_ready_pod() {
    let cluster = shop();
    cluster.service("outside", &Value::Null);
    cluster.edit("services/outside", "/spec", json!({"type": "ExternalName", "externalName": "shop.example.org"}));
    cluster.ingress("outside", HOST, "outside", &json!({}));
    cluster.run(&["status", "ingress/outside"]).ended(0, &["ingress/outside: normal"]);
    cluster.run(&["on", "ingress/outside"]).ended(0, &[]);
    cluster.run(&["off", "ingress/outside"]).ended(0, &["normal is in force"]);
    assert_eq!(backend(&cluster, "outside"), "outside");
}

#[test]
fn off_needs_no_page_release() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    cluster.remove("configmaps/page-config");
    let gone = "release page, to whose page it is led, is not there any more: run kubectl maintenance off ingress/shop";
    cluster.run(&["status"]).ended(1, &[&format!("WRONG: {gone}")]);
    cluster.run(&["off"]).ended(64, &["so name the entries that are to be given back: ingress/shop"]);
    cluster.run(&["on", "ingress/shop"]).ended(1, &["leads to the page of release page, which is not there any more"]);
    cluster.run(&["off", "ingress/shop"]).ended(0, &["normal is in force"]);
    assert_eq!(backend(&cluster, "shop"), "shop");
}

// === canaries ===

#[test]
fn a_canary_goes_with_the_ingress_of_its_host() {
    let cluster = shop();
    for (name, labels) in [("canary", json!({})), ("testers", json!({EXCLUDE: "true"}))] {
        cluster.ingress(name, HOST, "shop", &labels);
        cluster.edit(
            &format!("ingresses/{name}"),
            "/metadata/annotations",
            json!({"nginx.ingress.kubernetes.io/canary": "true"}),
        );
    }
    let said = cluster.run(&["on", "ingress/shop"]);
    said.ended(
        0,
        &["ingress/canary is a canary of ingress/shop, and goes with it", "ingress/canary: maintenance is in force"],
    );
    let backends = ["shop", "canary", "testers"].map(|name| backend(&cluster, name));
    assert_eq!(backends, ["page-page", "page-page", "shop"]);
    said.not("is a canary: ");
    cluster.run(&["off", "ingress/shop"]).ended(0, &["ingress/canary: normal is in force"]);
    assert_eq!(backend(&cluster, "canary"), "shop");
    let alone = "note: ingress/canary: is a canary: what the Ingress of its host answers is not switched with it";
    cluster.run(&["on", "ingress/canary"]).ended(0, &[alone]);
    cluster.run(&["on", "--all", "--yes"]).not("is a canary: ");
    cluster.run(&["on", "ingress/canary", "--reason", "longer"]).not("is a canary: ");
}

// === cold proxies ===

#[test]
fn a_side_that_no_other_entry_names_is_cold() {
    let cluster = shop();
    cluster.remove("routes/shop");
    cluster.remove("httproutes/shop");
    let page = "no other entry names service/page-page, so a proxy such as Envoy may answer the first requests";
    let application = "no other entry names service/shop, so a proxy such as Envoy may answer the first requests";
    cluster.run(&["on", "ingress/shop"]).ended(0, &[page, "page.host"]);
    cluster.run(&["off", "ingress/shop"]).ended(0, &[application, "an entry for admins"]);
    cluster.ingress("page", HOST, "page-page", &json!({}));
    cluster.ingress("office", HOST, "shop", &json!({EXCLUDE: "true"}));
    cluster.run(&["on", "ingress/shop"]).not("no other entry names");
    cluster.run(&["off", "ingress/shop"]).not("no other entry names");
}

#[test]
fn the_router_of_a_route_is_never_cold() {
    let cluster = shop();
    cluster.remove("ingresses/shop");
    cluster.remove("httproutes/shop");
    cluster.run(&["on", "route/shop"]).not("no other entry names");
    cluster.run(&["off", "route/shop"]).not("no other entry names");
}

// === what the page says ===

#[test]
fn what_the_page_says_is_said_once_and_put_back_with_the_last_entry() {
    let cluster = shop();
    let said = cluster.run(&["on", "ingress/shop", "route/shop", "--message", "Back soon", "--for", "2h"]);
    said.ended(0, &["page: 2 of 2 page pods have read the change", "page: the page pods have read what the page says"]);
    assert_eq!(cluster.patched(), ["configmap/page-config", "ingress/shop", "route/shop"]);
    assert_eq!(cluster.data("page-config")["MAINTENANCE_MESSAGE"], "Back soon");
    cluster.run(&["status", "page"]).ended(
        0,
        &[
            "the page says: Back soon",
            "entries that are led to its page: ingress/shop, route/shop",
            "pod/page-1: serves the page",
        ],
    );
    // A second message is the only one.
    let others = "note: page: the page of release page is shown to users of ingress/shop too: they read this as well\n";
    cluster.run(&["on", "route/shop", "--message", "Later"]).ended(0, &[others]);
    cluster.run(&["on", "route/shop", "--reason", "longer"]).not("they read this as well");
    cluster.run(&["on", "ingress/shop", "route/shop", "--message", "Later"]).not("they read this as well");
    cluster.run(&["off", "route/shop"]).ended(0, &[]);
    assert_eq!(cluster.patched(), ["route/shop", "route/shop"]);
    assert_eq!(cluster.data("page-config")["MAINTENANCE_MESSAGE"], "Later");
    cluster.run(&["off", "ingress/shop"]).ended(0, &[]);
    assert_eq!(cluster.patched()[0], "ingress/shop");
    assert_eq!(cluster.data("page-config").get("MAINTENANCE_MESSAGE"), None);
    assert_eq!(cluster.data("page-config").get("MAINTENANCE_UNTIL"), None);
}

#[test]
fn the_texts_of_a_release_that_is_off_stay_while_entries_lead_to_its_page() {
    let cluster = Cluster::standby();
    cluster.ingress("old", HOST, "shop", &json!({}));
    cluster.run(&["on", "page", "ingress/old", "--message", "Back soon"]).ended(0, &[]);
    assert_eq!(cluster.patched(), ["configmap/page-config", "service/shop-front", "ingress/old"]);
    let others = |names| format!("note: page: the page of release page is shown to users of {names} too");
    cluster.run(&["on", "page", "--for", "2h"]).ended(0, &[&others("ingress/old")]);
    cluster.run(&["on", "ingress/old", "--for", "2h"]).ended(0, &[&others("service/shop-front")]);
    let said = cluster.run(&["off", "page"]);
    said.ended(0, &["users of ingress/old still get its page: kubectl maintenance off ingress/old -n shop ends that"]);
    assert_eq!(cluster.data("page-config")["MAINTENANCE_MESSAGE"], "Back soon");
    cluster.run(&["status"]).ended(0, &["the page says: Back soon"]);
    cluster.run(&["off", "ingress/old"]).ended(0, &[]);
    assert_eq!(cluster.data("page-config").get("MAINTENANCE_MESSAGE"), None);
}

// === in force ===

#[test]
fn only_doors_of_the_entry_that_lead_to_the_new_side_are_asked() {
    let (door, other) = (Door::open(503, true), Door::open(200, false));
    let host = |door: &Door| door.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let cluster = shop();
    cluster.ingress("users", &host(&door), "shop", &json!({}));
    cluster.ingress("page", &host(&other), "page-page", &json!({}));
    let said = cluster.run(&["on", "ingress/users"]);
    said.ended(0, &[&format!("ingress/users: front door: {} answers 503 with our marker", door.url)]);
    said.not(&other.url);
    cluster.run(&["status", "ingress/users"]).ended(0, &["front door (ingress/users): "]);
    door.turn(200, false);
    cluster.run(&["status", "ingress/users"]).ended(1, &["front door (ingress/users) does not fit mode maintenance"]);
    cluster.run(&["off", "ingress/users"]).ended(0, &[&format!("ingress/users: front door: {} answers 200", door.url)]);
}

#[test]
fn gateways_must_have_read_an_http_route() {
    let cluster = shop();
    cluster.run(&["on", "httproute/shop"]).ended(0, &["httproute/shop: its gateways have read the change"]);
    cluster.state.borrow_mut().gateways_sleep = true;
    cluster.run(&["off", "httproute/shop", "--timeout", "2s"]).ended(
        1,
        &[
            "not in force after 2 s: httproute/shop: gateway public has not read it",
            "httproute/shop is changed to normal",
        ],
    );
    // What was so before is not waited for.
    cluster.run(&["on", "httproute/shop"]).ended(0, &["maintenance is in force"]);
}

#[test]
fn where_no_gateway_has_taken_an_http_route_none_is_said_to_have_read_it() {
    let cluster = shop();
    cluster.state.borrow_mut().gateways_sleep = true;
    cluster.edit("httproutes/shop", "/status", json!({}));
    let said = cluster.run(&["on", "httproute/shop"]);
    said.ended(0, &["no front door was checked"]);
    said.not("its gateways have read the change");
}

#[test]
fn a_gateway_that_does_not_find_the_service_is_told() {
    let cluster = shop();
    cluster.before("patch httproute/shop", |state| drop(state.objects.remove("services/page-page")));
    cluster
        .run(&["on", "httproute/shop", "--timeout", "2s"])
        .ended(1, &["not in force after 2 s: httproute/shop: gateway public says: a Service is not there"]);
}

#[test]
fn a_dry_run_prints_each_command_and_changes_nothing() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop", "httproute/shop", "--dry-run", "--message", "Back soon"]).ended(
        0,
        &[
            "kubectl patch configmap/page-config --namespace shop",
            "kubectl patch ingress/shop --namespace shop",
            "kubectl patch httproute/shop --namespace shop",
            "page: would annotate its pods",
            "httproute/shop: would wait until its gateways have read the change",
            "ingress/shop: would not ask a front door: *.example.org is a wildcard host",
        ],
    );
    nothing_has_changed(&cluster);
}

// === without a target, and status ===

#[test]
fn where_only_entries_can_be_meant_they_are_listed() {
    let cluster = shop();
    cluster.ingress("office", HOST, "shop", &json!({EXCLUDE: "true"}));
    cluster.run(&["on"]).ended(
        64,
        &["release page has no front Service, so name what is to lead to its page: ingress/shop, route/shop, httproute/shop"],
    );
    // A job may be repeated.
    cluster.run(&["off"]).ended(
        0,
        &["note: release page has no front Service, and no entry leads to its page, so nothing is in maintenance\n"],
    );
    nothing_has_changed(&cluster);
    cluster.run(&["on", "route/shop"]).ended(0, &[]);
    cluster.run(&["off"]).ended(64, &["so name what is to be given back: route/shop"]);
    cluster.run(&["on", "page"]).ended(1, &["release page has no front Service, so nothing can be switched"]);
    cluster
        .run(&["off", "page"])
        .ended(1, &["kubectl maintenance off route/shop -n shop gives back what leads to its page, and kubectl maintenance off --all -n shop all that is in maintenance. Nothing has changed"]);
}

#[test]
fn status_tells_of_switched_entries_and_of_those_that_are_named() {
    let cluster = shop();
    let said = cluster.run(&["status"]);
    said.ended(
        0,
        &["no front Service: entries can be led to its page", "shop       page    page  -     -      -   -      -\n"],
    );
    said.not("ingress/shop");
    cluster.run(&["status", "ingress/shop"]).ended(
        0,
        &[
            "ingress/shop: normal\n",
            "application behind service/shop: 2 ready endpoints",
            "front door (ingress/shop) unchecked",
        ],
    );
    cluster.edit("ingresses/shop", "/metadata/annotations", json!({"meta.helm.sh/release-name": "app"}));
    cluster
        .run(&["on", "ingress/shop", "--reason", "new database", "--for", "2h", "--keep-path", "/hooks"])
        .ended(0, &[]);
    let said = cluster.run(&["status"]);
    said.ended(
        0,
        &[
            "NAMESPACE  TARGET        KIND   MODE         SINCE                 BY   UNTIL                 REASON\n",
            "shop       page          page   -            -                     -    2026-12-01T22:00:00Z  -\n",
            "shop       ingress/shop  entry  maintenance  2026-12-01T20:00:00Z  ann  2026-12-01T22:00:00Z  new database\n",
            "ingress/shop: maintenance, led to the page of release page (service/page-page), owned by Helm (app)",
            "stays with the application: /hooks",
            "entries that are led to its page: ingress/shop\n",
        ],
    );
    let said = cluster.run(&["status", "-o", "json"]);
    let printed: Value = serde_json::from_str(&said.out).unwrap();
    let items = printed["items"].as_array().unwrap();
    let [page, entry] = ["page", "ingress/shop"].map(|name| items.iter().find(|item| item["target"] == name).unwrap());
    assert_eq!((&page["kind"], &page["mode"]), (&json!("page"), &Value::Null));
    assert_eq!(
        (&entry["kind"], &entry["page"], &entry["namespace"]),
        (&json!("entry"), &json!("page"), &json!(NAMESPACE))
    );
    cluster.run(&["status", "-A"]).ended(0, &["ingress/shop in shop"]);
    cluster.edit("ingresses/shop", "/spec/rules/0/host", json!("theirs"));
    let says = r#"WRONG: somebody changed it meanwhile (spec.rules.0.host is "theirs", and was "*.example.org"): to keep what it is now"#;
    cluster.run(&["status"]).ended(1, &["neither", says]);
    // Led elsewhere, it leads to no page.
    cluster.edit("ingresses/shop", "/spec/rules/0/http/paths/0/backend/service/name", json!("theirs"));
    cluster.run(&["status", "page"]).not("entries that are led to its page");
    cluster
        .run(&["status", "ingress/nope"])
        .ended(1, &["there is no ingress/nope in namespace shop; there is: ingress/shop"]);
}

#[test]
fn other_entries_to_the_same_application_are_told() {
    let cluster = shop();
    cluster.ingress("old", HOST, "shop", &json!({}));
    cluster.ingress("office", HOST, "shop", &json!({EXCLUDE: "true"}));
    let said = cluster.run(&["on", "ingress/shop", "route/shop"]);
    let note =
        "note: ingress/shop, route/shop: these entries still lead to the application: ingress/old, httproute/shop\n";
    said.ended(0, &[note]);
    assert_eq!(said.err.matches("callers inside the cluster").count(), 1, "{}", said.err);
}

#[test]
fn an_entry_that_would_be_kept_as_a_whole_is_named_as_such() {
    let cluster = shop();
    cluster.edit("ingresses/shop", "/spec/rules/0/http/paths/0/path", json!("/hooks"));
    cluster.edit("ingresses/shop", "/spec/rules/0/host", json!("shop.example.org"));
    cluster.run(&["on", "ingress/shop", "--keep-path", "/hooks"]).ended(
        1,
        &[
            "ingress/shop has nothing beside what --keep-path leaves to the application",
            "leave it out",
            "Nothing has changed",
        ],
    );
    nothing_has_changed(&cluster);
}

#[test]
fn a_copy_of_an_entry_that_was_switched_is_not_given_what_the_original_was() {
    let cluster = shop();
    cluster.run(&["on", "ingress/shop"]).ended(0, &[]);
    let mut copy = cluster.object("ingresses/shop");
    copy["metadata"]["name"] = json!("copy");
    copy["spec"]["rules"][0]["host"] = json!("copy.example.org");
    cluster.state.borrow_mut().objects.insert("ingresses/copy".to_owned(), copy.clone());
    let why = "is a copy of ingress/shop, made while that was switched, and has its way back: lead it to its own backends (kubectl edit ingress/copy --namespace shop), and take our annotations away: kubectl annotate ingress/copy --namespace shop maintenance-mode.github.io/since-";
    for refused in [vec!["on", "ingress/copy"], vec!["off", "ingress/copy"], vec!["off", "ingress/copy", "--force"]] {
        cluster.run(&refused).ended(1, &[&format!("ingress/copy {why}"), "Nothing has changed"]);
        nothing_has_changed(&cluster);
    }
    cluster.run(&["status", "ingress/copy"]).ended(1, &[&format!("WRONG: it {why}")]);
    cluster.run(&["on", "--all", "--yes"]).ended(0, &[&format!("ingress/copy: {why}")]);
    cluster.run(&["off", "--all", "--yes"]).ended(0, &[&format!("ingress/copy: {why}")]);
    assert_eq!(cluster.object("ingresses/copy")["spec"], copy["spec"]);
    assert_eq!(backend(&cluster, "shop"), "shop");
}

#[test]
fn one_entry_that_somebody_changed_does_not_keep_the_others_on_the_page() {
    let cluster = shop();
    cluster.ingress("old", HOST, "shop", &json!({}));
    cluster.run(&["on", "ingress/shop", "ingress/old"]).ended(0, &[]);
    cluster.edit("ingresses/shop", "/spec/rules/0/host", json!("theirs.example.org"));
    cluster.run(&["off", "--all", "--yes"]).ended(
        1,
        &[
            "ingress/shop was changed by somebody meanwhile",
            "Nothing has changed; to give back the others, name them without it: kubectl maintenance off ingress/old -n shop; --force restores it as it was before, best in a command of its own",
        ],
    );
    let keep = "to keep what it is now, take our annotations away, once nothing of it leads to the page any more: kubectl annotate ingress/shop";
    cluster.run(&["status", "ingress/shop"]).ended(1, &[keep, "off ingress/shop --force restores it as it was before"]);
}

#[test]
fn an_entry_whose_way_back_no_annotation_holds_is_told_what_helps() {
    let cluster = shop();
    let rule = cluster.object("ingresses/shop")["spec"]["rules"][0].clone();
    cluster.edit("ingresses/shop", "/spec/rules", vec![rule; 1100].into());
    cluster.run(&["on", "ingress/shop"]).ended(
        1,
        &["is too long for an annotation, so split it into several, or switch it by a front Service. Nothing"],
    );
    nothing_has_changed(&cluster);
}

// === a kept path that another entry of the host serves ===

/// `twin-a` serves a host, and `twin-b` the paths below /webhooks of it, and others that are given.
fn twins(kind: &str, more: &[&str]) -> Cluster {
    let cluster = shop();
    for (name, paths) in [("twin-a", vec!["/"]), ("twin-b", [&["/webhooks"], more].concat())] {
        if kind == "ingress" {
            cluster.ingress(name, HOST, "shop", &json!({}));
            let path = cluster.object(&format!("ingresses/{name}"))["spec"]["rules"][0]["http"]["paths"][0].clone();
            let paths: Vec<Value> = paths.into_iter().map(|at| with(&path, "path", at.into())).collect();
            cluster.edit(&format!("ingresses/{name}"), "/spec/rules/0/http/paths", paths.into());
        } else {
            cluster.http_route(name, "shop");
            let of = |at| json!({"path": {"type": "PathPrefix", "value": at}});
            let matches: Vec<Value> = paths.into_iter().map(of).collect();
            cluster.edit(&format!("httproutes/{name}"), "/spec/rules/0/matches", matches.into());
        }
    }
    cluster
}

fn with(object: &Value, field: &str, to: Value) -> Value {
    let mut object = object.clone();
    object[field] = to;
    object
}

#[test]
fn a_path_is_not_left_to_an_entry_that_leads_it_to_the_page() {
    for kind in ["ingress", "httproute"] {
        let [a, b] = ["a", "b"].map(|twin| format!("{kind}/twin-{twin}"));
        let cluster = twins(kind, &["/more"]);
        cluster.run(&["on", &b]).ended(0, &[]);
        let keeps =
            format!("kubectl maintenance on {b} -n shop --keep-path /webhooks keeps it, and is to be run first");
        cluster.run(&["on", &a, "--keep-path", "/webhooks"]).ended(
            1,
            &[
                &format!("{b} serves /webhooks of the same host as {a}, and leads it to the page already: {keeps}"),
                "Nothing has changed; --force",
            ],
        );
        nothing_has_changed(&cluster);
        cluster.run(&["on", &b, "--keep-path", "/webhooks"]).ended(0, &[]);
        cluster.run(&["on", &a, "--keep-path", "/webhooks"]).ended(0, &[]);
        cluster.run(&["status", &a]).ended(0, &["stays with the application: /webhooks\n"]);
    }
    let cluster = twins("ingress", &[]);
    cluster.run(&["on", "ingress/twin-b"]).ended(0, &[]);
    cluster
        .run(&["on", "ingress/twin-a", "--keep-path", "/webhooks"])
        .ended(1, &["kubectl maintenance off ingress/twin-b -n shop keeps it"]);
}

#[test]
fn a_path_that_was_left_to_an_entry_is_not_led_to_the_page_by_it_without_a_word() {
    for kind in ["ingress", "httproute"] {
        let [a, b] = ["a", "b"].map(|twin| format!("{kind}/twin-{twin}"));
        let cluster = twins(kind, &["/more"]);
        cluster.run(&["on", &a, "--keep-path", "/webhooks"]).ended(0, &[&format!("to {b}, which serves it")]);
        let says = format!("{b} serves /webhooks, which {a} leaves to the application: --keep-path /webhooks keeps it");
        for targets in [vec!["on", &b], vec!["on", &a, &b]] {
            cluster.run(&targets).ended(1, &[&says, "Nothing has changed; --force goes on all the same"]);
            nothing_has_changed(&cluster);
        }
        cluster.run(&["on", &b, "--force"]).ended(0, &[&format!("forced: {says}")]);
        let wrong = format!(
            "WRONG: /webhooks should stay with the application, and {b}, which serves it, leads it to the page: run kubectl maintenance on {b} -n shop --keep-path /webhooks"
        );
        let said = cluster.run(&["status", &a]);
        said.ended(1, &[&wrong]);
        said.not("stays with the application");
        let said = cluster.run(&["status", &a, "-o", "json"]);
        let printed: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(printed["items"][0]["keptPaths"], json!([]));
        // What is so already is no reason to refuse another change.
        cluster.run(&["on", &a, &b, "--reason", "longer"]).ended(0, &[]);
        cluster.run(&["on", &b, "--keep-path", "/webhooks"]).ended(0, &[]);
        cluster.run(&["status", &a]).ended(0, &["stays with the application: /webhooks\n"]);
    }
}

#[test]
fn entries_of_one_host_that_are_switched_together_keep_the_path_where_it_is_served() {
    for kind in ["ingress", "httproute"] {
        let [a, b] = ["a", "b"].map(|twin| format!("{kind}/twin-{twin}"));
        let cluster = twins(kind, &["/more"]);
        let kinds = if kind == "ingress" { "ingresses" } else { "httproutes" };
        cluster.run(&["on", &a, &b, "--keep-path", "/webhooks"]).ended(0, &[]);
        let spec = cluster.object(&format!("{kinds}/twin-b"))["spec"].to_string();
        assert!(spec.contains(r#""shop""#) && spec.contains("page-page"), "{spec}");
        cluster.run(&["status", &a, &b]).ended(0, &["stays with the application: /webhooks\n"]);
    }
}

#[test]
fn an_entry_that_is_kept_as_a_whole_stays_with_the_application_beside_others() {
    for kind in ["ingress", "httproute"] {
        let [a, b] = ["a", "b"].map(|twin| format!("{kind}/twin-{twin}"));
        let cluster = twins(kind, &[]);
        let says =
            format!("note: {b} has nothing beside what --keep-path leaves to the application, and is not switched\n");
        let said = cluster.run(&["on", &a, &b, "--keep-path", "/webhooks"]);
        said.ended(0, &[&says, &format!("to {b}, which serves it")]);
        said.not(&format!("application: {b}"));
        assert_eq!(cluster.patched(), [a.as_str()]);
        // One that leads to the page comes back by off alone.
        let cluster = twins(kind, &[]);
        cluster.run(&["on", &b]).ended(0, &[]);
        cluster
            .run(&["on", &a, &b, "--keep-path", "/webhooks"])
            .ended(1, &[&format!("so there is nothing to switch: kubectl maintenance off {b} gives it back")]);
        nothing_has_changed(&cluster);
    }
}
