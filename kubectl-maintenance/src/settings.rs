//! What the page says of this maintenance: `MAINTENANCE_UNTIL` and `MAINTENANCE_MESSAGE` in a release's ConfigMap, and
//! how they are put back. The annotation `restore` is the way back as a JSON patch, so that kubectl alone can go it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::change::{Change, Restored, read_restore};
use crate::object::{annotation, annotation_at, map, pointer};
use crate::release::{Mode, Release};

/// The planned end.
pub const UNTIL: &str = "MAINTENANCE_UNTIL";
/// The text.
pub const MESSAGE: &str = "MAINTENANCE_MESSAGE";
/// The mode.
pub const MODE: &str = "MAINTENANCE_MODE";

/// Sets keys of the ConfigMap.
pub fn set(change: &mut Change, keys: &[(&str, &str)]) {
    for (key, value) in keys {
        change.set(at(key), Some((*value).into()));
    }
}

/// What an earlier `on` has set beside the mode, and is still as it was set.
fn set_earlier(object: &Value) -> Vec<Restored> {
    let fields = annotation(object, "restore").map(read_restore).unwrap_or_default();
    let there = |field: &Restored| {
        let now = object.pointer(&field.path);
        now == field.written.as_ref() && now != field.original.as_ref()
    };
    fields.into_iter().filter(|field| field.path != at(MODE) && there(field)).collect()
}

/// The keys that an earlier maintenance has left in a release that is in mode normal: somebody else has ended it.
#[must_use]
pub fn leftovers(release: &Release) -> Vec<&'static str> {
    let earlier = if release.mode() == Some(Mode::Normal) { set_earlier(&release.config) } else { Vec::new() };
    [UNTIL, MESSAGE].into_iter().filter(|key| earlier.iter().any(|field| field.path == at(key))).collect()
}

/// Puts back what an earlier maintenance has left, but keys that are set anew.
pub fn drop_leftovers(change: &mut Change, keys: &[(&str, &str)]) {
    for field in set_earlier(&change.before) {
        if !keys.iter().any(|(key, _)| field.path == at(key)) {
            change.set(field.path, field.original);
        }
    }
}

/// Keeps the way back to normal, where more than the mode is set, or was by an earlier `on` of the same maintenance; of one
/// that is over (`anew`) only what was there before it counts.
pub fn keep_way_back(change: &mut Change, keys: &[(&str, &str)], anew: bool) {
    let mut earlier = if anew {
        set_earlier(&change.before)
    } else {
        annotation(&change.before, "restore").map(read_restore).unwrap_or_default()
    };
    if anew {
        earlier.retain(|field| keys.iter().any(|(key, _)| field.path == at(key)));
    }
    let more = !earlier.is_empty() || keys.iter().any(|(key, _)| *key != MODE);
    if anew && !more {
        change.annotate("restore", None);
    }
    if change.is_empty() || !more {
        return;
    }
    // What was there before the first `on`, and what is there now.
    let mut fields: BTreeMap<String, (Option<Value>, Option<Value>)> =
        earlier.into_iter().map(|field| (field.path, (field.original, field.written))).collect();
    for (key, value) in keys {
        let now = change.before.pointer(&at(key)).cloned();
        fields.entry(at(key)).or_insert((now, None)).1 = Some((*value).into());
    }
    let mut operations = Vec::new();
    for (path, (original, written)) in fields {
        operations.push(json!({"op": "test", "path": path, "value": written}));
        operations.push(match original {
            // Whatever it was, the way back is to normal.
            Some(_) if path == at(MODE) => json!({"op": "replace", "path": path, "value": "false"}),
            Some(original) => json!({"op": "replace", "path": path, "value": original}),
            None => json!({"op": "remove", "path": path}),
        });
    }
    for name in change.annotated().into_iter().chain(["restore".to_owned()]) {
        operations.push(json!({"op": "remove", "path": annotation_at(&name)}));
    }
    change.annotate("restore", Some(&Value::from(operations).to_string()));
}

/// Puts back what `set` has set, but the mode. Returns a note for each that somebody has changed meanwhile: it stays.
pub fn restore(change: &mut Change) -> Vec<String> {
    let mut notes = Vec::new();
    for field in annotation(&change.before, "restore").map(read_restore).unwrap_or_default() {
        if field.path == at(MODE) {
            continue;
        }
        if change.before.pointer(&field.path) == field.written.as_ref() {
            change.set(field.path, field.original);
        } else {
            let key = field.path.trim_start_matches("/data/");
            notes.push(format!("{}: {key} was changed by somebody meanwhile, and stays as it is", change.object));
        }
    }
    notes
}

/// Which keys a change of the ConfigMap sets.
#[must_use]
pub fn keys(change: &Change) -> Vec<&'static str> {
    [MODE, UNTIL, MESSAGE].into_iter().filter(|key| change.changes(&at(key))).collect()
}

/// The value of a key, where it is there.
#[must_use]
pub fn get<'r>(release: &'r Release, key: &str) -> Option<&'r str> {
    release.config.pointer(&at(key)).and_then(Value::as_str)
}

/// The languages for which the ConfigMap has a message of its own: `MAINTENANCE_MESSAGE.fr`.
#[must_use]
pub fn translated(release: &Release) -> Vec<String> {
    let keys = map(&release.config, "/data").into_keys();
    keys.filter_map(|key| Some(key.strip_prefix(MESSAGE)?.strip_prefix('.')?.to_owned())).collect()
}

/// Where a key is.
#[must_use]
pub fn at(key: &str) -> String {
    pointer(&["data", key])
}
