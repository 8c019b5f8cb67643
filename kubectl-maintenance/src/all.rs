//! What `--all` takes of a namespace, what it leaves, and why: a pure look at what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::entries::{Entries, is_switched, is_the_charts};
use crate::entry::{self, EntryKind};
use crate::object::{PREFIX, is_excluded, label, list, map, name, text};
use crate::page;
use crate::receipt::LeftOut;
use crate::release::{INSTANCE, Mode, Release};
use crate::target::Target;

/// By this label cert-manager knows what it makes for a challenge by HTTP, for as long as that takes.
const SOLVER: &str = "acme.cert-manager.io/http01-solver";

/// What `--all` is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct All {
    /// What it takes.
    pub targets: Vec<Target>,
    /// What it leaves.
    pub left_out: Vec<LeftOut>,
}

/// What goes to maintenance: every release and every entry, but those that need not, or should not. `switched` has each
/// Service that leads to what a release switches, with the release.
#[must_use]
pub fn on(around: &Entries, there: &[Release], switched: &BTreeMap<String, String>, grpc_routes: &[Value]) -> All {
    let mut all = All::default();
    for release in there {
        let name = release.name.clone();
        if release.is_page_alone() {
            let why = "has no front Service: it is the page to which entries are led".to_owned();
            all.left_out.push(LeftOut { object: name, why });
        } else {
            all.targets.push(Target::Release(name));
        }
    }
    let pages: BTreeSet<String> =
        there.iter().filter_map(|release| Some(page::service(release, around).ok()?.service)).collect();
    for (entry_name, entry) in around.named() {
        match reason(entry, switched, &pages) {
            Some(why) => all.left_out.push(LeftOut { object: entry_name.to_string(), why }),
            None => all.targets.extend(target(entry)),
        }
    }
    for (route, ingress) in &around.made {
        let why = format!("is made of {ingress}, and follows it");
        all.left_out.push(LeftOut { object: route.to_string(), why });
    }
    for route in grpc_routes {
        let why = "is a GRPCRoute, which is not switched until the page pods speak HTTP/2: its callers stay with the application";
        all.left_out.push(LeftOut { object: format!("grpcroute/{}", name(route)), why: why.to_owned() });
    }
    all
}

/// What comes back: exactly what is in maintenance, whatever labels it has got since; but copies of what was switched, whose
/// own backends are not known.
#[must_use]
pub fn off(around: &Entries, there: &[Release]) -> All {
    let shown = |release: &Release| release.modes().iter().any(|(_, mode)| *mode != Ok(Mode::Normal));
    let unfinished = |release: &Release| release.is_unfinished() && !release.is_page_alone();
    let releases = there.iter().filter(|release| shown(release) || unfinished(release));
    let mut targets: Vec<Target> = releases.map(|release| Target::Release(release.name.clone())).collect();
    let mut left_out = Vec::new();
    for (entry_name, entry) in around.named().filter(|(_, entry)| is_switched(entry)) {
        match entry::copied(entry) {
            Some(why) => left_out.push(LeftOut { object: entry_name.to_string(), why }),
            None => targets.extend(target(entry)),
        }
    }
    All { targets, left_out }
}

fn target(entry: &Value) -> Option<Target> {
    Some(Target::Entry(EntryKind::of(entry)?, name(entry).to_owned()))
}

/// Why an entry is left out.
fn reason(entry: &Value, switched: &BTreeMap<String, String>, pages: &BTreeSet<String>) -> Option<String> {
    if is_excluded(entry) {
        return Some(format!("has the label {PREFIX}exclude"));
    }
    if map(entry, "/metadata/labels").contains_key(SOLVER) {
        return Some("is made by cert-manager for a certificate challenge".to_owned());
    }
    if is_the_charts(entry) {
        return Some(format!("is a part of release {}", label(entry, INSTANCE)));
    }
    if let Some(copied) = entry::copied(entry) {
        return Some(copied);
    }
    if is_switched(entry) && !entry::is_unfinished(entry) {
        return None;
    }
    let services = entry::services(entry);
    let by_a_release = services.iter().find_map(|service| Some((service, switched.get(service)?)));
    if let Some((service, release)) = by_a_release {
        let rest: Vec<&str> =
            services.iter().map(String::as_str).filter(|service| !switched.contains_key(*service)).collect();
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!("; who comes by it to {} stays there, unless it is named", rest.join(", "))
        };
        return Some(format!("leads to service/{service}, which release {release} switches{rest}"));
    }
    if !entry::has_backends(entry) {
        return Some("has nothing behind it, such as one that only redirects".to_owned());
    }
    if let Some(page) = services.first().filter(|_| services.is_subset(pages)) {
        return Some(format!("leads to the page by service/{page} already"));
    }
    let mut parents = list(entry, "/spec/parentRefs");
    let of_a_service = EntryKind::of(entry) == Some(EntryKind::HttpRoute)
        && list(entry, "/spec/parentRefs").next().is_some()
        && parents.all(|parent| text(parent, "/kind") == "Service");
    of_a_service.then(|| "is for callers inside the cluster: it belongs to a Service, not to a Gateway".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Name;
    use crate::release::{COMPONENT, Front, Kind};

    fn ingress(name: &str, services: &[&str], labels: &Value) -> Value {
        let paths: Vec<Value> = services
            .iter()
            .map(|service| json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}))
            .collect();
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": name, "namespace": "shop", "labels": labels},
            "spec": {"rules": [{"host": "shop.example.org", "http": {"paths": paths}}]},
        })
    }

    fn http_route(name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": spec,
        })
    }

    fn route(name: &str, service: &str) -> Value {
        json!({
            "apiVersion": "route.openshift.io/v1",
            "kind": "Route",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"to": {"kind": "Service", "name": service, "weight": 100}},
        })
    }

    fn release(name: &str, kind: Kind, fronts: &[(&str, &str)]) -> Release {
        let selector = |app: &str| BTreeMap::from([("app".to_owned(), app.to_owned())]);
        let front = |(service, app): &(&str, &str)| Front {
            service: json!({"metadata": {"name": service, "namespace": "shop"}, "spec": {"selector": {"app": app}}}),
            normal: selector("shop"),
            maintenance: selector("page"),
        };
        Release {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            kind,
            config: json!({"data": {"MAINTENANCE_MODE": "false"}}),
            fronts: fronts.iter().map(front).collect(),
            unknown: Vec::new(),
            led_here: Vec::new(),
        }
    }

    fn page_service(name: &str) -> Value {
        let labels = json!({COMPONENT: "page", INSTANCE: "page"});
        let spec = json!({"ports": [{"name": "http", "port": 80}]});
        json!({"metadata": {"name": name, "namespace": "shop", "labels": labels}, "spec": spec})
    }

    /// Gives an entry the mark of one that is switched.
    fn switched(mut entry: Value) -> Value {
        entry["metadata"]["annotations"] = json!({"maintenance-mode.github.io/restore": "[]"});
        entry
    }

    fn around(all: Vec<Value>) -> Entries {
        Entries { services: vec![page_service("page-page")], all, ..Entries::default() }
    }

    fn names(targets: &[Target]) -> Vec<String> {
        targets.iter().map(ToString::to_string).collect()
    }

    /// With the front Service `shop-front` of release `page`.
    fn all_on(all: Vec<Value>) -> All {
        let switched = BTreeMap::from([("shop-front".to_owned(), "page".to_owned())]);
        on(&around(all), &[release("page", Kind::Service, &[("shop-front", "shop")])], &switched, &[])
    }

    #[test]
    fn every_release_and_every_entry_of_each_kind() {
        let by =
            json!({"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": [{"name": "api", "port": 80}]}]});
        let entries = vec![ingress("shop", &["shop"], &json!({})), route("old", "shop"), http_route("api", &by)];
        let there = [release("page", Kind::Service, &[("shop-front", "shop")]), release("web", Kind::Config, &[])];
        let all = on(&around(entries), &there, &BTreeMap::new(), &[]);
        assert_eq!(names(&all.targets), ["page", "web", "ingress/shop", "route/old", "httproute/api"]);
        assert_eq!(all.left_out, []);
    }

    #[test]
    fn each_that_is_left_out_has_a_reason() {
        let labels = |name: &str, value: &str| json!({name: value});
        let of_the_chart = json!({"helm.sh/chart": "maintenance-mode-0.2.0", INSTANCE: "page"});
        let redirect =
            json!({"parentRefs": [{"name": "gateway"}], "rules": [{"filters": [{"type": "RequestRedirect"}]}]});
        let mesh = json!({
            "parentRefs": [{"group": "", "kind": "Service", "name": "shop"}],
            "rules": [{"backendRefs": [{"name": "shop", "port": 80}]}],
        });
        for (entry, why) in [
            (
                ingress("one", &["shop"], &labels("maintenance-mode.github.io/exclude", "true")),
                "has the label maintenance-mode.github.io/exclude",
            ),
            (
                ingress("one", &["cm-acme-http-solver-x"], &labels(SOLVER, "true")),
                "is made by cert-manager for a certificate challenge",
            ),
            (ingress("one", &["page-page"], &of_the_chart), "is a part of release page"),
            (ingress("one", &["shop-front"], &json!({})), "leads to service/shop-front, which release page switches"),
            (
                ingress("one", &["shop-front", "cart"], &json!({})),
                "leads to service/shop-front, which release page switches; who comes by it to cart stays there, unless it is named",
            ),
            (ingress("one", &["page-page"], &json!({})), "leads to the page by service/page-page already"),
            (ingress("one", &[], &json!({})), "has nothing behind it, such as one that only redirects"),
            (http_route("one", &redirect), "has nothing behind it, such as one that only redirects"),
            (http_route("one", &mesh), "is for callers inside the cluster: it belongs to a Service, not to a Gateway"),
        ] {
            let all = all_on(vec![entry.clone()]);
            assert_eq!(names(&all.targets), ["page"], "{entry}");
            let reasons: Vec<&str> = all.left_out.iter().map(|left| left.why.as_str()).collect();
            assert_eq!(reasons, [why], "{entry}");
        }
    }

    #[test]
    fn an_entry_is_taken_whatever_stands_behind_it() {
        let elsewhere = json!({
            "parentRefs": [{"name": "gateway"}],
            "rules": [{"backendRefs": [{"name": "api", "namespace": "elsewhere", "port": 80}]}],
        });
        let mut files = ingress("files", &[""], &json!({}));
        files["spec"]["rules"][0]["http"]["paths"][0]["backend"] =
            json!({"resource": {"apiGroup": "k8s.example.org", "kind": "Bucket", "name": "files"}});
        // One of its paths leads to the page, and the others to the application.
        let partly = ingress("partly", &["page-page", "cart"], &json!({}));
        let all = all_on(vec![http_route("api", &elsewhere), files, partly]);
        assert_eq!(names(&all.targets), ["page", "httproute/api", "ingress/files", "ingress/partly"]);
        assert_eq!(all.left_out, []);
    }

    #[test]
    fn a_switched_entry_is_taken_again_though_it_leads_to_the_page() {
        let all = all_on(vec![switched(ingress("shop", &["page-page"], &json!({})))]);
        assert_eq!((names(&all.targets), all.left_out), (vec!["page".to_owned(), "ingress/shop".to_owned()], vec![]));
    }

    #[test]
    fn a_standby_release_without_front_services_is_no_target() {
        let all = on(&around(vec![]), &[release("page", Kind::Service, &[])], &BTreeMap::new(), &[]);
        assert_eq!(all.targets, []);
        assert_eq!(all.left_out[0].object, "page");
    }

    #[test]
    fn a_gateway_is_no_entry_and_a_grpcroute_is_named() {
        let gateway =
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "g"}});
        let grpc = json!({"metadata": {"name": "orders"}});
        let all = on(&around(vec![gateway]), &[], &BTreeMap::new(), &[grpc]);
        assert_eq!(all.targets, []);
        let left: Vec<&str> = all.left_out.iter().map(|left| left.object.as_str()).collect();
        assert_eq!(left, ["grpcroute/orders"]);
    }

    #[test]
    fn off_takes_what_is_switched_and_nothing_else() {
        let mut excluded = switched(ingress("excluded", &["page-page"], &json!({})));
        excluded["metadata"]["labels"] = json!({"maintenance-mode.github.io/exclude": "true"});
        let entries = vec![ingress("normal", &["shop"], &json!({})), switched(route("old", "page-page")), excluded];
        let mut web = release("web", Kind::Config, &[]);
        web.config = json!({"data": {"MAINTENANCE_MODE": "true"}});
        let mut unknown = release("unknown", Kind::Service, &[]);
        unknown.unknown = vec![Name::of("service", &json!({"metadata": {"name": "e"}}))];
        let there = [
            release("normal", Kind::Service, &[("a", "shop")]),
            release("on", Kind::Service, &[("b", "page")]),
            release("differs", Kind::Service, &[("c", "shop"), ("d", "page")]),
            release("page", Kind::Service, &[]),
            unknown,
            web,
        ];
        let all = off(&around(entries), &there);
        assert_eq!(names(&all.targets), ["on", "differs", "web", "route/old", "ingress/excluded"]);
        assert_eq!(all.left_out, []);
    }
}
