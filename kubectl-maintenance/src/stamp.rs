//! The annotations that `on` leaves on what it switches, and `off` takes away: `since`, `by`, `reason`, and
//! `restore-meta`, the managedFields as they were. That one stays until they are given back: whoever is ended in between
//! has lost nothing, and the next `off` finishes it.

use serde_json::{Map, Value, json};

use crate::change::Change;
use crate::entry::EntryKind;
use crate::managed_fields::{as_owned, given_back, held_by_others, only_ours, ours};
use crate::object::{annotation, annotation_at};
use crate::restore;

/// Who switches, when, and why.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// When, in RFC 3339.
    pub since: String,
    /// Who.
    pub by: String,
    /// Why, where that was said.
    pub reason: Option<String>,
}

// === impl Stamp ===

impl Stamp {
    /// Leaves who, when and why. Where it is in maintenance already, a reason that is given takes the place of the first,
    /// and nothing else changes.
    pub fn set(&self, change: &mut Change, already: bool) {
        if !already {
            change.annotate("since", Some(&self.since));
            change.annotate("by", Some(&self.by));
        }
        if !already || self.reason.is_some() {
            change.annotate("reason", self.reason.as_deref());
        }
    }

    /// Takes them away.
    pub fn clear(change: &mut Change) {
        for name in restore::NAMES {
            change.annotate(name, None);
        }
    }
}

/// Keeps the managedFields as they are before a change that changes something. In one maintenance the first ones count;
/// after one that somebody else has ended, they are those of now, with what we still hold given back.
pub fn keep_managed_fields(change: &mut Change, already: bool) {
    keep_meta(change, already, Map::new());
}

/// The same, with what else is to be known until `off`.
pub fn keep_meta(change: &mut Change, already: bool, mut more: Map<String, Value>) {
    let earlier = annotation(&change.before, "restore-meta").is_some();
    if change.is_empty() {
        return;
    }
    if let Some(now) = change.before.pointer("/metadata/managedFields") {
        let kept = kept_managed_fields(change);
        let fields = match (earlier, already) {
            (true, true) => kept,
            (true, false) => given_back(now, &kept, &kept_to_stay(change).unwrap_or_else(|| ours(&kept))),
            (false, _) => now.clone(),
        };
        more.insert("managedFields".to_owned(), fields);
    }
    if !more.is_empty() {
        change.annotate("restore-meta", Some(&Value::from(more).to_string()));
    }
}

/// The managedFields that `off` gives back: those before `on`, else those before `off`.
#[must_use]
pub fn kept_managed_fields(change: &Change) -> Value {
    let kept = meta(&change.before).and_then(|meta| meta.get("managedFields").cloned());
    kept.or_else(|| change.before.pointer("/metadata/managedFields").cloned()).unwrap_or_default()
}

/// What is known until `off`.
#[must_use]
pub fn meta(object: &Value) -> Option<Value> {
    serde_json::from_str(annotation(object, "restore-meta")?).ok()
}

/// Whether an `off` has been ended before it had given back who owns which field: `restore-meta` is there alone. What is in
/// maintenance may look so, too.
#[must_use]
pub fn is_unfinished(object: &Value) -> bool {
    let there = |name: &&str| annotation(object, name).is_some();
    restore::NAMES.iter().filter(|name| there(name)).eq(&["restore-meta"])
}

/// The first of the two patches of `off`: all of it but `restore-meta`, which keeps what the second one gives back.
#[must_use]
pub fn before_it_is_given_back(off: &Change) -> Change {
    let mut first = Change::of(off.object.clone(), &off.before);
    for (path, _, to) in off.steps().filter(|(path, ..)| *path != annotation_at("restore-meta")) {
        first.set(path.to_owned(), to.cloned());
    }
    let (kept, stay) = (kept_managed_fields(off), not_given_back(off));
    let is_kept = annotation(&off.before, "restore-meta").is_some() && stay == json!({});
    if !first.is_empty() && !is_kept {
        let meta = json!({"managedFields": kept, "stay": stay});
        first.annotate("restore-meta", Some(&meta.to_string()));
    }
    first
}

/// The fields that an `off` which was not finished would not have given back.
fn kept_to_stay(change: &Change) -> Option<Value> {
    meta(&change.before)?.get("stay").cloned()
}

/// The fields that `off` does not give back, as their owner has another value for them: a Helm that has set maintenance
/// itself. Ours, they make Helm 4 stop with a conflict, where it would put users back on the page without a word. No other
/// value of an entry is the page, so there it is none.
#[must_use]
pub fn not_given_back(change: &Change) -> Value {
    if EntryKind::of(&change.before).is_some() {
        return json!({});
    }
    if let Some(stay) = kept_to_stay(change) {
        return stay;
    }
    let now = change.before.pointer("/metadata/managedFields").unwrap_or(&Value::Null);
    let kept = kept_managed_fields(change);
    let mut stay = json!({});
    for field in change.overwrites() {
        let field = as_owned(now, &field);
        if held_by_others(now, &field) || only_ours(&kept, &field) {
            let mut place = &mut stay;
            for name in field {
                place = &mut place[format!("f:{name}")];
            }
            *place = json!({});
        }
    }
    stay
}
