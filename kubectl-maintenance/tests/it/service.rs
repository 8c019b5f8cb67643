//! Kind `service`: the selectors of front Services, and the endpoints that follow.

use serde_json::json;

use crate::cluster::{Cluster, page_labels};

#[test]
fn its_selector_is_replaced_and_no_pod_is_touched() {
    let cluster = Cluster::standby();
    let said = cluster.run(&["on", "page"]);
    said.ended(0, &["page: endpoints of 1 of 1 front Services have followed", "page: maintenance is in force after"]);
    assert_eq!(cluster.object("services/shop-front")["spec"]["selector"], json!({"app": "page"}));
    assert_eq!(cluster.changes().len(), 1);
    said.ended(0, &["callers inside the cluster, jobs and workers are not stopped"]);
}

#[test]
fn off_puts_everything_back() {
    let cluster = Cluster::standby();
    cluster.written("services/shop-front", "helm", "Apply", &json!({"f:spec": {"f:selector": {}, "f:type": {}}}));
    let before = [cluster.object("services/shop-front"), cluster.object("configmaps/page-config")];
    cluster
        .run(&["on", "--message", "Back soon", "--reason", "new database"])
        .ended(0, &["2 of 2 page pods have read the change"]);
    assert_eq!(cluster.data("page-config")["MAINTENANCE_MESSAGE"], "Back soon");
    assert_eq!(cluster.patched(), ["configmap/page-config", "service/shop-front"]);
    cluster.run(&["off"]).ended(0, &["page: normal is in force after"]);
    for (object, before) in ["services/shop-front", "configmaps/page-config"].iter().zip(before) {
        let mut after = cluster.object(object);
        after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        let annotations = after["metadata"]["annotations"].as_object_mut();
        // The API server leaves an empty map out.
        if annotations.is_some_and(|annotations| annotations.is_empty()) {
            after["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        assert_eq!(after, before);
    }
}

#[test]
fn several_front_services_move_together_or_not_at_all() {
    let cluster = Cluster::standby();
    cluster.front("api-front", "shop");
    cluster.run(&["on"]).ended(0, &["endpoints of 2 of 2 front Services have followed"]);
    cluster.run(&["off"]).ended(0, &[]);
    cluster.forbid("really patch service/shop-front");
    let said = cluster.run(&["on"]);
    said.ended(
        1,
        &["service/shop-front in namespace shop cannot be patched", "service/api-front in namespace shop is as it was"],
    );
    assert_eq!(cluster.object("services/api-front")["spec"]["selector"], json!({"app": "shop"}));
}

#[test]
fn a_change_whose_answer_is_lost_counts_as_made() {
    let cluster = Cluster::standby();
    cluster.front("api-front", "shop");
    cluster.forbid("answer patch service/api-front");
    cluster.run(&["on"]).ended(0, &["endpoints of 2 of 2 front Services have followed"]);
    cluster.run(&["off"]).ended(0, &[]);
    cluster.forbid("really patch service/shop-front");
    cluster.run(&["on"]).ended(1, &["service/shop-front in namespace shop cannot be patched"]);
    assert_eq!(cluster.object("services/api-front")["spec"]["selector"], json!({"app": "shop"}));
}

#[test]
fn a_kubectl_that_cannot_be_started_in_the_middle_leaves_nothing_half_done() {
    let cluster = Cluster::standby();
    cluster.front("api-front", "shop");
    cluster.forbid("start patch service/shop-front");
    let said = cluster.run(&["on"]);
    said.ended(1, &["kubectl cannot be started", "service/api-front in namespace shop is as it was"]);
    assert_eq!(cluster.object("services/api-front")["spec"]["selector"], json!({"app": "shop"}));
}

#[test]
fn a_missing_right_on_one_of_several_is_told_before_anything_changes() {
    let cluster = Cluster::standby();
    cluster.front("api-front", "shop");
    cluster.forbid("patch service/shop-front");
    cluster.run(&["on"]).ended(1, &["service/shop-front in namespace shop cannot be patched", "Nothing has changed"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn endpoints_that_may_not_be_listed_are_told_before_anything_changes() {
    let cluster = Cluster::standby();
    cluster.forbid("list endpointslices");
    cluster.run(&["on"]).ended(1, &["you may not list endpointslices in namespace shop", "Nothing has changed"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn pods_that_are_not_asked_need_no_right() {
    let cluster = Cluster::standby();
    cluster.forbid("get pods/proxy");
    cluster.forbid("patch pods/");
    let said = cluster.run(&["on"]);
    said.ended(0, &["maintenance is in force"]);
    said.not("you may not");
    cluster.run(&["on", "--message", "Back soon"]).ended(1, &["you may not get pods/proxy", "Nothing has changed"]);
}

#[test]
fn endpoints_that_cannot_be_listed_for_a_moment_are_waited_for() {
    let cluster = Cluster::standby();
    cluster.before("get --raw /apis/discovery.k8s.io", |state| state.broken = true);
    cluster.run(&["on"]).ended(0, &["maintenance is in force"]);
    assert!(!cluster.state.borrow().broken);
}

#[test]
fn endpoints_of_both_sides_are_not_in_force() {
    let cluster = Cluster::standby();
    cluster.state.borrow_mut().endpoints.insert("shop-front".into(), vec!["page-1".into(), "shop-1".into()]);
    let said = cluster.run(&["on", "--timeout", "2s"]);
    said.ended(
        1,
        &[
            "after 2 s: service/shop-front has 1 endpoints that are page pods and 1 others",
            "service/shop-front is changed to maintenance",
        ],
    );
    // A timeout is no failed change.
    assert_eq!(cluster.object("services/shop-front")["spec"]["selector"], json!({"app": "page"}));
}

#[test]
fn endpoints_that_do_not_say_are_ready() {
    let cluster = Cluster::standby();
    cluster.state.borrow_mut().endpoints.insert("shop-front".into(), vec!["page-1?".into(), "page-2".into()]);
    cluster.run(&["on"]).ended(0, &["maintenance is in force"]);
}

#[test]
fn no_page_pod_that_is_ready_is_refused() {
    let cluster = Cluster::standby();
    cluster.unready("page-1");
    cluster.unready("page-2");
    let waiting = json!([{"image": "example.org/page:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]);
    cluster.edit("pods/page-1", "/status/containerStatuses", waiting);
    cluster.run(&["on"]).ended(1, &[
        "no page pod of release page is Ready (pod/page-1: its image example.org/page:1 cannot be pulled (ImagePullBackOff))",
        "users would get the router's own error. Nothing has changed; --force goes on all the same",
    ]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
    cluster.run(&["on", "--force", "--wait=false"]).ended(0, &["forced: no page pod of release page is Ready"]);
    assert_eq!(cluster.patched(), ["service/shop-front"]);
}

#[test]
fn no_page_pod_at_all_is_refused_and_off_needs_none() {
    let cluster = Cluster::standby();
    cluster.run(&["on"]).ended(0, &[]);
    cluster.remove("pods/page-1");
    cluster.remove("pods/page-2");
    cluster.run(&["off"]).ended(0, &["normal is in force after"]);
    cluster.run(&["on"]).ended(1, &["no page pod of release page is Ready"]);
}

#[test]
fn users_are_let_in_to_an_application_that_is_ready() {
    let cluster = Cluster::standby();
    cluster.run(&["on"]).ended(0, &[]);
    cluster.run(&["off"]).ended(0, &["the application behind service/shop-front has 2 ready pods"]);
    cluster.run(&["on"]).ended(0, &[]);
    cluster.unready("shop-1");
    cluster.remove("pods/shop-2");
    cluster.run(&["off"]).ended(1, &["the application behind service/shop-front has no ready pod (app=shop): users would get no answer. Nothing has changed; --force"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
    // Forced, there is nothing to wait for but that the page pods are out.
    cluster
        .run(&["off", "--force"])
        .ended(0, &["forced: the application behind service/shop-front has no ready pod", "normal is in force"]);
}

#[test]
fn that_the_application_is_not_there_is_told_before_users_leave_it_too() {
    let cluster = Cluster::standby();
    cluster.remove("pods/shop-1");
    cluster.remove("pods/shop-2");
    cluster
        .run(&["on"])
        .ended(0, &["note: page: the application behind service/shop-front has no ready pod (app=shop)"]);
}

#[test]
fn a_selector_of_neither_mode_is_replaced_whole() {
    let cluster = Cluster::standby();
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "shop", "more": "of it"}));
    cluster.run(&["on"]).ended(0, &[]);
    assert_eq!(cluster.object("services/shop-front")["spec"]["selector"], json!({"app": "page"}));
}

#[test]
fn a_front_service_without_its_selectors_is_told_before_anything_changes() {
    let cluster = Cluster::standby();
    cluster.edit("services/shop-front", "/metadata/annotations", json!({}));
    cluster
        .run(&["on"])
        .ended(1, &["service/shop-front in namespace shop has no annotation maintenance-mode.github.io/selectors"]);
    // Other releases are told of all the same.
    cluster.release("web", "config", "app-config", &json!({}));
    cluster.run(&["status"]).ended(
        1,
        &["WRONG: service/shop-front in namespace shop has no annotation", "web in shop", "MAINTENANCE_MODE is unset"],
    );
    cluster.remove("configmaps/app-config");
    cluster.remove("services/shop-front");
    cluster
        .run(&["on", "page"])
        .ended(1, &["release page has no front Service, so nothing can be switched: name one in frontServices"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn other_entries_to_the_application_are_told() {
    let cluster = Cluster::standby();
    cluster.ingress("switched", "shop.example.org", "shop-front", &json!({}));
    cluster.ingress("old", "old.example.org", "shop", &json!({}));
    cluster.ingress("admins", "office.example.org", "shop", &json!({"maintenance-mode.github.io/exclude": "true"}));
    cluster.ingress("blog", "blog.example.org", "blog", &json!({}));
    cluster.service("blog", &json!({"app": "blog"}));
    let said = cluster.run(&["on", "--url", "http://127.0.0.1:9/", "--wait=false"]);
    said.ended(0, &["these entries still lead to the application: ingress/old\n"]);
    cluster.forbid("list ingresses");
    cluster
        .run(&["status"])
        .ended(0, &["ingresses may not be listed", "other entries that lead to the application: none"]);
}

#[test]
fn services_before_the_same_pods_are_the_application_too() {
    let cluster = Cluster::standby();
    cluster.label("pods/shop-2", "tier", "public");
    cluster.service("public", &json!({"tier": "public"}));
    cluster.ingress("www", "www.example.org", "public", &json!({}));
    cluster.run(&["on", "--wait=false"]).ended(0, &["these entries still lead to the application: ingress/www"]);
}

#[test]
fn what_open_connections_do_is_told_where_kube_proxy_made_them() {
    let line = "connections that are open stay where they are until they end";
    let cluster = Cluster::standby();
    cluster.run(&["on", "--wait=false"]).ended(0, &["(service/shop-front), ", line]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[line]);
    let cluster = Cluster::standby();
    cluster.ingress("shop", "shop.example.org", "shop-front", &json!({}));
    cluster.run(&["on", "--wait=false"]).not(line);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    cluster.edit("services/shop-front", "/spec/type", json!("NodePort"));
    cluster.run(&["on", "--wait=false"]).ended(0, &[line]);
}

#[test]
fn a_pod_that_looks_like_the_page_and_is_not_counts_as_the_applications() {
    let cluster = Cluster::standby();
    let mut labels = page_labels();
    labels["app.kubernetes.io/component"] = "other".into();
    cluster.pod("page-twin", &labels, None);
    cluster.run(&["on", "--timeout", "2s"]).ended(1, &["2 endpoints that are page pods and 1 others"]);
}

#[test]
fn a_change_by_somebody_else_meanwhile_is_named() {
    let cluster = Cluster::standby();
    cluster.before("patch", |state| state.edit("services/shop-front", "/spec/selector", json!({"app": "theirs"})));
    let said = cluster.run(&["on"]);
    said.ended(1, &[r#"service/shop-front in namespace shop was changed by somebody meanwhile (spec.selector.app is "theirs", and was "shop")"#]);
    assert_eq!(cluster.object("services/shop-front")["spec"]["selector"], json!({"app": "theirs"}));
}

#[test]
fn a_dry_run_prints_each_command_and_changes_nothing() {
    let cluster = Cluster::standby();
    let said = cluster.run(&["on", "--dry-run", "--message", "Back soon"]);
    said.ended(
        0,
        &[
            "kubectl patch configmap/page-config --namespace shop",
            "kubectl patch service/shop-front --namespace shop",
            "page: would wait until the endpoints of its front Services have followed",
        ],
    );
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn what_an_earlier_maintenance_has_left_does_not_come_back() {
    let cluster = Cluster::standby();
    cluster.run(&["on", "--for", "1h", "--message", "Back soon"]).ended(0, &[]);
    // As Helm 3 ends it.
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "shop"}));
    cluster.run(&["status"]).ended(1, &["MAINTENANCE_UNTIL and MAINTENANCE_MESSAGE of an earlier maintenance"]);
    cluster.run(&["on"]).ended(0, &["2 of 2 page pods have read the change"]);
    let data = cluster.data("page-config");
    assert_eq!((data.get("MAINTENANCE_UNTIL"), data.get("MAINTENANCE_MESSAGE")), (None, None));
    // Page pods that do not follow would show them yet.
    cluster.run(&["off"]).ended(0, &[]);
    cluster.run(&["on", "--message", "Back soon"]).ended(0, &[]);
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "shop"}));
    cluster.state.borrow_mut().pods.get_mut("page-2").unwrap().deaf = true;
    cluster.run(&["on", "--timeout", "3s"]).ended(1, &["these page pods have not read the change: page-2"]);
}
