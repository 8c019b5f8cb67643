//! Kind `config`: the ConfigMap, and the user pods that read it.

use kubectl_maintenance::kubectl::Kubectl as _;
use serde_json::json;

use crate::cluster::{Cluster, user_labels};

const PREFIX: &str = "maintenance-mode.github.io/";

#[test]
fn every_user_pod_is_asked() {
    let cluster = Cluster::tiers();
    let said = cluster.run(&["on", "web", "-n", "shop"]);
    said.ended(
        0,
        &[
            "web: 2 of 2 user pods have read the change",
            "web: maintenance is in force after",
            "no front door was checked",
        ],
    );
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MODE"], "true");
    let calls = cluster.calls();
    for pod in ["web-1", "web-2"] {
        let asked = format!("get --raw /api/v1/namespaces/shop/pods/{pod}:9090/proxy/metrics");
        assert!(calls.contains(&asked), "{calls:?}");
    }
    // Those that go away or have ended are not.
    assert!(!calls.iter().any(|call| call.contains("web-old") || call.contains("web-evicted")), "{calls:?}");
    let annotated = cluster.changes().into_iter().find(|call| call[0] == "annotate").unwrap();
    assert_eq!(annotated[7..9], ["web-1", "web-2"]);
    assert!(annotated[9].starts_with("maintenance-mode.github.io/refresh="), "{annotated:?}");
}

#[test]
fn many_user_pods_are_annotated_by_their_labels() {
    let cluster = Cluster::tiers();
    for at in 3..20 {
        cluster.pod(&format!("web-{at}"), &user_labels("web"), Some("app-config"));
    }
    cluster.run(&["on"]).ended(0, &["19 of 19 user pods have read the change"]);
    let annotated = cluster.changes().into_iter().find(|call| call[0] == "annotate").unwrap();
    assert_eq!(
        annotated[7..9],
        ["--selector", "app.kubernetes.io/instance=web,app.kubernetes.io/component in (user,admin)"]
    );
}

#[test]
fn admin_pods_are_made_to_look_too_and_not_waited_for() {
    let cluster = Cluster::tiers();
    let labels = json!({"app.kubernetes.io/instance": "web", "app.kubernetes.io/component": "admin"});
    cluster.pod("web-admin-1", &labels, Some("app-config"));
    cluster.state.borrow_mut().pods.get_mut("web-admin-1").unwrap().silent = true;
    cluster.run(&["on"]).ended(0, &["2 of 2 user pods have read the change"]);
    let annotated = cluster.changes().into_iter().find(|call| call[0] == "annotate").unwrap();
    assert_eq!(annotated[7..10], ["web-1", "web-2", "web-admin-1"]);
}

#[test]
fn who_when_and_why_are_told_until_it_ends() {
    let cluster = Cluster::tiers();
    cluster.run(&["on", "--reason", "new database"]).ended(0, &[]);
    let annotations = cluster.object("configmaps/app-config")["metadata"]["annotations"].clone();
    assert_eq!(annotations[format!("{PREFIX}since")], "2026-12-01T20:00:00Z");
    assert_eq!(annotations[format!("{PREFIX}by")], "ann");
    assert_eq!(annotations[format!("{PREFIX}reason")], "new database");
    cluster.run(&["off"]).ended(0, &["web: normal is in force after"]);
    assert_eq!(cluster.object("configmaps/app-config")["metadata"]["annotations"], json!({}));
}

#[test]
fn who_is_told_by_the_kubeconfig_where_the_cluster_does_not_say() {
    let cluster = Cluster::tiers();
    cluster.forbid("whoami");
    cluster.run(&["on"]).ended(0, &[]);
    assert_eq!(cluster.object("configmaps/app-config")["metadata"]["annotations"][format!("{PREFIX}by")], "ann@there");
}

#[test]
fn off_puts_everything_back() {
    let cluster = Cluster::tiers();
    cluster.written("configmaps/app-config", "helm", "Apply", &json!({"f:data": {"f:MAINTENANCE_MODE": {}}}));
    let before = cluster.object("configmaps/app-config");
    cluster.run(&["on", "--message", "Back soon", "--for", "2h"]).ended(0, &[]);
    let data = cluster.data("app-config");
    assert_eq!(
        (data["MAINTENANCE_MESSAGE"].as_str(), data["MAINTENANCE_UNTIL"].as_str()),
        ("Back soon", "2026-12-01T22:00:00Z")
    );
    cluster.run(&["off"]).ended(0, &[]);
    let after = cluster.object("configmaps/app-config");
    assert_eq!(
        (&after["data"], &after["metadata"]["managedFields"]),
        (&before["data"], &before["metadata"]["managedFields"])
    );
}

#[test]
fn texts_that_were_there_come_back() {
    let cluster = Cluster::tiers();
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MESSAGE", json!("The usual"));
    cluster.run(&["on", "--message", "One"]).ended(0, &[]);
    cluster.run(&["on", "--message", "Two"]).ended(0, &[]);
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MESSAGE"], "Two");
    cluster.run(&["off"]).ended(0, &[]);
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MESSAGE"], "The usual");
}

#[test]
fn kubectl_alone_can_restore() {
    let cluster = Cluster::tiers();
    let before = cluster.object("configmaps/app-config");
    cluster.run(&["on", "--message", "Back soon", "--reason", "new database"]).ended(0, &[]);
    let annotations = cluster.object("configmaps/app-config")["metadata"]["annotations"].clone();
    let restore = annotations[format!("{PREFIX}restore")].as_str().unwrap().to_owned();
    let patch = [
        "patch",
        "configmap/app-config",
        "--namespace",
        "shop",
        "--type",
        "json",
        "--field-manager",
        "kubectl-maintenance",
        "-p",
        &restore,
    ];
    assert!(cluster.change(&patch, "").unwrap().ok, "{restore}");
    let after = cluster.object("configmaps/app-config");
    assert_eq!((&after["data"], &after["metadata"]["annotations"]), (&before["data"], &json!({})));
}

#[test]
fn what_kubectl_alone_restores_is_normal_after_a_second_on_too() {
    for mode in [json!("false"), json!("true"), json!("neither")] {
        let cluster = Cluster::tiers();
        cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MODE", mode);
        cluster.run(&["on", "--wait=false"]).ended(0, &[]);
        cluster.run(&["on", "--wait=false", "--message", "It takes longer"]).ended(0, &[]);
        let annotations = cluster.object("configmaps/app-config")["metadata"]["annotations"].clone();
        let restore = annotations[format!("{PREFIX}restore")].as_str().unwrap().to_owned();
        let mut patch = vec!["patch", "configmap/app-config", "--namespace", "shop", "--type", "json"];
        patch.extend(["--field-manager", "kubectl-maintenance", "-p", &restore]);
        assert!(cluster.change(&patch, "").unwrap().ok, "{restore}");
        let after = cluster.object("configmaps/app-config");
        assert_eq!(
            (&after["data"], &after["metadata"]["annotations"]),
            (&json!({"MAINTENANCE_MODE": "false"}), &json!({}))
        );
    }
}

#[test]
fn what_an_earlier_maintenance_has_left_is_told_and_does_not_come_back() {
    let cluster = Cluster::tiers();
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MESSAGE", json!("The usual"));
    cluster.run(&["on", "--for", "1h", "--message", "Back soon"]).ended(0, &[]);
    // As Helm 3 ends it.
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MODE", json!("false"));
    cluster.run(&["status"]).ended(1, &[
        "WRONG: configmap/app-config has MAINTENANCE_UNTIL and MAINTENANCE_MESSAGE of an earlier maintenance, which the next page would show: run kubectl maintenance off",
    ]);
    cluster.run(&["on"]).ended(0, &[]);
    let data = cluster.data("app-config");
    assert_eq!((data.get("MAINTENANCE_UNTIL"), data["MAINTENANCE_MESSAGE"].as_str()), (None, "The usual"));
    assert_eq!(
        cluster.object("configmaps/app-config")["metadata"]["annotations"].get(format!("{PREFIX}restore")),
        None
    );
    cluster.run(&["off"]).ended(0, &[]);
    // What is set anew takes the place of what was left, and what was there before both comes back.
    cluster.run(&["on", "--message", "One"]).ended(0, &[]);
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MODE", json!("false"));
    cluster.run(&["on", "--message", "Two"]).ended(0, &[]);
    cluster.run(&["off"]).ended(0, &[]);
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MESSAGE"], "The usual");
    cluster.run(&["status"]).not("earlier maintenance");
}

#[test]
fn a_text_that_somebody_changed_meanwhile_stays() {
    let cluster = Cluster::tiers();
    cluster.run(&["on", "--message", "Back soon"]).ended(0, &[]);
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MESSAGE", json!("Theirs"));
    cluster
        .run(&["off"])
        .ended(0, &["configmap/app-config: MAINTENANCE_MESSAGE was changed by somebody meanwhile, and stays as it is"]);
    let data = cluster.data("app-config");
    assert_eq!((data["MAINTENANCE_MODE"].as_str(), data["MAINTENANCE_MESSAGE"].as_str()), ("false", "Theirs"));
}

#[test]
fn a_second_on_changes_what_its_flags_say_and_nothing_else() {
    let cluster = Cluster::tiers();
    cluster.run(&["on", "--reason", "one", "--message", "Back soon"]).ended(0, &[]);
    let first = cluster.object("configmaps/app-config");
    let says = "note: web: it was in mode maintenance already since 2026-12-01T20:00:00Z, by ann";
    cluster.run(&["on"]).ended(0, &[says, "web: maintenance is in force after"]);
    assert_eq!(cluster.patched(), [""; 0]);
    cluster.forbid("whoami");
    cluster.run(&["on", "--reason", "two"]).ended(0, &[]);
    let mut second = cluster.object("configmaps/app-config");
    assert_eq!(second["metadata"]["annotations"][format!("{PREFIX}reason")], "two");
    second["metadata"]["annotations"][format!("{PREFIX}reason")] = "one".into();
    second["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"].clone();
    assert_eq!(first["data"], second["data"]);
    let told =
        |object: &serde_json::Value, name: &str| object["metadata"]["annotations"][format!("{PREFIX}{name}")].clone();
    for name in ["since", "by", "restore", "restore-meta"] {
        assert_eq!(told(&first, name), told(&second, name), "{name}");
    }
}

#[test]
fn what_is_in_force_is_asked_all_the_same() {
    let cluster = Cluster::tiers();
    let says = "note: web: it was in mode normal already\n";
    cluster.run(&["off"]).ended(0, &[says, "web: 2 of 2 user pods have read the change", "normal is in force"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn a_message_is_awaited_on_the_page_of_every_pod() {
    let cluster = Cluster::tiers();
    cluster.run(&["on"]).ended(0, &[]);
    cluster.state.borrow_mut().pods.get_mut("web-2").unwrap().deaf = true;
    let said = cluster.run(&["on", "--message", "Back soon", "--timeout", "3s"]);
    said.ended(1, &["these user pods have not read the change: web-2 (old settings)"]);
    let said = cluster.run(&["on", "--for", "2h", "--timeout", "3"]);
    said.ended(1, &["web-2 (old settings)"]);
}

#[test]
fn a_planned_end_must_be_to_come() {
    let said = Cluster::tiers().run(&["on", "--until", "2026-12-01T21:00:00+01:00"]);
    said.ended(64, &["invalid --until \"2026-12-01T20:00:00Z\": expected a time to come"]);
    // It is told to the second.
    Cluster::tiers().run(&["on", "--for", "100ms"]).ended(64, &["invalid --for"]);
}

#[test]
fn a_pod_that_comes_up_meanwhile_is_asked_too() {
    let cluster = Cluster::tiers();
    cluster.before("annotate", |state| {
        let pod = state.objects["pods/web-1"].clone();
        state.objects.insert("pods/web-3".into(), pod);
        state.edit("pods/web-3", "/metadata/name", json!("web-3"));
        let behaves = state.pods["web-1"].clone();
        state.pods.insert("web-3".into(), behaves);
    });
    cluster.run(&["on"]).ended(0, &["3 of 3 user pods have read the change"]);
}

#[test]
fn a_pod_that_nobody_can_reach_holds_nothing_up() {
    let cluster = Cluster::tiers();
    cluster.pod("web-bad", &user_labels("web"), None);
    cluster.unready("web-bad");
    cluster
        .run(&["on"])
        .ended(0, &["pod/web-bad is not Ready and does not answer, so it gets no requests: not waited for"]);
}

#[test]
fn a_pod_that_starts_late_is_given_the_same_time() {
    let cluster = Cluster::tiers();
    for pod in ["web-1", "web-2"] {
        cluster.state.borrow_mut().pods.get_mut(pod).unwrap().silent = true;
    }
    let annotate = "annotate";
    for _ in 0..5 {
        cluster.before(annotate, |_| ());
    }
    // More than ten seconds later those are there, and another starts.
    cluster.before(annotate, |state| {
        for pod in ["web-1", "web-2"] {
            state.pods.get_mut(pod).unwrap().silent = false;
        }
        let mut pod = state.objects["pods/web-1"].clone();
        pod["metadata"]["name"] = "web-3".into();
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
        state.objects.insert("pods/web-3".into(), pod);
        let mut late = state.pods["web-1"].clone();
        late.silent = true;
        state.pods.insert("web-3".into(), late);
    });
    // It is asked while it starts, and answers.
    cluster.before(annotate, |state| state.pods.get_mut("web-3").unwrap().silent = false);
    let said = cluster.run(&["on"]);
    said.ended(0, &["3 of 3 user pods have read the change"]);
    said.not("not waited for");
}

#[test]
fn a_ready_pod_that_does_not_follow_is_named() {
    let cluster = Cluster::tiers();
    cluster.state.borrow_mut().pods.get_mut("web-1").unwrap().deaf = true;
    cluster.state.borrow_mut().pods.get_mut("web-2").unwrap().silent = true;
    let said = cluster.run(&["on", "--timeout", "3s"]);
    said.ended(
        1,
        &[
            "not in force after 3 s",
            "web-1 (normal), web-2 (no answer)",
            "last trouble: 503 the server is currently unable to handle the request",
        ],
    );
    said.ended(1, &["configmap/app-config is changed to maintenance and may follow yet; this command can be repeated"]);
    // A timeout is no failed change: nothing is put back.
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MODE"], "true");
    said.not("is in force");
}

#[test]
fn an_unready_pod_that_answers_is_waited_for() {
    let cluster = Cluster::tiers();
    cluster.unready("web-1");
    cluster.state.borrow_mut().pods.get_mut("web-1").unwrap().deaf = true;
    cluster.run(&["on", "--timeout", "9s"]).ended(1, &["web-1 (normal)"]);
}

#[test]
fn without_a_user_pod_those_that_start_will_follow() {
    let cluster = Cluster::tiers();
    cluster.state.borrow_mut().objects.retain(|key, _| !key.starts_with("pods/"));
    cluster.run(&["on"]).ended(0, &["web: there are no user pods: those that start will have read the change"]);
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MODE"], "true");
}

#[test]
fn without_waiting_it_returns_when_it_is_changed() {
    let cluster = Cluster::tiers();
    cluster.forbid("get pods/proxy");
    cluster
        .run(&["on", "--wait=false"])
        .ended(0, &["web: changed to maintenance; whether it is in force was not waited for"]);
    assert_eq!(cluster.patched(), ["configmap/app-config"]);
    assert_eq!(cluster.changes().len(), 1);
}

#[test]
fn a_dry_run_prints_each_command_and_changes_nothing() {
    let cluster = Cluster::tiers();
    cluster.ingress("web", "web.example.org", "web-user", &json!({}));
    cluster.add("services", "web-user", &user_labels("web"), json!({}));
    let said = cluster.run(&["on", "--dry-run"]);
    said.ended(
        0,
        &[
            "kubectl patch configmap/app-config --namespace shop --type json --field-manager kubectl-maintenance -p [",
            "web: would annotate its pods, and ask each until it has read the change",
            "web: would ask the front door http://web.example.org/",
        ],
    );
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
    assert!(cluster.calls().iter().any(|call| call.ends_with("--dry-run=server")));
}

#[test]
fn only_these_verbs_are_used() {
    let cluster = Cluster::tiers();
    cluster.run(&["on"]).ended(0, &[]);
    let verbs: std::collections::BTreeSet<String> =
        cluster.calls().iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(verbs.into_iter().collect::<Vec<_>>(), ["annotate", "auth", "config", "create", "get", "patch"]);
}

#[test]
fn a_patch_that_is_not_allowed_is_refused_before_anything_changes() {
    let cluster = Cluster::tiers();
    cluster.forbid("patch configmap/app-config");
    let said = cluster.run(&["on"]);
    said.ended(
        1,
        &[
            "configmap/app-config in namespace shop cannot be patched: Error from server (Forbidden)",
            "Nothing has changed",
        ],
    );
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn pods_that_may_not_be_asked_are_told_before_anything_changes() {
    let cluster = Cluster::tiers();
    cluster.forbid("get pods/proxy");
    cluster
        .run(&["on"])
        .ended(1, &["you may not get pods/proxy in namespace shop", "rbac.toggle.subjects", "Nothing has changed"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn pods_that_may_not_be_listed_are_no_success() {
    let cluster = Cluster::tiers();
    cluster.forbid("list pods");
    cluster.run(&["on"]).ended(1, &["the user pods of release web in namespace shop cannot be listed", "forbidden"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn pods_that_can_no_longer_be_listed_are_no_success() {
    let cluster = Cluster::tiers();
    cluster.before("patch", |state| state.forbidden.push("list pods"));
    let said = cluster.run(&["on", "--timeout", "2s"]);
    said.ended(1, &["not in force after 2 s: the user pods of release web in namespace shop cannot be listed"]);
}

#[test]
fn pods_that_may_not_be_annotated_follow_in_their_own_time() {
    let cluster = Cluster::tiers();
    cluster.forbid("patch pods");
    let said = cluster.run(&["on", "--timeout", "4s"]);
    said.ended(1, &["you may not patch pods, so their kubelets look in their own time, which takes up to 90 s"]);
    assert_eq!(said.err.matches("cannot be annotated").count(), 1, "{}", said.err);
}

#[test]
fn releases_that_may_not_be_listed_are_told() {
    let cluster = Cluster::tiers();
    cluster.forbid("list configmaps");
    cluster.run(&["on"]).ended(1, &["the releases cannot be listed by their ConfigMaps: 403 configmaps is forbidden"]);
}

#[test]
fn the_only_release_needs_no_name() {
    let cluster = Cluster::tiers();
    cluster.run(&["on", "wbe"]).ended(1, &["there is no release wbe in namespace shop; there is: web"]);
    cluster.release("other", "config", "other-config", &json!({}));
    cluster.run(&["on"]).ended(64, &["there are several releases in namespace shop, so name one: other, web"]);
    cluster.remove("configmaps/other-config");
    cluster.remove("configmaps/app-config");
    cluster.run(&["off"]).ended(64, &["there is no release in namespace shop"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn several_releases_are_switched_together() {
    let cluster = Cluster::tiers();
    cluster.release("other", "config", "other-config", &json!({}));
    cluster.pod("other-1", &user_labels("other"), Some("other-config"));
    cluster.run(&["on", "web", "other"]).ended(0, &["web: maintenance is in force", "other: maintenance is in force"]);
    assert_eq!(cluster.patched(), ["configmap/other-config", "configmap/app-config"]);
}

#[test]
fn if_one_of_several_fails_the_others_are_put_back() {
    let cluster = Cluster::tiers();
    cluster.release("other", "config", "other-config", &json!({"MAINTENANCE_MODE": "false"}));
    cluster.pod("other-1", &user_labels("other"), Some("other-config"));
    let before = cluster.object("configmaps/other-config");
    cluster.forbid("really patch configmap/app-config");
    let said = cluster.run(&["on", "web", "other"]);
    said.ended(
        1,
        &[
            "configmap/app-config in namespace shop cannot be patched",
            "What is in which mode now: configmap/other-config in namespace shop is as it was",
        ],
    );
    let after = cluster.object("configmaps/other-config");
    assert_eq!(before["data"], after["data"]);
    assert_eq!(after["metadata"]["annotations"], json!({}));
}

#[test]
fn a_change_by_somebody_else_meanwhile_is_named() {
    let cluster = Cluster::tiers();
    cluster.before("patch", |state| state.edit("configmaps/app-config", "/data/MAINTENANCE_MODE", json!("true")));
    let said = cluster.run(&["on"]);
    said.ended(1, &[
        "configmap/app-config in namespace shop was changed by somebody meanwhile (data.MAINTENANCE_MODE is \"true\", and was \"false\")",
        ": look at it, and repeat this command. Nothing has changed",
    ]);
}

#[test]
fn ctrl_c_while_changing_puts_back_what_was_changed() {
    let cluster = Cluster::tiers();
    cluster.release("other", "config", "other-config", &json!({"MAINTENANCE_MODE": "false"}));
    cluster.interrupt_at("patch configmap/other-config");
    let said = cluster.run(&["on", "web", "other"]);
    said.ended(130, &["interrupted: configmap/other-config in namespace shop is as it was"]);
    // Changed, put back, and given back to whom it belonged.
    assert_eq!(cluster.patched(), ["configmap/other-config"; 3]);
    assert_eq!(cluster.data("other-config")["MAINTENANCE_MODE"], "false");
}

#[test]
fn ctrl_c_while_waiting_puts_nothing_back() {
    let cluster = Cluster::tiers();
    cluster.interrupt_at("annotate");
    cluster.state.borrow_mut().pods.get_mut("web-2").unwrap().deaf = true;
    let said = cluster.run(&["on"]);
    said.ended(130, &["interrupted: web is changed to maintenance, and nothing is put back: these user pods have not read the change", "web-2 (normal)"]);
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MODE"], "true");
}

#[test]
fn ctrl_c_before_anything_is_changed_changes_nothing() {
    let cluster = Cluster::tiers();
    cluster.interrupt_at("create");
    cluster.run(&["on"]).ended(130, &["interrupted: nothing has changed"]);
    assert_eq!(cluster.changes(), [[""; 0]; 0]);
}

#[test]
fn quiet_says_no_progress() {
    let said = Cluster::tiers().run(&["on", "--quiet"]);
    said.ended(0, &["maintenance is in force"]);
    assert_eq!(said.err, "");
}

#[test]
fn no_mode_in_the_configmap_is_normal_and_is_switched() {
    let cluster = Cluster::tiers();
    cluster.edit("configmaps/app-config", "/data", json!({}));
    cluster.run(&["on"]).ended(0, &[]);
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MODE"], "true");
    cluster.run(&["off"]).ended(0, &[]);
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MODE"], "false");
}

#[test]
fn a_message_in_another_language_is_not_changed_and_that_is_said() {
    let cluster = Cluster::tiers();
    cluster.edit("configmaps/app-config", "/data/MAINTENANCE_MESSAGE.fr", json!("Bientôt"));
    let said = cluster.run(&["on", "--message", "Back soon"]);
    said.ended(0, &["note: web: who reads fr gets that language's own message, which is not changed"]);
    said.not("whatever their language");
    assert_eq!(cluster.data("app-config")["MAINTENANCE_MESSAGE.fr"], "Bientôt");
    cluster.edit("configmaps/app-config", "/data", json!({}));
    let says = "note: web: with a message of its own the page says it to all, whatever their language";
    cluster.run(&["on", "--message", "Back soon"]).ended(0, &[says]);
}

#[test]
fn what_an_earlier_on_took_stays_ours_where_a_second_one_fails() {
    let cluster = Cluster::tiers();
    cluster.run(&["on"]).ended(0, &[]);
    let ours = json!([{"manager": "kubectl-maintenance", "operation": "Update", "fieldsV1": {"f:data": {"f:MAINTENANCE_MODE": {}}}}]);
    cluster.edit("configmaps/app-config", "/metadata/managedFields", ours.clone());
    cluster.interrupt_at("patch");
    cluster.run(&["on", "--reason", "two"]).ended(130, &["configmap/app-config in namespace shop is as it was"]);
    assert_eq!(cluster.object("configmaps/app-config")["metadata"]["managedFields"], ours);
}
