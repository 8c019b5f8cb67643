//! What is around a release in its namespace: the Services, and the entries that may lead to it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use crate::doors::find::find;
use crate::kubectl::Kubectl;
use crate::object::{list, map, name, selects, text};
use crate::pods::list_pods;
use crate::read::{self, Listed};
use crate::release::Release;

/// The kinds of entries: their APIs and lists.
const KINDS: [(&str, &str); 3] = [
    ("networking.k8s.io/v1", "ingresses"),
    ("route.openshift.io/v1", "routes"),
    ("gateway.networking.k8s.io/v1", "httproutes"),
];

/// The Services and entries of a namespace.
#[derive(Debug, Default)]
pub struct Entries {
    /// All Services.
    pub services: Vec<Value>,
    /// All entries, and the Gateways, which tell how `HTTPRoutes` are reached.
    pub all: Vec<Value>,
    /// The kinds that were looked at.
    pub looked_at: Vec<&'static str>,
    /// The kinds that may not be listed, and why.
    pub unseen: Vec<(&'static str, String)>,
}

/// An entry that leads to the application past the switch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Other {
    /// Which: `ingress/shop`.
    pub entry: String,
    /// People have labelled it so.
    pub excluded: bool,
}

// === impl Entries ===

impl Entries {
    /// Reads those of a namespace. A kind that the API server does not serve has none.
    ///
    /// # Errors
    /// Where the API server cannot be asked.
    pub fn read(kubectl: &dyn Kubectl, namespace: &str) -> Result<Self> {
        let path = |(api, kinds): (&str, &str)| read::path(api, Some(namespace), kinds, "");
        let mut paths = vec![path(("v1", "services"))];
        paths.extend(KINDS.map(path));
        let mut lists = read::lists(kubectl, &paths)?.into_iter();
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
                    entries.all.extend(items);
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
        let parents = routes.flat_map(|route| list(route, "/spec/parentRefs"));
        let namespaces: BTreeSet<&str> =
            parents.map(|parent| parent.pointer("/namespace").and_then(Value::as_str).unwrap_or(namespace)).collect();
        let path = |namespace| read::path("gateway.networking.k8s.io/v1", Some(namespace), "gateways", "");
        for listed in read::lists(kubectl, &namespaces.into_iter().map(path).collect::<Vec<_>>())? {
            if let Listed::Items(gateways) = listed {
                self.all.extend(gateways);
            }
        }
        Ok(())
    }

    /// The entries that lead to the application of a release past its front Services, in maintenance too: by any Service
    /// whose pods are the application's.
    ///
    /// # Errors
    /// Where the pods cannot be listed.
    pub fn others(&self, kubectl: &dyn Kubectl, release: &Release) -> Result<Vec<Other>> {
        let mut labels: Vec<BTreeMap<String, String>> = Vec::new();
        for front in &release.fronts {
            // Where the application has no pod, its selector stands for one.
            labels.push(front.normal.clone());
            let pods = list_pods(kubectl, &release.namespace, &crate::object::query(&front.normal))?;
            labels.extend(pods.into_iter().map(|pod| pod.labels));
        }
        let switched = |service: &Value| release.fronts.iter().any(|front| name(&front.service) == name(service));
        let leads = |service: &&Value| {
            let selector = map(service, "/spec/selector");
            !switched(service) && labels.iter().any(|labels| selects(&selector, labels))
        };
        let services: BTreeSet<String> =
            self.services.iter().filter(leads).map(|service| name(service).to_owned()).collect();
        let mut others: Vec<Other> = Vec::new();
        for door in find(&self.all, &services) {
            let other = Other { entry: door.entry, excluded: door.excluded };
            if !others.contains(&other) {
                others.push(other);
            }
        }
        Ok(others)
    }
}
