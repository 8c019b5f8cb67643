//! What is around in a namespace: the Services, the entries, and where each of them leads.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use crate::doors::find::find;
use crate::entry::{self, EntryKind, State, Switched};
use crate::kubectl::Kubectl;
use crate::object::{self, Name, annotation, label, map, name, query, selects, text};
use crate::pods::list_pods;
use crate::read::{self, Listed};
use crate::release::Release;

/// The kinds of entries: their APIs and lists.
const KINDS: [(&str, &str); 3] =
    [("networking.k8s.io/v1", "ingresses"), ("route.openshift.io/v1", "routes"), (GATEWAY_API, "httproutes")];
/// Gateway API, and the version in which it was served before 1.0.
const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";
const EARLIER: &str = "gateway.networking.k8s.io/v1beta1";

/// Kinds that may not be listed, and why.
pub type Unseen = Vec<(&'static str, String)>;

/// The Services and entries of a namespace.
#[derive(Debug, Default)]
pub struct Entries {
    /// All Services.
    pub services: Vec<Value>,
    /// All entries, and the Gateways, which tell how `HTTPRoutes` are reached.
    pub all: Vec<Value>,
    /// The Routes that OpenShift makes of Ingresses, each with its Ingress. They follow it, and are no entries of their own.
    pub made: Vec<(Name, String)>,
    /// The kinds that were looked at.
    pub looked_at: Vec<&'static str>,
    /// The kinds that may not be listed, and why.
    pub unseen: Unseen,
}

/// An entry that leads to the application past the switch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Other {
    /// Which: `ingress/shop`.
    pub entry: String,
    /// People have labelled it so.
    pub excluded: bool,
}

/// The name of an entry; nothing where it is something else, such as a Gateway.
#[must_use]
pub fn name_of(entry: &Value) -> Option<Name> {
    Some(Name::of(EntryKind::of(entry)?.kind(), entry))
}

/// The Ingress of which OpenShift has made a Route: `ingress/shop`.
fn made_of(entry: &Value) -> Option<String> {
    let ingress = |owner: &&Value| text(owner, "/kind") == "Ingress" && owner["controller"] == true;
    let owner = object::list(entry, "/metadata/ownerReferences").find(ingress)?;
    (EntryKind::of(entry)? == EntryKind::Route).then(|| format!("ingress/{}", text(owner, "/name")))
}

/// Whether it is a part of a release of the chart.
#[must_use]
pub fn is_the_charts(entry: &Value) -> bool {
    label(entry, "helm.sh/chart").starts_with("maintenance-mode-")
}

/// Whether it has been switched, and not given back.
#[must_use]
pub fn is_switched(entry: &Value) -> bool {
    annotation(entry, "restore").is_some() || annotation(entry, "restore-meta").is_some()
}

/// The entries of a namespace or of all, with the labels that are wanted; and the kinds that may not be listed, and why.
///
/// # Errors
/// Where the API server cannot be asked.
pub fn list(kubectl: &dyn Kubectl, namespace: Option<&str>, selector: &str) -> Result<(Vec<Value>, Unseen)> {
    let paths = KINDS.map(|(api, kinds)| (api, read::path(api, namespace, kinds, selector)));
    let (mut entries, mut unseen) = (Vec::new(), Unseen::new());
    for (listed, (_, kinds)) in served(kubectl, paths.into_iter())?.into_iter().zip(KINDS) {
        match listed {
            Listed::Items(items) => entries.extend(items),
            Listed::Forbidden(why) => unseen.push((kinds, why)),
            Listed::NotServed => {}
        }
    }
    Ok((entries, unseen))
}

/// What lists there are at paths, each with its API: of Gateway API the earlier version, where it is served alone.
fn served<'a>(kubectl: &dyn Kubectl, paths: impl Iterator<Item = (&'a str, String)>) -> Result<Vec<Listed>> {
    let (apis, paths): (Vec<&str>, Vec<String>) = paths.unzip();
    let mut lists = read::lists(kubectl, &paths)?;
    let lacks = |at: &usize| apis[*at] == GATEWAY_API && matches!(lists[*at], Listed::NotServed);
    let lacking: Vec<usize> = (0..lists.len()).filter(lacks).collect();
    let earlier: Vec<String> = lacking.iter().map(|at| paths[*at].replace(GATEWAY_API, EARLIER)).collect();
    for (at, listed) in lacking.into_iter().zip(read::lists(kubectl, &earlier)?) {
        lists[at] = listed;
    }
    Ok(lists)
}

// === impl Entries ===

impl Entries {
    /// Reads those of a namespace. A kind that the API server does not serve has none.
    ///
    /// # Errors
    /// Where the API server cannot be asked.
    pub fn read(kubectl: &dyn Kubectl, namespace: &str) -> Result<Self> {
        let all = [("v1", "services")].into_iter().chain(KINDS);
        let paths = all.map(|(api, kinds)| (api, read::path(api, Some(namespace), kinds, "")));
        let mut lists = served(kubectl, paths)?.into_iter();
        let mut entries = Self::default();
        match lists.next() {
            Some(Listed::Items(services)) => entries.services = services,
            Some(Listed::Forbidden(why)) => entries.unseen.push(("services", why)),
            _ => {}
        }
        for (listed, (_, kinds)) in lists.zip(KINDS) {
            match listed {
                Listed::Items(items) => {
                    entries.looked_at.push(kinds);
                    for item in items {
                        match made_of(&item).filter(|_| !is_switched(&item)) {
                            Some(ingress) => entries.made.push((Name::of("route", &item), ingress)),
                            None => entries.all.push(item),
                        }
                    }
                }
                Listed::Forbidden(why) => entries.unseen.push((kinds, why)),
                Listed::NotServed => {}
            }
        }
        entries.read_gateways(kubectl, namespace)?;
        Ok(entries)
    }

    /// Reads the Gateways of the namespaces that `HTTPRoutes` name; where that is not allowed, plain HTTP is asked.
    fn read_gateways(&mut self, kubectl: &dyn Kubectl, namespace: &str) -> Result<()> {
        let routes = self.all.iter().filter(|entry| text(entry, "/kind") == "HTTPRoute");
        let parents = routes.flat_map(|route| object::list(route, "/spec/parentRefs"));
        let namespaces: BTreeSet<&str> =
            parents.map(|parent| parent.pointer("/namespace").and_then(Value::as_str).unwrap_or(namespace)).collect();
        let path = |namespace| (GATEWAY_API, read::path(GATEWAY_API, Some(namespace), "gateways", ""));
        for listed in served(kubectl, namespaces.into_iter().map(path))? {
            if let Listed::Items(gateways) = listed {
                self.all.extend(gateways);
            }
        }
        Ok(())
    }

    /// The entries, without the Gateways.
    pub fn named(&self) -> impl Iterator<Item = (Name, &Value)> {
        self.all.iter().filter_map(|entry| Some((name_of(entry)?, entry)))
    }

    /// The Gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &Value> {
        self.all.iter().filter(|entry| text(entry, "/kind") == "Gateway")
    }

    /// The entries that are switched to the page of a release, and lead there now.
    pub fn led_to<'e>(&'e self, release: &'e str) -> impl Iterator<Item = (Name, &'e Value)> {
        let led = move |entry: &Value, page: &Switched| {
            page.release == release && entry::services(entry).contains(&page.service)
        };
        self.named().filter(move |(_, entry)| entry::page_of(entry).is_some_and(|page| led(entry, &page)))
    }

    /// Whether a Service has no endpoints of its own, as it is but a name for something outside.
    #[must_use]
    pub fn is_external(&self, service: &str) -> bool {
        self.services.iter().any(|known| name(known) == service && text(known, "/spec/type") == "ExternalName")
    }

    /// Whether an entry names a Service now.
    #[must_use]
    pub fn names(&self, service: &str) -> bool {
        self.named().any(|(_, entry)| entry::services(entry).contains(service))
    }

    /// The entries that lead to the application of a release past its front Services, in maintenance too.
    ///
    /// # Errors
    /// Where the pods cannot be listed.
    pub fn others(&self, kubectl: &dyn Kubectl, release: &Release) -> Result<Vec<Other>> {
        let selectors = release.fronts.iter().map(|front| front.normal.clone());
        let fronts = release.fronts.iter().map(|front| front.name().name).collect();
        self.leading_to(kubectl, &release.namespace, &BTreeSet::new(), &selectors.collect::<Vec<_>>(), &fronts)
    }

    /// The entries that lead to an application, by one of these Services, or by any other that finds the pods which these
    /// selectors find, but not by the `fronts`. One that is as it was switched does not lead there.
    ///
    /// # Errors
    /// Where the pods cannot be listed.
    pub fn leading_to(
        &self,
        kubectl: &dyn Kubectl,
        namespace: &str,
        named: &BTreeSet<String>,
        selectors: &[BTreeMap<String, String>],
        fronts: &BTreeSet<String>,
    ) -> Result<Vec<Other>> {
        let mut labels: Vec<BTreeMap<String, String>> = Vec::new();
        for selector in selectors {
            // Where the application has no pod, its selector stands for one.
            labels.push(selector.clone());
            let pods = list_pods(kubectl, namespace, &query(selector))?;
            labels.extend(pods.into_iter().map(|pod| pod.labels));
        }
        let leads = |service: &&Value| {
            let selector = map(service, "/spec/selector");
            !fronts.contains(name(service)) && labels.iter().any(|labels| selects(&selector, labels))
        };
        let found = self.services.iter().filter(leads).map(|service| name(service).to_owned());
        let services: BTreeSet<String> = found.chain(named.difference(fronts).cloned()).collect();
        let switched = |entry: &&Value| entry::state(entry) == State::Switched;
        let unswitched: Vec<Value> = self.all.iter().filter(|entry| !switched(entry)).cloned().collect();
        let mut others: Vec<Other> = Vec::new();
        for door in find(&unswitched, &services) {
            let other = Other { entry: door.entry, excluded: door.excluded };
            if !others.contains(&other) {
                others.push(other);
            }
        }
        Ok(others)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubectl::{Answer, Ran};
    use crate::release::{Front, Kind};

    /// An API server that has these lists; any other path is not served.
    struct Lists(Vec<(&'static str, u16, Value)>);

    impl Kubectl for Lists {
        fn read(&self, _: &[&str]) -> Result<Ran> {
            anyhow::bail!("only paths are asked")
        }

        fn change(&self, _: &[&str], _: &str) -> Result<Ran> {
            anyhow::bail!("nothing is changed")
        }

        fn get(&self, paths: &[String]) -> Result<Vec<Answer>> {
            let answer = |path: &String| {
                let found = self.0.iter().find(|(known, ..)| known == path);
                found.map_or_else(
                    || Answer { status: 404, ..Answer::default() },
                    |(_, status, body)| Answer { status: *status, body: body.to_string() },
                )
            };
            Ok(paths.iter().map(answer).collect())
        }

        fn as_typed(&self, _: &[&str]) -> String {
            String::new()
        }
    }

    fn service(name: &str, selector: &Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {"selector": selector}})
    }

    fn ingress(name: &str, service: &str) -> Value {
        let backend = json!({"service": {"name": service, "port": {"number": 80}}});
        let rule = json!({"host": format!("{name}.test"), "http": {"paths": [{"path": "/", "backend": backend}]}});
        json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {"rules": [rule]}})
    }

    fn list(kind: &str, items: &[Value]) -> Value {
        let api = if kind == "Ingress" { "networking.k8s.io/v1" } else { "v1" };
        json!({"kind": format!("{kind}List"), "apiVersion": api, "items": items})
    }

    /// A release whose front Service `shop-front` is in maintenance.
    fn release() -> Release {
        let page = json!({"app": "page"});
        let side = |app: &str| BTreeMap::from([("app".to_owned(), app.to_owned())]);
        let front = Front { service: service("shop-front", &page), normal: side("shop"), maintenance: side("page") };
        Release {
            namespace: "ns".to_owned(),
            name: "web".to_owned(),
            kind: Kind::Service,
            config: Value::Null,
            fronts: vec![front],
            unknown: Vec::new(),
            led_here: Vec::new(),
        }
    }

    const SERVICES: &str = "/api/v1/namespaces/ns/services";
    const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/ns/ingresses";
    const PODS: &str = "/api/v1/namespaces/ns/pods?labelSelector=app%3Dshop";

    fn cluster(pods: &[Value]) -> Lists {
        let services = [
            service("shop-front", &json!({"app": "page"})),
            service("shop", &json!({"app": "shop"})),
            service("shop-v2", &json!({"app": "shop", "version": "v2"})),
            service("cart", &json!({"app": "cart"})),
            service("outside", &Value::Null),
        ];
        let mut admins = ingress("admins", "shop");
        admins["metadata"]["labels"] = json!({"maintenance-mode.github.io/exclude": "true"});
        let entries = [
            ingress("users", "shop-front"),
            ingress("old", "shop"),
            ingress("canary", "shop-v2"),
            ingress("cart", "cart"),
            ingress("outside", "outside"),
            admins,
        ];
        Lists(vec![
            (SERVICES, 200, list("Service", &services)),
            (INGRESSES, 200, list("Ingress", &entries)),
            (PODS, 200, list("Pod", pods)),
        ])
    }

    fn others(cluster: &Lists) -> Vec<Other> {
        Entries::read(cluster, "ns").unwrap().others(cluster, &release()).unwrap()
    }

    fn other(entry: &str, excluded: bool) -> Other {
        Other { entry: entry.to_owned(), excluded }
    }

    #[test]
    fn other_entries_lead_to_the_application_by_whichever_service_finds_its_pods() {
        let pod = json!({"metadata": {"name": "shop-1", "labels": {"app": "shop", "version": "v2"}}});
        let expected = [other("ingress/old", false), other("ingress/canary", false), other("ingress/admins", true)];
        assert_eq!(others(&cluster(&[pod])), expected);
    }

    #[test]
    fn without_pods_the_selector_stands_for_one() {
        assert_eq!(others(&cluster(&[])), [other("ingress/old", false), other("ingress/admins", true)]);
    }

    #[test]
    fn gateway_api_may_be_served_in_its_earlier_version_alone() {
        let mut cluster = cluster(&[]);
        for (kinds, kind) in [("httproutes", "HTTPRoute"), ("gateways", "Gateway")] {
            let items =
                [json!({"metadata": {"name": "shop", "namespace": "ns"}, "spec": {"parentRefs": [{"name": "shop"}]}})];
            let list = json!({"kind": format!("{kind}List"), "apiVersion": "gateway.networking.k8s.io/v1beta1", "items": items});
            let path = format!("/apis/gateway.networking.k8s.io/v1beta1/namespaces/ns/{kinds}");
            cluster.0.push((path.leak(), 200, list));
        }
        let entries = Entries::read(&cluster, "ns").unwrap();
        assert_eq!(entries.looked_at, ["ingresses", "httproutes"]);
        assert!(entries.named().any(|(name, _)| name.to_string() == "httproute/shop"));
        assert_eq!(entries.gateways().count(), 1);
        let (listed, _) = super::list(&cluster, Some("ns"), "").unwrap();
        assert_eq!(listed.iter().filter(|entry| entry["kind"] == "HTTPRoute").count(), 1);
    }

    #[test]
    fn kinds_that_are_not_served_are_not_looked_at_and_forbidden_ones_are_named() {
        let forbidden = json!({"kind": "Status", "message": "ann may not list routes"});
        let mut cluster = cluster(&[]);
        cluster.0.push(("/apis/route.openshift.io/v1/namespaces/ns/routes", 403, forbidden));
        let entries = Entries::read(&cluster, "ns").unwrap();
        assert_eq!(entries.looked_at, ["ingresses"]);
        let [(kinds, why)] = &entries.unseen[..] else { panic!("{:?}", entries.unseen) };
        assert_eq!((*kinds, why.contains("ann may not list routes")), ("routes", true));
    }
}
