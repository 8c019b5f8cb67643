//! What others will do to a change: Argo CD and Flux take back what they render, so that is refused; of Helm, of whoever
//! applies by kubectl, and of a controller that has made the object, one line tells what comes.

use anyhow::Result;
use serde_json::Value;

use crate::change::Change;
use crate::managed_fields::{MANAGER, holders};
use crate::object::{Name, list, pointer, text};
use crate::owners::{LAST_APPLIED, Writer, owner, renders, renders_now, renders_rest, renders_selector};
use crate::release::Mode;
use crate::session::Session;
use crate::switch::refuse;
use crate::{settings, stamp};

/// Why an entry that Argo CD or Flux applies is not to be switched, and what to do instead.
#[must_use]
pub fn taken_back(name: &Name, entry: &Value) -> Option<String> {
    let owner = owner(entry)?;
    let instead = owner.instead_of_an_entry()?;
    Some(format!("{name} is written by {}; {instead}", owner.describe()))
}

/// One line on a controller that has made an entry, and looks after it.
#[must_use]
pub fn maker(entry: &Value) -> Option<String> {
    let owner = list(entry, "/metadata/ownerReferences").find(|owner| owner["controller"] == true)?;
    let (kind, name) = (text(owner, "/kind"), text(owner, "/name"));
    Some(format!("is made by the controller of {kind} {name}, which may take this change back"))
}

/// One line on what the next `helm upgrade` or `kubectl apply` does to an entry that is switched.
#[must_use]
pub fn next_upgrade_of_an_entry(change: &Change) -> Option<String> {
    let Some(owner) = owner(&change.before) else {
        let applied = change.before.pointer(&pointer(&["metadata", "annotations", LAST_APPLIED])).is_some();
        return applied.then(|| "the next kubectl apply of it opens it to users at once and without a word".to_owned());
    };
    // Before our own change.
    let written = stamp::kept_managed_fields(change);
    let others: Vec<_> = holders(&written, &["spec"]).filter(|(manager, _)| *manager != MANAGER).collect();
    let helm = others.iter().find(|(manager, _)| manager.starts_with("helm"));
    let applies = helm.or(others.first()).is_some_and(|(_, operation)| *operation == "Apply");
    owner.next_upgrade_of_an_entry(&change.object, applies)
}

/// A field that a change writes, and who renders it.
struct Field {
    name: String,
    object: String,
    /// Nobody, where it is not rendered.
    writer: Option<Writer>,
    /// Who renders the rest of its object.
    rest: Option<Writer>,
    /// A text of the page, and not the mode.
    text: bool,
    /// Whether its value is the renderer's, and not one that we or somebody else have set since.
    theirs: bool,
}

fn fields(change: &Change) -> Vec<Field> {
    let object = &change.before;
    let field = |name: String, at: &[&str], writer| Field {
        name,
        object: change.object.to_string(),
        writer,
        rest: renders_rest(object),
        text: [["data", settings::MESSAGE], ["data", settings::UNTIL]].iter().any(|text| text == at),
        theirs: renders_now(object, at).is_some(),
    };
    let keys = settings::keys(change).into_iter();
    let keys = keys.map(|key| field(format!("data.{key}"), &["data", key], renders(object, &["data", key])));
    let selector = change
        .changes("/spec/selector")
        .then(|| field("spec.selector".to_owned(), &["spec", "selector"], Some(renders_selector(object))));
    keys.chain(selector).collect()
}

/// Refuses a change of what Argo CD or Flux renders.
///
/// # Errors
/// Where it is not forced.
pub fn refuse_what_is_taken_back(session: &Session<'_>, force: bool, change: &Change, mode: Mode) -> Result<()> {
    let Some(owner) = owner(&change.before) else { return Ok(()) };
    let rendered = fields(change).into_iter().find(|field| field.writer.is_some());
    if let (Some(instead), Some(Field { name, .. })) = (owner.instead(mode), rendered) {
        let why = format!("{} is written by {}, which renders {name}; {instead}", change.object, owner.describe());
        refuse(session, force, &why)?;
    }
    Ok(())
}

/// One line on what the next `helm upgrade` does to all changes of a release.
#[must_use]
pub fn next_upgrade(changes: &[Change], mode: Mode) -> Option<String> {
    let owner = changes.iter().find_map(|change| owner(&change.before))?;
    let (texts, modes): (Vec<_>, Vec<_>) = changes.iter().flat_map(fields).partition(|field| field.text);
    let named = |fields: &[Field]| {
        fields.iter().map(|field| format!("{} of {}", field.name, field.object)).collect::<Vec<_>>().join(", ")
    };
    let (rendered, unset): (Vec<_>, Vec<_>) = modes.into_iter().partition(|field| field.writer.is_some());
    if mode == Mode::Normal {
        // `off` gives back who owns what, but where Helm itself has set maintenance.
        let theirs: Vec<_> = rendered.into_iter().filter(|field| field.theirs).collect();
        return owner.next_upgrade(&named(&theirs), theirs.first()?.writer.as_ref(), mode);
    }
    let of_mode = match (rendered.first(), unset.first()) {
        (Some(field), _) => owner.next_upgrade(&named(&rendered), field.writer.as_ref(), mode),
        (None, Some(_)) => owner.next_upgrade(&named(&unset), None, mode),
        (None, None) => None,
    };
    // Helm 4 conflicts at a text that it has not rendered yet, too.
    let conflicts = |field: &Field| field.rest.as_ref().is_some_and(|rest| rest.applies);
    let texts: Vec<_> = texts.into_iter().filter(|field| field.writer.is_some() || conflicts(field)).collect();
    let writer = texts.first().and_then(|field| field.writer.as_ref().or(field.rest.as_ref()));
    match writer {
        Some(writer) => owner.next_upgrade_of_texts(of_mode.as_deref(), &named(&texts), writer),
        None => of_mode,
    }
}
