//! What `on` and `off` share: check, change, wait, and tell.

use std::thread;

use anyhow::{Result, bail};

use crate::change::Change;
use crate::cli;
use crate::failure::Interrupted;
use crate::in_force::{self, FrontDoor, await_in_force};
use crate::plan::Plan;
use crate::receipt::{Receipt, Switched};
use crate::release::Mode;
use crate::session::Session;
use crate::{preflight, undo};

/// Ends the command for a reason that `--force` overrules.
///
/// # Errors
/// Without `--force`.
pub fn refuse(session: &Session<'_>, force: bool, why: &str) -> Result<()> {
    if !force {
        bail!("{why}. Nothing has changed; --force goes on all the same");
    }
    session.output.note(&format!("forced: {why}"));
    Ok(())
}

/// Checks, changes, waits, and tells. Whether it is in force everywhere.
///
/// # Errors
/// Where a check or a change failed, or Ctrl-C was pressed.
pub fn carry_out(
    session: &Session<'_>,
    switch: &cli::Switch,
    mode: Mode,
    plans: &[Plan],
    receipt: &mut Receipt,
) -> Result<bool> {
    receipt.plan(plans);
    let places: Vec<_> = plans.iter().map(|plan| in_force::places(switch, plan)).collect();
    thread::scope(|scope| {
        let mut doors = Vec::new();
        if switch.wait && !switch.dry_run {
            // Before the checks, which take a second: so each has answered before the first change.
            let places = plans.iter().zip(&places);
            doors.extend(places.map(|(plan, places)| in_force::watch_doors(scope, session, switch, plan, places)));
        }
        check(session, switch, plans)?;
        if switch.dry_run {
            for (at, (plan, places)) in plans.iter().zip(&places).enumerate() {
                in_force::would(session, switch, mode, plan);
                let doors = in_force::not_asked(places, "not asked, as nothing was changed");
                receipt.switched(at, Switched { doors, ..Switched::default() });
            }
            return Ok(true);
        }
        let started = session.clock.now();
        if let Err(why) = change(session, mode, plans, receipt) {
            for (at, doors) in doors.into_iter().enumerate() {
                let doors = doors.into_iter().map(FrontDoor::seen).collect();
                receipt.switched(at, Switched { doors, ..Switched::default() });
            }
            return Err(why);
        }
        let changed = session.clock.now();
        if !switch.wait {
            for (at, (plan, places)) in plans.iter().zip(&places).enumerate() {
                let doors = in_force::not_asked(places, "not asked, as it was not waited for");
                let switched = Switched { doors, ..Switched::default() };
                in_force::tell(session, switch, plan, mode, &switched, started);
                receipt.switched(at, switched);
            }
            return Ok(true);
        }
        let mut interrupted = Vec::new();
        for (at, (plan, doors)) in plans.iter().zip(doors).enumerate() {
            let switched =
                await_in_force(session, switch, mode, plan, doors, (started, changed)).unwrap_or_else(|why| Switched {
                    waited: true,
                    problem: Some(format!(
                        "is changed to {mode}, and whether that is in force cannot be told: {why:#}"
                    )),
                    ..Switched::default()
                });
            if session.stopped() {
                let how_far = switched.problem.as_deref().unwrap_or("it is in force");
                interrupted.push(format!("{} is changed to {mode}, and nothing is put back: {how_far}", plan.name()));
            } else {
                in_force::tell(session, switch, plan, mode, &switched, started);
            }
            receipt.switched(at, switched);
        }
        if session.stopped() {
            return Err(Interrupted(interrupted.join("; ")).into());
        }
        Ok(receipt.good())
    })
}

/// What is checked before the first change.
fn check(session: &Session<'_>, switch: &cli::Switch, plans: &[Plan]) -> Result<()> {
    let changes: Vec<&Change> = plans.iter().flat_map(|plan| &plan.changes).collect();
    preflight::patches(session, &changes)?;
    preflight::rights(session, plans, switch.wait)?;
    tell_notes(session, plans);
    Ok(())
}

/// Tells each note once, with the names of all targets that have it.
fn tell_notes(session: &Session<'_>, plans: &[Plan]) {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for plan in plans {
        for note in &plan.notes {
            match notes.iter_mut().find(|(known, _)| known == note) {
                Some((_, names)) => names.push(plan.name()),
                None => notes.push((note, vec![plan.name()])),
            }
        }
    }
    for (note, names) in notes {
        session.output.note(&format!("{}: {note}", names.join(", ")));
    }
}

/// Makes all changes, or none.
fn change(session: &Session<'_>, mode: Mode, plans: &[Plan], receipt: &mut Receipt) -> Result<()> {
    let changes: Vec<&Change> = plans.iter().flat_map(|plan| &plan.changes).collect();
    receipt.changes_begin(session.clock.now());
    let mut states = Vec::new();
    let made = undo::make(session, mode, &changes, &mut states);
    receipt.changed(&states);
    made
}
