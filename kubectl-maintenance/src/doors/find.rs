//! Which front doors lead to what is switched: a pure look at entries, as the cluster lists them.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use serde_json::Value;

/// The label of an entry that is never switched, such as the admins' own.
const EXCLUDE: &str = "maintenance-mode.github.io/exclude";

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
        let (Some(kind), Some(word)) = (kind(entry), word(entry)) else { continue };
        let places = match kind {
            Kind::Ingress => ingress(entry, services),
            Kind::Route => route(entry, services),
            Kind::HttpRoute => http_route(entry, entries, services),
        };
        let name = format!("{word}/{}", text(entry, "/metadata/name").unwrap_or_default());
        for at in places {
            let door = Door { entry: name.clone(), at, excluded: is_excluded(entry) };
            if !doors.contains(&door) {
                doors.push(door);
            }
        }
    }
    doors
}

/// The kind of an entry as people name it, such as `ingress`; none for an object of another kind.
#[must_use]
pub fn word(entry: &Value) -> Option<&'static str> {
    kind(entry).map(|kind| match kind {
        Kind::Ingress => "ingress",
        Kind::Route => "route",
        Kind::HttpRoute => "httproute",
    })
}

/// Whether people have taken an entry out of the switch.
#[must_use]
pub fn is_excluded(entry: &Value) -> bool {
    entry["metadata"]["labels"][EXCLUDE] == "true"
}

/// Every Service that an entry sends requests to, those in its own namespace alone.
#[must_use]
pub fn services_of(entry: &Value) -> BTreeSet<String> {
    match kind(entry) {
        Some(Kind::Ingress) => ingress_backends(entry).map(|backend| backend.service.to_owned()).collect(),
        Some(Kind::Route) => route_backends(entry).into_iter().collect(),
        Some(Kind::HttpRoute) => {
            list(entry, "/spec/rules").iter().flat_map(|rule| rule_backends(rule, namespace(entry))).collect()
        }
        None => BTreeSet::new(),
    }
}

/// The kinds of entry that are looked at.
#[derive(Clone, Copy)]
enum Kind {
    Ingress,
    Route,
    HttpRoute,
}

fn kind(entry: &Value) -> Option<Kind> {
    let group = text(entry, "/apiVersion")?.split_once('/').map(|(group, _)| group)?;
    match (group, text(entry, "/kind")?) {
        ("networking.k8s.io", "Ingress") => Some(Kind::Ingress),
        ("route.openshift.io", "Route") => Some(Kind::Route),
        ("gateway.networking.k8s.io", "HTTPRoute") => Some(Kind::HttpRoute),
        _ => None,
    }
}

// --- Ingress -----------------------------------------------------------------------------------------------------------

struct IngressBackend<'a> {
    service: &'a str,
    /// None for the default backend.
    rule: Option<(Option<&'a str>, &'a str)>,
}

fn ingress_backends(entry: &Value) -> impl Iterator<Item = IngressBackend<'_>> {
    let rules = list(entry, "/spec/rules").iter().flat_map(|rule| {
        let host = text(rule, "/host");
        list(rule, "/http/paths").iter().filter_map(move |path| {
            let service = text(path, "/backend/service/name")?;
            Some(IngressBackend { service, rule: Some((host, text(path, "/path").unwrap_or("/"))) })
        })
    });
    let default = text(entry, "/spec/defaultBackend/service/name");
    rules.chain(default.map(|service| IngressBackend { service, rule: None }))
}

fn ingress(entry: &Value, services: &BTreeSet<String>) -> Vec<At> {
    let ours: Vec<_> = ingress_backends(entry).filter(|backend| services.contains(backend.service)).collect();
    if ours.is_empty() {
        return Vec::new();
    }
    if entry["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary"] == "true" {
        return vec![At::Unasked("a canary: plain requests to its host are another ingress's".into())];
    }
    let has_rules = !list(entry, "/spec/rules").is_empty();
    let mut hosts: Vec<Option<&str>> = Vec::new();
    for backend in &ours {
        let host = match backend.rule {
            Some((host, _)) => host,
            None if has_rules => continue,
            None => None,
        };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let mut at = Vec::new();
    for host in hosts {
        let paths = ours.iter().filter_map(|backend| backend.rule).filter(|(its, _)| *its == host);
        let path = shortest(paths.map(|(_, path)| plain(path).ok_or_else(|| pattern(path))));
        let addresses: Vec<&str> = match host {
            Some(host) => vec![host],
            None => list(entry, "/status/loadBalancer/ingress")
                .iter()
                .filter_map(|address| text(address, "/hostname").or(text(address, "/ip")))
                .collect(),
        };
        let scheme = if has_certificate(entry, host) { "https" } else { "http" };
        at.extend(places(scheme, None, &addresses, path, "it has neither a host nor an address"));
    }
    if has_rules && ours.iter().any(|backend| backend.rule.is_none()) {
        at.push(At::Unasked("its default backend answers what no rule does, which no URL is known for".into()));
    }
    at
}

/// Whether an Ingress serves a host by TLS. A section without hosts is for all of them.
fn has_certificate(entry: &Value, host: Option<&str>) -> bool {
    list(entry, "/spec/tls").iter().any(|section| {
        let hosts = list(section, "/hosts");
        let covers = |name: &str, host: &str| match name.strip_prefix("*.") {
            Some(domain) => host.split_once('.').is_some_and(|(_, parent)| parent == domain),
            None => name == host,
        };
        hosts.is_empty()
            || host.is_none_or(|host| hosts.iter().filter_map(Value::as_str).any(|name| covers(name, host)))
    })
}

// --- Route -------------------------------------------------------------------------------------------------------------

/// The Services of a Route that get requests.
fn route_backends(entry: &Value) -> Vec<String> {
    std::iter::once(&entry["spec"]["to"])
        .chain(list(entry, "/spec/alternateBackends"))
        .filter(|backend| text(backend, "/kind").is_none_or(|kind| kind == "Service") && backend["weight"] != 0)
        .filter_map(|backend| text(backend, "/name").map(str::to_owned))
        .collect()
}

fn route(entry: &Value, services: &BTreeSet<String>) -> Vec<At> {
    let path = match share(&route_backends(entry), services) {
        Share::None => return Vec::new(),
        Share::Part(why) => Err(why),
        Share::All => Ok(text(entry, "/spec/path").unwrap_or("/")),
    };
    let routers = list(entry, "/status/ingress");
    let mut hosts: Vec<&str> = Vec::new();
    for router in routers.iter().filter(|router| !denied(router, "Admitted")) {
        hosts.extend(text(router, "/host").filter(|host| !hosts.contains(host)));
    }
    let lack = if routers.is_empty() { "it has no host yet" } else { "no router has admitted it" };
    if routers.is_empty() {
        hosts.extend(text(entry, "/spec/host"));
    }
    let scheme = if entry["spec"]["tls"].is_object() { "https" } else { "http" };
    places(scheme, None, &hosts, path, lack)
}

// --- HTTPRoute ---------------------------------------------------------------------------------------------------------

/// The Services of a rule that get requests, those in its route's own namespace alone.
fn rule_backends(rule: &Value, own: Option<&str>) -> Vec<String> {
    list(rule, "/backendRefs")
        .iter()
        .filter(|backend| {
            text(backend, "/group").is_none_or(str::is_empty)
                && text(backend, "/kind").is_none_or(|kind| kind == "Service")
                && (text(backend, "/namespace").is_none() || text(backend, "/namespace") == own)
                && backend["weight"] != 0
        })
        .filter_map(|backend| text(backend, "/name").map(str::to_owned))
        .collect()
}

fn http_route(entry: &Value, entries: &[Value], services: &BTreeSet<String>) -> Vec<At> {
    let mut paths = Vec::new();
    for rule in list(entry, "/spec/rules") {
        match share(&rule_backends(rule, namespace(entry)), services) {
            Share::None => {}
            Share::Part(why) => paths.push(Err(why)),
            Share::All if list(rule, "/matches").is_empty() => paths.push(Ok("/")),
            Share::All => paths.extend(list(rule, "/matches").iter().map(matched_path)),
        }
    }
    let gateways: Vec<&Value> = list(entry, "/spec/parentRefs")
        .iter()
        .filter(|parent| text(parent, "/kind").is_none_or(|kind| kind == "Gateway"))
        .collect();
    if paths.is_empty() || gateways.is_empty() {
        return Vec::new();
    }
    let mut path = shortest(paths.into_iter());
    let answers = list(entry, "/status/parents");
    if !answers.is_empty() && answers.iter().all(|parent| denied(parent, "Accepted")) {
        path = Err("no gateway has accepted it".into());
    }
    let listeners: Vec<Listener<'_>> =
        gateways.iter().flat_map(|parent| listeners(parent, namespace(entry), entries)).collect();
    let mut hosts: Vec<&str> = list(entry, "/spec/hostnames").iter().filter_map(Value::as_str).collect();
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
    if !list(matched, "/headers").is_empty() || !list(matched, "/queryParams").is_empty() {
        return Err("only requests with a certain header or query lead to what is switched".into());
    }
    if let Some(method) = text(matched, "/method").filter(|method| *method != "GET") {
        return Err(format!("only {method} requests lead to what is switched"));
    }
    let path = text(matched, "/path/value").unwrap_or("/");
    if text(matched, "/path/type") == Some("RegularExpression") {
        plain(path).ok_or_else(|| pattern(path))
    } else {
        Ok(path)
    }
}

/// A listener that an `HTTPRoute` hangs on.
struct Listener<'a> {
    scheme: &'static str,
    port: Option<u64>,
    host: Option<&'a str>,
    addresses: Vec<&'a str>,
}

/// The listeners that a parentRef names; one that is guessed, where its Gateway is not among the entries.
fn listeners<'a>(parent: &'a Value, own: Option<&str>, entries: &'a [Value]) -> Vec<Listener<'a>> {
    let section = text(parent, "/sectionName");
    let port = parent["port"].as_u64();
    let gateway = entries.iter().find(|gateway| {
        text(gateway, "/kind") == Some("Gateway")
            && text(gateway, "/metadata/name") == text(parent, "/name")
            && namespace(gateway) == text(parent, "/namespace").or(own)
    });
    let Some(gateway) = gateway else {
        let tls = port == Some(443) || section.is_some_and(|name| name.contains("https") || name.contains("tls"));
        return vec![Listener { scheme: if tls { "https" } else { "http" }, port, host: None, addresses: Vec::new() }];
    };
    list(gateway, "/spec/listeners")
        .iter()
        .filter(|listener| {
            section.is_none_or(|name| text(listener, "/name") == Some(name))
                && port.is_none_or(|port| listener["port"].as_u64() == Some(port))
        })
        .filter_map(|listener| {
            let scheme = match text(listener, "/protocol")? {
                "HTTP" => "http",
                "HTTPS" => "https",
                _ => return None,
            };
            let addresses = list(gateway, "/status/addresses").iter().filter_map(|address| text(address, "/value"));
            Some(Listener {
                scheme,
                port: listener["port"].as_u64(),
                host: text(listener, "/hostname").filter(|host| !host.is_empty()),
                addresses: addresses.collect(),
            })
        })
        .collect()
}

// --- what they share ---------------------------------------------------------------------------------------------------

/// How much of a rule's requests lead to what is switched.
enum Share {
    None,
    Part(String),
    All,
}

fn share(backends: &[String], services: &BTreeSet<String>) -> Share {
    let foreign: Vec<String> =
        backends.iter().filter(|name| !services.contains(*name)).map(|name| format!("service/{name}")).collect();
    match foreign.len() {
        0 if backends.is_empty() => Share::None,
        0 => Share::All,
        count if count == backends.len() => Share::None,
        _ => Share::Part(format!("a part of its requests leads to {}", foreign.join(" and "))),
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

/// What a path says to a client that knows no pattern; none where only the pattern says it.
fn plain(path: &str) -> Option<&str> {
    let mut plain = path;
    while let Some(shorter) =
        ["(/|$)", "(.*)", "(/.*)?", ".*", "/?", "*", "$"].iter().find_map(|tail| plain.strip_suffix(tail))
    {
        plain = shorter;
    }
    match plain {
        "" => Some("/"),
        plain if plain.contains(['(', ')', '[', ']', '{', '}', '*', '+', '?', '|', '^', '$', '\\']) => None,
        plain => Some(plain),
    }
}

fn pattern(path: &str) -> String {
    format!("its path {path} is a pattern")
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
    list(status, "/conditions").iter().any(|its| its["type"] == condition && its["status"] == "False")
}

fn namespace(object: &Value) -> Option<&str> {
    text(object, "/metadata/namespace")
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
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
            &["(a part of its requests leads to service/new)"],
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
                &["(a part of its requests leads to service/new)"],
            ),
            (json!([{"backendRefs": [{"name": "front", "namespace": "ns"}]}]), &["http://shop.test/"]),
            (json!([{"backendRefs": [{"name": "front", "namespace": "other"}]}]), &[]),
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

    #[test]
    fn the_services_that_get_requests() {
        let rules = json!([
            {"host": "shop.test", "http": {"paths": [path("/", "shop"), path("/cart", "cart")]}},
            {"host": "www.shop.test"},
        ]);
        let an_ingress = ingress(json!({"rules": rules, "defaultBackend": {"service": {"name": "rest"}}}));
        let a_route = route(
            json!({"to": {"name": "shop"}, "alternateBackends": [{"name": "new", "weight": 1}, {"name": "idle", "weight": 0}]}),
        );
        let rules = json!([
            {"backendRefs": [{"name": "shop", "weight": 1}, {"name": "idle", "weight": 0}, {"name": "far", "namespace": "other"}]},
            {"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy"}}}], "backendRefs": [{"name": "cart"}]},
        ]);
        for (entry, expected) in [
            (an_ingress, &["cart", "rest", "shop"][..]),
            (a_route, &["new", "shop"]),
            (http_route(json!({"rules": rules})), &["cart", "shop"]),
            (json!({"apiVersion": "v1", "kind": "Service", "spec": {"to": {"name": "shop"}}}), &[]),
        ] {
            assert_eq!(services_of(&entry), expected.iter().map(|&name| name.to_owned()).collect());
        }
    }
}
