//! What the page says of this maintenance: `MAINTENANCE_UNTIL` and `MAINTENANCE_MESSAGE` in a release's ConfigMap, and
//! how they are put back.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::change::Change;
use crate::object::{map, pointer};
use crate::release::Release;
use crate::restore::{self, Field};

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
fn set_earlier(object: &Value) -> Vec<Field> {
    let there = |field: &Field| field.is_written(object) && !field.is_original(object);
    restore::fields(object).into_iter().filter(|field| field.path != at(MODE) && there(field)).collect()
}

/// The keys that an earlier maintenance has left in a release whose page nobody gets: somebody else has ended it.
#[must_use]
pub fn leftovers(release: &Release) -> Vec<&'static str> {
    let earlier = if release.is_shown() { Vec::new() } else { set_earlier(&release.config) };
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
    let mut earlier = if anew { set_earlier(&change.before) } else { restore::fields(&change.before) };
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
    let mut fields: BTreeMap<String, Field> = earlier.into_iter().map(|field| (field.path.clone(), field)).collect();
    for (key, value) in keys {
        let original = change.before.pointer(&at(key)).cloned();
        let field = fields.entry(at(key)).or_insert(Field { path: at(key), written: None, original });
        field.written = Some((*value).into());
    }
    if let Some(Field { original: Some(mode), .. }) = fields.get_mut(&at(MODE)) {
        // Whatever it was, the way back is to normal.
        *mode = "false".into();
    }
    restore::keep(change, fields.into_values());
}

/// Puts back what `set` has set, but the mode. Returns a note for each that somebody has changed meanwhile: it stays.
pub fn restore(change: &mut Change) -> Vec<String> {
    let mut notes = Vec::new();
    for field in restore::fields(&change.before) {
        if field.path == at(MODE) {
            continue;
        }
        if field.is_written(&change.before) {
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
