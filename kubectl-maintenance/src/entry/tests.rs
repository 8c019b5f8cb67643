//! Entries from real life, as an API server has stored them, on and off.

use std::{fs, slice};

use serde_json::{Value, json};

use super::*;
use crate::change::put;
use crate::object::{annotation_at, list, name};

/// What a Route holds and nobody may read.
const SECRETS: [&str; 2] = ["the key", "the certificate"];

fn page() -> Page {
    Page { release: "page".into(), service: "page-page".into(), port: 80, port_name: "http".into() }
}

fn stamp(reason: Option<&str>) -> Stamp {
    Stamp { since: "2026-12-01T20:00:00Z".into(), by: "ann".into(), reason: reason.map(str::to_owned) }
}

/// An entry of `tests/entries/`.
fn entry(file: &str) -> Value {
    let path = format!("{}/tests/entries/{file}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// All of them that can be switched.
fn entries() -> Vec<Value> {
    let files = fs::read_dir(format!("{}/tests/entries", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let entries: Vec<Value> =
        files.map(|file| serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap()).collect();
    assert!(entries.len() > 15, "{}", entries.len());
    entries.into_iter().filter(|entry| name(entry) != "passthrough").collect()
}

fn moved(entry: &Value, wish: &Wish) -> Moved {
    on(entry, &[], &page(), wish, &stamp(None)).unwrap()
}

/// The entry once it is switched.
fn switched(entry: &Value, wish: &Wish) -> Value {
    moved(entry, wish).change.after()
}

fn refused(file: &str, wish: &Wish) -> String {
    on(&entry(file), &[], &page(), wish, &stamp(None)).unwrap_err()
}

fn keep(paths: &[&str]) -> Wish {
    Wish { keep_paths: paths.iter().map(|path| keep_path(path).unwrap()).collect(), ..Wish::default() }
}

fn bypass() -> Wish {
    Wish { bypass: Some(("X-Tester".into(), "2f9c".into())), ..Wish::default() }
}

fn drop(keys: &[&str]) -> Wish {
    Wish { drop_annotations: keys.iter().map(|key| annotation_key(key).unwrap()).collect(), ..Wish::default() }
}

/// The backends that page pods stand behind.
fn to_page() -> Value {
    json!({"service": {"name": "page-page", "port": {"number": 80}}})
}

/// What the API server does with a JSON patch.
fn patched(object: &Value, operations: &Value) -> Result<Value, String> {
    let mut object = object.clone();
    for operation in list(operations, "") {
        let (path, value) = (text(operation, "/path"), operation.get("value"));
        let (parent, _) = path.rsplit_once('/').unwrap();
        let there = object.pointer(path).cloned();
        match text(operation, "/op") {
            "test" if there.clone().unwrap_or_default() == value.cloned().unwrap_or_default() => {}
            "add" if object.pointer(parent).is_some() => put(&mut object, path, value.cloned()),
            "replace" if there.is_some() => put(&mut object, path, value.cloned()),
            "remove" if there.is_some() => put(&mut object, path, None),
            _ => return Err(format!("{operation} where there is {there:?}")),
        }
    }
    Ok(object)
}

fn restored_by_kubectl(entry: &Value) -> Result<Value, String> {
    patched(entry, &serde_json::from_str(annotation(entry, "restore").unwrap()).unwrap())
}

// === any entry ===

#[test]
fn every_entry_comes_back_exactly_by_off_and_by_kubectl_alone() {
    for entry in entries() {
        let switched = switched(&entry, &Wish::default());
        assert_ne!(switched["spec"], entry["spec"]);
        assert_eq!(patched(&entry, &moved(&entry, &Wish::default()).change.patch()).as_ref(), Ok(&switched));
        assert_eq!(state(&switched), State::Switched);
        assert_eq!(original(&switched), entry);
        let back = off(&switched, false).unwrap();
        assert_eq!((back.differs.as_slice(), back.notes.as_slice()), (&[] as &[String], &[] as &[String]));
        assert_eq!(back.change.after(), entry);
        assert_eq!(patched(&switched, &back.change.patch()), Ok(entry.clone()));
        assert_eq!(patched(&entry, &back.change.inverse()), Ok(switched.clone()));
        assert_eq!(restored_by_kubectl(&switched), Ok(entry));
    }
}

#[test]
fn a_second_on_changes_nothing_but_the_reason() {
    for entry in entries() {
        let once = switched(&entry, &Wish::default());
        assert!(moved(&once, &Wish::default()).change.is_empty());
        let twice = on(&once, &[], &page(), &Wish::default(), &stamp(Some("CHG-4711"))).unwrap().change;
        assert!(twice.overwrites().is_empty());
        let twice = twice.after();
        assert_eq!(annotation(&twice, "reason"), Some("CHG-4711"));
        assert_eq!(page_of(&twice), page_of(&once));
        assert_eq!(off(&twice, false).unwrap().change.after(), entry);
        assert_eq!(restored_by_kubectl(&twice), Ok(entry));
    }
}

#[test]
fn nothing_of_the_application_is_left() {
    for entry in entries() {
        assert_eq!(services(&switched(&entry, &Wish::default())), BTreeSet::from(["page-page".to_owned()]));
    }
}

#[test]
fn the_page_is_remembered_and_another_takes_its_place() {
    for entry in entries() {
        let once = switched(&entry, &Wish::default());
        let first = page_of(&once).unwrap();
        assert_eq!((first.release.as_str(), first.service.as_str()), ("page", "page-page"));
        let other = Page { release: "night".into(), service: "night-page".into(), ..page() };
        let twice = on(&once, &[], &other, &Wish::default(), &stamp(None)).unwrap().change.after();
        assert_eq!(page_of(&twice).unwrap().release, "night");
        assert_eq!(services(&twice), BTreeSet::from(["night-page".to_owned()]));
        assert_eq!(off(&twice, false).unwrap().change.after(), entry);
        assert_eq!(page_of(&entry), None);
    }
}

#[test]
fn where_the_original_was_applied_again_the_annotations_alone_go() {
    for entry in entries() {
        let switched = switched(&entry, &Wish::default());
        let mut reapplied = entry.clone();
        for name in restore::NAMES {
            if let Some(value) = annotation(&switched, name) {
                put(&mut reapplied, &annotation_at(name), Some(value.into()));
            }
        }
        assert_eq!(state(&reapplied), State::Reapplied);
        let back = off(&reapplied, false).unwrap();
        assert_eq!((back.differs.len(), back.change.overwrites().len()), (0, 0));
        assert_eq!(back.change.after(), entry);
        // It is switched again as if it were new.
        let again = moved(&reapplied, &Wish::default()).change.after();
        assert_eq!(again["spec"], switched["spec"]);
        assert_eq!(off(&again, false).unwrap().change.after(), entry);
    }
}

#[test]
fn what_somebody_changed_meanwhile_is_named_and_force_restores_it() {
    let original = entry("ingress-hosts");
    let mut now = switched(&original, &Wish::default());
    now["spec"]["rules"][1]["http"]["paths"][0]["path"] = "/v3".into();
    let back = off(&now, false).unwrap();
    assert_eq!(back.differs, [r#"spec.rules.1.http.paths.0.path is "/v3", and was "/v1""#]);
    assert_eq!(state(&now), State::Changed(back.differs));
    assert!(restored_by_kubectl(&now).is_err());
    assert_eq!(off(&now, true).unwrap().change.after(), original);
    let why = on(&now, &[], &page(), &Wish::default(), &stamp(None)).unwrap_err();
    assert!(why.contains("off --force"), "{why}");
}

#[test]
fn a_rule_that_somebody_put_before_the_others_is_a_difference_even_where_it_leads_to_the_first_backend() {
    let original = entry("ingress-main");
    let mut now = switched(&original, &Wish::default());
    let page_rule = now["spec"]["rules"][0].clone();
    now["spec"]["rules"] = json!([original["spec"]["rules"][0], page_rule]);
    assert_eq!(off(&now, false).unwrap().differs.len(), 2);
}

#[test]
fn what_somebody_led_elsewhere_is_kept_by_a_command_and_switched_anew_by_on() {
    let mut changed = entry("ingress-main");
    changed["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/new".into();
    let mut now = switched(&entry("ingress-main"), &Wish::default());
    now["spec"] = changed["spec"].clone();
    let back = off(&now, false).unwrap();
    assert_eq!(back.differs.len(), 2);
    assert!(
        back.notes[0].contains("kubectl annotate ingress/main --namespace default maintenance-mode.github.io/since- ")
    );
    let again = moved(&now, &Wish::default());
    assert!(again.notes[0].contains("is switched as it is now"), "{:?}", again.notes);
    assert_eq!(off(&again.change.after(), false).unwrap().change.after()["spec"], changed["spec"]);
}

#[test]
fn what_somebody_led_elsewhere_keeps_its_way_back_while_another_field_is_as_it_was_switched() {
    for (file, backend, field) in [
        ("ingress-login", "/spec/rules/0/http/paths/0/backend/service/name", "nginx.ingress.kubernetes.io/auth-url"),
        ("route-reencrypt", "/spec/to/name", "spec.tls.termination"),
    ] {
        let original = entry(file);
        let mut now = switched(&original, &Wish::default());
        *now.pointer_mut(backend).unwrap() = "another".into();
        // Switched as it is now, it would come back without its login, or without TLS to its pods.
        let why = on(&now, &[], &page(), &Wish::default(), &stamp(None)).unwrap_err();
        assert!(why.contains("off --force"), "{why}");
        let back = off(&now, true).unwrap();
        let note = &back.notes[0];
        assert!(note.contains("put back what is still as it was switched (") && note.contains(field), "{note}");
        assert_eq!(back.change.after(), original);
    }
}

#[test]
fn an_entry_that_has_lost_its_way_back_is_refused_both_ways() {
    let mut now = switched(&entry("ingress-main"), &Wish::default());
    put(&mut now, &annotation_at("restore"), None);
    assert!(off(&now, true).unwrap_err().contains("not known what was there before"));
    assert!(
        on(&now, &[], &page(), &Wish::default(), &stamp(None))
            .unwrap_err()
            .contains("leads to service/page-page already")
    );
    // Without the other annotation, too, one that says nothing is no reason to forget that there was one.
    put(&mut now, &annotation_at("restore-meta"), None);
    put(&mut now, &annotation_at("restore"), Some("[".into()));
    assert!(off(&now, true).unwrap_err().contains("not known what was there before"));
}

#[test]
fn an_entry_that_is_not_switched_is_not_changed_by_off() {
    for entry in entries() {
        assert_eq!(state(&entry), State::Normal);
        assert!(off(&entry, true).unwrap().change.is_empty());
        assert_eq!(original(&entry), entry);
    }
}

#[test]
fn an_excluded_entry_is_never_switched() {
    let mut excluded = entry("ingress-main");
    excluded["metadata"]["labels"] = json!({"maintenance-mode.github.io/exclude": "true"});
    assert!(on(&excluded, &[], &page(), &Wish::default(), &stamp(None)).unwrap_err().contains("never switched"));
}

#[test]
fn annotations_are_dropped_by_name_and_given_back() {
    let original = entry("ingress-login");
    let key = "haproxy.org/server-ssl";
    let first = switched(&original, &Wish::default());
    assert_eq!(first["metadata"]["annotations"][key], "true");
    // A second `on` adds to the first.
    let second = switched(&first, &drop(&[key]));
    assert_eq!(second["metadata"]["annotations"].get(key), None);
    let third = switched(&second, &drop(&["haproxy.org/none"]));
    assert_eq!(third["metadata"]["annotations"].get(key), None);
    assert_eq!(off(&second, false).unwrap().change.after(), original);
    assert_eq!(restored_by_kubectl(&second), Ok(original.clone()));
    assert_eq!(moved(&original, &drop(&["haproxy.org/none"])).notes[1], "has no annotation haproxy.org/none");
}

#[test]
fn managed_fields_are_kept_as_they_were_before_the_first() {
    let original = entry("httproute-shop");
    let first = switched(&original, &Wish::default());
    let meta = |object: &Value| serde_json::from_str::<Value>(annotation(object, "restore-meta").unwrap()).unwrap();
    assert_eq!(meta(&first)["managedFields"], original["metadata"]["managedFields"]);
    let mut later = first.clone();
    later["metadata"]["managedFields"] = json!([]);
    assert_eq!(meta(&switched(&later, &bypass()))["managedFields"], original["metadata"]["managedFields"]);
}

#[test]
fn objects_that_are_no_entries_are_refused() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", "namespace": "n"}});
    assert!(on(&service, &[], &page(), &Wish::default(), &stamp(None)).is_err());
    assert!(off(&service, false).is_err());
    assert_eq!(services(&service), BTreeSet::new());
}

// === Ingress ===

#[test]
fn of_an_ingress_the_backends_change_and_nothing_else() {
    for entry in entries().into_iter().filter(|entry| EntryKind::of(entry) == Some(EntryKind::Ingress)) {
        let mut expected = entry["spec"].clone();
        let mut actions = 0;
        for rule in expected.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            for path in rule.pointer_mut("/http/paths").and_then(Value::as_array_mut).into_iter().flatten() {
                match text(path, "/backend/service/port/name") {
                    "use-annotation" => actions += 1,
                    _ => path["backend"] = to_page(),
                }
            }
        }
        if expected.get("defaultBackend").is_some() {
            expected["defaultBackend"] = to_page();
        }
        let moved = moved(&entry, &Wish::default());
        assert_eq!(moved.change.after()["spec"], expected);
        assert_eq!(moved.notes.iter().filter(|note| note.contains("is not switched in")).count(), actions);
    }
}

#[test]
fn an_action_of_a_load_balancer_stays_and_is_named() {
    let notes = moved(&entry("ingress-actions"), &Wish::default()).notes;
    assert_eq!(
        notes,
        ["is not switched in the path /* of every host: the annotation of the action ssl-redirect says what happens"]
    );
    let mut alone = entry("ingress-actions");
    alone["spec"]["rules"][0]["http"]["paths"].as_array_mut().unwrap().pop();
    let why = on(&alone, &[], &page(), &Wish::default(), &stamp(None)).unwrap_err();
    assert_eq!(why, "ingress/actions has no backend that can be switched");
}

#[test]
fn annotations_that_keep_users_from_the_page_are_taken_away_and_said() {
    let moved = moved(&entry("ingress-login"), &Wish::default());
    let left: Vec<String> = crate::object::map(&moved.change.after(), "/metadata/annotations").into_keys().collect();
    let theirs: Vec<&str> = left.iter().map(String::as_str).filter(|key| !key.starts_with(PREFIX)).collect();
    assert_eq!(
        theirs,
        [
            "haproxy.org/server-ssl",
            "kubectl.kubernetes.io/last-applied-configuration",
            "nginx.ingress.kubernetes.io/proxy-read-timeout",
        ]
    );
    let [note] = &moved.notes[..] else { panic!("{:?}", moved.notes) };
    for key in ["auth-url", "auth-realm", "auth-tls-secret", "backend-protocol", "custom-http-errors"] {
        assert!(note.contains(&format!("nginx.ingress.kubernetes.io/{key}")), "{note}");
    }
}

#[test]
fn an_ingress_of_which_openshift_makes_a_route_with_tls_to_the_pods_is_told() {
    let key = "route.openshift.io/termination";
    let mut ingress = entry("ingress-main");
    ingress["metadata"]["annotations"][key] = "reencrypt".into();
    assert!(moved(&ingress, &Wish::default()).notes[0].contains(&format!("keeps its annotation {key}")));
    assert_eq!(moved(&ingress, &drop(&[key])).notes, [""; 0]);
    ingress["metadata"]["annotations"][key] = "passthrough".into();
    let why = on(&ingress, &[], &page(), &Wish::default(), &stamp(None)).unwrap_err();
    assert!(why.contains("is passthrough") && why.contains(key), "{why}");
    ingress["metadata"]["annotations"][key] = "edge".into();
    assert_eq!(moved(&ingress, &Wish::default()).notes, [""; 0]);
}

#[test]
fn plain_http_is_what_page_pods_speak_and_no_reason_to_refuse_a_path() {
    let mut plain = entry("ingress-main");
    plain["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"] = "HTTP".into();
    let now = switched(&plain, &keep(&["/webhooks"]));
    assert_eq!(now["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"], "HTTP");
}

#[test]
fn another_controllers_protocol_stays_and_is_said() {
    let mut other = entry("ingress-main");
    let key = "alb.ingress.kubernetes.io/backend-protocol";
    other["metadata"]["annotations"] = json!({key: "HTTPS"});
    assert!(moved(&other, &Wish::default()).notes[0].contains(&format!("keeps its annotation {key}")));
    let dropped = moved(&other, &drop(&[key]));
    assert_eq!(dropped.notes, [""; 0]);
    assert_eq!(off(&dropped.change.after(), false).unwrap().change.after(), other);
    other["metadata"]["annotations"] = json!({key: "HTTP"});
    assert_eq!(moved(&other, &Wish::default()).notes, [""; 0]);
}

#[test]
fn an_ingress_whose_tls_ends_in_the_pods_is_refused_until_the_annotation_is_dropped() {
    let mut passthrough = entry("ingress-main");
    for key in ["nginx.ingress.kubernetes.io/ssl-passthrough", "haproxy.org/ssl-passthrough"] {
        passthrough["metadata"]["annotations"] = json!({key: "true"});
        assert!(on(&passthrough, &[], &page(), &Wish::default(), &stamp(None)).unwrap_err().contains("is passthrough"));
        assert_eq!(switched(&passthrough, &drop(&[key]))["metadata"]["annotations"].get(key), None);
        passthrough["metadata"]["annotations"] = json!({key: "false"});
        assert_eq!(moved(&passthrough, &Wish::default()).notes, [""; 0]);
    }
}

#[test]
fn canaries_of_the_same_host_and_path_are_twins() {
    let (main, canary) = (entry("ingress-main"), entry("ingress-canary"));
    let all = [main.clone(), canary.clone(), entry("ingress-hosts"), entry("route-edge")];
    assert_eq!(twins(&main, &all), [&canary]);
    assert_eq!(twins(&canary, &all), [&Value::Null; 0]);
    assert!(is_canary(&canary) && !is_canary(&main));
    let mut elsewhere = canary.clone();
    elsewhere["spec"]["rules"][0]["host"] = "other.example.org".into();
    let mut excluded = canary;
    excluded["metadata"]["labels"] = json!({"maintenance-mode.github.io/exclude": "true"});
    assert_eq!(twins(&main, &[elsewhere, excluded]), [&Value::Null; 0]);
}

#[test]
fn a_path_of_an_ingress_is_kept_below_the_longest_that_serves_it() {
    let original = entry("ingress-hosts");
    let shop = &original["spec"]["rules"][0]["http"]["paths"];
    let moved = moved(&original, &keep(&["/webhooks/pay", "/v1", "/cart"]));
    let after = moved.change.after();
    let hosts = [0, 1, 2].map(|rule| after["spec"]["rules"][rule]["http"]["paths"].clone());
    // Below `/` of the first host: its Service; what the host has below the path stays as well.
    let added = |path: &str, backend: &Value| json!({"path": path, "pathType": "Prefix", "backend": backend});
    let shop_page = json!({"path": "/", "pathType": "Prefix", "backend": to_page()});
    assert_eq!(
        hosts[0],
        json!([
            shop_page,
            shop[1],
            added("/webhooks/pay", &shop[0]["backend"]),
            added("/v1", &shop[0]["backend"]),
            added("/cart", &shop[0]["backend"]),
        ])
    );
    // The second host has nothing that serves /webhooks/pay; its own /v1 stays.
    let api = &original["spec"]["rules"][1]["http"]["paths"];
    assert_eq!(hosts[1][0], api[0]);
    assert_eq!((hosts[1][1]["backend"].clone(), hosts[1].as_array().unwrap().len()), (to_page(), 2));
    assert_eq!(hosts[2].as_array().unwrap().len(), 4);
    assert!(moved.notes.contains(&"has the path /v1 of shop.example.org meanwhile, to the application".to_owned()));
    assert_eq!(off(&after, false).unwrap().change.after(), original);
    assert_eq!(restored_by_kubectl(&after), Ok(original));
}

#[test]
fn a_path_of_an_ingress_is_not_kept_where_that_cannot_work() {
    for (file, path, because) in [
        ("ingress-login", "/webhooks/pay", "loses the annotation nginx.ingress.kubernetes.io/auth-realm"),
        ("ingress-regex", "/webhooks/pay", "has the pattern /shop(/|$)(.*) as a path"),
        ("ingress-actions", "/webhooks/pay", "has the pattern /* as a path"),
        ("ingress-default", "/webhooks/pay", "serves /webhooks/pay by its default backend alone"),
    ] {
        let why = refused(file, &keep(&[path]));
        assert!(why.contains(because), "{why}");
    }
    let dropped = keep(&["/a"]).and(&drop(&["nginx.ingress.kubernetes.io/proxy-body-size"]));
    assert!(
        refused("ingress-hosts", &dropped).contains("loses the annotation nginx.ingress.kubernetes.io/proxy-body-size")
    );
    // Asked for afterwards it is refused as well.
    let first = switched(&entry("ingress-hosts"), &drop(&["nginx.ingress.kubernetes.io/proxy-body-size"]));
    assert!(on(&first, &[], &page(), &keep(&["/a"]), &stamp(None)).is_err());
}

#[test]
fn headers_are_known_to_an_httproute_alone() {
    for file in ["ingress-main", "route-edge"] {
        assert!(refused(file, &bypass()).contains("--bypass-header is for an HTTPRoute"));
    }
}

#[test]
fn a_path_that_nothing_serves_is_said_and_the_rest_is_switched() {
    let mut api = entry("ingress-main");
    api["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/api".into();
    let moved = moved(&api, &keep(&["/webhooks/pay"]));
    assert_eq!(moved.notes, ["has no path that serves /webhooks/pay"]);
    for path in ["/webhooks", "/status"] {
        let moved = self::moved(&entry("httproute-extension"), &keep(&[path]));
        assert_eq!(moved.notes[0], format!("has no rule with a backend that serves {path}"));
        assert_eq!(moved.change.after()["spec"], switched(&entry("httproute-extension"), &Wish::default())["spec"]);
    }
}

#[test]
fn no_path_is_taken_from_another_entry_of_the_same_host() {
    let mut hooks = entry("ingress-main");
    hooks["metadata"]["name"] = "hooks".into();
    hooks["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/webhooks".into();
    let around = [entry("ingress-main"), hooks.clone(), entry("httproute-shop")];
    let wish = keep(&["/webhooks/pay"]);
    let on = |entry: &Value, around: &[Value]| on(entry, around, &page(), &wish, &stamp(None)).unwrap();
    let main = on(&around[0], &around);
    assert_eq!(main.notes, ["leaves the path /webhooks/pay of shop.example.org to ingress/hooks, which serves it"]);
    assert_eq!(main.change.after()["spec"], switched(&around[0], &Wish::default())["spec"]);
    // The other has it, and still has it when both are switched once more.
    let other = on(&hooks, &around);
    assert_eq!(other.notes, ["has the path /webhooks/pay of shop.example.org meanwhile, to the application"]);
    // Where the other is led to the page without it, users do not get it there.
    let led = super::on(&hooks, &[], &page(), &Wish::default(), &stamp(None)).unwrap().change.after();
    let lost = |others: &[Value]| -> Vec<String> {
        let lost = lost(&main.change.after(), &wish, others);
        lost.into_iter().map(|lost| format!("{} by {}: {}", lost.path, lost.other, lost.instead)).collect()
    };
    let instead = "kubectl maintenance on ingress/hooks -n default --keep-path /webhooks/pay";
    assert_eq!(lost(slice::from_ref(&led)), [format!("/webhooks/pay by ingress/hooks: {instead}")]);
    assert_eq!((lost(&[hooks.clone()]), lost(&[other.change.after()])), (vec![], vec![]));
    // What serves a part of it, or is nothing but it, takes it as well; of another host or controller nothing does.
    for (at, to) in [("/pathType", "Exact"), ("/path", "/webhooks/pay/card"), ("/path", "/webhooks/pay")] {
        let mut part = hooks.clone();
        part["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/webhooks/pay".into();
        put(&mut part, &format!("/spec/rules/0/http/paths/0{at}"), Some(to.into()));
        let part = switched(&part, &Wish::default());
        assert_eq!(lost(&[part]), ["/webhooks/pay by ingress/hooks: kubectl maintenance off ingress/hooks -n default"]);
    }
    for (at, to) in [("/spec/rules/0/host", "hooks.example.org"), ("/spec/ingressClassName", "inside")] {
        let mut elsewhere = led.clone();
        put(&mut elsewhere, at, Some(to.into()));
        assert!(lost(&[elsewhere]).is_empty(), "{to}");
    }
    let around = [main.change.after(), other.change.after()];
    assert!(on(&around[0], &around).change.is_empty());
    assert!(on(&around[1], &around).change.is_empty());
    // Of another controller it takes nothing, and of another host.
    let mut inside = hooks.clone();
    inside["spec"]["ingressClassName"] = "inside".into();
    let mut outside = entry("ingress-main");
    outside["spec"]["ingressClassName"] = "outside".into();
    assert_eq!(on(&outside, &[inside]).change.after(), switched(&outside, &wish));
    hooks["spec"]["rules"][0]["host"] = "hooks.example.org".into();
    assert_eq!(on(&entry("ingress-main"), &[hooks]).change.after(), switched(&entry("ingress-main"), &wish));
}

#[test]
fn no_path_is_taken_from_another_rule_of_the_same_host() {
    let mut two = entry("ingress-main");
    let mut hooks = two["spec"]["rules"][0].clone();
    hooks["http"]["paths"][0]["path"] = "/webhooks".into();
    hooks["http"]["paths"][0]["backend"]["service"]["name"] = "hooks".into();
    two["spec"]["rules"].as_array_mut().unwrap().push(hooks);
    let rules = switched(&two, &keep(&["/webhooks/pay"]))["spec"]["rules"].clone();
    assert_eq!(rules[0]["http"]["paths"].as_array().unwrap().len(), 1);
    assert_eq!(rules[1]["http"]["paths"][1]["backend"]["service"]["name"], "hooks");
}

#[test]
fn no_path_is_taken_from_another_httproute_of_the_same_host() {
    let shop = entry("httproute-shop");
    let mut hooks = shop.clone();
    hooks["metadata"]["name"] = "hooks".into();
    hooks["spec"]["rules"] = json!([shop["spec"]["rules"][2]]);
    hooks["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/webhooks".into();
    let wish = keep(&["/webhooks/pay"]);
    let left = on(&shop, &[hooks.clone()], &page(), &wish, &stamp(None)).unwrap();
    assert_eq!(left.notes[0], "leaves /webhooks/pay to httproute/hooks, which serves it");
    assert_eq!(left.change.after()["spec"], switched(&shop, &Wish::default())["spec"]);
    let led = on(&hooks, &[], &page(), &Wish::default(), &stamp(None)).unwrap().change.after();
    let lost: Vec<String> = lost(&shop, &wish, &[led]).iter().map(|lost| lost.other.to_string()).collect();
    assert_eq!(lost, ["httproute/hooks"]);
    assert!(super::lost(&shop, &wish, &[hooks.clone(), switched(&hooks, &wish)]).is_empty());
    let mut two = shop.clone();
    two["spec"]["hostnames"] = json!(["shop.example.org", "www.example.org"]);
    let why = on(&two, &[hooks.clone()], &page(), &wish, &stamp(None)).unwrap_err();
    assert!(why.contains("has hosts of which httproute/hooks serves /webhooks/pay, and others"), "{why}");
    // Of another gateway it takes nothing, nor of one that only has the same name.
    let mut elsewhere = hooks.clone();
    elsewhere["spec"]["parentRefs"][0]["namespace"] = "elsewhere".into();
    assert!(on(&two, &[elsewhere], &page(), &wish, &stamp(None)).is_ok());
    hooks["spec"]["parentRefs"][0]["name"] = "other".into();
    assert!(on(&two, &[hooks], &page(), &wish, &stamp(None)).is_ok());
}

// === Route ===

#[test]
fn a_route_of_each_termination_leads_to_the_page_over_plain_http() {
    let to = json!({"kind": "Service", "name": "page-page", "weight": 100});
    for (file, termination, port) in [
        ("route-edge", Some("edge"), Some("http")),
        ("route-reencrypt", Some("edge"), Some("http")),
        ("route-serving", Some("edge"), None),
        ("route-plain", None, Some("http")),
    ] {
        let original = entry(file);
        let mut expected = original["spec"].clone();
        expected["to"] = to.clone();
        expected.as_object_mut().unwrap().remove("alternateBackends");
        if let Some(port) = port {
            expected["port"] = json!({"targetPort": port});
        }
        if let Some(termination) = termination {
            expected["tls"]["termination"] = termination.into();
            expected["tls"].as_object_mut().unwrap().remove("destinationCACertificate");
        }
        let moved = moved(&original, &Wish::default());
        assert_eq!(moved.change.after()["spec"], expected, "{file}");
        let was_reencrypt = original["spec"]["tls"]["termination"] == "reencrypt";
        assert_eq!(moved.notes.iter().any(|note| note.contains("edge instead of reencrypt")), was_reencrypt);
    }
    assert!(refused("route-passthrough", &Wish::default()).contains("Give it the certificate and termination edge"));
}

#[test]
fn keys_and_certificates_of_a_route_are_nowhere_but_a_ca_that_has_to_come_back() {
    for file in ["route-edge", "route-reencrypt"] {
        let original = entry(file);
        let text = original.to_string();
        assert!(text.contains(SECRETS[0]) && text.contains(SECRETS[1]));
        let moved = moved(&original, &Wish::default());
        let after = moved.change.after();
        let mut annotations = after["metadata"]["annotations"].clone();
        annotations.as_object_mut().unwrap().remove("kubectl.kubernetes.io/last-applied-configuration");
        let back = off(&after, false).unwrap();
        for shown in [
            moved.change.patch().to_string(),
            moved.change.inverse().to_string(),
            back.change.patch().to_string(),
            annotations.to_string(),
            format!("{moved:?} {back:?}"),
        ] {
            assert!(!SECRETS.iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }
}

#[test]
fn a_route_has_one_path() {
    assert!(refused("route-plain", &keep(&["/webhooks/pay"])).contains("has one path"));
}

#[test]
fn tls_that_somebody_took_from_a_route_is_not_made_up() {
    for (file, fields) in
        [("route-serving", &["termination"][..]), ("route-reencrypt", &["termination", "destinationCACertificate"])]
    {
        let mut now = switched(&entry(file), &Wish::default());
        now["spec"].as_object_mut().unwrap().remove("tls");
        let back = off(&now, true).unwrap();
        assert_eq!(back.differs, [r#"spec.tls.termination is unset, and was "edge""#]);
        let notes = fields.iter().map(|field| format!("spec.tls.{field} has nothing that it could be put back into"));
        assert_eq!(back.notes, notes.collect::<Vec<_>>());
        assert_eq!(back.change.after()["spec"].get("tls"), None);
        assert_eq!(patched(&now, &back.change.patch()), Ok(back.change.after()));
    }
}

// === HTTPRoute ===

/// The backends that get requests.
fn busy(backends: &Value) -> Value {
    list(backends, "").filter(|backend| backend["weight"] != 0).cloned().collect()
}

fn page_refs() -> Value {
    json!([{"group": "", "kind": "Service", "name": "page-page", "port": 80, "weight": 1}])
}

#[test]
fn of_an_httproute_every_rule_with_backends_leads_to_the_page() {
    let original = entry("httproute-shop");
    let moved = moved(&original, &Wish::default());
    let mut expected = original["spec"].clone();
    for rule in [1, 2] {
        expected["rules"][rule]["backendRefs"] = page_refs();
    }
    // The mirror goes; the header, the name, the matches and the timeouts stay.
    expected["rules"][1]["filters"].as_array_mut().unwrap().remove(0);
    assert_eq!(moved.change.after()["spec"], expected);
    assert_eq!(moved.notes, ["goes without its filter RequestMirror meanwhile"]);
}

#[test]
fn an_extension_goes_a_rewrite_and_a_session_stay_and_a_rule_without_backends_is_left() {
    let original = entry("httproute-extension");
    let rules = switched(&original, &Wish::default())["spec"]["rules"].clone();
    assert_eq!(rules[0]["filters"], json!([original["spec"]["rules"][0]["filters"][1]]));
    assert_eq!(rules[0]["sessionPersistence"], original["spec"]["rules"][0]["sessionPersistence"]);
    assert_eq!(rules[1], original["spec"]["rules"][1]);
    // Of a rule whose only filter goes the list goes too.
    let mut one = original;
    one["spec"]["rules"][0]["filters"].as_array_mut().unwrap().pop();
    let after = switched(&one, &Wish::default());
    assert_eq!(after["spec"]["rules"][0].get("filters"), None);
    assert_eq!(off(&after, false).unwrap().change.after(), one);
}

#[test]
fn a_login_of_the_gateway_is_said() {
    let mut login = entry("httproute-shop");
    login["spec"]["rules"][2]["filters"] = json!([{"type": "ExternalAuth"}]);
    assert!(moved(&login, &Wish::default()).notes[1].contains("may ask for a login before the page"));
}

#[test]
fn testers_get_every_rule_as_it_was_before_the_others() {
    for file in ["httproute-shop", "httproute-extension", "httproute-regex"] {
        let original = entry(file);
        let moved = moved(&original, &bypass());
        let after = moved.change.after();
        let (before, rules) =
            (original["spec"]["rules"].as_array().unwrap(), after["spec"]["rules"].as_array().unwrap());
        assert_eq!(rules.len(), 2 * before.len());
        for (rule, was) in rules.iter().zip(before) {
            let mut without = rule.clone();
            for one in without["matches"].as_array_mut().unwrap() {
                let headers = one["headers"].as_array_mut().unwrap();
                assert_eq!(headers.pop(), Some(json!({"name": "X-Tester", "type": "Exact", "value": "2f9c"})));
                if headers.is_empty() {
                    one.as_object_mut().unwrap().remove("headers");
                }
            }
            let mut was = was.clone();
            was.as_object_mut().unwrap().remove("name");
            if let Some(backends) = was.get_mut("backendRefs") {
                *backends = busy(backends);
            }
            assert_eq!(without, was);
            assert!(!rule.to_string().contains(r#""weight":0"#), "{rule}");
        }
        assert_eq!(
            rules[before.len()..],
            switched(&original, &Wish::default())["spec"]["rules"].as_array().unwrap()[..]
        );
        assert!(moved.notes[0].contains("no authentication"), "{:?}", moved.notes);
        assert_eq!(off(&after, false).unwrap().change.after(), original);
        assert_eq!(restored_by_kubectl(&after), Ok(original));
    }
}

#[test]
fn a_header_that_the_rules_look_at_already_is_no_testers_header() {
    let wish = Wish { bypass: Some(("x-version".into(), "2".into())), ..Wish::default() };
    assert!(refused("httproute-shop", &wish).contains("looks at the header x-version already"));
}

#[test]
fn a_path_of_an_httproute_is_kept_with_its_filters() {
    let original = entry("httproute-shop");
    let after = switched(&original, &keep(&["/webhooks/pay"]));
    let rules = &after["spec"]["rules"];
    let mut expected = original["spec"]["rules"][2].clone();
    expected["matches"] = json!([{"path": {"type": "PathPrefix", "value": "/webhooks/pay"}}]);
    assert_eq!((rules[3].clone(), rules.as_array().unwrap().len()), (expected, 4));
    assert_eq!(off(&after, false).unwrap().change.after(), original);

    // A prefix that is put in another's place stands for the longer one too.
    let rewritten = switched(&entry("httproute-extension"), &keep(&["/app/hooks"]));
    let kept = &rewritten["spec"]["rules"][2];
    assert_eq!(kept["filters"][0]["type"], "ExtensionRef");
    assert_eq!(kept["filters"][1]["urlRewrite"]["path"]["replacePrefixMatch"], "/hooks");
    assert_eq!(kept["backendRefs"], entry("httproute-extension")["spec"]["rules"][0]["backendRefs"]);
}

#[test]
fn a_path_of_an_httproute_that_is_redirected_needs_no_rule() {
    let mut shop = entry("httproute-shop");
    let old = json!({
        "matches": [{"path": {"type": "PathPrefix", "value": "/old"}}],
        "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}],
    });
    shop["spec"]["rules"].as_array_mut().unwrap().push(old);
    for path in ["/old/deep", "/old"] {
        let moved = moved(&shop, &keep(&[path]));
        assert!(moved.notes.contains(&format!("redirects {path} as before")), "{:?}", moved.notes);
        assert!(!moved.notes.iter().any(|note| note.contains("to the application")), "{:?}", moved.notes);
        assert_eq!(moved.change.after()["spec"], switched(&shop, &Wish::default())["spec"]);
    }
}

#[test]
fn a_path_that_several_rules_serve_is_kept_by_each_in_their_order() {
    let original = entry("httproute-shop");
    let after = switched(&original, &keep(&["/api/hooks"]));
    let kept = &after["spec"]["rules"].as_array().unwrap()[3..];
    let longer = json!({"type": "PathPrefix", "value": "/api/hooks"});
    let summary: Vec<(&Value, &str)> =
        kept.iter().map(|rule| (&rule["matches"][0]["path"], text(rule, "/backendRefs/0/name"))).collect();
    // Both matches of the rule for /api, and the one that gets what they do not.
    assert_eq!(summary, [(&longer, "api"), (&longer, "api"), (&longer, "shop")]);
    assert_eq!((kept[0]["matches"][0]["method"].clone(), kept[0].get("name")), ("POST".into(), None));
    assert_eq!(kept[0]["timeouts"], original["spec"]["rules"][1]["timeouts"]);
    assert_eq!(off(&after, false).unwrap().change.after(), original);
}

#[test]
fn a_rule_of_which_one_match_is_kept_is_split_in_its_place() {
    let mut original = entry("httproute-shop");
    let hooks = json!({"path": {"type": "PathPrefix", "value": "/webhooks"}});
    original["spec"]["rules"][2]["matches"].as_array_mut().unwrap().push(hooks.clone());
    let after = switched(&original, &keep(&["/webhooks"]));
    let rules = after["spec"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 4);
    assert_eq!((&rules[2]["matches"], &rules[2]["backendRefs"][0]["name"]), (&json!([hooks]), &"shop".into()));
    assert_eq!(rules[3]["matches"], json!([{"path": {"type": "PathPrefix", "value": "/"}}]));
    assert_eq!(rules[3]["backendRefs"], page_refs());
    assert_eq!(off(&after, false).unwrap().change.after(), original);
    // A rule of which all are kept is left as it is.
    let after = switched(&original, &keep(&["/api"]));
    assert_eq!(after["spec"]["rules"][1], original["spec"]["rules"][1]);
}

#[test]
fn testers_and_paths_go_together() {
    let original = entry("httproute-shop");
    let first = switched(&original, &keep(&["/webhooks/pay"]));
    let both = switched(&first, &bypass());
    assert_eq!(both["spec"]["rules"].as_array().unwrap().len(), 7);
    assert_eq!(both, switched(&original, &keep(&["/webhooks/pay"]).and(&bypass())));
    assert_eq!(page_of(&both).unwrap().wish, keep(&["/webhooks/pay"]).and(&bypass()));
    assert_eq!(off(&both, false).unwrap().change.after(), original);
}

#[test]
fn a_path_of_an_httproute_is_not_kept_where_that_cannot_work() {
    let why = refused("httproute-regex", &keep(&["/a"]));
    assert!(why.contains("has the pattern /u/[0-9]+ as a path"), "{why}");
    // A shorter path with more conditions would come first once both are as long.
    let mut mixed = entry("httproute-shop");
    mixed["spec"]["rules"][2]["matches"] = json!([{"path": {"type": "PathPrefix", "value": "/"}, "method": "POST",
        "headers": [{"name": "X-A", "type": "Exact", "value": "1"}]}]);
    let why = on(&mixed, &[], &page(), &keep(&["/api/hooks"]), &stamp(None)).unwrap_err();
    assert!(why.contains("several rules with conditions"), "{why}");
}

#[test]
fn more_rules_or_matches_than_an_httproute_may_have_are_refused() {
    let mut many = entry("httproute-shop");
    let rule = many["spec"]["rules"][2].clone();
    many["spec"]["rules"] = vec![rule.clone(); 9].into();
    let why = on(&many, &[], &page(), &bypass(), &stamp(None)).unwrap_err();
    assert!(why.contains("would have 18 rules with 18 matches"), "{why}");
    many["spec"]["rules"] = json!([rule, rule]);
    many["spec"]["rules"][0]["matches"] = vec![rule["matches"][0].clone(); 64].into();
    assert!(on(&many, &[], &page(), &bypass(), &stamp(None)).unwrap_err().contains("130 matches"));
    many["spec"]["rules"] = vec![rule; 16].into();
    assert!(on(&many, &[], &page(), &Wish::default(), &stamp(None)).is_ok());
}

#[test]
fn services_are_those_of_its_own_namespace_that_get_requests() {
    for (file, expected) in [
        ("httproute-shop", vec!["api", "api-v2", "shop"]),
        ("httproute-extension", vec!["app"]),
        ("ingress-hosts", vec!["api", "api-v2", "cart", "shop", "tenants"]),
        ("ingress-actions", vec!["shop"]),
        ("ingress-resource", vec!["shop"]),
        ("route-edge", vec!["shop", "shop-v2"]),
        ("route-plain", vec!["green"]),
    ] {
        assert_eq!(services(&entry(file)).into_iter().collect::<Vec<_>>(), expected, "{file}");
    }
}

// === requests ===

/// A request, by what rules look at.
struct Request {
    path: &'static str,
    post: bool,
    headers: Vec<(&'static str, &'static str)>,
}

/// Every kind of request that the rules of the entries tell apart.
fn requests() -> Vec<Request> {
    let paths =
        ["/", "/old", "/cart", "/api", "/api/hooks", "/api/hooks/1", "/v1/x", "/app/hooks/2", "/webhooks/pay/3"];
    let headers =
        [vec![], vec![("X-Version", "2")], vec![("X-Tester", "2f9c")], vec![("X-Version", "2"), ("X-Tester", "2f9c")]];
    let mut requests = Vec::new();
    for path in paths {
        for headers in &headers {
            requests.extend([false, true].map(|post| Request { path, post, headers: headers.clone() }));
        }
    }
    requests
}

/// What decides which match comes first: an exact path, its length, a method, the number of headers.
type Rank = (bool, usize, bool, usize);

/// The rule that serves a request, by the order of Gateway API; and its path's length.
fn serving_rule<'r>(route: &'r Value, request: &Request) -> Option<(&'r Value, usize)> {
    let mut best: Option<(Rank, &Value)> = None;
    for rule in list(route, "/spec/rules") {
        for one in list(rule, "/matches") {
            let (path, exact) = (text(one, "/path/value"), text(one, "/path/type") == "Exact");
            let good = if exact { path == request.path } else { paths::covers(path, request.path) };
            let wants = |header: &Value| (text(header, "/name").to_owned(), text(header, "/value").to_owned());
            let headers: Vec<_> = list(one, "/headers").map(wants).collect();
            let has =
                |(name, value): &(String, String)| request.headers.iter().any(|(own, its)| own == name && its == value);
            let method = one.get("method").is_some();
            if good && headers.iter().all(has) && (!method || request.post) {
                let rank = (exact, paths::length(path), method, headers.len());
                if best.is_none_or(|(other, _)| rank > other) {
                    best = Some((rank, rule));
                }
            }
        }
    }
    best.map(|((_, length, ..), rule)| (rule, length))
}

/// Where a rule leads a request, with what is put in the place of its prefix spelled out.
fn answer(served: Option<(&Value, usize)>, request: &Request) -> (Value, String) {
    let Some((rule, length)) = served else { return (Value::Null, String::new()) };
    let at = "/urlRewrite/path/replacePrefixMatch";
    let instead = list(rule, "/filters").find_map(|filter| filter.pointer(at)?.as_str());
    let path = instead.map(|instead| format!("{}{}", instead.trim_end_matches('/'), &request.path[length..]));
    let kinds: Vec<&Value> = list(rule, "/filters").map(|filter| &filter["type"]).collect();
    (json!([busy(&rule["backendRefs"]), rule["timeouts"], kinds]), path.unwrap_or_default())
}

#[test]
fn of_an_httproute_testers_and_kept_paths_get_what_they_got_and_all_others_the_page() {
    let mut conditions = entry("httproute-shop");
    conditions["spec"]["rules"][2]["matches"] = json!([
        {"path": {"type": "PathPrefix", "value": "/"}, "headers": [{"name": "X-Version", "type": "Exact", "value": "2"}]},
        {"path": {"type": "PathPrefix", "value": "/webhooks/pay"}},
    ]);
    let mut checked = [0; 3];
    for route in [entry("httproute-shop"), entry("httproute-extension"), conditions] {
        for kept in [&[][..], &["/api/hooks", "/app/hooks"], &["/webhooks"], &["/api"], &["/old", "/webhooks/pay"]] {
            for wish in [keep(kept), keep(kept).and(&bypass())] {
                let Ok(moved) = on(&route, &[], &page(), &wish, &stamp(None)) else { continue };
                let after = moved.change.after();
                for request in requests() {
                    let tester = wish.bypass.is_some() && request.headers.contains(&("X-Tester", "2f9c"));
                    let is_kept = kept.iter().any(|path| paths::covers(path, request.path));
                    let (was, now) = (serving_rule(&route, &request), serving_rule(&after, &request));
                    let leads = was.is_some_and(|(rule, _)| list(rule, "/backendRefs").next().is_some());
                    let what = format!("{} {kept:?} {} {:?}", name(&route), request.path, request.headers);
                    if tester || is_kept || !leads {
                        assert_eq!(answer(now, &request), answer(was, &request), "{what}");
                        checked[usize::from(tester)] += 1;
                    } else {
                        assert_eq!(now.unwrap().0["backendRefs"], page_refs(), "{what}");
                        checked[2] += 1;
                    }
                }
            }
        }
    }
    assert!(checked.iter().all(|count| *count > 100), "{checked:?}");
}

/// The backend that serves a request for a path of a host.
fn serving_backend<'i>(ingress: &'i Value, host: &str, path: &str) -> Option<&'i Value> {
    let rules = list(ingress, "/spec/rules").filter(|rule| text(rule, "/host") == host);
    let paths = rules.flat_map(|rule| list(rule, "/http/paths")).filter_map(|one| {
        let exact = text(one, "/pathType") == "Exact";
        let own = if text(one, "/path").is_empty() { "/" } else { text(one, "/path") };
        let good = if exact { own == path } else { paths::covers(own, path) };
        good.then(|| ((paths::length(own), exact), &one["backend"]))
    });
    paths.max_by_key(|(rank, _)| *rank).map(|(_, backend)| backend)
}

#[test]
fn of_an_ingress_kept_paths_get_what_they_got_and_all_others_the_page() {
    let mut checked = [0; 2];
    for file in ["ingress-hosts", "ingress-main", "ingress-resource"] {
        let ingress = entry(file);
        for kept in [&["/webhooks/pay"][..], &["/v1"], &["/cart"], &["/api/hooks", "/v1/x"], &["/icons"]] {
            let after = switched(&ingress, &keep(kept));
            for rule in list(&ingress, "/spec/rules") {
                for path in requests().iter().map(|request| request.path).chain(["/icons/1", "/v2"]) {
                    let host = text(rule, "/host");
                    let is_kept = kept.iter().any(|keep| paths::covers(keep, path));
                    let was = serving_backend(&ingress, host, path);
                    let (now, page) = (serving_backend(&after, host, path), to_page());
                    assert_eq!(
                        now,
                        if is_kept || was.is_none() { was } else { Some(&page) },
                        "{file} {kept:?} {host}{path}"
                    );
                    checked[usize::from(is_kept)] += 1;
                }
            }
        }
    }
    assert!(checked.iter().all(|count| *count > 50), "{checked:?}");
}
