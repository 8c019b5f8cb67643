//! `kubectl maintenance on`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::choose::{Chosen, choose};
use crate::cli::{EntryFlags, On, Switch};
use crate::confirm::confirm;
use crate::entry::{self, Wish};
use crate::failure::Misuse;
use crate::object::PREFIX;
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
    let mut chosen = choose(session, &on.switch, on.force, Mode::Maintenance, receipt)?;
    refuse_wish_for_all(on, &chosen)?;
    chosen.leave_what_is_kept(session, &wish, receipt);
    confirm(session, &on.switch, Mode::Maintenance, &chosen)?;
    let by = who::user(session.kubectl)?;
    receipt.by = Some(by.clone());
    let stamp = Stamp { since: seconds(now).to_string(), by, reason: on.reason.clone() };
    let page = on.entry.page.as_deref();
    // What a page says first, then who gets it.
    let mut plans = plan::page::on(session, on.force, &chosen, page, &texts)?;
    for release in &chosen.releases {
        plans.push(plan::release::on(session, on.force, release, &chosen, &stamp, &texts)?);
    }
    plans.extend(plan::entry::on(session, on.force, &chosen, page, &wish, &stamp)?);
    plans.iter_mut().for_each(|plan| tell_others(plan, &chosen));
    if on.strict {
        refuse_others(&plans, &chosen)?;
    }
    carry_out(session, &on.switch, Mode::Maintenance, &plans, receipt)
}

/// The flags for entries that are given, each with whether it makes no sense beside a release.
fn given(flags: &EntryFlags) -> impl Iterator<Item = (&'static str, bool)> {
    let all = [
        ("--page", flags.page.is_some(), false),
        ("--keep-path", !flags.keep_paths.is_empty(), true),
        ("--bypass-header", flags.bypass.is_some(), true),
        ("--drop-annotation", !flags.drop_annotations.is_empty(), true),
    ];
    all.into_iter().filter(|(_, given, _)| *given).map(|(flag, _, alone)| (flag, alone))
}

/// The same of what `--all` takes.
fn refuse_wish_for_all(on: &On, chosen: &Chosen) -> Result<()> {
    if !on.switch.all {
        return Ok(());
    }
    for (flag, alone) in given(&on.entry) {
        if chosen.entries.is_empty() {
            return Err(Misuse(format!("{flag} is for entries, and --all takes none here")).into());
        }
        if let Some(release) = chosen.releases.first().filter(|_| alone) {
            let why = format!(
                "{flag} is for entries, and --all takes release {} too: name the entries, and then the releases",
                release.name
            );
            return Err(Misuse(why).into());
        }
    }
    Ok(())
}

/// What is wanted of entries. It is misuse for anything else.
fn wish(on: &On) -> Result<Wish> {
    let flags = &on.entry;
    let Switch { targets, all, .. } = &on.switch;
    let entries = targets.iter().any(|target| matches!(target, Target::Entry(..)));
    let release = targets.iter().find(|target| matches!(target, Target::Release(_)));
    for (flag, alone) in given(flags) {
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
    // What is kept as a whole is meant to. What --all leaves out for another reason is not.
    plan.others.retain(|other| !chosen.kept.contains(other));
    if !plan.others.is_empty() {
        plan.notes.push(format!("these entries still lead to the application: {}", plan.others.join(", ")));
    }
}

/// `--strict`: the application has no other way in.
fn refuse_others(plans: &[Plan], chosen: &Chosen) -> Result<()> {
    if let Some((kinds, why)) = chosen.around.unseen.first() {
        bail!(
            "{kinds} may not be listed, so whether another entry leads to the application cannot be told: {why}. Nothing has changed; without --strict it goes on"
        );
    }
    let elsewhere = |entry: &Value| entry::leads_to_other_namespaces(&entry::original(entry));
    if let Some((name, _)) = chosen.entries.iter().find(|(_, entry)| elsewhere(entry)) {
        bail!(
            "{name} leads to Services of other namespaces, so whether another entry leads to the application cannot be told. Nothing has changed; without --strict it goes on"
        );
    }
    let others: BTreeSet<&str> = plans.iter().flat_map(|plan| &plan.others).map(String::as_str).collect();
    if !others.is_empty() {
        bail!(
            "these entries still lead to the application: {}. Nothing has changed: name them as well, give them the label {PREFIX}exclude=true, or leave --strict out",
            Vec::from_iter(others).join(", ")
        );
    }
    Ok(())
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
