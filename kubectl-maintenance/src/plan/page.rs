//! Plans for what a page says, where entries lead to it and its release is not switched itself: once, however many entries.

use anyhow::Result;
use serde_json::Value;

use super::{Plan, Subject};
use crate::change::Change;
use crate::choose::Chosen;
use crate::doors::ask::Expect;
use crate::entries::Entries;
use crate::pods::Wanted;
use crate::release::{Mode, Release};
use crate::session::Session;
use crate::texts::Texts;
use crate::{entry, foretell, page, service};

/// What the pages of the chosen entries are to say, of each release that is not switched itself.
///
/// # Errors
/// Where Argo CD or Flux would take it back.
pub fn on(session: &Session<'_>, force: bool, chosen: &Chosen, page: Option<&str>, texts: &Texts) -> Result<Vec<Plan>> {
    let mut pages: Vec<&Release> = Vec::new();
    for (_, entry) in &chosen.entries {
        let release = page::of(entry, chosen, page)?;
        if !chosen.has_release(&release.name) && !pages.iter().any(|known| known.name == release.name) {
            pages.push(release);
        }
    }
    let mut plans = Vec::new();
    for release in pages {
        let change = service::page_on(release, &texts.keys());
        let mut plan = plan(session, force, release, change, Mode::Maintenance, &chosen.around)?;
        plan.pods = texts.wanted(release).map(|wanted| Wanted { mode: Some(Mode::Maintenance), ..wanted });
        plan.notes.extend(texts.note(release));
        plan.notes.extend(texts.read_by_others(release, chosen));
        plans.push(plan);
    }
    Ok(plans.into_iter().filter(|plan| plan.pods.is_some()).collect())
}

/// Puts back what pages said to users of the chosen entries, where nobody else gets them.
///
/// # Errors
/// Where Argo CD or Flux would take it back.
pub fn off(session: &Session<'_>, force: bool, chosen: &Chosen) -> Result<Vec<Plan>> {
    let mut plans = Vec::new();
    for release in chosen.there.iter().filter(|release| !chosen.has_release(&release.name)) {
        let led = |entry: &Value| entry::page_of(entry).is_some_and(|page| page.release == release.name);
        let ends = chosen.entries.iter().any(|(_, entry)| led(entry)) || release.is_unfinished();
        if !ends || release.is_shown() {
            continue;
        }
        let (change, notes) = service::page_off(release);
        let mut plan = plan(session, force, release, change, Mode::Normal, &chosen.around)?;
        plan.notes.extend(notes);
        plans.push(plan);
    }
    Ok(plans.into_iter().filter(|plan| !plan.changes.is_empty()).collect())
}

fn plan(
    session: &Session<'_>,
    force: bool,
    release: &Release,
    change: Change,
    mode: Mode,
    around: &Entries,
) -> Result<Plan> {
    foretell::refuse_what_is_taken_back(session, force, &change, mode)?;
    let mut plan = Plan::new(Subject::Page(release.clone()), vec![change], Expect::Page, around, Vec::new());
    // Of its entries that is told.
    plan.notes.clear();
    plan.notes.extend(foretell::next_upgrade(&plan.changes, mode));
    Ok(plan)
}
