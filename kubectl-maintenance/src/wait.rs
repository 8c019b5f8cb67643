//! Waiting until a change is in force: pods that have read it, Services whose endpoints have followed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jiff::Timestamp;

use crate::endpoints;
use crate::managed_fields::MANAGER;
use crate::object::PREFIX;
use crate::pods::{self, Pod, Told, Wanted};
use crate::release::{Kind, Mode, Release};
use crate::session::Session;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// The kubelets must have seen the new ConfigMap before they are made to look.
const SEEN: Duration = Duration::from_secs(1);
/// Between two times that the kubelets are made to look.
const AGAIN: Duration = Duration::from_secs(2);
/// Up to so many pods are annotated by their names. kubectl reads each that is named first, and slows itself down: 50 names
/// take 9 s, and all pods by their labels 3 s.
const FEW: usize = 5;
/// For how long a pod that is not Ready and does not answer is waited for: it may be about to start.
const STARTS: Duration = Duration::from_secs(8);

/// What came of waiting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Waited {
    /// It is in force.
    InForce,
    /// It is not, in time; and what is in the way.
    Not(String),
    /// Ctrl-C was pressed; and how far it was.
    Interrupted(String),
}

/// Until every pod says what is wanted. Their kubelets are made to look at the ConfigMap at once.
///
/// # Errors
/// Where the pods may not be asked.
pub fn pods(session: &Session<'_>, release: &Release, wanted: &Wanted, deadline: Instant) -> Result<Waited> {
    let started = session.clock.now();
    let what = match release.kind {
        Kind::Config => "user pods",
        Kind::Service => "page pods",
    };
    let mut pods = Pods::default();
    let mut annotated: Option<Instant> = None;
    let mut before: Option<Vec<String>> = None;
    let mut slow = false;
    loop {
        let look = pods.look(session, release, wanted);
        if session.stopped() {
            return Ok(Waited::Interrupted(pods.missing(what, wanted)));
        }
        if let Some(why) = &pods.forbidden {
            bail!("the {what} of release {} cannot be asked: {why}", release.name);
        }
        if let Err(why) = look {
            if session.clock.now() >= deadline {
                return Ok(Waited::Not(format!("{why:#}")));
            }
            // What is there cannot be told, so nothing is settled.
            before = None;
            session.pause(PAUSE);
            continue;
        }
        session.output.progress(
            &release.name,
            &format!("{} of {} {what} have read the change", pods.settled.len(), pods.settled.len() + pods.open.len()),
        );
        // Twice the same pods and none awaited: no other came up in between.
        if pods.open.is_empty() && before.as_ref() == Some(&pods.names) {
            if pods.names.is_empty() {
                session.output.note(&format!(
                    "{}: there are no {what}: those that start will have read the change",
                    release.name
                ));
            }
            return Ok(Waited::InForce);
        }
        before = pods.open.is_empty().then(|| pods.names.clone());
        if session.clock.now() >= deadline {
            return Ok(Waited::Not(pods.missing(what, wanted)));
        }
        let due = annotated.map_or(started + SEEN, |annotated| annotated + AGAIN);
        if !pods.open.is_empty() && session.clock.now() >= due {
            if let Some(why) = make_kubelets_look(session, release, &pods.open)? {
                if !slow {
                    session.output.note(&format!("the {what} cannot be annotated, so their kubelets look in their own time, which takes up to 90 s: {why}"));
                }
                slow = true;
            }
            annotated = Some(session.clock.now());
        }
        session.pause(PAUSE);
    }
}

/// Where a wait for pods stands.
#[derive(Default)]
struct Pods {
    /// Those that have said what is wanted.
    settled: BTreeSet<String>,
    /// When each of the others was seen first.
    seen: BTreeMap<String, Instant>,
    /// Those that are not waited for.
    unready: BTreeSet<String>,
    /// Those that are awaited, and what they say.
    open: Vec<(String, Told)>,
    /// All of them.
    names: Vec<String>,
    trouble: String,
    /// Why they may not be asked.
    forbidden: Option<String>,
}

impl Pods {
    /// Asks each pod that has not yet said what is wanted.
    fn look(&mut self, session: &Session<'_>, release: &Release, wanted: &Wanted) -> Result<()> {
        let pods = release.pods(session.kubectl)?;
        self.names = pods.iter().map(|pod| pod.name.clone()).collect();
        let asked: Vec<&Pod> = pods.iter().filter(|pod| !self.settled.contains(&pod.name)).collect();
        let told = pods::ask(
            session.kubectl,
            &release.namespace,
            &asked,
            wanted.message.is_some() || wanted.gone_message.is_some(),
        )?;
        self.open.clear();
        self.settled.retain(|name| self.names.contains(name));
        let now = session.clock.now();
        for (pod, told) in asked.into_iter().zip(told) {
            let seen = *self.seen.entry(pod.name.clone()).or_insert(now);
            if told.forbidden {
                self.forbidden = Some(told.trouble.clone());
            }
            if !told.trouble.is_empty() {
                self.trouble.clone_from(&told.trouble);
            }
            if wanted.met_by(&told) {
                self.settled.insert(pod.name.clone());
            } else if told.mode.is_none() && !pod.ready && now >= seen + STARTS {
                if self.unready.insert(pod.name.clone()) {
                    session.output.note(&format!(
                        "pod/{} is not Ready and does not answer, so it gets no requests: not waited for",
                        pod.name
                    ));
                }
            } else {
                self.open.push((pod.name.clone(), told));
            }
        }
        Ok(())
    }

    /// Which pods are awaited.
    fn missing(&self, what: &str, wanted: &Wanted) -> String {
        if self.open.is_empty() {
            return format!("which {what} have read the change cannot be told");
        }
        let open = self.open.iter().map(|(name, told)| match told.mode {
            None => format!("{name} (no answer)"),
            Some(mode) if wanted.mode.is_some_and(|wanted| wanted != mode) => format!("{name} ({mode})"),
            Some(_) => format!("{name} (old settings)"),
        });
        let open = open.collect::<Vec<_>>().join(", ");
        let trouble = if self.trouble.is_empty() { String::new() } else { format!("; last trouble: {}", self.trouble) };
        format!("these {what} have not read the change: {open}{trouble}")
    }
}

/// Without this a kubelet looks at a pod's ConfigMap about once a minute. The admin pods, which tell admins the mode, are made
/// to look too, and are not waited for. Returns why it may not be done.
fn make_kubelets_look(session: &Session<'_>, release: &Release, open: &[(String, Told)]) -> Result<Option<String>> {
    let (refresh, labels) = (format!("{PREFIX}refresh={}", Timestamp::now().as_second()), release.readers());
    let admins = release.admins(session.kubectl).unwrap_or_default();
    let mut arguments =
        vec!["annotate", "pod", "--namespace", &release.namespace, "--overwrite", "--field-manager", MANAGER];
    if open.len() + admins.len() > FEW {
        arguments.extend(["--selector", &labels]);
    } else {
        arguments.extend(open.iter().map(|(name, _)| name.as_str()));
        arguments.extend(admins.iter().map(|pod| pod.name.as_str()));
    }
    arguments.push(&refresh);
    let ran = session.kubectl.change(&arguments, "")?;
    // Anything else, such as a pod that has just gone away, is seen to by the next look.
    Ok((!ran.ok && ran.stderr.contains("orbidden")).then(|| ran.message()))
}

/// Until each front Service has ready endpoints of the mode's side alone. `empty` is also fine in mode normal where the
/// application is known to have no ready pods.
///
/// # Errors
/// Where the API server cannot be asked.
pub fn endpoints(
    session: &Session<'_>,
    release: &Release,
    mode: Mode,
    empty: bool,
    deadline: Instant,
) -> Result<Waited> {
    loop {
        let mut missing = Vec::new();
        match sides(session, release) {
            Err(why) => missing.push(format!("whether the endpoints have followed cannot be told: {why:#}")),
            Ok(all) => {
                for (front, sides) in release.fronts.iter().zip(all) {
                    let Sides { page, others } = match sides {
                        Ok(sides) => sides,
                        Err(why) => {
                            session
                                .output
                                .note(&format!("the endpoints may not be listed, so they are not waited for: {why}"));
                            return Ok(Waited::InForce);
                        }
                    };
                    let there = match mode {
                        Mode::Maintenance => page > 0 && others == 0,
                        Mode::Normal => page == 0 && (others > 0 || empty),
                    };
                    if !there {
                        let name = front.name();
                        missing.push(format!("{name} has {page} endpoints that are page pods and {others} others"));
                    }
                }
                let (all, done) = (release.fronts.len(), release.fronts.len() - missing.len());
                let told = format!("endpoints of {done} of {all} front Services have followed");
                session.output.progress(&release.name, &told);
            }
        }
        match () {
            () if missing.is_empty() => return Ok(Waited::InForce),
            () if session.stopped() => return Ok(Waited::Interrupted(missing.join("; "))),
            () if session.clock.now() >= deadline => return Ok(Waited::Not(missing.join("; "))),
            () => session.pause(PAUSE / 4),
        }
    }
}

/// How many ready endpoints a front Service has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sides {
    /// Page pods.
    pub page: usize,
    /// Others: the application's.
    pub others: usize,
}

/// The ready endpoints of each front Service, or why they may not be listed.
///
/// # Errors
/// Where the API server cannot be asked.
pub fn sides(session: &Session<'_>, release: &Release) -> Result<Vec<Result<Sides, String>>> {
    let pages: BTreeSet<String> = release.pods(session.kubectl)?.into_iter().map(|pod| pod.name).collect();
    let fronts = release.fronts.iter().map(|front| front.name().name);
    let all = endpoints::ready(session.kubectl, &release.namespace, fronts)?.into_iter();
    Ok(all
        .map(|ready| {
            let ready = ready?;
            let page = ready.intersection(&pages).count();
            Ok(Sides { page, others: ready.len() - page })
        })
        .collect())
}
