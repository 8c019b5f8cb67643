//! `status`: what there is, and what does not agree.

use serde_json::{Value, json};

use crate::cluster::{Cluster, user_labels};

#[test]
fn all_agrees() {
    let said = Cluster::tiers().run(&["status", "web"]);
    said.ended(
        0,
        &["configmap/app-config: normal (MAINTENANCE_MODE is false)", "pod/web-1: normal", "pod/web-2: normal"],
    );
    said.ended(0, &["front door: not asked: no entry whose host is known leads here (--url names one)"]);
    said.not("WRONG");
    said.not("web-old");
}

#[test]
fn who_since_when_why_and_until_when() {
    let cluster = Cluster::tiers();
    cluster.run(&["on", "--reason", "new database", "--for", "2h"]).ended(0, &[]);
    let said = cluster.run(&["status"]);
    said.ended(
        0,
        &[
            "NAMESPACE  TARGET  KIND    MODE         SINCE                 BY   UNTIL                 REASON\n",
            "shop       web     config  maintenance  2026-12-01T20:00:00Z  ann  2026-12-01T22:00:00Z  new database\n",
        ],
    );
    said.not("the page says");
    cluster.run(&["on", "--message", "Back soon"]).ended(0, &[]);
    cluster.run(&["status"]).ended(0, &["  the page says: Back soon\n"]);
    cluster.run(&["status", "-o", "json"]).ended(0, &["\"message\": \"Back soon\""]);
    // What an upgrade has left behind says nothing in mode normal.
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MODE", json!("false"));
    cluster.run(&["status"]).ended(1, &["shop       web     config  normal  -      -   -      -\n"]);
}

#[test]
fn what_others_wrote_does_not_reach_the_terminal_as_codes() {
    let cluster = Cluster::tiers();
    cluster.run(&["on", "--reason", "new\u{1b}[2J\ndatabase"]).ended(0, &[]);
    cluster.run(&["status"]).ended(0, &["  new [2J database\n"]);
}

#[test]
fn it_needs_no_right_to_change_anything() {
    let cluster = Cluster::standby();
    cluster.run(&["status"]).ended(0, &[]);
    let calls = cluster.calls();
    assert!(calls.iter().all(|call| call.starts_with("get --raw") || call.starts_with("config view")), "{calls:?}");
}

#[test]
fn every_release_is_told_and_those_that_are_named() {
    let cluster = Cluster::tiers();
    cluster.release("other", "config", "other-config", &json!({}));
    cluster.pod("other-1", &user_labels("other"), Some("other-config"));
    let said = cluster.run(&["status", "-A"]);
    said.ended(0, &["web in shop", "other in shop"]);
    cluster.run(&["status", "other"]).not("web in shop");
    cluster.run(&["status", "-l", "app.kubernetes.io/instance=web"]).not("other in shop");
    cluster.run(&["status", "wbe"]).ended(1, &["there is no release wbe in namespace shop; there is: other, web"]);
    cluster
        .run(&["status", "--url", "http://127.0.0.1:9/"])
        .ended(64, &["invalid --url: expected one target that it leads to, so name one"]);
    let said = Cluster::default().run(&["status"]);
    said.ended(0, &["there is no release in namespace shop"]);
    for command in ["status", "on", "off"] {
        Cluster::default().run(&[command, "-n", "nope"]).ended(1, &["error: namespace nope does not exist\n"]);
        Cluster::default().run(&[command, "web", "-n", "nope"]).ended(1, &["error: namespace nope does not exist\n"]);
    }
}

#[test]
fn a_release_of_an_older_chart_is_known_as_one() {
    let cluster = Cluster::default();
    let labels = json!({
        "app.kubernetes.io/component": "config",
        "app.kubernetes.io/instance": "old",
        "helm.sh/chart": "maintenance-mode-0.1.0",
    });
    cluster.add("configmaps", "old-config", &labels, json!({"data": {}}));
    let says =
        "error: release old in namespace shop was installed by an older chart: upgrade it first, see CHANGELOG.md\n";
    for command in ["status", "on", "off"] {
        cluster.run(&[command]).ended(1, &[says]);
        cluster.run(&[command, "old"]).ended(1, &[says]);
        cluster.run(&[command, "web"]).ended(1, &["there is no release web in namespace shop; there is: none"]);
    }
}

#[test]
fn a_pod_without_an_address_is_starting() {
    let cluster = Cluster::tiers();
    cluster.unready("web-1");
    cluster.edit("pods/web-1", "/status/podIP", json!(""));
    cluster.state.borrow_mut().pods.get_mut("web-1").unwrap().silent = true;
    cluster.run(&["status"]).ended(0, &["pod/web-1: is starting, not Ready\n"]);
}

#[test]
fn a_pod_that_is_in_the_other_mode_is_wrong() {
    let cluster = Cluster::tiers();
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MODE", json!("true"));
    let said = cluster.run(&["status"]);
    said.ended(
        1,
        &[
            "configmap/app-config: maintenance (MAINTENANCE_MODE is true)",
            "WRONG: pod/web-1 should be in mode maintenance: it may need up to 90 s to follow",
        ],
    );
}

#[test]
fn a_pod_that_does_not_tell_is_wrong() {
    let cluster = Cluster::tiers();
    cluster.state.borrow_mut().pods.get_mut("web-1").unwrap().silent = true;
    cluster.run(&["status"]).ended(
        1,
        &[
            "pod/web-1: cannot be asked: 503 the server is currently unable",
            "WRONG: pod/web-1 should tell in which mode it is",
        ],
    );
}

#[test]
fn a_value_that_is_neither_is_wrong() {
    let cluster = Cluster::tiers();
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MODE", json!("on"));
    let said = cluster.run(&["status"]);
    said.ended(1, &[r#"WRONG: configmap/app-config: MAINTENANCE_MODE is "on", neither true nor false: pods keep the mode they are in"#, "pod/web-1: normal"]);
    said.not("should");
}

#[test]
fn no_pod_that_serves_is_wrong() {
    let cluster = Cluster::tiers();
    for pod in ["web-1", "web-2"] {
        cluster.unready(pod);
        cluster.state.borrow_mut().pods.get_mut(pod).unwrap().silent = true;
    }
    cluster.run(&["status"]).ended(
        1,
        &[
            "cannot be asked",
            ", not Ready\n",
            "WRONG: no user pod is Ready, and none answers: nobody would get the page",
        ],
    );
    cluster.state.borrow_mut().objects.retain(|key, _| !key.starts_with("pods/"));
    cluster
        .run(&["status"])
        .ended(1, &["configmap/app-config: normal", "WRONG: no user pod is there: nobody would get the page"]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_as_the_cause() {
    let cluster = Cluster::tiers();
    cluster.unready("web-1");
    let waiting = json!([{"image": "example.org/page:1", "state": {"waiting": {"reason": "ErrImagePull"}}}]);
    cluster.edit("pods/web-1", "/status/containerStatuses", waiting);
    cluster
        .run(&["status"])
        .ended(1, &["WRONG: pod/web-1: its image example.org/page:1 cannot be pulled (ErrImagePull)"]);
}

#[test]
fn front_services_and_their_endpoints() {
    let cluster = Cluster::standby();
    let said = cluster.run(&["status"]);
    said.ended(
        0,
        &[
            "service/shop-front: normal\n",
            "pod/page-1: stands by with the page",
            "service/shop-front: 0 ready endpoints are page pods, 2 are others",
            "application behind service/shop-front (app=shop): 2 of 2 pods ready",
        ],
    );
    cluster.run(&["on"]).ended(0, &[]);
    cluster.run(&["status"]).ended(0, &["pod/page-1: serves the page\n"]);
    cluster
        .run(&["status"])
        .ended(0, &["service/shop-front: maintenance\n", "2 ready endpoints are page pods, 0 are others"]);
    cluster.state.borrow_mut().endpoints.insert("shop-front".into(), vec!["page-1".into(), "shop-1".into()]);
    cluster.run(&["status"]).ended(1, &["WRONG: service/shop-front should lead to page pods alone"]);
    cluster.state.borrow_mut().endpoints.insert("shop-front".into(), vec![]);
    cluster
        .run(&["status"])
        .ended(1, &["WRONG: service/shop-front should lead to page pods, and has no ready endpoint"]);
    cluster.run(&["off", "--wait=false"]).ended(0, &[]);
    cluster.run(&["status"]).ended(1, &["WRONG: service/shop-front has no ready endpoint: users get no answer"]);
}

#[test]
fn an_application_that_is_scaled_to_zero_in_maintenance_is_told_and_not_wrong() {
    let cluster = Cluster::standby();
    cluster.run(&["on"]).ended(0, &[]);
    cluster.remove("pods/shop-1");
    cluster.remove("pods/shop-2");
    cluster.run(&["status"]).ended(0, &["application behind service/shop-front (app=shop): 0 of 0 pods ready"]);
}

#[test]
fn a_selector_of_neither_mode_and_services_that_do_not_agree_are_wrong() {
    let cluster = Cluster::standby();
    cluster.front("api-front", "shop");
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "page"}));
    cluster.run(&["status"]).ended(
        1,
        &["WRONG: not all front Services are in the same mode: repeat kubectl maintenance on or off", "neither"],
    );
    cluster.edit("services/shop-front", "/spec/selector", json!({"app": "shop", "tier": "web"}));
    cluster.run(&["status"]).ended(1, &["WRONG: service/shop-front: its selector app=shop,tier=web is that of neither mode; normal is app=shop, maintenance is app=page"]);
}

#[test]
fn page_pods_that_may_not_be_asked_are_a_network_policys_business() {
    let cluster = Cluster::standby();
    cluster.state.borrow_mut().pods.get_mut("page-1").unwrap().silent = true;
    cluster.run(&["status"]).ended(0, &["pod/page-1: cannot be asked: 503", "pod/page-2: stands by with the page"]);
}

#[test]
fn other_entries_excluded_ones_and_the_kinds_that_were_looked_at() {
    let cluster = Cluster::standby();
    cluster.state.borrow_mut().missing.extend(["routes", "gateways"]);
    cluster.ingress("old", "old.example.org", "shop", &json!({}));
    cluster.ingress("admins", "office.example.org", "shop", &json!({"maintenance-mode.github.io/exclude": "true"}));
    let said = cluster.run(&["status"]);
    said.ended(
        0,
        &[
            "other entries that lead to the application: ingress/old; excluded: ingress/admins\n",
            "looked at in this namespace: ingresses, httproutes\n",
        ],
    );
    cluster.run(&["on", "--wait=false"]).ended(0, &[]);
    // The front Service leads to the application's pods as well, but not past the switch.
    cluster.ingress("front", "shop.example.invalid", "shop-front", &json!({}));
    cluster
        .run(&["status"])
        .ended(0, &["other entries that lead to the application: ingress/old; excluded: ingress/admins\n"]);
}

/// The whole of what programs read, in both kinds. A field that goes or is renamed is a new version.
#[test]
fn json_is_as_documented() {
    let cluster = Cluster::standby();
    cluster.release("web", "config", "app-config", &json!({"MAINTENANCE_MODE": "false"}));
    cluster.pod("web-1", &user_labels("web"), Some("app-config"));
    cluster.ingress("old", "*.example.org", "shop", &json!({}));
    cluster.ingress("shop", "*.example.org", "shop-front", &json!({}));
    let mut all = Vec::new();
    for command in [
        &["status", "-o", "json"] as &[_],
        &["on", "page", "--for", "2h", "--reason", "new database", "-o", "json"],
        &["status", "page", "-o", "json"],
        &["off", "page", "-o", "json"],
        &["on", "--all", "--dry-run", "-o", "json"],
        &["on", "ingress/old", "--keep-path", "/pay", "-o", "json"],
        &["status", "ingress/old", "-o", "json"],
    ] {
        let said = cluster.run(command);
        let printed: Value = serde_json::from_str(&said.out).unwrap();
        all.push(format!("$ kubectl maintenance {}\n{printed:#}\n", command.join(" ")));
    }
    golden("tests/it/json.golden", &all.join("\n"));
}

/// Compares with a file, or writes it anew where `GOLDEN=update`.
#[track_caller]
fn golden(file: &str, now: &str) {
    let file = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("GOLDEN").is_ok_and(|golden| golden == "update") {
        std::fs::write(&file, now).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, now, "{file} differs: GOLDEN=update cargo test --package kubectl-maintenance writes it anew");
}
