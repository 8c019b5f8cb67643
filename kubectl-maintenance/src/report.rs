//! What `on` and `off` did, for programs: `-o json`, versioned.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::doors::ask::Verdict;
use crate::plan::Plan;
use crate::release::Mode;

/// The version of everything that is printed as JSON.
pub const API_VERSION: &str = "maintenance-mode.github.io/v1";

/// What a command did.
#[derive(Debug)]
pub struct Report {
    mode: Mode,
    by: String,
    at: Timestamp,
    dry_run: bool,
    /// How long it took from the first change.
    pub seconds: f64,
    releases: Vec<Value>,
    good: bool,
}

/// What came of one release.
#[derive(Debug, Default)]
pub struct Switched {
    /// It was waited for.
    pub waited: bool,
    /// Why it is not in force.
    pub problem: Option<String>,
    /// Its front doors.
    pub doors: Vec<Asked>,
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

// === impl Report ===

impl Report {
    /// Nothing yet.
    #[must_use]
    pub fn new(mode: Mode, by: &str, at: Timestamp, dry_run: bool) -> Self {
        Self { mode, by: by.to_owned(), at, dry_run, seconds: 0.0, releases: Vec::new(), good: true }
    }

    /// Adds a release.
    #[expect(clippy::needless_pass_by_value, reason = "it is over")]
    pub fn add(&mut self, plan: &Plan, switched: Switched) {
        self.good &= switched.problem.is_none();
        let changes: Vec<Value> = plan
            .changes
            .iter()
            .map(|change| json!({"object": change.object.to_string(), "patch": change.patch()}))
            .collect();
        self.releases.push(json!({
            "namespace": plan.namespace(),
            "target": plan.name(),
            "kind": plan.kind(),
            "changes": changes,
            "inForce": if switched.waited { Some(switched.problem.is_none()) } else { None },
            "problem": switched.problem,
            "frontDoors": switched.doors.iter().map(Asked::json).collect::<Vec<_>>(),
            "notes": plan.notes,
        }));
    }

    /// Whether all is as it should be.
    #[must_use]
    pub fn good(&self) -> bool {
        self.good
    }

    /// The whole.
    #[must_use]
    pub fn json(&self) -> String {
        let report = json!({
            "apiVersion": API_VERSION,
            "kind": "Switch",
            "mode": self.mode.as_str(),
            "by": self.by,
            "at": seconds(self.at).to_string(),
            "dryRun": self.dry_run,
            "seconds": (self.seconds * 1000.0).round() / 1000.0,
            "releases": self.releases,
        });
        format!("{report:#}")
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
        self.doors.iter().any(|door| matches!(door.verdict, Verdict::Good(_)))
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
