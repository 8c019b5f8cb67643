//! Waiting until what was changed is in force: pods, endpoints, and what the front doors answer; and saying so.

use std::thread::Scope;
use std::time::Instant;

use anyhow::Result;

use crate::cli::{self, Format};
use crate::doors::ask::{Question, Verdict};
use crate::doors::find::At;
use crate::doors::watch::{Watch, watch};
use crate::plan::Plan;
use crate::receipt::{Asked, Switched, Watched};
use crate::release::Mode;
use crate::session::Session;
use crate::wait::{self, Waited};
use crate::{gateways, undo};

/// A front door that is watched, or why it is not.
pub struct FrontDoor<'s> {
    entry: &'s str,
    url: Option<&'s str>,
    watch: Result<Watch<'s>, &'s str>,
}

/// Says what came of one target.
pub fn tell(
    session: &Session<'_>,
    switch: &cli::Switch,
    plan: &Plan,
    mode: Mode,
    switched: &Switched,
    started: Instant,
) {
    let seconds = (switched.since.unwrap_or_else(|| session.clock.now()) - started).as_secs_f64();
    let name = plan.name();
    let result = match &switched.problem {
        Some(problem) => return session.output.message(&format!("{name}: {problem}")),
        None if !switched.waited && plan.changes.is_empty() => {
            format!("{name}: was in mode {mode} already; whether that is in force was not waited for")
        }
        None if !switched.waited => format!("{name}: changed to {mode}; whether it is in force was not waited for"),
        None if plan.is_page() && mode == Mode::Normal => format!("{name}: what its page said is put back"),
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

/// Where the front doors are: those that are named, else those that the entries name. What a page says is asked of its pods.
pub fn places(switch: &cli::Switch, plan: &Plan) -> Vec<(String, At)> {
    if plan.is_page() {
        return Vec::new();
    }
    if !switch.doors.urls.is_empty() {
        return switch.doors.urls.iter().map(|url| ("--url".to_owned(), At::Url(url.clone()))).collect();
    }
    let switched = plan.doors.iter().filter(|door| !door.excluded);
    switched.map(|door| (door.entry.clone(), door.at.clone())).collect()
}

/// Waits for one target, whose time began before the first change; and when all were made.
///
/// # Errors
/// Where the cluster cannot be asked.
pub fn await_in_force(
    session: &Session<'_>,
    switch: &cli::Switch,
    mode: Mode,
    plan: &Plan,
    doors: Vec<FrontDoor<'_>>,
    (started, changed): (Instant, Instant),
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
            switched.doors = doors.into_iter().map(FrontDoor::seen).collect();
            return Ok(switched);
        }
        Waited::Interrupted(why) => {
            switched.problem = Some(why);
            switched.doors = doors.into_iter().map(FrontDoor::seen).collect();
            return Ok(switched);
        }
    }
    switched.doors = ask_doors(session, plan, doors, deadline);
    if session.stopped() {
        switched.problem = Some("its front doors were not asked to the end".to_owned());
        return Ok(switched);
    }
    if !switched.checked() && !plan.changes.is_empty() {
        // Proxies follow endpoints, and controllers the change, which read other targets' changes meanwhile.
        let since = if plan.behind_fronts().is_some() { session.clock.now() } else { changed };
        session.pause((since + plan.follows_within()).saturating_duration_since(session.clock.now()));
    }
    switched.since = Some(session.clock.now());
    let bad = switched.doors.iter().find_map(|door| match &door.asked.verdict {
        Verdict::Bad(why) => Some(why.clone()),
        _ => None,
    });
    if let Some(why) = bad {
        switched.since = None;
        let next = if plan.empty {
            ". Start the application, or run kubectl maintenance on to show the page again"
        } else {
            ""
        };
        switched.problem = Some(format!("{objects} is in mode {mode}, but a front door does not show it: {why}{next}"));
    }
    Ok(switched)
}

/// Watches the front doors of a target from now on, side by side.
pub fn watch_doors<'s>(
    scope: &'s Scope<'s, '_>,
    session: &Session<'s>,
    switch: &'s cli::Switch,
    plan: &'s Plan,
    places: &'s [(String, At)],
) -> Vec<FrontDoor<'s>> {
    let (output, stop) = (session.output, session.stop);
    let named = !switch.doors.urls.is_empty();
    let doors = places.iter().map(|(entry, at)| match at {
        At::Unasked(why) => FrontDoor { entry, url: None, watch: Err(why) },
        At::Url(url) => {
            let question = Question { url, host: switch.doors.host.as_deref(), expect: plan.expect, named };
            let told = |text: &str| {
                // Without an application there is nothing else to expect, and it is the problem that is told.
                if !plan.empty {
                    output.progress(&plan.name(), &format!("front door: {text}"));
                }
            };
            FrontDoor { entry, url: Some(url), watch: Ok(watch(scope, question, stop, told)) }
        }
    });
    doors.collect()
}

/// The front doors that are not asked, and why.
pub fn not_asked(places: &[(String, At)], why: &str) -> Vec<Watched> {
    let doors = places.iter().map(|(entry, at)| {
        let (url, why) = match at {
            At::Url(url) => (Some(url.clone()), why),
            At::Unasked(why) => (None, why.as_str()),
        };
        let asked = Asked { entry: entry.clone(), url, verdict: Verdict::Unchecked(why.to_owned()) };
        Watched { asked, last_old: None, first_new: None }
    });
    doors.collect()
}

/// Awaits all front doors of a target, side by side.
fn ask_doors(session: &Session<'_>, plan: &Plan, doors: Vec<FrontDoor<'_>>, deadline: Instant) -> Vec<Watched> {
    for watch in doors.iter().filter_map(|door| door.watch.as_ref().ok()) {
        watch.until_good(deadline);
    }
    let name = plan.name();
    let seen = doors.into_iter().map(|door| {
        let door = door.seen();
        match &door.asked.verdict {
            Verdict::Good(says) => session.output.progress(&name, &format!("front door: {says}")),
            Verdict::Unchecked(why) => session.output.message(&format!("{name}: front door unchecked: {why}")),
            // It is the problem that is told.
            Verdict::Bad(_) => {}
        }
        door
    });
    seen.collect()
}

// === impl FrontDoor ===

impl FrontDoor<'_> {
    /// What was seen of it.
    #[must_use]
    pub fn seen(self) -> Watched {
        let (verdict, last_old, first_new) = match self.watch {
            Err(why) => (Verdict::Unchecked(why.to_owned()), None, None),
            Ok(watch) => {
                let seen = watch.seen();
                (seen.verdict, seen.last_old, seen.first_new)
            }
        };
        let asked = Asked { entry: self.entry.to_owned(), url: self.url.map(str::to_owned), verdict };
        Watched { asked, last_old, first_new }
    }
}
