//! The receipt: what `-o json` prints, whatever came of a command. `status.rs` has the whole of it as a golden file.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Said};
use crate::doors::Door;

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9/";

impl Said {
    /// What was printed: one receipt and nothing else.
    #[track_caller]
    pub(crate) fn receipt(&self) -> Value {
        let receipt: Value = serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.err, self.out));
        assert_eq!(receipt["kind"], "Receipt");
        receipt
    }
}

/// What has become of each object.
fn states(receipt: &Value) -> Vec<(&str, &str)> {
    let targets = receipt["targets"].as_array().unwrap().iter();
    let objects = targets.flat_map(|target| target["objects"].as_array().unwrap());
    objects.map(|object| (object["object"].as_str().unwrap(), object["state"].as_str().unwrap())).collect()
}

#[track_caller]
fn contains(value: &Value, text: &str) {
    assert!(value.as_str().is_some_and(|value| value.contains(text)), "{text:?} is not in {value}");
}

/// A release of each kind, so that something is changed before something else fails.
fn two() -> Cluster {
    let cluster = Cluster::standby();
    cluster.release("web", "config", "app-config", &json!({"MAINTENANCE_MODE": "false"}));
    cluster
}

#[test]
fn it_has_the_command_as_it_was_typed_without_secrets() {
    let cluster = Cluster::tiers();
    let typed = ["on", "--reason", "CHG 4711", "--token", "abc", "--password=def", "--context", "prod", "-o", "json"];
    let said = cluster.run(&typed);
    let command = "kubectl maintenance on --reason 'CHG 4711' --token … --password=… --context prod -o json";
    assert_eq!(said.receipt()["command"], command);
    said.not("abc");
    said.not("def");
}

#[test]
fn a_front_door_has_the_time_of_its_last_old_and_of_its_first_new_answer() {
    let door = Door::open(200, false);
    let cluster = Cluster::tiers();
    let turns = door.clone();
    cluster.before("patch configmap/app-config", move |_| turns.turn(503, true));
    let said = cluster.run(&["on", "--url", &door.url, "-o", "json"]);
    said.ended(0, &[]);
    let receipt = said.receipt();
    let asked = &receipt["targets"][0]["frontDoors"][0];
    assert_eq!((&asked["verdict"], &asked["entry"]), (&json!("good"), &json!("--url")));
    let time = |value: &Value| {
        let text = value.as_str().unwrap();
        assert_eq!((text.len(), text.ends_with('Z')), ("2026-12-01T20:00:00.500Z".len(), true), "{text}");
        text.parse::<Timestamp>().unwrap()
    };
    let (began, old, new) = (time(&receipt["began"]), time(&asked["lastOld"]), time(&asked["firstNew"]));
    assert!(began <= old && old <= new, "{receipt:#}");
    assert_eq!((&receipt["inForce"], &receipt["problem"]), (&json!(true), &Value::Null));
}

#[test]
fn a_front_door_that_cannot_be_asked_is_unchecked_and_why() {
    let cluster = Cluster::standby();
    cluster.ingress("shop", "*.example.org", "shop-front", &json!({}));
    for (flags, says) in [
        (&["on", "-o", "json"] as &[_], "*.example.org is a wildcard host"),
        (&["off", "--wait=false", "--url", NOBODY, "-o", "json"], "not asked, as it was not waited for"),
        (&["on", "--dry-run", "--url", NOBODY, "-o", "json"], "not asked, as nothing was changed"),
    ] {
        let said = cluster.run(flags);
        said.ended(0, &[]);
        let door = &said.receipt()["targets"][0]["frontDoors"][0];
        assert_eq!((&door["verdict"], &door["says"]), (&json!("unchecked"), &json!(says)));
        assert_eq!((&door["lastOld"], &door["firstNew"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn a_check_that_fails_has_one_too() {
    let cluster = two();
    cluster.forbid("patch service/shop-front");
    let said = cluster.run(&["on", "page", "web", "-o", "json"]);
    said.ended(1, &[]);
    let receipt = said.receipt();
    contains(&receipt["problem"], "service/shop-front");
    contains(&receipt["problem"], "Nothing has changed");
    assert_eq!(states(&receipt), [("service/shop-front", "unchanged"), ("configmap/app-config", "unchanged")]);
    assert_eq!((&receipt["inForce"], &receipt["seconds"]), (&Value::Null, &Value::Null));
    assert_eq!((&receipt["by"], &receipt["namespace"]), (&json!("ann"), &json!("shop")));
}

#[test]
fn a_change_that_fails_has_one_with_what_was_put_back() {
    let door = Door::open(200, false);
    let cluster = two();
    cluster.forbid("really patch configmap/app-config");
    // Users get the page for a moment.
    let (on, off) = (door.clone(), door.clone());
    cluster.before("patch service/shop-front", move |_| on.turn(503, true));
    cluster.before("patch service/shop-front", move |_| off.turn(200, false));
    let said = cluster.run(&["on", "page", "web", "--url", &door.url, "-o", "json"]);
    said.ended(1, &[]);
    let receipt = said.receipt();
    contains(&receipt["problem"], "service/shop-front in namespace shop is as it was");
    let asked = &receipt["targets"][0]["frontDoors"][0];
    contains(&asked["says"], "was watched, and not waited for");
    assert!(asked["lastOld"].is_string() && asked["firstNew"].is_string(), "{asked}");
    assert_eq!(states(&receipt), [("service/shop-front", "putBack"), ("configmap/app-config", "unchanged")]);
    assert_eq!(receipt["inForce"], Value::Null);
}

#[test]
fn a_change_whose_answer_is_lost_with_all_that_follows_is_unknown() {
    let cluster = two();
    cluster.forbid("answer patch service/shop-front");
    cluster.before("get service/shop-front", |state| {
        state.objects.remove("services/shop-front");
    });
    let said = cluster.run(&["on", "page", "web", "-o", "json"]);
    said.ended(1, &["whether it is changed cannot be told"]);
    assert_eq!(states(&said.receipt()), [("service/shop-front", "unknown"), ("configmap/app-config", "unchanged")]);
}

#[test]
fn ctrl_c_has_one_while_it_changes_and_while_it_waits() {
    let cluster = two();
    cluster.interrupt_at("patch service/shop-front");
    let said = cluster.run(&["on", "page", "web", "-o", "json"]);
    said.ended(130, &[]);
    let receipt = said.receipt();
    contains(&receipt["problem"], "interrupted: service/shop-front in namespace shop is as it was");
    assert_eq!(states(&receipt), [("service/shop-front", "putBack"), ("configmap/app-config", "unchanged")]);

    cluster.interrupt_at("get --raw /apis/discovery");
    let said = cluster.run(&["on", "page", "-o", "json"]);
    said.ended(130, &[]);
    let receipt = said.receipt();
    contains(&receipt["problem"], "page is changed to maintenance, and nothing is put back");
    assert_eq!(states(&receipt), [("service/shop-front", "changed")]);
    assert_eq!((&receipt["inForce"], &receipt["targets"][0]["inForce"]), (&json!(false), &json!(false)));
}

#[test]
fn what_is_not_in_force_in_time_has_one_with_what_the_front_doors_said_meanwhile() {
    let door = Door::open(200, false);
    let cluster = Cluster::tiers();
    cluster.state.borrow_mut().pods.get_mut("web-1").unwrap().deaf = true;
    let asked = door.clone();
    cluster.before("patch configmap/app-config", move |_| asked.turn(200, false));
    let said = cluster.run(&["on", "--timeout", "3s", "--url", &door.url, "-o", "json"]);
    said.ended(1, &[]);
    let receipt = said.receipt();
    contains(&receipt["problem"], "web: not in force after 3 s: these user pods have not read the change: web-1");
    let target = &receipt["targets"][0];
    assert_eq!(
        (&target["inForce"], &target["seconds"], &receipt["seconds"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    let door = &target["frontDoors"][0];
    contains(&door["says"], "was watched, and not waited for");
    assert_eq!((door["lastOld"].is_string(), &door["firstNew"]), (true, &Value::Null));
}

#[test]
fn what_is_refused_before_anything_is_planned_has_one() {
    let cluster = two();
    let said = cluster.run(&["on", "-o", "json"]);
    said.ended(64, &[]);
    let receipt = said.receipt();
    contains(&receipt["problem"], "there are several releases in namespace shop, so name one: page, web");
    assert_eq!((&receipt["targets"], &receipt["by"]), (&json!([]), &Value::Null));
}

#[test]
fn what_was_forced_is_among_the_notes() {
    let cluster = Cluster::standby();
    for pod in ["page-1", "page-2"] {
        cluster.unready(pod);
    }
    let said = cluster.run(&["on", "--force", "--wait=false", "-o", "json"]);
    said.ended(0, &[]);
    let notes = &said.receipt()["notes"];
    contains(&notes[0], "forced: no page pod of release page is Ready");
}
