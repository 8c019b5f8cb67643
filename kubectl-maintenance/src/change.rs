//! One change of one object: its JSON patch, in which each field is tested before it is set, and the way back.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::object::{Name, annotation, annotation_at, pointer};
use crate::restore;

/// What is changed in one object.
#[derive(Clone)]
pub struct Change {
    /// Which object.
    pub object: Name,
    /// As it was read. Never printed: a Route holds the key of its certificate.
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

    /// The fields beside the annotations that lose their value, such as `["data", "MAINTENANCE_MODE"]`: of a map those below
    /// it, as each may be another's.
    #[must_use]
    pub fn overwrites(&self) -> Vec<Vec<String>> {
        let steps = self.steps.iter().filter(|step| !step.path.starts_with("/metadata/"));
        let paths = steps.flat_map(|step| overwritten(&step.path, step.from.as_ref(), step.to.as_ref()));
        paths.map(|path| path.split('/').skip(1).map(str::to_owned).collect()).collect()
    }

    /// The object with it, in memory.
    #[must_use]
    pub fn after(&self) -> Value {
        let mut after = self.before.clone();
        for step in &self.steps {
            put(&mut after, &step.path, step.to.clone());
        }
        after
    }

    /// Our annotations that are there after it.
    #[must_use]
    pub fn annotated(&self) -> Vec<String> {
        let after = |name: &&str| match self.steps.iter().find(|step| step.path == annotation_at(name)) {
            Some(step) => step.to.is_some(),
            None => annotation(&self.before, name).is_some(),
        };
        restore::NAMES.into_iter().filter(|name| *name != "restore" && after(name)).map(str::to_owned).collect()
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The fields, each with what it was and what it becomes.
    pub fn steps(&self) -> impl Iterator<Item = (&str, Option<&Value>, Option<&Value>)> {
        self.steps.iter().map(|step| (step.path.as_str(), step.from.as_ref(), step.to.as_ref()))
    }

    /// The JSON patch.
    #[must_use]
    pub fn patch(&self) -> Value {
        patch(&self.before, self.steps())
    }

    /// The JSON patch back.
    #[must_use]
    pub fn inverse(&self) -> Value {
        let steps = self.steps.iter().rev();
        patch(&self.after(), steps.map(|step| (step.path.as_str(), step.to.as_ref(), step.from.as_ref())))
    }

    /// Whether the object, read again, is as it makes it.
    #[must_use]
    pub fn is_made(&self, now: &Value) -> bool {
        self.steps.iter().all(|step| now.pointer(&step.path) == step.to.as_ref())
    }

    /// Which fields of the object, as it would be stored, are not as it makes them.
    #[must_use]
    pub fn misses(&self, stored: &Value) -> Vec<String> {
        let steps = self.steps.iter().filter(|step| stored.pointer(&step.path) != step.to.as_ref());
        let differences = |step: &Step| differences(&step.path, stored.pointer(&step.path), step.to.as_ref());
        steps.flat_map(differences).map(|difference| difference.replace(", and was ", " instead of ")).collect()
    }

    /// Which fields of the object, read again, are not as they were: the reason why a patch was refused.
    #[must_use]
    pub fn differs(&self, now: &Value) -> Vec<String> {
        let steps = self.steps.iter().filter(|step| now.pointer(&step.path) != step.from.as_ref());
        steps
            .flat_map(|step| {
                let (now, was) = (now.pointer(&step.path), step.from.as_ref());
                match field(&step.path) {
                    // Nobody reads these.
                    field if field.contains("/restore") => vec![format!("{field} is another")],
                    _ => differences(&step.path, now, was),
                }
            })
            .collect()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("object", &self.object).field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// Sets a field of an object in memory, or takes it away. Annotations are there before the first, and not after the last.
pub fn put(object: &mut Value, path: &str, to: Option<Value>) {
    let Some((parent, field)) = path.rsplit_once('/') else { return };
    let field = field.replace("~1", "/").replace("~0", "~");
    let annotations = parent == "/metadata/annotations";
    if annotations && object.pointer(parent).is_none() {
        object["metadata"]["annotations"] = json!({});
    }
    let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    match to {
        Some(to) => fields.insert(field, to),
        None => fields.remove(&field),
    };
    if annotations && fields.is_empty() {
        put(object, parent, None);
    }
}

/// The JSON patch of an object by these steps; where their map is not there yet, it is made first.
fn patch<'s>(object: &Value, steps: impl Iterator<Item = (&'s str, Option<&'s Value>, Option<&'s Value>)>) -> Value {
    let steps: Vec<_> = steps.collect();
    let parents = ["/metadata/annotations", "/data"]
        .into_iter()
        .filter(|parent| object.pointer(parent).is_none() && steps.iter().any(|(path, ..)| path.starts_with(parent)));
    let parents = parents.flat_map(|parent| operations(parent, None, Some(&json!({}))));
    parents.chain(steps.iter().flat_map(|(path, from, to)| operations(path, *from, *to))).collect()
}

/// Tests a field, then sets it or takes it away. The API server takes a test of null for one that it is not there.
#[must_use]
pub fn operations(path: &str, from: Option<&Value>, to: Option<&Value>) -> [Value; 2] {
    let test = json!({"op": "test", "path": path, "value": from});
    let operation = match (from, to) {
        (_, None) => json!({"op": "remove", "path": path}),
        (None, Some(to)) => json!({"op": "add", "path": path, "value": to}),
        (Some(_), Some(to)) => json!({"op": "replace", "path": path, "value": to}),
    };
    [test, operation]
}

/// A path as people write it: `data.MAINTENANCE_MODE`.
#[must_use]
pub fn field(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}

/// What differs between a field and what it was, down to the fields below it: `spec.rules.0.host is "b", and was "a"`.
#[must_use]
pub fn differences(path: &str, now: Option<&Value>, was: Option<&Value>) -> Vec<String> {
    match (now, was) {
        (Some(Value::Array(now)), Some(Value::Array(was))) => (0..now.len().max(was.len()))
            .flat_map(|index| differences(&format!("{path}/{index}"), now.get(index), was.get(index)))
            .collect(),
        (Some(Value::Object(now)), Some(Value::Object(was))) => below(now, was)
            .flat_map(|(name, now, was)| differences(&format!("{path}{}", pointer(&[name])), now, was))
            .collect(),
        (now, was) if now == was => Vec::new(),
        (now, was) => vec![format!("{} is {}, and was {}", field(path), shown(now), shown(was))],
    }
}

/// The paths of the fields that lose their value, as the API server tells fields apart: a list is one.
fn overwritten(path: &str, from: Option<&Value>, to: Option<&Value>) -> Vec<String> {
    match (from, to) {
        (Some(Value::Object(from)), Some(Value::Object(to))) => below(from, to)
            .filter(|(_, from, to)| from != to)
            .flat_map(|(name, from, to)| overwritten(&format!("{path}{}", pointer(&[name])), from, to))
            .collect(),
        (Some(_), _) => vec![path.to_owned()],
        (None, _) => Vec::new(),
    }
}

/// The fields of two maps, side by side.
fn below<'m>(
    one: &'m Map<String, Value>,
    other: &'m Map<String, Value>,
) -> impl Iterator<Item = (&'m str, Option<&'m Value>, Option<&'m Value>)> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().map(|name| (name.as_str(), one.get(name), other.get(name)))
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
    fn after_it_the_object_is_as_it_makes_it_and_the_way_back_leads_to_before() {
        let after = change().after();
        assert!(change().is_made(&after));
        assert_eq!(after["metadata"]["annotations"], json!({"maintenance-mode.github.io/by": "ann"}));
        let mut back = Change::of(Name::of("configmap", &after), &after);
        back.set("/data/MAINTENANCE_MODE".into(), Some("false".into()));
        back.annotate("by", None);
        assert_eq!(back.after(), configmap());
    }

    #[test]
    fn the_way_back_makes_the_annotations_anew_where_none_was_left() {
        let mut before = configmap();
        before["metadata"]["annotations"] = json!({"maintenance-mode.github.io/by": "ann"});
        let mut change = Change::of(Name::of("configmap", &before), &before);
        change.annotate("by", None);
        assert_eq!(change.after(), configmap());
        assert_eq!(change.inverse()[1], json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }

    #[test]
    fn fields_that_lose_their_value_are_told_however_deep_they_are() {
        // Of a map those that change, and a list as a whole.
        let before = json!({"metadata": {}, "spec": {"tls": {"termination": "reencrypt"}, "to": {"kind": "Service", "name": "a"}, "rules": [1]}});
        let mut change = Change::of(Name::of("route", &before), &before);
        change.set("/spec/to".into(), Some(json!({"kind": "Service", "name": "b", "weight": 1})));
        change.set("/spec/rules".into(), Some(json!([2])));
        change.set("/spec/tls/termination".into(), Some("edge".into()));
        change.annotate("by", Some("ann"));
        let expected = [vec!["spec", "to", "name"], vec!["spec", "rules"], vec!["spec", "tls", "termination"]];
        assert_eq!(change.overwrites(), expected);
    }

    #[test]
    fn only_what_it_changes_is_printed() {
        let route = json!({"metadata": {"name": "r"}, "spec": {"tls": {"key": "secret", "termination": "reencrypt"}}});
        let mut change = Change::of(Name::of("route", &route), &route);
        change.set("/spec/tls/termination".into(), Some("edge".into()));
        let printed = format!("{change:?} {change:#?}");
        assert!(printed.contains("termination") && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn a_difference_is_told_by_the_fields_below() {
        let was = json!([{"host": "a", "http": {"paths": [1]}}]);
        let now = json!([{"host": "b", "http": {"paths": [1]}}, {"host": "c"}]);
        assert_eq!(
            differences("/spec/rules", Some(&now), Some(&was)),
            [r#"spec.rules.0.host is "b", and was "a""#, r#"spec.rules.1 is {"host":"c"}, and was unset"#]
        );
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
