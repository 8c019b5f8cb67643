//! `kubectl maintenance off`.

use anyhow::Result;

use crate::choose::choose;
use crate::cli::Off;
use crate::confirm::confirm;
use crate::doors::ask::{Expect, Question, Verdict, ask_once};
use crate::plan;
use crate::receipt::Receipt;
use crate::release::Mode;
use crate::session::Session;
use crate::switch::{carry_out, refuse};
use crate::who;

/// Ends the maintenance of releases and entries. Whether that is in force.
///
/// # Errors
/// Where it is refused, or failed.
pub fn run(session: &Session<'_>, off: &Off, receipt: &mut Receipt) -> Result<bool> {
    let chosen = choose(session, &off.switch, off.force, Mode::Normal, receipt)?;
    confirm(session, &off.switch, Mode::Normal, &chosen)?;
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
    for release in &chosen.releases {
        plans.push(plan::release::off(session, force, release, &chosen.around)?);
    }
    plans.extend(plan::entry::off(session, force, &chosen)?);
    // Who gets a page first, then what it says.
    plans.extend(plan::page::off(session, force, &chosen)?);
    carry_out(session, &off.switch, Mode::Normal, &plans, receipt)
}
