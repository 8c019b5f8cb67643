//! `kubectl maintenance on`.

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};

use crate::cli::On;
use crate::entries::Entries;
use crate::failure::Misuse;
use crate::object::query;
use crate::pods::{Pod, Wanted, list_pods};
use crate::receipt::{Receipt, seconds};
use crate::release::{Kind, Mode, Release};
use crate::session::Session;
use crate::stamp::Stamp;
use crate::switch::{Plan, carry_out, choose, refuse};
use crate::{config, service, settings, who};

/// Puts releases into maintenance. Whether it is in force.
///
/// # Errors
/// Where it is refused, or failed.
pub fn run(session: &Session<'_>, on: &On, now: Timestamp, receipt: &mut Receipt) -> Result<bool> {
    let until = planned_end(on, now)?;
    let releases = choose(session, &on.switch, receipt)?;
    let by = who::user(session.kubectl)?;
    receipt.by = Some(by.clone());
    let stamp = Stamp { since: seconds(now).to_string(), by, reason: on.reason.clone() };
    let until_text = until.map(|until| until.to_string());
    let mut texts = Vec::new();
    texts.extend(until_text.as_deref().map(|until| (settings::UNTIL, until)));
    texts.extend(on.message.as_deref().map(|message| (settings::MESSAGE, message)));
    let mut plans = Vec::new();
    for release in releases {
        let pods = release.pods(session.kubectl)?;
        let changes = match release.kind {
            Kind::Config => vec![config::on(&release, &stamp, &texts)],
            Kind::Service => {
                check_page(session, on.force, &release, &pods)?;
                service::on(&release, &stamp, &texts)
            }
        };
        let mut plan = Plan::new(session, on.force, release, Mode::Maintenance, changes, &pods)?;
        if plan.release.mode() == Some(Mode::Maintenance) {
            plan.notes.insert(0, plan.release.already());
        }
        let translated = settings::translated(&plan.release);
        if on.message.is_some() && !translated.is_empty() {
            plan.notes.push(format!(
                "who reads {} gets that language's own message, which is not changed",
                translated.join(", ")
            ));
        }
        if on.message.is_some() && translated.is_empty() && settings::get(&plan.release, settings::MESSAGE).is_none() {
            plan.notes.push("with a message of its own the page says it to all, whatever their language".to_owned());
        }
        // An empty text is that of the client's language, and a translation comes before it.
        let message = on.message.clone().filter(|message| !message.trim().is_empty() && translated.is_empty());
        let leftovers = settings::leftovers(&plan.release);
        let gone = |key: &str| {
            let drops = leftovers.contains(&key) && !texts.iter().any(|(set, _)| *set == key);
            settings::get(&plan.release, key).filter(|_| drops).map(str::to_owned)
        };
        let wanted = Wanted {
            mode: Some(Mode::Maintenance),
            until,
            message,
            gone_until: gone(settings::UNTIL).and_then(|until| until.parse().ok()),
            gone_message: gone(settings::MESSAGE),
        };
        let reads = !texts.is_empty() || !leftovers.is_empty();
        plan.pods = (plan.release.kind == Kind::Config || reads).then_some(wanted);
        if plan.release.kind == Kind::Service {
            let notes = beside(session, &plan.release, &plan.entries)?;
            plan.notes.extend(notes);
            let open = plan.open_connections();
            plan.notes.extend(open);
        }
        plans.push(plan);
    }
    carry_out(session, &on.switch, Mode::Maintenance, &plans, receipt)
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

/// Before users get the page: whether there is a pod that shows it.
fn check_page(session: &Session<'_>, force: bool, release: &Release, pods: &[Pod]) -> Result<()> {
    if release.fronts.is_empty() {
        bail!(
            "release {} has no front Service, so nothing can be switched: name one in frontServices. Nothing has changed",
            release.name
        );
    }
    if !pods.iter().any(|pod| pod.ready) {
        let lacks = pods.iter().find_map(|pod| Some(format!("pod/{}: {}", pod.name, pod.lacks.as_ref()?)));
        let because = lacks.map(|lacks| format!(" ({lacks})")).unwrap_or_default();
        refuse(
            session,
            force,
            &format!(
                "no page pod of release {} is Ready{because}: users would get the router's own error",
                release.name
            ),
        )?;
    }
    Ok(())
}

/// What people should know of the application that users leave.
fn beside(session: &Session<'_>, release: &Release, entries: &Entries) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for front in &release.fronts {
        let application = list_pods(session.kubectl, &release.namespace, &query(&front.normal))?;
        if !application.iter().any(|pod| pod.ready) {
            notes.push(format!("the application behind {} has no ready pod ({})", front.name(), query(&front.normal)));
        }
    }
    let others = entries.others(session.kubectl, release)?;
    let others: Vec<String> = others.into_iter().filter(|other| !other.excluded).map(|other| other.entry).collect();
    if !others.is_empty() {
        notes.push(format!("these entries still lead to the application: {}", others.join(", ")));
    }
    notes.push("callers inside the cluster, jobs and workers are not stopped".to_owned());
    Ok(notes)
}
