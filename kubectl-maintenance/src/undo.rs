//! Changes, made one after the other, and put back where one of them fails or Ctrl-C is pressed.

use std::fs;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::change::Change;
use crate::entry::EntryKind;
use crate::failure::Interrupted;
use crate::kubectl::Ran;
use crate::managed_fields::{MANAGER, given_back, is_ours};
use crate::object::{Name, annotation, annotation_at};
use crate::release::Mode;
use crate::session::Session;
use crate::stamp;

/// What has become of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It was not made.
    Unchanged,
    /// It is made.
    Changed,
    /// It was made, and the object is as it was before.
    PutBack,
    /// Whether it is made cannot be told.
    Unknown,
}

/// A change that is made.
struct Made<'c> {
    change: &'c Change,
    /// What of it was patched first.
    first: Change,
    /// The rest of it is made too: who owns which field is given back.
    finished: bool,
}

/// Makes all changes, or none; after `off` it gives back who owns which field, of each object at once. `states` gets what
/// has become of each.
///
/// # Errors
/// Where one failed, and what is in which mode now.
pub fn make(session: &Session<'_>, mode: Mode, changes: &[&Change], states: &mut Vec<State>) -> Result<()> {
    *states = vec![State::Unchanged; changes.len()];
    let mut made: Vec<Made<'_>> = Vec::new();
    for (change, state) in changes.iter().zip(states.iter_mut()) {
        let why = if session.stopped() {
            None
        } else {
            match make_one(session, mode, change, state) {
                Ok(one) => {
                    made.push(one);
                    continue;
                }
                Err(why) => Some(format!("{why:#}")),
            }
        };
        return Err(failed(session, &made, states, why));
    }
    if session.stopped() {
        return Err(failed(session, &made, states, None));
    }
    Ok(())
}

/// Makes a change: that of `off` by two patches, as what the second one gives back would be ascribed to us in the first.
fn make_one<'c>(session: &Session<'_>, mode: Mode, change: &'c Change, state: &mut State) -> Result<Made<'c>> {
    if mode == Mode::Maintenance {
        make_first(session, change, state)?;
        return Ok(Made { change, first: change.clone(), finished: false });
    }
    let first = stamp::before_it_is_given_back(change);
    let now = if first.is_empty() { change.before.clone() } else { make_first(session, &first, state)? };
    let (kept, stay) = (stamp::kept_managed_fields(change), stamp::not_given_back(change));
    let finished = match give_back(session, &change.object, now, &kept, &stay, mode) {
        Ok(()) => {
            *state = State::Changed;
            true
        }
        Err(why) => {
            let (name, namespace) = (&change.object, &change.object.namespace);
            session
                .output
                .note(&format!("{name} in namespace {namespace}: {why:#}; repeat this command to try it again"));
            false
        }
    };
    Ok(Made { change, first, finished })
}

/// Patches an object; as it is then.
fn make_first(session: &Session<'_>, change: &Change, state: &mut State) -> Result<Value> {
    let name = &change.object;
    let ran = patch(session, name, &change.patch(), false)?;
    *state = State::Changed;
    match serde_json::from_str(&ran.stdout) {
        Ok(now) if ran.ok => return Ok(now),
        _ => {}
    }
    match read(session, name) {
        // The answer was lost on its way, and not the change; or somebody else has made the same.
        Ok(now) if change.is_made(&now) => Ok(now),
        Ok(now) => {
            *state = State::Unchanged;
            bail!("{}", refused(change, &ran, Some(&now)))
        }
        Err(why) => {
            *state = State::Unknown;
            bail!("{}; whether it is changed cannot be told: {why:#}", refused(change, &ran, None))
        }
    }
}

/// Puts back what was made, and says so.
fn failed(session: &Session<'_>, made: &[Made<'_>], states: &mut [State], why: Option<String>) -> anyhow::Error {
    if made.is_empty() {
        return match why {
            Some(why) => anyhow::anyhow!("{why}. Nothing has changed"),
            None => Interrupted("nothing has changed".to_owned()).into(),
        };
    }
    let state = put_back(session, made, states).join("; ");
    match why {
        Some(why) => anyhow::anyhow!("{why}. What is in which mode now: {state}"),
        None => Interrupted(state).into(),
    }
}

/// A line for each object: whether it is as it was.
fn put_back(session: &Session<'_>, made: &[Made<'_>], states: &mut [State]) -> Vec<String> {
    let back = made.iter().zip(states).rev().map(|(Made { change, first, finished }, state)| {
        let name = &change.object;
        let done = if *finished { change } else { first };
        match patch(session, name, &done.inverse(), false) {
            Ok(ran) if ran.ok => {
                *state = State::PutBack;
                let now = serde_json::from_str(&ran.stdout).unwrap_or_default();
                let before = change.before.pointer("/metadata/managedFields").cloned().unwrap_or_default();
                // What an earlier change of ours took stays ours until `off`.
                let back = if is_ours(&before) {
                    Ok(())
                } else {
                    give_back(session, name, now, &before, &json!({}), Mode::Maintenance)
                };
                let left = back.err().map(|why| format!(", but {why:#}"));
                format!("{name} in namespace {} is as it was{}", name.namespace, left.unwrap_or_default())
            }
            Ok(ran) => {
                format!("{name} in namespace {} is changed and cannot be put back: {}", name.namespace, ran.message())
            }
            Err(why) => format!("{name} in namespace {} is changed and cannot be put back: {why:#}", name.namespace),
        }
    });
    back.collect()
}

/// Gives back the managedFields of an object that we have just patched, but those that are to stay ours. To mode normal it
/// takes `restore-meta` away in the same breath; nothing of what is taken away is ascribed to us.
fn give_back(
    session: &Session<'_>,
    name: &Name,
    mut now: Value,
    before: &Value,
    stay: &Value,
    mode: Mode,
) -> Result<()> {
    for _ in 0..3 {
        let fields = now.pointer("/metadata/managedFields").cloned().unwrap_or_else(|| json!([]));
        let back = given_back(&fields, before, stay);
        let kept = mode == Mode::Normal && annotation(&now, "restore-meta").is_some();
        if back == fields && !kept {
            return Ok(());
        }
        // In a patch of its own: in that of the values it would be ascribed to us again.
        let mut operations = vec![
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": now.pointer("/metadata/resourceVersion")}),
            json!({"op": "add", "path": "/metadata/managedFields", "value": back}),
        ];
        if kept {
            operations.push(json!({"op": "remove", "path": annotation_at("restore-meta")}));
        }
        if patch(session, name, &operations.into(), false)?.ok {
            return Ok(());
        }
        // Somebody wrote in between.
        now = read(session, name)?;
    }
    bail!("its managedFields cannot be given back: the next upgrade by Helm 4 may meet a conflict with {MANAGER}")
}

// === impl State ===

impl State {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::PutBack => "putBack",
            Self::Unknown => "unknown",
        }
    }
}

/// What a command line holds everywhere: Windows takes 32,767 characters in all. A longer patch goes by a file.
const LONGEST: usize = 24_000;

/// Patches an object; with `dry_run` without its effect.
///
/// # Errors
/// Where kubectl cannot be started.
pub fn patch(session: &Session<'_>, name: &Name, patch: &Value, dry_run: bool) -> Result<Ran> {
    let (object, patch) = (name.to_string(), patch.to_string());
    let folder = (patch.len() > LONGEST).then(tempfile::tempdir).transpose()?;
    let file = folder.as_ref().map(|folder| folder.path().join("patch.json").display().to_string());
    let mut arguments = arguments(name, &object);
    match &file {
        Some(file) => {
            fs::write(file, &patch)?;
            arguments.extend(["--patch-file", file]);
        }
        None => arguments.extend(["-p", &patch]),
    }
    arguments.extend(["-o", "json", "--show-managed-fields"]);
    if dry_run {
        arguments.push("--dry-run=server");
    }
    session.kubectl.change(&arguments, "")
}

/// The command of a patch, but the patch.
fn arguments<'a>(name: &'a Name, object: &'a str) -> Vec<&'a str> {
    vec!["patch", object, "--namespace", &name.namespace, "--type", "json", "--field-manager", MANAGER]
}

/// The command of a change, for people.
#[must_use]
pub fn as_typed(session: &Session<'_>, change: &Change) -> String {
    let (object, patch) = (change.object.to_string(), change.patch().to_string());
    let mut arguments = arguments(&change.object, &object);
    arguments.extend(["-p", &patch]);
    session.kubectl.as_typed(&arguments)
}

/// Why a patch was refused. The API server has one sentence for every test that fails, so the object, read again, tells.
#[must_use]
pub fn refused(change: &Change, ran: &Ran, now: Option<&Value>) -> String {
    let name = &change.object;
    match now.map(|now| change.differs(now)).unwrap_or_default().as_slice() {
        [] => {
            let what_helps = what_helps(change, &ran.message()).map(|what| format!(": {what}")).unwrap_or_default();
            format!("{name} in namespace {} cannot be patched: {}{what_helps}", name.namespace, ran.message())
        }
        differs => format!(
            "{name} in namespace {} was changed by somebody meanwhile ({}): look at it, and repeat this command",
            name.namespace,
            differs.join("; ")
        ),
    }
}

/// What helps against the refusal of a patch of an entry.
fn what_helps(change: &Change, message: &str) -> Option<&'static str> {
    EntryKind::of(&change.before)?;
    if message.contains("(Forbidden)") {
        Some("rbac.toggle.entries gives that right")
    } else if message.contains("metadata.annotations: Too long") {
        Some(
            "the way back of so many rules is too long for an annotation, so split it into several, or switch it by a front Service",
        )
    } else {
        None
    }
}

/// An object as it is now.
///
/// # Errors
/// Where it cannot be read.
pub fn read(session: &Session<'_>, name: &Name) -> Result<Value> {
    let object = name.to_string();
    let ran = session.kubectl.read(&[
        "get",
        &object,
        "--namespace",
        &name.namespace,
        "-o",
        "json",
        "--show-managed-fields",
    ])?;
    if !ran.ok {
        bail!("{name} in namespace {} cannot be read: {}", name.namespace, ran.message());
    }
    Ok(serde_json::from_str(&ran.stdout)?)
}
