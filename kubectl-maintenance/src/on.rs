//! `kubectl maintenance on`.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use crate::choose::{Chosen, choose};
use crate::cli::{On, Switch};
use crate::entry::Wish;
use crate::failure::Misuse;
use crate::plan::{self, Plan};
use crate::receipt::{Receipt, seconds};
use crate::release::Mode;
use crate::session::Session;
use crate::stamp::Stamp;
use crate::switch::carry_out;
use crate::target::Target;
use crate::texts::Texts;
use crate::who;

/// Puts releases and entries into maintenance. Whether it is in force.
///
/// # Errors
/// Where it is refused, or failed.
pub fn run(session: &Session<'_>, on: &On, now: Timestamp, receipt: &mut Receipt) -> Result<bool> {
    let texts = Texts::new(planned_end(on, now)?, on.message.clone());
    let wish = wish(on)?;
    let chosen = choose(session, &on.switch, Mode::Maintenance, receipt)?;
    let by = who::user(session.kubectl)?;
    receipt.by = Some(by.clone());
    let stamp = Stamp { since: seconds(now).to_string(), by, reason: on.reason.clone() };
    let page = on.entry.page.as_deref();
    // What a page says first, then who gets it.
    let mut plans = plan::entry::pages_on(session, on.force, &chosen, page, &texts)?;
    for release in &chosen.releases {
        plans.push(plan::release::on(session, on.force, release, &chosen.around, &stamp, &texts)?);
    }
    plans.extend(plan::entry::on(session, on.force, &chosen, page, &wish, &stamp)?);
    plans.iter_mut().for_each(|plan| tell_others(plan, &chosen));
    carry_out(session, &on.switch, Mode::Maintenance, &plans, receipt)
}

/// What is wanted of entries. It is misuse for anything else.
fn wish(on: &On) -> Result<Wish> {
    let flags = &on.entry;
    let given = [
        ("--page", flags.page.is_some(), false),
        ("--keep-path", !flags.keep_paths.is_empty(), true),
        ("--bypass-header", flags.bypass.is_some(), true),
        ("--drop-annotation", !flags.drop_annotations.is_empty(), true),
    ];
    let Switch { targets, all, .. } = &on.switch;
    let entries = targets.iter().any(|target| matches!(target, Target::Entry(..)));
    let release = targets.iter().find(|target| matches!(target, Target::Release(_)));
    for (flag, _, alone) in given.into_iter().filter(|(_, given, _)| *given) {
        if let Some(release) = release.filter(|_| alone || !entries) {
            let why =
                format!("{flag} is for entries (ingress/NAME, route/NAME, httproute/NAME), and {release} is a release");
            return Err(Misuse(why).into());
        }
        if !entries && !all {
            return Err(Misuse(format!(
                "{flag} is for entries: name one as ingress/NAME, route/NAME or httproute/NAME"
            ))
            .into());
        }
    }
    Ok(Wish {
        keep_paths: flags.keep_paths.clone(),
        bypass: flags.bypass.clone(),
        drop_annotations: flags.drop_annotations.clone(),
    })
}

/// The entries that will still lead to the application when all is switched.
fn tell_others(plan: &mut Plan, chosen: &Chosen) {
    plan.others.retain(|other| !chosen.entries.iter().any(|(name, _)| name.to_string() == *other));
    if !plan.others.is_empty() {
        plan.notes.push(format!("these entries still lead to the application: {}", plan.others.join(", ")));
    }
}

/// The planned end, to the second.
fn planned_end(on: &On, now: Timestamp) -> Result<Option<Timestamp>> {
    let until = match (on.until, on.lasts) {
        (Some(until), _) => Some(until),
        (None, Some(lasts)) => Some(now.checked_add(SignedDuration::try_from(lasts)?)?),
        (None, None) => None,
    };
    match until.map(seconds) {
        Some(until) if until <= now => {
            let flag = if on.until.is_some() { "--until" } else { "--for" };
            Err(Misuse(format!("invalid {flag} \"{until}\": expected a time to come")).into())
        }
        until => Ok(until),
    }
}
