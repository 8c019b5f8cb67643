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
