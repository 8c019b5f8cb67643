//! One change of one object: its JSON patch, in which each field is tested before it is set, and the way back.

use serde_json::{Value, json};

use crate::object::{Name, annotation, annotation_at, text};

/// What is changed in one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which object.
    pub object: Name,
    /// As it was read.
    pub before: Value,
    steps: Vec<Step>,
}

/// One field: nothing stands for a field that is not there.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    path: String,
    from: Option<Value>,
    to: Option<Value>,
}

// === impl Change ===

impl Change {
    /// No change yet.
    #[must_use]
    pub fn of(object: Name, before: &Value) -> Self {
        Self { object, before: before.clone(), steps: Vec::new() }
    }

    /// Sets a field, or takes it away; does nothing where it is so already.
    pub fn set(&mut self, path: String, to: Option<Value>) {
        let from = self.before.pointer(&path).cloned();
        if from != to {
            self.steps.push(Step { path, from, to });
        }
    }

    /// Sets one of our annotations, or takes it away.
    pub fn annotate(&mut self, name: &str, to: Option<&str>) {
        self.set(annotation_at(name), to.map(Value::from));
    }

    /// Whether a field is changed.
    #[must_use]
    pub fn changes(&self, path: &str) -> bool {
        self.steps.iter().any(|step| step.path == path)
    }

    /// The fields that are changed beside the annotations, such as `["data", "MAINTENANCE_MODE"]`.
    pub fn fields(&self) -> impl Iterator<Item = [&str; 2]> {
        let steps = self.steps.iter().filter_map(|step| step.path.trim_start_matches('/').split_once('/'));
        steps.filter(|(parent, _)| *parent != "metadata").map(|(parent, field)| [parent, field])
    }

    /// Our annotations that are there after it.
    #[must_use]
    pub fn annotated(&self) -> Vec<String> {
        let after = |name: &&str| match self.steps.iter().find(|step| step.path == annotation_at(name)) {
            Some(step) => step.to.is_some(),
            None => annotation(&self.before, name).is_some(),
        };
        ["since", "by", "reason", "restore-meta"]
            .iter()
            .copied()
            .filter(|name| after(name))
            .map(str::to_owned)
            .collect()
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The JSON patch.
    #[must_use]
    pub fn patch(&self) -> Value {
        let parents = ["/metadata/annotations", "/data"].into_iter().filter(|parent| {
            self.before.pointer(parent).is_none() && self.steps.iter().any(|step| step.path.starts_with(parent))
        });
        let parents = parents.flat_map(|parent| operations(parent, None, Some(&json!({}))));
        let steps = self.steps.iter().flat_map(|step| operations(&step.path, step.from.as_ref(), step.to.as_ref()));
        parents.chain(steps).collect()
    }

    /// The JSON patch back.
    #[must_use]
    pub fn inverse(&self) -> Value {
        let steps = self.steps.iter().rev();
        steps.flat_map(|step| operations(&step.path, step.to.as_ref(), step.from.as_ref())).collect()
    }

    /// Whether the object, read again, is as it makes it.
    #[must_use]
    pub fn is_made(&self, now: &Value) -> bool {
        self.steps.iter().all(|step| now.pointer(&step.path) == step.to.as_ref())
    }

    /// Which fields of the object, read again, are not as they were: the reason why a patch was refused.
    #[must_use]
    pub fn differs(&self, now: &Value) -> Vec<String> {
        let steps = self.steps.iter().filter(|step| now.pointer(&step.path) != step.from.as_ref());
        steps
            .map(|step| {
                let (now, was) = (now.pointer(&step.path), step.from.as_ref());
                match field(&step.path) {
                    // Nobody reads these.
                    field if field.contains("/restore") => format!("{field} is another"),
                    field => format!("{field} is {}, and was {}", shown(now), shown(was)),
                }
            })
            .collect()
    }
}

/// A field of a `restore` annotation: what is put back, and what was written in its place.
#[derive(Debug, PartialEq)]
pub struct Restored {
    /// Where.
    pub path: String,
    /// What was written.
    pub written: Option<Value>,
    /// What was there before.
    pub original: Option<Value>,
}

/// Reads a `restore` annotation, which is a patch of ours: its fields of `data`.
#[must_use]
pub fn read_restore(text: &str) -> Vec<Restored> {
    let operations: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let mut written = None;
    let mut fields = Vec::new();
    for operation in operations.iter().filter(|operation| self::text(operation, "/path").starts_with("/data/")) {
        let value = operation.get("value").filter(|value| !value.is_null()).cloned();
        if self::text(operation, "/op") == "test" {
            written = value;
        } else {
            fields.push(Restored {
                path: self::text(operation, "/path").to_owned(),
                written: written.take(),
                original: value,
            });
        }
    }
    fields
}

/// Tests a field, then sets it or takes it away. The API server takes a test of null for one that it is not there.
fn operations(path: &str, from: Option<&Value>, to: Option<&Value>) -> [Value; 2] {
    let test = json!({"op": "test", "path": path, "value": from});
    let operation = match (from, to) {
        (_, None) => json!({"op": "remove", "path": path}),
        (None, Some(to)) => json!({"op": "add", "path": path, "value": to}),
        (Some(_), Some(to)) => json!({"op": "replace", "path": path, "value": to}),
    };
    [test, operation]
}

/// A path as people write it: `data.MAINTENANCE_MODE`.
fn field(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "unset".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configmap() -> Value {
        json!({"metadata": {"name": "c", "namespace": "n"}, "data": {"MAINTENANCE_MODE": "false"}})
    }

    fn change() -> Change {
        let mut change = Change::of(Name::of("configmap", &configmap()), &configmap());
        change.set("/data/MAINTENANCE_MODE".into(), Some("true".into()));
        change.set("/data/MAINTENANCE_UNTIL".into(), None);
        change.annotate("by", Some("ann"));
        change
    }

    #[test]
    fn each_field_is_tested_before_it_is_set() {
        assert_eq!(
            change().patch(),
            json!([
                {"op": "test", "path": "/metadata/annotations", "value": null},
                {"op": "add", "path": "/metadata/annotations", "value": {}},
                {"op": "test", "path": "/data/MAINTENANCE_MODE", "value": "false"},
                {"op": "replace", "path": "/data/MAINTENANCE_MODE", "value": "true"},
                {"op": "test", "path": "/metadata/annotations/maintenance-mode.github.io~1by", "value": null},
                {"op": "add", "path": "/metadata/annotations/maintenance-mode.github.io~1by", "value": "ann"},
            ])
        );
    }

    #[test]
    fn the_way_back_is_the_same_in_reverse() {
        let restored = read_restore(&change().inverse().to_string());
        let mode = Restored {
            path: "/data/MAINTENANCE_MODE".into(),
            written: Some("true".into()),
            original: Some("false".into()),
        };
        assert_eq!(restored, [mode]);
    }

    #[test]
    fn what_somebody_changed_meanwhile_is_named() {
        let mut now = configmap();
        now["data"]["MAINTENANCE_MODE"] = "on".into();
        assert_eq!(change().differs(&now), [r#"data.MAINTENANCE_MODE is "on", and was "false""#]);
        assert_eq!(change().differs(&configmap()), [""; 0]);
    }

    #[test]
    fn a_change_is_made_where_every_field_is_as_it_sets_it() {
        let mut now = configmap();
        now["data"]["MAINTENANCE_MODE"] = "true".into();
        assert!(!change().is_made(&now));
        now["metadata"]["annotations"] = json!({"maintenance-mode.github.io/by": "ann"});
        assert!(change().is_made(&now));
    }

    #[test]
    fn a_way_back_that_differs_is_named_and_not_printed() {
        let mut change = Change::of(Name::of("configmap", &configmap()), &configmap());
        change.annotate("restore-meta", Some("long"));
        let now = json!({"metadata": {"annotations": {"maintenance-mode.github.io/restore-meta": "longer"}}});
        assert_eq!(change.differs(&now), ["metadata.annotations.maintenance-mode.github.io/restore-meta is another"]);
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let mut change = Change::of(Name::of("configmap", &configmap()), &configmap());
        change.set("/data/MAINTENANCE_MODE".into(), Some("false".into()));
        assert!(change.is_empty());
    }
}
