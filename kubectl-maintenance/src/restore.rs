//! The annotation `restore`: the way back as a JSON patch, in which each field is tested for what was written before it is
//! put back, so that kubectl alone can go it. It takes our annotations away, itself among them.

use serde_json::{Value, json};

use crate::change::{Change, operations, put};
use crate::object::{annotation, annotation_at, text};

/// Our annotations that a switch leaves and its end takes away.
pub const NAMES: [&str; 5] = ["since", "by", "reason", "restore", "restore-meta"];

/// A field of it. Nothing stands for a field that is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where.
    pub path: String,
    /// What was written.
    pub written: Option<Value>,
    /// What was there before.
    pub original: Option<Value>,
}

// === impl Field ===

impl Field {
    /// Whether the object has what was written.
    #[must_use]
    pub fn is_written(&self, object: &Value) -> bool {
        object.pointer(&self.path) == self.written.as_ref()
    }

    /// Whether the object has what was there before.
    #[must_use]
    pub fn is_original(&self, object: &Value) -> bool {
        object.pointer(&self.path) == self.original.as_ref()
    }
}

/// The fields that an object's annotation puts back; none where there is no annotation.
#[must_use]
pub fn fields(object: &Value) -> Vec<Field> {
    let operations = annotation(object, "restore").and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    let mut written = None;
    let mut fields = Vec::new();
    for operation in operations.unwrap_or_default() {
        let path = text(&operation, "/path");
        if path.starts_with(&annotation_at("")) {
            continue;
        }
        let value = operation.get("value").filter(|value| !value.is_null()).cloned();
        if text(&operation, "/op") == "test" {
            written = value;
        } else {
            fields.push(Field { path: path.to_owned(), written: written.take(), original: value });
        }
    }
    fields
}

/// Keeps the way back of a change. The last that is done to it, as our annotations that are there then are taken away.
pub fn keep(change: &mut Change, fields: impl IntoIterator<Item = Field>) {
    let fields = fields.into_iter();
    let mut back: Vec<Value> =
        fields.flat_map(|field| operations(&field.path, field.written.as_ref(), field.original.as_ref())).collect();
    for name in change.annotated().into_iter().chain(["restore".to_owned()]) {
        back.push(json!({"op": "remove", "path": annotation_at(&name)}));
    }
    change.annotate("restore", Some(&Value::from(back).to_string()));
}

/// The object as it was before, in memory; as it is, where it has no such annotation.
#[must_use]
pub fn original(object: &Value) -> Value {
    let mut original = unmarked(object);
    for field in fields(object) {
        put(&mut original, &field.path, field.original);
    }
    original
}

/// The object without our annotations of a switch, in memory.
#[must_use]
pub fn unmarked(object: &Value) -> Value {
    let mut unmarked = object.clone();
    for name in NAMES {
        put(&mut unmarked, &annotation_at(name), None);
    }
    unmarked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Name;

    fn configmap() -> Value {
        json!({"metadata": {"name": "c", "namespace": "n"}, "data": {"MODE": "false"}})
    }

    /// Sets a field that was there and one that was not.
    fn changed() -> Value {
        let mut change = Change::of(Name::of("configmap", &configmap()), &configmap());
        change.set("/data/MODE".to_owned(), Some("true".into()));
        change.set("/data/UNTIL".to_owned(), Some("later".into()));
        change.annotate("by", Some("ann"));
        let fields: Vec<Field> = change
            .steps()
            .filter(|(path, ..)| path.starts_with("/data/"))
            .map(|(path, from, to)| Field { path: path.to_owned(), written: to.cloned(), original: from.cloned() })
            .collect();
        keep(&mut change, fields);
        change.after()
    }

    #[test]
    fn what_is_kept_tells_what_was_written_and_what_was_there() {
        let object = changed();
        let field = |path: &str, written: &str, original: Option<&str>| Field {
            path: path.to_owned(),
            written: Some(written.into()),
            original: original.map(Value::from),
        };
        assert_eq!(fields(&object), [field("/data/MODE", "true", Some("false")), field("/data/UNTIL", "later", None)]);
        assert!(fields(&object).iter().all(|field| field.is_written(&object) && !field.is_original(&object)));
        assert_eq!(original(&object), configmap());
        assert_eq!(unmarked(&object)["data"]["UNTIL"], "later");
    }

    #[test]
    fn it_takes_our_annotations_away_itself_the_last() {
        let object = changed();
        let operations: Vec<Value> = serde_json::from_str(annotation(&object, "restore").unwrap()).unwrap();
        let removed = |name: &str| json!({"op": "remove", "path": annotation_at(name)});
        assert_eq!(operations[4..], [removed("by"), removed("restore")]);
    }

    #[test]
    fn an_annotation_that_is_no_patch_puts_nothing_back() {
        let object = json!({"metadata": {"annotations": {"maintenance-mode.github.io/restore": "{"}}});
        assert_eq!((fields(&object), fields(&configmap())), (Vec::new(), Vec::new()));
    }
}
