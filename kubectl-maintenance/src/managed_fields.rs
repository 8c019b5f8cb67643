//! `metadata.managedFields`: who wrote which field. What we took with a patch is given back with `off`; otherwise Helm 4
//! meets a conflict of ours at the next upgrade, or leaves stale fields behind.

use serde_json::{Map, Value, json};

use crate::object::{list, pointer, text};

/// The name under which we write.
pub const MANAGER: &str = "kubectl-maintenance";

/// managedFields as they should be once we no longer want to own anything but the fields that `stay` ours: those of now
/// without ours, and what of ours others had in `before` given back to them. Others may have written meanwhile, so
/// `before` itself would be wrong.
#[must_use]
pub fn given_back(now: &Value, before: &Value, stay: &Value) -> Value {
    let mut entries: Vec<Value> = list(now, "").filter(|entry| !written_by_us(entry)).cloned().collect();
    let taken = difference(&ours(now), stay);
    for was in list(before, "").filter(|entry| !written_by_us(entry)) {
        let back = intersection(&was["fieldsV1"], &taken);
        if back == json!({}) {
            continue;
        }
        match entries.iter_mut().find(|entry| same_writer(entry, was)) {
            Some(entry) => entry["fieldsV1"] = union(&entry["fieldsV1"], &back),
            None => entries.push({
                let mut entry = was.clone();
                entry["fieldsV1"] = back;
                entry
            }),
        }
    }
    for mut entry in list(now, "").filter(written_by_us).cloned() {
        entry["fieldsV1"] = intersection(&entry["fieldsV1"], stay);
        if entry["fieldsV1"] != json!({}) {
            entries.push(entry);
        }
    }
    entries.into()
}

/// Whether we own some field.
#[must_use]
pub fn is_ours(managed_fields: &Value) -> bool {
    list(managed_fields, "").any(|entry| written_by_us(&entry))
}

/// The fields that we own.
#[must_use]
pub fn ours(managed_fields: &Value) -> Value {
    let entries = list(managed_fields, "").filter(written_by_us);
    entries.fold(json!({}), |ours, entry| union(&ours, &entry["fieldsV1"]))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as filter gives it")]
fn written_by_us(entry: &&Value) -> bool {
    text(entry, "/manager") == MANAGER
}

/// Who holds a field, such as `["data", "MAINTENANCE_MODE"]`: managers and their operations (Apply or Update).
pub fn holders<'f>(managed_fields: &'f Value, field: &[&str]) -> impl Iterator<Item = (&'f str, &'f str)> {
    let at: String = field.iter().map(|name| pointer(&[&format!("f:{name}")])).collect();
    list(managed_fields, "")
        .filter(move |entry| entry["fieldsV1"].pointer(&at).is_some())
        .map(|entry| (text(entry, "/manager"), text(entry, "/operation")))
}

/// A field as the API server tells it apart from others: a map that is owned as a whole, such as a selector, stands for what
/// is in it.
#[must_use]
pub fn as_owned<'n>(managed_fields: &Value, field: &'n [String]) -> Vec<&'n str> {
    let all = list(managed_fields, "").fold(json!({}), |all, entry| union(&all, &entry["fieldsV1"]));
    let mut owned = Vec::new();
    let mut below = Some(&all);
    for name in field {
        owned.push(name.as_str());
        below = below.and_then(|fields| fields.get(format!("f:{name}")));
        if below == Some(&json!({})) {
            break;
        }
    }
    owned
}

/// Whether somebody else holds a field.
#[must_use]
pub fn held_by_others(managed_fields: &Value, field: &[&str]) -> bool {
    holders(managed_fields, field).any(|(manager, _)| manager != MANAGER)
}

/// Whether we hold a field, and nobody else does. In mode normal it is one that an earlier `off` has not given back.
#[must_use]
pub fn only_ours(managed_fields: &Value, field: &[&str]) -> bool {
    let ours = holders(managed_fields, field).any(|(manager, _)| manager == MANAGER);
    ours && !held_by_others(managed_fields, field)
}

fn same_writer(one: &Value, other: &Value) -> bool {
    ["manager", "operation", "apiVersion", "subresource"].iter().all(|field| one.get(field) == other.get(field))
}

/// Fields that are in either. A field without fields below it is the whole of it; a map that has some is `.` beside them.
fn union(one: &Value, other: &Value) -> Value {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one.clone() };
    let none = json!({});
    let mut all = one.clone();
    for (name, fields) in other {
        let both = all.get(name).map(|ours| {
            let mut both = union(ours, fields);
            if (ours == &none) != (fields == &none) {
                both["."] = none.clone();
            }
            both
        });
        all.insert(name.clone(), both.unwrap_or_else(|| fields.clone()));
    }
    all.into()
}

/// Fields of one that are not in the other.
fn difference(one: &Value, other: &Value) -> Value {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one.clone() };
    let mut left = Map::new();
    for (name, fields) in one {
        let inner = match other.get(name) {
            None => fields.clone(),
            Some(theirs) if theirs == &json!({}) => continue,
            Some(theirs) => difference(fields, theirs),
        };
        if inner != json!({}) || !other.contains_key(name) {
            left.insert(name.clone(), inner);
        }
    }
    left.into()
}

/// Fields that are in both.
fn intersection(one: &Value, other: &Value) -> Value {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return json!({}) };
    let mut both = Map::new();
    for (name, fields) in one {
        match other.get(name) {
            None => {}
            Some(theirs) if fields == &json!({}) || theirs == &json!({}) => {
                both.insert(name.clone(), fields.clone());
            }
            Some(theirs) => {
                let inner = intersection(fields, theirs);
                if inner != json!({}) {
                    both.insert(name.clone(), inner);
                }
            }
        }
    }
    both.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn what_we_took_is_given_back_exactly() {
        let before = json!([entry("helm", &json!({"f:data": {"f:A": {}, "f:MODE": {}}}))]);
        let now =
            json!(
                [entry("helm", &json!({"f:data": {"f:A": {}}})), entry(MANAGER, &json!({"f:data": {"f:MODE": {}}})),]
            );
        assert_eq!(given_back(&now, &before, &json!({})), before);
    }

    #[test]
    fn a_writer_that_had_nothing_else_comes_back() {
        let before = json!([entry("helm", &json!({"f:spec": {"f:selector": {}}}))]);
        let now = json!([entry(MANAGER, &json!({"f:spec": {"f:selector": {}}}))]);
        assert_eq!(given_back(&now, &before, &json!({})), before);
    }

    #[test]
    fn a_map_of_which_the_fields_were_taken_gets_them_back_beside_itself() {
        let whole = json!({"f:spec": {"f:backend": {".": {}, "f:resource": {}}}});
        let before = json!([entry("helm", &whole)]);
        let now = json!([
            entry("helm", &json!({"f:spec": {"f:backend": {}}})),
            entry(MANAGER, &json!({"f:spec": {"f:backend": {"f:resource": {}}}})),
        ]);
        assert_eq!(given_back(&now, &before, &json!({})), before);
    }

    #[test]
    fn what_others_wrote_meanwhile_stays_theirs() {
        let before = json!([entry("helm", &json!({"f:data": {"f:A": {}, "f:B": {}, "f:MODE": {}}}))]);
        let now = json!([
            entry("helm", &json!({"f:data": {"f:A": {}, "f:C": {}}})),
            entry("ann", &json!({"f:data": {"f:B": {}}})),
            entry(MANAGER, &json!({"f:data": {"f:MODE": {}}})),
        ]);
        assert_eq!(
            given_back(&now, &before, &json!({})),
            json!([
                entry("helm", &json!({"f:data": {"f:A": {}, "f:C": {}, "f:MODE": {}}})),
                entry("ann", &json!({"f:data": {"f:B": {}}})),
            ])
        );
    }

    #[test]
    fn what_nobody_had_is_nobodys() {
        let now = json!([entry(MANAGER, &json!({"f:data": {"f:MODE": {}}}))]);
        assert_eq!(given_back(&now, &json!([]), &json!({})), json!([]));
    }

    #[test]
    fn what_is_to_stay_ours_is_not_given_back() {
        let before = json!([entry("helm", &json!({"f:data": {"f:A": {}, "f:MODE": {}, "f:UNTIL": {}}}))]);
        let now = json!([
            entry("helm", &json!({"f:data": {"f:A": {}}})),
            entry(MANAGER, &json!({"f:data": {"f:MODE": {}, "f:UNTIL": {}}, "f:metadata": {"f:annotations": {}}})),
        ]);
        assert_eq!(
            given_back(&now, &before, &json!({"f:data": {"f:MODE": {}, "f:GONE": {}}})),
            json!([
                entry("helm", &json!({"f:data": {"f:A": {}, "f:UNTIL": {}}})),
                entry(MANAGER, &json!({"f:data": {"f:MODE": {}}})),
            ])
        );
    }

    #[test]
    fn a_field_stays_ours_with_all_fields_below_it() {
        let to = json!({"f:kind": {}, "f:name": {}});
        let now = json!([entry(MANAGER, &json!({"f:spec": {"f:host": {}, "f:to": to}}))]);
        let stay = json!({"f:spec": {"f:to": {}}});
        assert_eq!(given_back(&now, &json!([]), &stay), json!([entry(MANAGER, &json!({"f:spec": {"f:to": to}}))]));
        let before = json!([entry("helm", &json!({"f:spec": {"f:host": {}, "f:to": to}}))]);
        assert_eq!(given_back(&now, &before, &stay)[0], entry("helm", &json!({"f:spec": {"f:host": {}}})));
    }

    #[test]
    fn what_is_owned_as_a_whole_stands_for_what_is_in_it() {
        let fields = json!([
            entry("helm", &json!({"f:spec": {"f:selector": {}, "f:port": {}}})),
            entry(MANAGER, &json!({"f:spec": {"f:port": {"f:targetPort": {}}}})),
        ]);
        for (field, expected) in [
            (["spec", "selector", "app"], vec!["spec", "selector"]),
            (["spec", "port", "targetPort"], vec!["spec", "port", "targetPort"]),
            (["spec", "to", "name"], vec!["spec", "to", "name"]),
        ] {
            assert_eq!(as_owned(&fields, &field.map(str::to_owned)), expected);
        }
    }

    #[test]
    fn holders_are_found_by_field() {
        let fields = json!([
            entry("helm", &json!({"f:data": {".": {}, "f:MODE": {}}})),
            entry("ann", &json!({"f:data": {"f:A": {}}}))
        ]);
        assert_eq!(holders(&fields, &["data", "MODE"]).collect::<Vec<_>>(), [("helm", "Apply")]);
    }
}
