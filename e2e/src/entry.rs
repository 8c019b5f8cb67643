//! An entry that the plugin switches as it stands: what it was before, and whether it is that again.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::release::Release;

/// The Service of the page pods.
pub(crate) const PAGE: &str = "page-page";

/// Annotations that the plugin leaves on what it has switched.
const OURS: [&str; 5] = ["since", "by", "reason", "restore", "restore-meta"];

/// An entry as it was.
pub(crate) struct Before {
    /// As a TARGET: `ingress/shop`.
    pub(crate) object: String,
    was: Value,
}

// === impl Before ===

impl Before {
    pub(crate) async fn of(release: &Release<'_>, object: &str) -> Result<Self> {
        let was = look(release, object).await?;
        ensure!(ours(&was).is_empty(), "{object} has annotations of the plugin's before anything was switched");
        Ok(Self { object: object.to_owned(), was })
    }

    pub(crate) async fn of_all(release: &Release<'_>, objects: &[&str]) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for object in objects {
            all.push(Self::of(release, object).await?);
        }
        Ok(all)
    }

    /// Fails unless it is the same again, with its annotations and with who owns which field.
    pub(crate) async fn is_again(&self, release: &Release<'_>) -> Result<()> {
        self.compare(&self.was, &look(release, &self.object).await?)
    }

    /// The same, whoever owns the fields by now.
    pub(crate) async fn has_its_fields_again(&self, release: &Release<'_>) -> Result<()> {
        let fields_of = |object: &Value| {
            let mut object = object.clone();
            object["metadata"]["managedFields"] = Value::Null;
            object
        };
        self.compare(&fields_of(&self.was), &fields_of(&look(release, &self.object).await?))
    }

    fn compare(&self, was: &Value, now: &Value) -> Result<()> {
        let differences = differences("", was, now);
        ensure!(differences.is_empty(), "{} is not what it was: {}", self.object, differences.join("; "));
        Ok(())
    }

    /// Fails unless it leads to the page pods alone, but for the Services that `stay`.
    pub(crate) async fn leads_to_the_page(&self, release: &Release<'_>, stay: &[&str]) -> Result<()> {
        let now = look(release, &self.object).await?;
        let mut wanted = stay.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        if leads_to(&self.was) != wanted {
            wanted.insert(PAGE.to_owned());
        }
        let found = leads_to(&now);
        ensure!(found == wanted, "{} should lead to {wanted:?} alone, but leads to {found:?}", self.object);
        for annotation in ["since", "by", "restore", "restore-meta"] {
            let there = ours(&now).iter().any(|name| name == annotation);
            ensure!(there, "{} should have the annotation {annotation} while it is switched", self.object);
        }
        Ok(())
    }

    /// Fails unless it had these annotations, and has them no more.
    pub(crate) async fn lacks(&self, release: &Release<'_>, annotations: &[&str]) -> Result<()> {
        let now = look(release, &self.object).await?;
        for name in annotations {
            let has = |object: &Value| object["metadata"]["annotations"][name].is_string();
            ensure!(has(&self.was) && !has(&now), "{} should have {name} taken away while it is switched", self.object);
        }
        Ok(())
    }
}

/// An object without what changes with every write, and without what its controller says of it.
async fn look(release: &Release<'_>, object: &str) -> Result<Value> {
    Ok(settled(release.get(&[object, "--show-managed-fields"]).await.with_context(|| object.to_owned())?))
}

fn settled(mut object: Value) -> Value {
    object["status"] = Value::Null;
    for field in ["resourceVersion", "generation"] {
        object["metadata"][field] = Value::Null;
    }
    let mut managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    managers.retain(|manager| manager["subresource"] != "status");
    for manager in &mut managers {
        manager["time"] = Value::Null;
    }
    // Their order is that of the times.
    managers.sort_by_cached_key(ToString::to_string);
    object["metadata"]["managedFields"] = managers.into();
    object
}

/// The plugin's annotations that an object has.
fn ours(object: &Value) -> Vec<String> {
    let annotations = object["metadata"]["annotations"].as_object().into_iter().flatten();
    let names = annotations.filter_map(|(name, _)| name.strip_prefix("maintenance-mode.github.io/"));
    names.filter(|name| OURS.contains(name)).map(str::to_owned).collect()
}

/// The Services that an entry names, of whatever kind it is, and the resources and extensions; of none twice.
fn leads_to(object: &Value) -> BTreeSet<String> {
    let spec = &object["spec"];
    let mut found = Vec::new();
    let lists = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let backend = |of: &Value| ["service", "resource"].map(|kind| of[kind]["name"].clone());
    found.extend(backend(&spec["defaultBackend"]));
    for rule in lists(spec, "rules") {
        found.extend(lists(&rule["http"], "paths").iter().flat_map(|path| backend(&path["backend"])));
        found.extend(lists(&rule, "backendRefs").iter().map(|backend| backend["name"].clone()));
        for filter in lists(&rule, "filters") {
            let (mirror, extension) = (&filter["requestMirror"]["backendRef"], &filter["extensionRef"]);
            found.extend([mirror, extension].map(|named| named["name"].clone()));
        }
    }
    found.push(spec["to"]["name"].clone());
    found.extend(lists(spec, "alternateBackends").iter().map(|backend| backend["name"].clone()));
    found.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Where two values differ, and how.
fn differences(at: &str, was: &Value, now: &Value) -> Vec<String> {
    match (was, now) {
        (Value::Object(before), Value::Object(after)) => {
            let names = before.keys().chain(after.keys()).collect::<BTreeSet<_>>();
            names.into_iter().flat_map(|name| differences(&format!("{at}/{name}"), &was[name], &now[name])).collect()
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let pairs = before.iter().zip(after).enumerate();
            pairs.flat_map(|(place, (was, now))| differences(&format!("{at}/{place}"), was, now)).collect()
        }
        _ if was == now => Vec::new(),
        _ => vec![format!("{at} was {was}, and is {now}")],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_writes_the_status_and_when_is_no_difference() {
        let object = |time: &str, managers: &[&str]| {
            let managers = managers.iter().map(|manager| json!({ "manager": manager, "time": time }));
            let controller = json!({ "manager": "contour", "subresource": "status", "time": time });
            json!({
                "metadata": {
                    "name": "shop", "resourceVersion": time, "generation": time.len(),
                    "managedFields": managers.chain([controller]).collect::<Vec<_>>(),
                },
                "status": { "seen": time },
            })
        };
        let (before, now) = (settled(object("1", &["a", "b"])), settled(object("22", &["b", "a"])));
        assert_eq!(differences("", &before, &now), Vec::<String>::new());
        let more = settled(object("1", &["a", "b", "kubectl-maintenance"]));
        assert_eq!(differences("", &before, &more).len(), 1);
    }

    #[test]
    fn a_difference_says_where_it_is() {
        let (before, now) = (json!({ "a": [{ "b": 1 }], "c": 2 }), json!({ "a": [{ "b": 3 }], "d": 4 }));
        let wanted = ["/a/0/b was 1, and is 3", "/c was 2, and is null", "/d was null, and is 4"];
        assert_eq!(differences("", &before, &now), wanted);
    }

    #[test]
    fn an_entry_of_any_kind_leads_to_services() {
        let backend = |name: &str| json!({ "service": { "name": name } });
        let ingress = json!({ "spec": {
            "defaultBackend": backend("a"),
            "rules": [{ "host": "x" }, { "http": { "paths": [{ "backend": backend("b") }, { "backend": { "resource": { "name": "r" } } }] } }],
        } });
        assert_eq!(leads_to(&ingress).into_iter().collect::<Vec<_>>(), ["a", "b", "r"]);
        let route = json!({ "spec": { "to": { "name": "a" }, "alternateBackends": [{ "name": "b" }] } });
        assert_eq!(leads_to(&route).into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let mirror = json!({ "requestMirror": { "backendRef": { "name": "b" } } });
        let extension = json!({ "extensionRef": { "name": "e" } });
        let http =
            json!({ "spec": { "rules": [{ "backendRefs": [{ "name": "a" }], "filters": [mirror, extension] }] } });
        assert_eq!(leads_to(&http).into_iter().collect::<Vec<_>>(), ["a", "b", "e"]);
    }
}
