//! The receipt: what `on` or `off` did, fit for a change ticket: `-o json`, versioned. It is printed where a check or a change
//! failed, too, as that is when a ticket needs it most.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use crate::doors::ask::Verdict;
use crate::plan::Plan;
use crate::release::Mode;
use crate::undo::State;

/// The version of everything that is printed as JSON.
pub const API_VERSION: &str = "maintenance-mode.github.io/v1";

/// What a command did.
#[derive(Debug)]
pub struct Receipt {
    command: String,
    mode: Mode,
    dry_run: bool,
    clock: Clock,
    /// Where.
    pub namespace: Option<String>,
    /// Who, once that is known.
    pub by: Option<String>,
    /// What `--all` leaves out.
    pub left_out: Vec<LeftOut>,
    first_change: Option<Instant>,
    in_force: Option<Instant>,
    targets: Vec<Line>,
}

/// An object that `--all` leaves out, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Which: `ingress/shop`, or a release.
    pub object: String,
    /// The reason, in words.
    pub why: String,
}

/// What came of one target.
#[derive(Debug, Default)]
pub struct Switched {
    /// It was waited for.
    pub waited: bool,
    /// When it was in force.
    pub since: Option<Instant>,
    /// Why it is not in force.
    pub problem: Option<String>,
    /// Its front doors.
    pub doors: Vec<Watched>,
}

/// A front door that was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which entry named it, or `--url`.
    pub entry: String,
    /// Where it was asked; nothing where it was not.
    pub url: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
}

/// A front door that was watched from before the first change.
#[derive(Clone, Debug)]
pub struct Watched {
    /// What came of it.
    pub asked: Asked,
    /// When it answered last as before.
    pub last_old: Option<Instant>,
    /// When it first answered in the new mode.
    pub first_new: Option<Instant>,
}

/// A target, and what came of it.
#[derive(Debug)]
struct Line {
    target: String,
    kind: &'static str,
    /// Each object with its patch, and what has become of it.
    objects: Vec<(String, Value, State)>,
    switched: Switched,
}

/// What turns a moment into a time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    began: Timestamp,
    moment: Instant,
}

// === impl Receipt ===

impl Receipt {
    /// Of a command that begins: as it was typed, at a time, which is also a moment.
    #[must_use]
    pub fn begin(command: &str, mode: Mode, dry_run: bool, began: Timestamp, moment: Instant) -> Self {
        Self {
            command: command.to_owned(),
            mode,
            dry_run,
            clock: Clock { began, moment },
            namespace: None,
            by: None,
            left_out: Vec::new(),
            first_change: None,
            in_force: None,
            targets: Vec::new(),
        }
    }

    /// What is to be changed.
    pub fn plan(&mut self, plans: &[Plan]) {
        let lines = plans.iter().map(|plan| Line {
            target: plan.name(),
            kind: plan.kind(),
            objects: plan
                .changes
                .iter()
                .map(|change| (change.object.to_string(), change.patch(), State::Unchanged))
                .collect(),
            switched: Switched::default(),
        });
        self.targets = lines.collect();
    }

    /// The changes begin.
    pub const fn changes_begin(&mut self, now: Instant) {
        self.first_change = Some(now);
    }

    /// What has become of the changes of all targets, in their order.
    pub fn changed(&mut self, states: &[State]) {
        let objects = self.targets.iter_mut().flat_map(|line| &mut line.objects);
        for ((_, _, state), now) in objects.zip(states) {
            *state = *now;
        }
    }

    /// What came of a target, by its number.
    pub fn switched(&mut self, at: usize, switched: Switched) {
        self.in_force = self.in_force.max(switched.since);
        if let Some(line) = self.targets.get_mut(at) {
            line.switched = switched;
        }
    }

    /// Whether no target has a problem.
    #[must_use]
    pub fn good(&self) -> bool {
        self.targets.iter().all(|line| line.switched.problem.is_none())
    }

    /// The whole, at the end of the command: why it failed, and what people were told.
    #[must_use]
    pub fn json(&self, problem: Option<&str>, notes: &[String], now: Instant) -> String {
        let problems: Vec<String> = self.targets.iter().filter_map(Line::problem).collect();
        let problem = problem.map(str::to_owned).or_else(|| (!problems.is_empty()).then(|| problems.join("; ")));
        let waited = self.targets.iter().any(|line| line.switched.waited);
        let in_force = self.targets.iter().all(|line| line.in_force() == Some(true));
        let receipt = json!({
            "apiVersion": API_VERSION,
            "kind": "Receipt",
            "command": self.command,
            "namespace": self.namespace,
            "by": self.by,
            "mode": self.mode.as_str(),
            "dryRun": self.dry_run,
            "began": self.clock.time(self.clock.moment),
            "ended": self.clock.time(now),
            "inForce": waited.then_some(in_force),
            "seconds": self.in_force.filter(|_| in_force).and_then(|since| self.seconds(since)),
            "problem": problem,
            "targets": self.targets.iter().map(|line| self.line(line)).collect::<Vec<_>>(),
            "leftOut": self.left_out.iter().map(|left| json!({"object": left.object, "why": left.why})).collect::<Vec<_>>(),
            "notes": notes,
        });
        format!("{receipt:#}")
    }

    fn line(&self, line: &Line) -> Value {
        let objects = line.objects.iter();
        let objects: Vec<Value> = objects
            .map(|(object, patch, state)| json!({"object": object, "state": state.as_str(), "patch": patch}))
            .collect();
        let doors = line.switched.doors.iter().map(|door| {
            let mut json = door.asked.json();
            json["lastOld"] = json!(door.last_old.map(|moment| self.clock.time(moment)));
            json["firstNew"] = json!(door.first_new.map(|moment| self.clock.time(moment)));
            json
        });
        json!({
            "target": line.target,
            "kind": line.kind,
            "objects": objects,
            "inForce": line.in_force(),
            "seconds": line.switched.since.and_then(|since| self.seconds(since)),
            "problem": line.switched.problem,
            "frontDoors": doors.collect::<Vec<_>>(),
        })
    }

    /// Seconds since the first change, to the millisecond.
    fn seconds(&self, moment: Instant) -> Option<f64> {
        let seconds = moment.saturating_duration_since(self.first_change?).as_secs_f64();
        Some((seconds * 1000.0).round() / 1000.0)
    }
}

// === impl Line ===

impl Line {
    /// Nothing where it was not waited for.
    fn in_force(&self) -> Option<bool> {
        self.switched.waited.then_some(self.switched.problem.is_none())
    }

    fn problem(&self) -> Option<String> {
        Some(format!("{}: {}", self.target, self.switched.problem.as_ref()?))
    }
}

// === impl Clock ===

impl Clock {
    /// In UTC, with milliseconds.
    fn time(&self, moment: Instant) -> String {
        let since = SignedDuration::try_from(moment.saturating_duration_since(self.moment)).unwrap_or_default();
        let time = self.began.saturating_add(since).unwrap_or(self.began);
        let time = time.round(Unit::Millisecond).unwrap_or(time);
        format!("{time:.3}")
    }
}

/// Without fractions, as the server reads and shows a time.
#[must_use]
pub fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

// === impl Switched ===

impl Switched {
    /// Whether a front door answered as it should.
    #[must_use]
    pub fn checked(&self) -> bool {
        self.doors.iter().any(|door| matches!(door.asked.verdict, Verdict::Good(_)))
    }
}

// === impl Asked ===

impl Asked {
    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let (verdict, says) = match &self.verdict {
            Verdict::Good(says) => ("good", says),
            Verdict::Unchecked(says) => ("unchecked", says),
            Verdict::Bad(says) => ("bad", says),
        };
        json!({"entry": self.entry, "url": self.url, "verdict": verdict, "says": says})
    }
}
