//! `kubectl maintenance off`.

use anyhow::Result;

use crate::cli::Off;
use crate::doors::ask::{Expect, Question, Verdict, ask_once};
use crate::object::query;
use crate::pods::{Wanted, list_pods};
use crate::receipt::Receipt;
use crate::release::{Kind, Mode, Release};
use crate::session::Session;
use crate::switch::{Plan, carry_out, choose, refuse};
use crate::{config, service, who};

/// Ends the maintenance of releases. Whether that is in force.
///
/// # Errors
/// Where it is refused, or failed.
pub fn run(session: &Session<'_>, off: &Off, receipt: &mut Receipt) -> Result<bool> {
    let releases = choose(session, &off.switch, receipt)?;
    receipt.by = Some(who::user(session.kubectl)?);
    let force = off.force;
    if let Some(url) = &off.check {
        let question = Question { url, host: off.switch.doors.host.as_deref(), expect: Expect::NoError, named: true };
        match ask_once(&question) {
            Verdict::Good(says) => session.output.progress("application", &says),
            Verdict::Bad(why) | Verdict::Unchecked(why) => {
                refuse(session, force, &format!("the application does not answer: {why}"))?;
            }
        }
    }
    let mut plans = Vec::new();
    for release in releases {
        let pods = release.pods(session.kubectl)?;
        let ((changes, notes), there) = match release.kind {
            Kind::Config => {
                let (change, notes) = config::off(&release);
                ((vec![change], notes), true)
            }
            Kind::Service => (service::off(&release), check_application(session, force, &release)?),
        };
        let mut plan = Plan::new(session, force, release, Mode::Normal, changes, &pods)?;
        if plan.release.mode() == Some(Mode::Normal) {
            plan.notes.push(plan.release.already());
        }
        plan.notes.extend(notes);
        let open = plan.open_connections();
        plan.notes.extend(open);
        plan.empty = !there;
        plan.pods =
            (plan.release.kind == Kind::Config).then(|| Wanted { mode: Some(Mode::Normal), ..Wanted::default() });
        plans.push(plan);
    }
    carry_out(session, &off.switch, Mode::Normal, &plans, receipt)
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
