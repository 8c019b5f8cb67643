//! What `on` and `off` share: check, change, wait, and tell.

use anyhow::{Result, bail};
use jiff::Timestamp;

use crate::change::Change;
use crate::cli::{self, Format};
use crate::failure::Interrupted;
use crate::in_force::{await_in_force, tell, would};
use crate::plan::Plan;
use crate::release::Mode;
use crate::report::{Report, Switched};
use crate::session::Session;
use crate::{preflight, stamp, undo};

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
    by: &str,
    at: Timestamp,
    plans: &[Plan],
) -> Result<bool> {
    let changes: Vec<&Change> = plans.iter().flat_map(|plan| &plan.changes).collect();
    preflight::patches(session, &changes)?;
    if switch.wait && !changes.is_empty() {
        preflight::rights(session, plans)?;
    }
    for plan in plans {
        for note in &plan.notes {
            session.output.note(&format!("{}: {note}", plan.name()));
        }
    }
    let mut report = Report::new(mode, by, at, switch.dry_run);
    if switch.dry_run {
        for plan in plans {
            would(session, switch, mode, plan);
            report.add(plan, Switched::default());
        }
        if switch.output == Format::Json {
            session.output.result(&report.json());
        }
        return Ok(true);
    }
    let started = session.clock.now();
    let objects = undo::make(session, &changes)?;
    if mode == Mode::Normal {
        for (change, now) in changes.iter().zip(objects) {
            let (kept, stay) = (stamp::kept_managed_fields(change), stamp::not_given_back(change));
            if let Err(why) = undo::give_back(session, &change.object, now, &kept, &stay) {
                session.output.note(&format!("{} in namespace {}: {why:#}", change.object, change.object.namespace));
            }
        }
    }
    let mut interrupted = Vec::new();
    for plan in plans {
        let switched = match switch.wait {
            false => Switched::default(),
            true => await_in_force(session, switch, mode, plan, started).unwrap_or_else(|why| Switched {
                waited: true,
                problem: Some(format!("is changed to {mode}, and whether that is in force cannot be told: {why:#}")),
                ..Switched::default()
            }),
        };
        if session.stopped() {
            let how_far = switched.problem.as_deref().unwrap_or("it is in force");
            interrupted.push(format!("{} is changed to {mode}, and nothing is put back: {how_far}", plan.name()));
        } else {
            tell(session, switch, plan, mode, &switched, started);
        }
        report.add(plan, switched);
    }
    report.seconds = (session.clock.now() - started).as_secs_f64();
    if switch.output == Format::Json {
        session.output.result(&report.json());
    }
    if session.stopped() {
        return Err(Interrupted(interrupted.join("; ")).into());
    }
    Ok(report.good())
}
