//! Which front doors lead to what is switched: a pure look at entries, as the cluster lists them.

use std::collections::BTreeSet;
use std::iter;
use std::net::Ipv6Addr;

use serde_json::Value;

use crate::entry::paths::has_pattern;
use crate::object::{is_excluded, list, name, namespace, text};

/// One host of an entry that leads to what is switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// The kind and the name of the entry, such as `ingress/shop`.
    pub entry: String,
    /// Where it is asked.
    pub at: At,
    /// Whether people have taken its entry out of the switch by the label `maintenance-mode.github.io/exclude`.
    pub excluded: bool,
}

/// Where a door is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// At this URL.
    Url(String),
    /// Nowhere, and why.
    Unasked(String),
}

/// Every host of the Ingresses, Routes and `HTTPRoutes` among `entries` that lead to one of `services`.
///
/// A Gateway among them tells the scheme and the port of its `HTTPRoutes`; without it they are asked as plain HTTP, unless
/// they name a listener whose name says otherwise.
#[must_use]
pub fn find(entries: &[Value], services: &BTreeSet<String>) -> Vec<Door> {
    let mut doors = Vec::new();
    for entry in entries {
        let api = text(entry, "/apiVersion").split('/').next().unwrap_or_default();
        let (kind, places) = match (api, text(entry, "/kind")) {
            ("networking.k8s.io", "Ingress") => ("ingress", ingress(entry, services)),
            ("route.openshift.io", "Route") => ("route", route(entry, services)),
            ("gateway.networking.k8s.io", "HTTPRoute") => ("httproute", http_route(entry, entries, services)),
            _ => continue,
        };
        let excluded = is_excluded(entry);
        for at in places {
            let door = Door { entry: format!("{kind}/{}", name(entry)), at, excluded };
            if !doors.contains(&door) {
                doors.push(door);
            }
        }
    }
    doors
}

// === Ingress ===

fn ingress(entry: &Value, services: &BTreeSet<String>) -> Vec<At> {
    let ours = |backend: &Value| services.contains(text(backend, "/service/name"));
    let has_rules = has(entry, "/spec/rules");
    let is_default = entry.pointer("/spec/defaultBackend").is_some_and(ours);

    // Of each host the paths that lead to what is switched.
    let mut hosts: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    if is_default && !has_rules {
        hosts.push((None, vec!["/"]));
    }
    for rule in list(entry, "/spec/rules") {
        let paths = list(rule, "/http/paths").filter(|path| ours(&path["backend"]));
        let paths: Vec<&str> = paths.map(|path| field(path, "/path").unwrap_or("/")).collect();
        let host = field(rule, "/host");
        match hosts.iter_mut().find(|(known, _)| *known == host) {
            _ if paths.is_empty() => {}
            Some((_, known)) => known.extend(paths),
            None => hosts.push((host, paths)),
        }
    }

    let mut at = Vec::new();
    for (host, paths) in hosts {
        let path = shortest(paths.into_iter().map(plain));
        let addresses: Vec<&str> = match host {
            Some(host) => vec![host],
            None => list(entry, "/status/loadBalancer/ingress")
                .filter_map(|address| field(address, "/hostname").or(field(address, "/ip")))
                .collect(),
        };
        let scheme = if has_certificate(entry, host) { "https" } else { "http" };
        at.extend(places(scheme, None, &addresses, path, "it has neither a host nor an address"));
    }
    if is_default && has_rules {
        at.push(At::Unasked("its default backend answers what no rule does, which no URL is known for".into()));
    }
    let canary = text(entry, "/metadata/annotations/nginx.ingress.kubernetes.io~1canary") == "true";
    if canary && !at.is_empty() {
        return vec![At::Unasked("a canary: plain requests to its host are another ingress's".into())];
    }
    at
}

/// Whether an Ingress serves a host by TLS. A section without hosts is for all of them.
fn has_certificate(entry: &Value, host: Option<&str>) -> bool {
    let covers = |name: &str, host: &str| match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, parent)| parent == domain),
        None => name == host,
    };
    list(entry, "/spec/tls").any(|section| {
        let mut names = list(section, "/hosts").filter_map(Value::as_str);
        !has(section, "/hosts") || host.is_none_or(|host| names.any(|name| covers(name, host)))
    })
}

// === Route ===

fn route(entry: &Value, services: &BTreeSet<String>) -> Vec<At> {
    let backends = iter::once(&entry["spec"]["to"]).chain(list(entry, "/spec/alternateBackends"));
    let backends = backends.filter(|backend| backend["weight"] != 0).map(|backend| text(backend, "/name").to_owned());
    let path = match share(backends, services) {
        Share::None => return Vec::new(),
        Share::Part(why) => Err(why),
        Share::All => Ok(field(entry, "/spec/path").unwrap_or("/")),
    };
    let mut hosts: Vec<&str> = Vec::new();
    for router in list(entry, "/status/ingress").filter(|router| !denied(router, "Admitted")) {
        hosts.extend(field(router, "/host").filter(|host| !hosts.contains(host)));
    }
    let lack = if has(entry, "/status/ingress") {
        "no router has admitted it"
    } else {
        hosts.extend(field(entry, "/spec/host"));
        "it has no host yet"
    };
    let scheme = if entry["spec"]["tls"].is_object() { "https" } else { "http" };
    places(scheme, None, &hosts, path, lack)
}

// === HTTPRoute ===

/// The backend of a rule: a Service of its route's own namespace by its name, anything else in words.
fn backend(reference: &Value, own: &str) -> String {
    let name = text(reference, "/name");
    match (field(reference, "/kind"), field(reference, "/namespace")) {
        (Some(kind), _) if kind != "Service" => format!("the {kind} {name}"),
        (_, Some(namespace)) if namespace != own => format!("{name} in namespace {namespace}"),
        _ => name.to_owned(),
    }
}

fn http_route(entry: &Value, entries: &[Value], services: &BTreeSet<String>) -> Vec<At> {
    let mut paths = Vec::new();
    for rule in list(entry, "/spec/rules") {
        let backends = list(rule, "/backendRefs").filter(|reference| reference["weight"] != 0);
        match share(backends.map(|reference| backend(reference, namespace(entry))), services) {
            Share::None => {}
            Share::Part(why) => paths.push(Err(why)),
            Share::All if !has(rule, "/matches") => paths.push(Ok("/")),
            Share::All => paths.extend(list(rule, "/matches").map(matched_path)),
        }
    }
    let gateways: Vec<&Value> = list(entry, "/spec/parentRefs")
        .filter(|parent| field(parent, "/kind").is_none_or(|kind| kind == "Gateway"))
        .collect();
    if paths.is_empty() || gateways.is_empty() {
        return Vec::new();
    }
    let mut path = shortest(paths.into_iter());
    if has(entry, "/status/parents") && list(entry, "/status/parents").all(|parent| denied(parent, "Accepted")) {
        path = Err("no gateway has accepted it".into());
    }
    let listeners: Vec<Listener<'_>> =
        gateways.iter().flat_map(|parent| listeners(parent, namespace(entry), entries)).collect();
    let mut hosts: Vec<&str> = list(entry, "/spec/hostnames").filter_map(Value::as_str).collect();
    if hosts.is_empty() {
        hosts.extend(listeners.iter().filter_map(|listener| listener.host));
    }
    if hosts.is_empty() {
        hosts.extend(listeners.iter().flat_map(|listener| listener.addresses.iter().copied()));
    }
    if hosts.is_empty() {
        return places("http", None, &[], path, "it has no host, and its gateway's address is not known");
    }
    hosts
        .into_iter()
        .flat_map(|host| {
            let serving = |listener: &&Listener<'_>| match listener.host.map(|own| (own, own.strip_prefix('*'))) {
                None => true,
                Some((_, Some(domain))) => host.ends_with(domain),
                Some((own, None)) => own.eq_ignore_ascii_case(host),
            };
            let serving: Vec<_> = listeners.iter().filter(serving).collect();
            let listener = serving.iter().find(|listener| listener.scheme == "https").or(serving.first());
            let (scheme, port) = listener.map_or(("http", None), |listener| (listener.scheme, listener.port));
            places(scheme, port, &[host], path.clone(), "")
        })
        .collect()
}

/// The path of a match that a plain GET finds, or why none does.
fn matched_path(matched: &Value) -> Result<&str, String> {
    if has(matched, "/headers") || has(matched, "/queryParams") {
        return Err("only requests with a certain header or query lead to what is switched".into());
    }
    if let Some(method) = field(matched, "/method").filter(|method| *method != "GET") {
        return Err(format!("only {method} requests lead to what is switched"));
    }
    let path = field(matched, "/path/value").unwrap_or("/");
    if text(matched, "/path/type") == "RegularExpression" { plain(path) } else { Ok(path) }
}

/// A listener that an `HTTPRoute` hangs on.
struct Listener<'a> {
    scheme: &'static str,
    port: Option<u64>,
    host: Option<&'a str>,
    addresses: Vec<&'a str>,
}

/// The listeners that a parentRef names; one that is guessed, where its Gateway is not among the entries.
fn listeners<'a>(parent: &'a Value, own: &str, entries: &'a [Value]) -> Vec<Listener<'a>> {
    let section = field(parent, "/sectionName");
    let port = parent["port"].as_u64();
    let gateway = entries.iter().find(|gateway| {
        text(gateway, "/kind") == "Gateway"
            && name(gateway) == text(parent, "/name")
            && namespace(gateway) == field(parent, "/namespace").unwrap_or(own)
    });
    let Some(gateway) = gateway else {
        let tls = port == Some(443) || section.is_some_and(|name| name.contains("https") || name.contains("tls"));
        return vec![Listener { scheme: if tls { "https" } else { "http" }, port, host: None, addresses: Vec::new() }];
    };
    list(gateway, "/spec/listeners")
        .filter(|listener| {
            section.is_none_or(|name| field(listener, "/name") == Some(name))
                && port.is_none_or(|port| listener["port"].as_u64() == Some(port))
        })
        .filter_map(|listener| {
            let scheme = match field(listener, "/protocol")? {
                "HTTP" => "http",
                "HTTPS" => "https",
                _ => return None,
            };
            let addresses = list(gateway, "/status/addresses").filter_map(|address| field(address, "/value"));
            Some(Listener {
                scheme,
                port: listener["port"].as_u64(),
                host: field(listener, "/hostname"),
                addresses: addresses.collect(),
            })
        })
        .collect()
}

// === what they share ===

/// How much of a rule's requests lead to what is switched.
enum Share {
    None,
    Part(String),
    All,
}

fn share(backends: impl Iterator<Item = String>, services: &BTreeSet<String>) -> Share {
    let (ours, others): (Vec<String>, Vec<String>) = backends.partition(|name| services.contains(name));
    match (ours.is_empty(), others.is_empty()) {
        (true, _) => Share::None,
        (false, true) => Share::All,
        (false, false) => Share::Part(format!("a part of its requests leads to {}", others.join(" and "))),
    }
}

/// The shortest path that can be asked, or the first reason why none can.
fn shortest<'a>(paths: impl Iterator<Item = Result<&'a str, String>>) -> Result<&'a str, String> {
    paths
        .reduce(|best, next| match (&best, &next) {
            (Ok(a), Ok(b)) if b.len() < a.len() => next,
            (Err(_), Ok(_)) => next,
            _ => best,
        })
        .unwrap_or(Ok("/"))
}

/// What a path says to a client that knows no pattern, or that only the pattern says it.
fn plain(path: &str) -> Result<&str, String> {
    let mut plain = path;
    while let Some(shorter) =
        ["(/|$)", "(.*)", "(/.*)?", ".*", "/?", "*", "$"].iter().find_map(|tail| plain.strip_suffix(tail))
    {
        plain = shorter;
    }
    match plain {
        "" => Ok("/"),
        plain if has_pattern(plain) => Err(format!("its path {path} is a pattern")),
        plain => Ok(plain),
    }
}

/// A place for each host.
fn places(scheme: &str, port: Option<u64>, hosts: &[&str], path: Result<&str, String>, lack: &str) -> Vec<At> {
    let path = match path {
        Ok(path) => path,
        Err(why) => return vec![At::Unasked(why)],
    };
    if hosts.is_empty() {
        return vec![At::Unasked(lack.into())];
    }
    let port = port.filter(|port| (scheme, *port) != ("http", 80) && (scheme, *port) != ("https", 443));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    hosts
        .iter()
        .map(|host| match host.strip_prefix('*') {
            Some(_) => At::Unasked(format!("{host} is a wildcard host")),
            None if host.parse::<Ipv6Addr>().is_ok() => At::Url(format!("{scheme}://[{host}]{port}{path}")),
            None => At::Url(format!("{scheme}://{host}{port}{path}")),
        })
        .collect()
}

/// Whether a condition of a status is False.
fn denied(status: &Value, condition: &str) -> bool {
    list(status, "/conditions").any(|its| its["type"] == condition && its["status"] == "False")
}

/// Whether a list has elements.
fn has(object: &Value, pointer: &str) -> bool {
    list(object, pointer).next().is_some()
}

/// A text field, where it is there and not empty.
fn field<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    Some(text(object, pointer)).filter(|text| !text.is_empty())
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json! is written where it is used")]
mod tests {
    use serde_json::json;

    use super::*;

    fn ingress(spec: Value) -> Value {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop", "namespace": "ns"}, "spec": spec})
    }

    fn route(spec: Value) -> Value {
        json!({"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "shop", "namespace": "ns"}, "spec": spec})
    }

    fn http_route(spec: Value) -> Value {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "shop", "namespace": "ns"}, "spec": spec})
    }

    fn gateway(listeners: Value) -> Value {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "public", "namespace": "infra"},
            "spec": {"listeners": listeners},
            "status": {"addresses": [{"value": "192.0.2.7"}]},
        })
    }

    fn with(mut object: Value, key: &str, value: Value) -> Value {
        object[key] = value;
        object
    }

    /// A path of an Ingress.
    fn path(path: &str, service: &str) -> Value {
        json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}})
    }

    /// The URLs that are found, and in parentheses why nothing is asked.
    #[track_caller]
    fn finds(entries: &[Value], expected: &[&str]) {
        let services = BTreeSet::from(["front".to_owned(), "front-2".to_owned()]);
        let found: Vec<String> = find(entries, &services)
            .into_iter()
            .map(|door| match door.at {
                At::Url(url) => url,
                At::Unasked(why) => format!("({why})"),
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_host_of_an_ingress_that_leads_to_a_front_service() {
        let rules = json!([
            {"host": "shop.test", "http": {"paths": [path("/static", "files"), path("/cart", "front"), path("/", "front-2")]}},
            {"host": "www.shop.test", "http": {"paths": [path("/de", "front")]}},
            {"host": "admin.shop.test", "http": {"paths": [path("/", "shop")]}},
        ]);
        let tls = json!([{"hosts": ["*.shop.test"], "secretName": "shop"}]);
        finds(&[ingress(json!({"rules": rules, "tls": tls}))], &["http://shop.test/", "https://www.shop.test/de"]);
    }

    #[test]
    fn an_ingress_has_tls_for_the_hosts_that_it_names() {
        let rules = |host: &str| json!([{"host": host, "http": {"paths": [path("/", "front")]}}]);
        for (tls, host, scheme) in [
            (json!([{"hosts": ["shop.test"]}]), "shop.test", "https"),
            (json!([{"hosts": ["other.test"]}]), "shop.test", "http"),
            (json!([{"secretName": "any"}]), "shop.test", "https"),
            (json!([{"hosts": ["*.shop.test"]}]), "www.shop.test", "https"),
            (json!([{"hosts": ["*.shop.test"]}]), "a.b.shop.test", "http"),
        ] {
            finds(&[ingress(json!({"rules": rules(host), "tls": tls}))], &[&format!("{scheme}://{host}/")]);
        }
    }

    #[test]
    fn the_default_backend_of_an_ingress() {
        let alone = ingress(json!({"defaultBackend": {"service": {"name": "front"}}}));
        let status =
            json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.test"}, {"ip": "2001:db8::1"}]}});
        finds(
            &[with(alone.clone(), "status", status)],
            &["http://192.0.2.1/", "http://lb.test/", "http://[2001:db8::1]/"],
        );
        finds(&[alone], &["(it has neither a host nor an address)"]);
        let rules = json!([{"host": "shop.test", "http": {"paths": [path("/", "front")]}}]);
        let beside = ingress(json!({"defaultBackend": {"service": {"name": "front"}}, "rules": rules}));
        finds(
            &[beside],
            &["http://shop.test/", "(its default backend answers what no rule does, which no URL is known for)"],
        );
    }

    #[test]
    fn an_ingress_without_a_host_is_asked_at_its_address() {
        let spec = json!({"rules": [{"http": {"paths": [path("/app", "front")]}}], "tls": [{"secretName": "any"}]});
        let status = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        finds(&[with(ingress(spec.clone()), "status", status)], &["https://192.0.2.1/app"]);
        finds(&[ingress(spec)], &["(it has neither a host nor an address)"]);
    }

    #[test]
    fn a_path_that_is_a_pattern() {
        for (pattern, expected) in [
            ("/api(/|$)(.*)", "http://shop.test/api"),
            ("/(.*)", "http://shop.test/"),
            ("/.*", "http://shop.test/"),
            ("/*", "http://shop.test/"),
            ("/shop/?(.*)", "http://shop.test/shop"),
            ("/app.js", "http://shop.test/app.js"),
            ("/(admin|shop)/", "(its path /(admin|shop)/ is a pattern)"),
            ("/v[0-9]+/", "(its path /v[0-9]+/ is a pattern)"),
        ] {
            let rules = json!([{"host": "shop.test", "http": {"paths": [path(pattern, "front")]}}]);
            finds(&[ingress(json!({"rules": rules}))], &[expected]);
        }
        let rules =
            json!([{"host": "shop.test", "http": {"paths": [path("/v[0-9]+/", "front"), path("/long", "front")]}}]);
        finds(&[ingress(json!({"rules": rules}))], &["http://shop.test/long"]);
    }

    #[test]
    fn a_canary_of_ingress_nginx_is_not_asked() {
        let rules = json!([{"host": "shop.test", "http": {"paths": [path("/", "front")]}}]);
        let mut canary = ingress(json!({"rules": rules}));
        canary["metadata"]["annotations"] = json!({"nginx.ingress.kubernetes.io/canary": "true"});
        finds(&[canary], &["(a canary: plain requests to its host are another ingress's)"]);
    }

    #[test]
    fn wildcard_hosts_are_not_asked() {
        let rules = json!([{"host": "*.shop.test", "http": {"paths": [path("/", "front")]}}]);
        finds(&[ingress(json!({"rules": rules}))], &["(*.shop.test is a wildcard host)"]);
        let rules = json!([{"backendRefs": [{"name": "front"}]}]);
        let spec =
            json!({"parentRefs": [{"name": "public"}], "hostnames": ["*.shop.test", "shop.test"], "rules": rules});
        finds(&[http_route(spec)], &["(*.shop.test is a wildcard host)", "http://shop.test/"]);
    }

    #[test]
    fn a_route_is_asked_at_the_hosts_that_its_routers_gave_it() {
        let spec = json!({"host": "asked.test", "path": "/app", "to": {"kind": "Service", "name": "front"}, "tls": {"termination": "edge"}});
        let status = json!({"ingress": [
            {"host": "shop.apps.test", "conditions": [{"type": "Admitted", "status": "True"}]},
            {"host": "shop.refused.test", "conditions": [{"type": "Admitted", "status": "False"}]},
            {"host": "shop.other.test"},
            {"host": "shop.apps.test"},
        ]});
        let expected = ["https://shop.apps.test/app", "https://shop.other.test/app"];
        finds(&[with(route(spec.clone()), "status", status)], &expected);
        finds(&[route(spec.clone())], &["https://asked.test/app"]);
        let status =
            json!({"ingress": [{"host": "asked.test", "conditions": [{"type": "Admitted", "status": "False"}]}]});
        finds(&[with(route(spec), "status", status)], &["(no router has admitted it)"]);
        finds(&[route(json!({"subdomain": "shop", "to": {"name": "front"}}))], &["(it has no host yet)"]);
        finds(&[route(json!({"host": "shop.test", "to": {"name": "shop"}}))], &[]);
    }

    #[test]
    fn a_route_with_several_services() {
        let spec =
            |to: Value, others: Value| route(json!({"host": "shop.test", "to": to, "alternateBackends": others}));
        finds(&[spec(json!({"name": "front"}), json!([{"name": "front-2"}]))], &["http://shop.test/"]);
        finds(&[spec(json!({"name": "front"}), json!([{"name": "new", "weight": 0}]))], &["http://shop.test/"]);
        finds(&[spec(json!({"name": "front", "weight": 0}), json!([{"name": "new"}]))], &[]);
        finds(
            &[spec(json!({"name": "front", "weight": 90}), json!([{"name": "new", "weight": 10}]))],
            &["(a part of its requests leads to new)"],
        );
    }

    #[test]
    fn the_rules_of_an_http_route() {
        let shop = |rules: Value| {
            http_route(json!({"parentRefs": [{"name": "public"}], "hostnames": ["shop.test"], "rules": rules}))
        };
        let front = json!([{"name": "front", "port": 80}]);
        for (rules, expected) in [
            (json!([{"backendRefs": front}]), &["http://shop.test/"][..]),
            (
                json!([{"matches": [{"path": {"value": "/cart"}}, {"path": {"type": "Exact", "value": "/a"}}], "backendRefs": front}]),
                &["http://shop.test/a"],
            ),
            (
                json!([{"matches": [{"path": {"type": "RegularExpression", "value": "/shop/.*"}}], "backendRefs": front}]),
                &["http://shop.test/shop/"],
            ),
            (
                json!([{"matches": [{"path": {"type": "PathPrefix", "value": "/c++"}}], "backendRefs": front}]),
                &["http://shop.test/c++"],
            ),
            // Testers go to the application, everybody else to the front Service.
            (
                json!([
                    {"matches": [{"headers": [{"name": "x-tester", "value": "yes"}]}], "backendRefs": [{"name": "shop"}]},
                    {"backendRefs": front},
                ]),
                &["http://shop.test/"],
            ),
            (
                json!([{"matches": [{"headers": [{"name": "x-tester", "value": "yes"}]}], "backendRefs": front}]),
                &["(only requests with a certain header or query lead to what is switched)"],
            ),
            (
                json!([{"matches": [{"method": "POST"}], "backendRefs": front}]),
                &["(only POST requests lead to what is switched)"],
            ),
            (
                json!([{"backendRefs": [{"name": "front", "weight": 9}, {"name": "front-2", "weight": 1}]}]),
                &["http://shop.test/"],
            ),
            (
                json!([{"backendRefs": [{"name": "front", "weight": 9}, {"name": "new", "weight": 0}]}]),
                &["http://shop.test/"],
            ),
            (json!([{"backendRefs": [{"name": "front", "weight": 0}, {"name": "new"}]}]), &[]),
            (
                json!([{"backendRefs": [{"name": "front"}, {"name": "new"}]}]),
                &["(a part of its requests leads to new)"],
            ),
            (json!([{"backendRefs": [{"name": "front", "namespace": "ns"}]}]), &["http://shop.test/"]),
            (json!([{"backendRefs": [{"name": "front", "namespace": "other"}]}]), &[]),
            (
                json!([{"backendRefs": [{"name": "front"}, {"name": "front", "namespace": "other"}]}]),
                &["(a part of its requests leads to front in namespace other)"],
            ),
            (
                json!([{"backendRefs": [{"name": "front", "kind": "ServiceImport", "group": "multicluster.x-k8s.io"}]}]),
                &[],
            ),
            (json!([{"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}]), &[]),
            // A mirror's answers reach nobody.
            (
                json!([{"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "front"}}}], "backendRefs": [{"name": "shop"}]}]),
                &[],
            ),
            (
                json!([{"filters": [{"type": "URLRewrite"}], "matches": [{"path": {"value": "/app"}}], "backendRefs": front}]),
                &["http://shop.test/app"],
            ),
        ] {
            finds(&[shop(rules)], expected);
        }
    }

    #[test]
    fn the_gateway_of_an_http_route_tells_scheme_and_port() {
        let rules = json!([{"backendRefs": [{"name": "front"}]}]);
        let shop =
            |parents: Value| http_route(json!({"parentRefs": parents, "hostnames": ["shop.test"], "rules": rules}));
        let both = gateway(json!([
            {"name": "plain", "protocol": "HTTP", "port": 80},
            {"name": "secure", "protocol": "HTTPS", "port": 8443, "hostname": "*.test"},
            {"name": "elsewhere", "protocol": "HTTPS", "port": 443, "hostname": "*.example"},
            {"name": "raw", "protocol": "TCP", "port": 9000},
        ]));
        let public = json!({"name": "public", "namespace": "infra"});
        for (parents, expected) in [
            (json!([public]), "https://shop.test:8443/"),
            (json!([{"name": "public", "namespace": "infra", "sectionName": "plain"}]), "http://shop.test/"),
            (json!([{"name": "public", "namespace": "infra", "port": 80}]), "http://shop.test/"),
            (
                json!([{"name": "public", "namespace": "infra", "sectionName": "plain"}, public]),
                "https://shop.test:8443/",
            ),
            // Gateways that are not known.
            (json!([{"name": "public"}]), "http://shop.test/"),
            (json!([{"name": "public", "sectionName": "https"}]), "https://shop.test/"),
            (json!([{"name": "other", "sectionName": "web"}, {"name": "other", "port": 443}]), "https://shop.test/"),
        ] {
            finds(&[shop(parents), both.clone()], &[expected]);
        }
        // In a mesh nobody comes in.
        finds(&[shop(json!([{"kind": "Service", "group": "", "name": "shop"}]))], &[]);
    }

    #[test]
    fn an_http_route_without_a_host_has_those_of_its_listeners_or_the_address() {
        let rules = json!([{"backendRefs": [{"name": "front"}]}]);
        let shop = http_route(json!({"parentRefs": [{"name": "public", "namespace": "infra"}], "rules": rules}));
        let named = gateway(json!([{"name": "web", "protocol": "HTTPS", "port": 443, "hostname": "shop.test"}]));
        finds(&[shop.clone(), named], &["https://shop.test/"]);
        let open = gateway(json!([{"name": "web", "protocol": "HTTP", "port": 8080}]));
        finds(&[shop.clone(), open], &["http://192.0.2.7:8080/"]);
        finds(&[shop], &["(it has no host, and its gateway's address is not known)"]);
    }

    #[test]
    fn an_http_route_that_no_gateway_has_accepted() {
        let spec = json!({"parentRefs": [{"name": "public"}], "hostnames": ["shop.test"], "rules": [{"backendRefs": [{"name": "front"}]}]});
        let parent = |status: &str| json!({"conditions": [{"type": "Accepted", "status": status}]});
        let with_parents = |parents: Value| with(http_route(spec.clone()), "status", json!({"parents": parents}));
        finds(&[with_parents(json!([parent("False")]))], &["(no gateway has accepted it)"]);
        finds(&[with_parents(json!([parent("False"), parent("True")]))], &["http://shop.test/"]);
    }

    #[test]
    fn an_excluded_entry_says_so() {
        let mut entry = route(json!({"host": "shop.test", "to": {"name": "front"}}));
        entry["metadata"]["labels"] = json!({"maintenance-mode.github.io/exclude": "true"});
        let door = |excluded| Door { entry: "route/shop".into(), at: At::Url("http://shop.test/".into()), excluded };
        let services = BTreeSet::from(["front".to_owned()]);
        assert_eq!(find(std::slice::from_ref(&entry), &services), [door(true)]);
        entry["metadata"]["labels"] = json!({"maintenance-mode.github.io/exclude": "false"});
        assert_eq!(find(&[entry], &services), [door(false)]);
    }

    #[test]
    fn objects_of_another_kind_are_no_entries() {
        let spec = json!({"host": "shop.test", "to": {"name": "front"}, "rules": [{"host": "shop.test", "http": {"paths": [path("/", "front")]}}]});
        let other = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "shop"}, "spec": spec});
        finds(
            &[
                other("v1", "Service"),
                other("serving.knative.dev/v1", "Route"),
                other("networking.internal.knative.dev/v1alpha1", "Ingress"),
            ],
            &[],
        );
    }
}
