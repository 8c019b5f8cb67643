//! Plans for a release, whose own switch is used.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::{Plan, Subject};
use crate::change::Change;
use crate::choose::Chosen;
use crate::doors::ask::Expect;
use crate::doors::find::find;
use crate::entries::Entries;
use crate::object::query;
use crate::pods::{Pod, Wanted, list_pods};
use crate::release::{Kind, Mode, Release};
use crate::session::Session;
use crate::stamp::Stamp;
use crate::switch::refuse;
use crate::texts::Texts;
use crate::{config, foretell, page, service};

/// Puts it into maintenance.
///
/// # Errors
/// Where that is refused, or the cluster cannot be asked.
pub fn on(
    session: &Session<'_>,
    force: bool,
    release: &Release,
    chosen: &Chosen,
    stamp: &Stamp,
    texts: &Texts,
) -> Result<Plan> {
    let pods = release.pods(session.kubectl)?;
    let changes = match release.kind {
        Kind::Config => vec![config::on(release, stamp, &texts.keys())],
        Kind::Service => {
            if release.is_page_alone() {
                bail!(
                    "release {} has no front Service, so nothing can be switched: name one in frontServices, or name the entries that are to lead to its page. Nothing has changed",
                    release.name
                );
            }
            page::check_ready(session, force, release, &pods)?;
            service::on(release, stamp, &texts.keys())
        }
    };
    let mut plan = plan(session, force, release, Mode::Maintenance, changes, &pods, &chosen.around)?;
    if release.mode() == Some(Mode::Maintenance) {
        plan.notes.insert(0, release.already());
    }
    plan.notes.extend(texts.note(release));
    plan.notes.extend(texts.read_by_others(release, chosen));
    let reads = texts.wanted(release);
    let waits = release.kind == Kind::Config || reads.is_some();
    plan.pods = waits.then(|| Wanted { mode: Some(Mode::Maintenance), ..reads.unwrap_or_default() });
    if release.kind == Kind::Service {
        beside(session, release, chosen, &mut plan)?;
        let open = plan.open_connections();
        plan.notes.extend(open);
    }
    Ok(plan)
}

/// Ends its maintenance.
///
/// # Errors
/// Where that is refused, or the cluster cannot be asked.
pub fn off(session: &Session<'_>, force: bool, release: &Release, around: &Entries) -> Result<Plan> {
    if release.is_page_alone() {
        let led = release.led_here.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let instead = if led.is_empty() {
            "no entry leads to its page".to_owned()
        } else {
            let namespace = &release.namespace;
            format!(
                "kubectl maintenance off {led} -n {namespace} gives back what leads to its page, and kubectl maintenance off --all -n {namespace} all that is in maintenance"
            )
        };
        bail!(
            "release {} has no front Service, so nothing can be switched; {instead}. Nothing has changed",
            release.name
        );
    }
    let pods = release.pods(session.kubectl)?;
    let ((changes, notes), there) = match release.kind {
        Kind::Config => {
            let (change, notes) = config::off(release);
            ((vec![change], notes), true)
        }
        Kind::Service => (service::off(release), check_application(session, force, release)?),
    };
    let mut plan = plan(session, force, release, Mode::Normal, changes, &pods, around)?;
    if release.mode() == Some(Mode::Normal) {
        plan.notes.push(release.already());
    }
    plan.notes.extend(notes);
    if !release.led_here.is_empty() {
        let entries = release.led_here.iter().map(ToString::to_string).collect::<Vec<_>>();
        plan.notes.push(format!(
            "users of {} still get its page: kubectl maintenance off {} -n {} ends that",
            entries.join(", "),
            entries.join(" "),
            release.namespace
        ));
    }
    let open = plan.open_connections();
    plan.notes.extend(open);
    plan.empty = !there;
    plan.pods = (release.kind == Kind::Config).then(|| Wanted { mode: Some(Mode::Normal), ..Wanted::default() });
    Ok(plan)
}

/// With what is around it. Refuses what Argo CD or Flux would take back, and says what Helm will do.
fn plan(
    session: &Session<'_>,
    force: bool,
    release: &Release,
    mode: Mode,
    changes: Vec<Change>,
    pods: &[Pod],
    around: &Entries,
) -> Result<Plan> {
    let doors = find(&around.all, &release.services(&around.services, pods));
    let withdrawn = pods.iter().any(|pod| pod.withdrawn);
    let expect = match mode {
        Mode::Normal => Expect::Application,
        Mode::Maintenance if withdrawn => Expect::WithoutPage,
        Mode::Maintenance => Expect::Page,
    };
    let mut plan = Plan::new(Subject::Release(release.clone()), changes, expect, around, doors);
    for change in &plan.changes {
        foretell::refuse_what_is_taken_back(session, force, change, mode)?;
    }
    plan.notes.extend(foretell::next_upgrade(&plan.changes, mode));
    Ok(plan)
}

/// Before users are let in again: whether there is something to let them in to, behind each front Service.
fn check_application(session: &Session<'_>, force: bool, release: &Release) -> Result<bool> {
    let mut there = true;
    for front in release.fronts.iter().filter(|front| front.mode() != Ok(Mode::Normal)) {
        let selector = query(&front.normal);
        let pods = list_pods(session.kubectl, &release.namespace, &selector)?;
        let ready = pods.iter().filter(|pod| pod.ready).count();
        if ready == 0 {
            there = false;
            refuse(
                session,
                force,
                &format!(
                    "the application behind {} has no ready pod ({selector}): users would get no answer",
                    front.name()
                ),
            )?;
        } else {
            session
                .output
                .progress(&release.name, &format!("the application behind {} has {ready} ready pods", front.name()));
        }
    }
    Ok(there)
}

/// What people should know of the application that users leave.
fn beside(session: &Session<'_>, release: &Release, chosen: &Chosen, plan: &mut Plan) -> Result<()> {
    for front in &release.fronts {
        let application = list_pods(session.kubectl, &release.namespace, &query(&front.normal))?;
        if !application.iter().any(|pod| pod.ready) {
            let selector = query(&front.normal);
            plan.notes.push(format!("the application behind {} has no ready pod ({selector})", front.name()));
        }
    }
    let selectors: Vec<_> = release.fronts.iter().map(|front| front.normal.clone()).collect();
    let fronts = chosen.fronts_to_the_page();
    let others =
        chosen.around.leading_to(session.kubectl, &release.namespace, &BTreeSet::new(), &selectors, &fronts)?;
    plan.others = others.into_iter().filter(|other| !other.excluded).map(|other| other.entry).collect();
    plan.notes.push("callers inside the cluster, jobs and workers are not stopped".to_owned());
    Ok(())
}
