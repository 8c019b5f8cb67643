//! `--all`: everything of a namespace or nothing, and back exactly what was switched; and `--strict`.

use serde_json::{Value, json};

use crate::cluster::{Cluster, user_labels};

/// Three applications with three kinds of entry: `shop` behind the front Service of release `page` and an Ingress of its own
/// that leads past it, `old` behind a Route, `api` behind an `HTTPRoute`; a tiers release `web`; and what is left out.
fn namespace() -> Cluster {
    let cluster = Cluster::standby();
    cluster.release("web", "config", "app-config", &json!({"MAINTENANCE_MODE": "false"}));
    cluster.pod("web-1", &user_labels("web"), Some("app-config"));
    for app in ["old", "api", "cart"] {
        cluster.service(app, &json!({"app": app}));
        cluster.pod(&format!("{app}-1"), &json!({"app": app}), None);
    }
    cluster.ingress("front", "*.example.org", "shop-front", &json!({}));
    cluster.ingress("cart", "*.example.org", "cart", &json!({}));
    cluster.route("old", "old");
    cluster.http_route("api", "api");
    cluster.ingress("admins", "*.example.org", "cart", &json!({"maintenance-mode.github.io/exclude": "true"}));
    cluster.ingress("solver", "*.example.org", "solver", &json!({"acme.cert-manager.io/http01-solver": "true"}));
    cluster
}

/// All objects as they are, but for what every write changes, and an empty map of annotations.
fn objects(cluster: &Cluster) -> Vec<String> {
    let state = cluster.state.borrow();
    let objects = state.objects.iter().filter(|(key, _)| !key.starts_with("pods/"));
    let plain = objects.map(|(key, object)| {
        let mut object = object.clone();
        object["status"] = Value::Null;
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata
            .retain(|field, value| !["resourceVersion", "generation"].contains(&field.as_str()) && *value != json!({}));
        format!("{key}: {object}")
    });
    plain.collect()
}

const LIST: &str = "in namespace shop these go into maintenance:
  page
  web
  ingress/cart
  route/old
  httproute/api
these are left out:
  ingress/admins: has the label maintenance-mode.github.io/exclude
  ingress/front: leads to service/shop-front, which release page switches
  ingress/solver: is made by cert-manager for a certificate challenge
";

#[test]
fn one_command_switches_all_and_one_gives_exactly_that_back() {
    let cluster = namespace();
    let before = objects(&cluster);
    cluster.run(&["on", "--all", "--yes", "--message", "Back soon"]).ended(
        0,
        &[
            LIST,
            "note: page, ingress/cart, route/old, httproute/api: callers inside the cluster, jobs and workers are not stopped\n",
            "page: maintenance is in force",
            "web: maintenance is in force",
            "ingress/cart: maintenance is in force",
            "route/old: maintenance is in force",
            "httproute/api: maintenance is in force",
        ],
    );
    cluster.run(&["off", "--all", "--yes"]).ended(
        0,
        &["in namespace shop these come back from maintenance:\n  page\n  web\n  ingress/cart\n  route/old\n  httproute/api\n", "route/old: normal is in force"],
    );
    assert_eq!(objects(&cluster), before);
    cluster.run(&["off", "--all", "--yes"]).ended(0, &["note: nothing in namespace shop is in maintenance"]);
}

#[test]
fn off_leaves_alone_what_is_not_switched() {
    let cluster = namespace();
    cluster.run(&["on", "route/old"]).ended(0, &[]);
    cluster.run(&["off", "--all", "--yes"]).ended(0, &["these come back from maintenance:\n  route/old\n"]);
    assert_eq!(cluster.patched().iter().filter(|object| *object != "route/old").count(), 0);
}

#[test]
fn where_one_is_refused_nothing_is_switched() {
    let cluster = namespace();
    cluster.edit("routes/old", "/spec/tls", json!({"termination": "passthrough"}));
    let before = objects(&cluster);
    cluster.run(&["on", "--all", "--yes"]).ended(1, &["route/old", "passthrough"]);
    assert_eq!((objects(&cluster), cluster.patched()), (before, vec![]));
}

#[test]
fn all_that_are_refused_are_told_at_once_and_that_a_label_leaves_them_out() {
    let cluster = namespace();
    cluster.edit("routes/old", "/spec/tls", json!({"termination": "passthrough"}));
    let passthrough = json!({"nginx.ingress.kubernetes.io/ssl-passthrough": "true"});
    cluster.edit("ingresses/cart", "/metadata/annotations", passthrough);
    let label = r#"with --all leave out what is refused by the label maintenance-mode.github.io/exclude: "true", or name the others. Nothing has changed"#;
    cluster
        .run(&["on", "--all", "--yes"])
        .ended(1, &["ingress/cart is passthrough", "route/old is passthrough", label]);
    let said = cluster.run(&["on", "ingress/cart", "route/old"]);
    said.ended(1, &["ingress/cart is passthrough", "route/old is passthrough"]);
    said.not("--all");
    assert_eq!(cluster.patched(), [""; 0]);
    // What --force overrules is told with the others.
    cluster.edit(
        "ingresses/cart",
        "/metadata/annotations",
        json!({"argocd.argoproj.io/tracking-id": "cart:v1/Ingress:shop/cart"}),
    );
    let argo = "ingress/cart is written by Argo CD (cart)";
    cluster.run(&["on", "--all", "--yes"]).ended(1, &[argo, "route/old is passthrough", label]);
    cluster.remove("routes/old");
    let force = "or name the others. Nothing has changed; --force goes on all the same";
    cluster.run(&["on", "--all", "--yes"]).ended(1, &[argo, force]);
    cluster.run(&["on", "--all", "--yes", "--force"]).ended(0, &[&format!("forced: {argo}")]);
}

#[test]
fn what_is_kept_as_a_whole_is_left_out_and_what_cannot_be_is_refused() {
    let cluster = namespace();
    for object in ["configmaps/web-config", "configmaps/app-config", "services/shop-front"] {
        cluster.remove(object);
    }
    cluster.edit("ingresses/cart", "/spec/rules/0/http/paths/0/path", json!("/webhooks"));
    let command = ["on", "--all", "--yes", "--keep-path", "/webhooks"];
    cluster.run(&command).ended(1, &["route/old has one path", "with --all leave out what is refused by the label"]);
    cluster.remove("routes/old");
    let said = cluster.run(&[&command[..], &["-o", "json"]].concat());
    said.ended(0, &["  ingress/cart: has nothing beside what --keep-path leaves to the application\n"]);
    let left = said.receipt()["leftOut"].clone();
    assert!(left.as_array().unwrap().iter().any(|left| left["object"] == "ingress/cart"), "{left}");
    assert!(!cluster.patched().contains(&"ingress/cart".to_owned()));
}

#[test]
fn where_one_fails_the_others_are_put_back() {
    for fails in ["really patch configmap/app-config", "really patch route/old", "really patch httproute/api"] {
        let cluster = namespace();
        let before = objects(&cluster);
        cluster.forbid(fails);
        cluster.run(&["on", "--all", "--yes"]).ended(1, &["is as it was", fails.rsplit(' ').next().unwrap()]);
        assert_eq!(objects(&cluster), before, "{fails}");
    }
}

#[test]
fn the_list_is_shown_and_asked_for_at_a_terminal() {
    let cluster = namespace();
    cluster.answers("n\n");
    cluster
        .run(&["on", "--all"])
        .ended(1, &[LIST, "Switch these 5 to maintenance? [y/N] ", "it was not confirmed. Nothing has changed"]);
    assert_eq!(cluster.patched(), [""; 0]);
    cluster.answers("\n");
    cluster.run(&["on", "--all"]).ended(1, &["it was not confirmed"]);
    cluster.answers("y\n");
    cluster.run(&["on", "--all"]).ended(0, &["httproute/api: maintenance is in force"]);
    cluster.run(&["off", "--all"]).ended(0, &["Switch these 5 to normal? [y/N] ", "httproute/api: normal is in force"]);
}

#[test]
fn without_a_terminal_yes_must_be_said_before() {
    let cluster = namespace();
    let says = "without a terminal, at which this would be asked for, --all needs --yes. Nothing has changed";
    cluster.run(&["on", "--all"]).ended(64, &[LIST, says]);
    assert_eq!(cluster.patched(), [""; 0]);
    // A dry run changes nothing, so nobody is asked.
    cluster.run(&["on", "--all", "--dry-run"]).ended(0, &[LIST, "kubectl patch route/old"]);
    assert_eq!(cluster.patched(), [""; 0]);
    cluster.run(&["on", "--all", "--yes"]).ended(0, &[]);
    cluster.run(&["off", "--all"]).ended(64, &[says]);
    assert_eq!(cluster.patched(), [""; 0]);
}

#[test]
fn a_kind_that_is_not_served_is_skipped_and_one_that_may_not_be_listed_is_refused() {
    let cluster = namespace();
    for kinds in ["routes", "httproutes", "gateways", "grpcroutes"] {
        cluster.state.borrow_mut().missing.push(kinds);
    }
    let said = cluster.run(&["on", "--all", "--yes", "--dry-run"]);
    said.ended(0, &["  ingress/cart\n"]);
    said.not("route/old");
    cluster.state.borrow_mut().missing.clear();
    cluster.forbid("list routes");
    cluster.run(&["on", "--all", "--yes"]).ended(
        1,
        &["routes may not be listed in namespace shop, so it would not be all", "Nothing has changed; --force"],
    );
    assert_eq!(cluster.patched(), [""; 0]);
    cluster
        .run(&["on", "--all", "--yes", "--force"])
        .ended(0, &["forced: routes may not be listed", "httproute/api: maintenance"]);
}

#[test]
fn a_grpcroute_is_named_and_left() {
    let cluster = namespace();
    cluster.add("grpcroutes", "orders", &json!({}), json!({"spec": {}}));
    cluster
        .run(&["on", "--all", "--yes", "--dry-run"])
        .ended(0, &["  grpcroute/orders: is a GRPCRoute, which is not switched"]);
    cluster.forbid("list grpcroutes");
    cluster.run(&["on", "--all", "--yes", "--dry-run"]).ended(0, &["note: grpcroutes may not be listed"]);
}

#[test]
fn what_makes_no_sense_together_is_misuse() {
    let cluster = namespace();
    for (flags, says) in [
        (&["--keep-path", "/pay"] as &[_], "--keep-path is for entries, and --all takes release page too"),
        (&["--bypass-header", "X-Tester=night"], "--bypass-header is for entries, and --all takes release page too"),
    ] {
        let command = [&["on", "--all", "--yes"], flags].concat();
        cluster.run(&command).ended(64, &[says]);
    }
    let tiers = Cluster::tiers();
    tiers
        .run(&["on", "--all", "--yes", "--page", "page"])
        .ended(64, &["--page is for entries, and --all takes none here"]);
    assert_eq!((cluster.patched(), tiers.patched()), (vec![], vec![]));
}

#[test]
fn where_there_is_nothing_to_switch_that_is_an_error_with_the_reasons() {
    let cluster = Cluster::default();
    cluster.ingress("admins", "*.example.org", "cart", &json!({"maintenance-mode.github.io/exclude": "true"}));
    cluster.run(&["on", "--all", "--yes"]).ended(
        1,
        &["there is nothing to switch in namespace shop; ingress/admins has the label maintenance-mode.github.io/exclude"],
    );
}

#[test]
fn entries_of_a_tiers_release_are_left_to_it() {
    let cluster = Cluster::tiers();
    cluster.service("mine", &user_labels("web"));
    cluster.ingress("mine", "*.example.org", "mine", &json!({}));
    cluster
        .run(&["on", "--all", "--yes"])
        .ended(0, &["  ingress/mine: leads to service/mine, which release web switches"]);
    assert_eq!(cluster.patched(), ["configmap/app-config"]);
}

#[test]
fn the_receipt_has_what_was_left_out() {
    let cluster = namespace();
    let said = cluster.run(&["on", "--all", "--yes", "-o", "json"]);
    said.ended(0, &[]);
    let receipt = said.receipt();
    let left: Vec<&str> =
        receipt["leftOut"].as_array().unwrap().iter().map(|left| left["object"].as_str().unwrap()).collect();
    assert_eq!(left, ["ingress/admins", "ingress/front", "ingress/solver"]);
    let targets: Vec<(&str, &str)> = receipt["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| (target["target"].as_str().unwrap(), target["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        targets,
        [
            ("page", "service"),
            ("web", "config"),
            ("ingress/cart", "entry"),
            ("route/old", "entry"),
            ("httproute/api", "entry")
        ]
    );
    // The key of a Route's certificate is nowhere.
    said.not("secret");
}

#[test]
fn strict_refuses_while_another_entry_leads_to_the_application() {
    let cluster = namespace();
    cluster.ingress("past", "*.example.org", "shop", &json!({}));
    cluster.ingress("basket", "*.example.org", "cart", &json!({}));
    for (target, other) in [("page", "ingress/past"), ("ingress/cart", "ingress/basket")] {
        let says = format!("these entries still lead to the application: {other}");
        let refused = cluster.run(&["on", target, "--strict"]);
        refused.ended(1, &[&says, "Nothing has changed"]);
        // Those that people have excluded are meant to.
        refused.not("ingress/admins");
        assert_eq!(cluster.patched(), [""; 0]);
        cluster.run(&["on", target]).ended(0, &[&format!("note: {target}: {says}")]);
        cluster.run(&["off", target]).ended(0, &[]);
    }
    // What is switched by the same command is no other way in.
    cluster.run(&["on", "ingress/cart", "ingress/basket", "--strict"]).ended(0, &[]);
    cluster.run(&["on", "--all", "--yes", "--strict"]).ended(0, &[]);
}

#[test]
fn strict_sees_a_service_without_a_selector_and_an_entry_that_somebody_has_put_back() {
    let cluster = namespace();
    cluster.service("outside", &Value::Null);
    cluster.ingress("one", "*.example.org", "outside", &json!({}));
    cluster.ingress("two", "*.example.org", "outside", &json!({}));
    let says = "these entries still lead to the application: ingress/two";
    cluster.run(&["on", "ingress/one", "--strict", "--force"]).ended(1, &[says]);
    assert_eq!(cluster.patched(), [""; 0]);
    let spec = cluster.object("ingresses/two")["spec"].clone();
    cluster.run(&["on", "ingress/two"]).ended(0, &[]);
    cluster.edit("ingresses/two", "/spec", spec);
    cluster.run(&["on", "ingress/one", "--strict", "--force"]).ended(1, &[says]);
}

#[test]
fn strict_refuses_where_it_cannot_tell() {
    let cluster = namespace();
    cluster.forbid("list ingresses");
    cluster
        .run(&["on", "page", "--strict"])
        .ended(1, &["ingresses may not be listed, so whether another entry leads to the application cannot be told"]);
    assert_eq!(cluster.patched(), [""; 0]);
    let cluster = namespace();
    cluster.edit("httproutes/api", "/spec/rules/0/backendRefs/0/namespace", json!("elsewhere"));
    cluster.run(&["on", "httproute/api", "--strict"]).ended(
        1,
        &["httproute/api leads to Services of other namespaces, so whether another entry leads to the application cannot be told"],
    );
    assert_eq!(cluster.patched(), [""; 0]);
}
