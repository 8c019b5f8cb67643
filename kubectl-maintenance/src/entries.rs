//! What is around a release in its namespace: the Services, and the entries that may lead to it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use crate::doors::find::{is_excluded, services_of, word};
use crate::kubectl::Kubectl;
use crate::object::{map, name, selects};
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
    /// All entries, and the Gateways, which tell how HTTPRoutes are reached.
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
        let mut paths = vec![path(("v1", "services")), path(("gateway.networking.k8s.io/v1", "gateways"))];
        paths.extend(KINDS.map(path));
        let mut lists = read::lists(kubectl, &paths)?.into_iter();
        let mut entries = Self::default();
        match lists.next() {
            Some(Listed::Items(services)) => entries.services = services,
            Some(Listed::Forbidden(why)) => entries.unseen.push(("services", why)),
            _ => {}
        }
        if let Some(Listed::Items(gateways)) = lists.next() {
            entries.all = gateways;
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
        Ok(entries)
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
        let services: BTreeSet<String> = self.services.iter().filter(leads).map(|service| name(service).to_owned()).collect();
        let past = |entry: &&Value| !services_of(entry).is_disjoint(&services);
        let other = |entry: &Value| Some(Other { entry: format!("{}/{}", word(entry)?, name(entry)), excluded: is_excluded(entry) });
        Ok(self.all.iter().filter(past).filter_map(other).collect())
    }
}
