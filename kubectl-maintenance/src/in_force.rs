//! Waiting until what was changed is in force: pods, endpoints, and what the front doors answer; and saying so.

use std::thread;
use std::time::Instant;

use anyhow::Result;

use crate::cli::{self, Format};
use crate::doors::ask::{Question, Verdict, await_good};
use crate::doors::find::At;
use crate::plan::Plan;
use crate::release::Mode;
use crate::report::{Asked, Switched};
use crate::session::Session;
use crate::wait::{self, Waited};
use crate::{gateways, undo};

/// Says what came of one target.
pub fn tell(
    session: &Session<'_>,
    switch: &cli::Switch,
    plan: &Plan,
    mode: Mode,
    switched: &Switched,
    started: Instant,
) {
    let seconds = (session.clock.now() - started).as_secs_f64();
    let name = plan.name();
    let result = match &switched.problem {
        Some(problem) => return session.output.message(&format!("{name}: {problem}")),
        None if !switched.waited => format!("{name}: changed to {mode}; whether it is in force was not waited for"),
        None if plan.is_page() => format!("{name}: the page pods have read what the page says after {seconds:.1} s"),
        None if switched.checked() => format!("{name}: {mode} is in force after {seconds:.1} s"),
        None => format!("{name}: {mode} is in force after {seconds:.1} s; no front door was checked"),
    };
    if switch.output == Format::Table {
        session.output.result(&result);
    }
}

/// Says what would be done.
pub fn would(session: &Session<'_>, switch: &cli::Switch, mode: Mode, plan: &Plan) {
    let name = plan.name();
    let say = |line: &str| match switch.output {
        Format::Table => session.output.result(line),
        Format::Json => session.output.message(line),
    };
    if plan.changes.is_empty() {
        say(&format!("{name}: is in mode {mode} already, so nothing would be changed"));
    }
    for change in &plan.changes {
        say(&undo::as_typed(session, change));
    }
    if !switch.wait {
        return;
    }
    if plan.pods.is_some() {
        say(&format!("{name}: would annotate its pods, and ask each until it has read the change"));
    }
    if plan.behind_fronts().is_some() {
        say(&format!("{name}: would wait until the endpoints of its front Services have followed"));
    }
    if gateways::read_by(&plan.changes).next().is_some() {
        say(&format!("{name}: would wait until its gateways have read the change"));
    }
    for (_, at) in places(switch, plan) {
        match at {
            At::Url(url) => say(&format!("{name}: would ask the front door {url}")),
            At::Unasked(why) => say(&format!("{name}: would not ask a front door: {why}")),
        }
    }
}

/// The front doors: those that are named, else those that the entries name.
fn places(switch: &cli::Switch, plan: &Plan) -> Vec<(String, At)> {
    if !switch.doors.urls.is_empty() {
        return switch.doors.urls.iter().map(|url| ("--url".to_owned(), At::Url(url.clone()))).collect();
    }
    let switched = plan.doors.iter().filter(|door| !door.excluded);
    switched.map(|door| (door.entry.clone(), door.at.clone())).collect()
}

/// Waits for one target.
///
/// # Errors
/// Where the cluster cannot be asked.
pub fn await_in_force(
    session: &Session<'_>,
    switch: &cli::Switch,
    mode: Mode,
    plan: &Plan,
    started: Instant,
) -> Result<Switched> {
    let deadline = started + switch.timeout;
    let objects = plan.objects();
    let mut waited = Waited::InForce;
    if let (Some(wanted), Some(release)) = (&plan.pods, plan.release()) {
        waited = wait::pods(session, release, wanted, deadline)?;
    }
    if let (Waited::InForce, Some(release)) = (&waited, plan.behind_fronts()) {
        waited = wait::endpoints(session, release, mode, plan.empty, deadline)?;
    }
    if waited == Waited::InForce {
        waited = gateways::follow(session, &plan.name(), &plan.changes, deadline)?;
    }
    let mut switched = Switched { waited: true, ..Switched::default() };
    match waited {
        Waited::InForce => {}
        Waited::Not(why) => {
            switched.problem = Some(format!(
                "not in force after {} s: {why}. {objects} is changed to {mode} and may follow yet; this command can be repeated",
                switch.timeout.as_secs()
            ));
            return Ok(switched);
        }
        Waited::Interrupted(why) => {
            switched.problem = Some(why);
            return Ok(switched);
        }
    }
    switched.doors = ask_doors(session, switch, plan, deadline);
    if session.stopped() {
        switched.problem = Some("its front doors were not asked to the end".to_owned());
        return Ok(switched);
    }
    if !switched.checked() && !plan.changes.is_empty() {
        session.pause(plan.follows_within());
    }
    let bad = switched.doors.iter().find_map(|door| match &door.verdict {
        Verdict::Bad(why) => Some(why.clone()),
        _ => None,
    });
    if let Some(why) = bad {
        let next = if plan.empty {
            ". Start the application, or run kubectl maintenance on to show the page again"
        } else {
            ""
        };
        switched.problem = Some(format!("{objects} is in mode {mode}, but a front door does not show it: {why}{next}"));
    }
    Ok(switched)
}

/// Asks all front doors of a target, side by side.
fn ask_doors(session: &Session<'_>, switch: &cli::Switch, plan: &Plan, deadline: Instant) -> Vec<Asked> {
    let places = places(switch, plan);
    let named = !switch.doors.urls.is_empty();
    let name = &plan.name();
    let ask = |entry: String, at: At| {
        let (url, verdict) = match at {
            At::Unasked(why) => (None, Verdict::Unchecked(why)),
            At::Url(url) => {
                let question = Question { url: &url, host: switch.doors.host.as_deref(), expect: plan.expect, named };
                let mut told = |text: &str| {
                    // Without an application there is nothing else to expect, and it is the problem that is told.
                    if !plan.empty {
                        session.output.progress(name, &format!("front door: {text}"));
                    }
                };
                let verdict = await_good(&question, deadline, session.stop, &mut told);
                (Some(url), verdict)
            }
        };
        match &verdict {
            Verdict::Good(says) => session.output.progress(name, &format!("front door: {says}")),
            Verdict::Unchecked(why) => session.output.message(&format!("{name}: front door unchecked: {why}")),
            // It is the problem that is told.
            Verdict::Bad(_) => {}
        }
        Asked { entry, url, verdict }
    };
    thread::scope(|scope| {
        let asked: Vec<_> = places.into_iter().map(|(entry, at)| scope.spawn(|| ask(entry, at))).collect();
        asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
    })
}
