//! Objects of Kubernetes as JSON: their names, labels, annotations and fields.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// The prefix of our labels and annotations.
pub const PREFIX: &str = "maintenance-mode.github.io/";

/// Which object: `service/shop-front` in a namespace.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name {
    /// Its namespace.
    pub namespace: String,
    /// Its kind as kubectl takes it: `configmap`, `service`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

// === impl Name ===

impl Name {
    /// The name of an object of that kind.
    #[must_use]
    pub fn of(kind: &'static str, object: &Value) -> Self {
        Self { namespace: namespace(object).to_owned(), kind, name: name(object).to_owned() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// A JSON pointer of field names, which may hold slashes.
#[must_use]
pub fn pointer(fields: &[&str]) -> String {
    fields.iter().map(|field| format!("/{}", field.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Where one of our annotations is.
#[must_use]
pub fn annotation_at(name: &str) -> String {
    pointer(&["metadata", "annotations", &format!("{PREFIX}{name}")])
}

/// A text field; the empty text where there is none.
#[must_use]
pub fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list; none where there is none.
pub fn list<'o>(object: &'o Value, pointer: &str) -> impl Iterator<Item = &'o Value> + use<'o> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// A map of texts, such as labels or a selector; empty where there is none.
#[must_use]
pub fn map(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let fields = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Its name.
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// Its namespace.
#[must_use]
pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// A label; the empty text where there is none.
#[must_use]
pub fn label<'o>(object: &'o Value, label: &str) -> &'o str {
    text(object, &pointer(&["metadata", "labels", label]))
}

/// Whether people have taken it out of every switch, by our label.
#[must_use]
pub fn is_excluded(object: &Value) -> bool {
    label(object, &format!("{PREFIX}exclude")) == "true"
}

/// One of our annotations, where it is there.
#[must_use]
pub fn annotation<'o>(object: &'o Value, name: &str) -> Option<&'o str> {
    object.pointer(&annotation_at(name)).and_then(Value::as_str)
}

/// Whether labels have all that a selector wants; one that wants nothing finds nothing.
#[must_use]
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A selector as a query has it: `app=shop,tier=web`.
#[must_use]
pub fn query(selector: &BTreeMap<String, String>) -> String {
    selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
