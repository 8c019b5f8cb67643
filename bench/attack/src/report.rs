//! What an attack sent and saw, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;

/// Whether what must hold holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Held,
    Broken,
    /// This machine or user cannot run it, and the report says why.
    NotRun,
}

/// What one attack is to show, and what it showed.
pub(crate) struct Report {
    name: &'static str,
    sent: String,
    findings: Vec<Finding>,
    figures: BTreeMap<String, Value>,
}

struct Finding {
    must: String,
    seen: String,
    verdict: Verdict,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(name: &'static str, sent: impl Into<String>) -> Self {
        Self { name, sent: sent.into(), findings: Vec::new(), figures: BTreeMap::new() }
    }

    /// The report of an attack that could not be carried out.
    pub(crate) fn failed(name: &'static str, sent: &str, why: &str) -> Self {
        let mut report = Self::new(name, sent);
        report.must("the attack can be carried out", why, false);
        report
    }

    /// Something that must hold, what was seen, and whether it holds.
    pub(crate) fn must(&mut self, must: impl Into<String>, seen: impl Into<String>, holds: bool) {
        let verdict = if holds { Verdict::Held } else { Verdict::Broken };
        self.findings.push(Finding { must: must.into(), seen: seen.into(), verdict });
    }

    /// Something that must hold and could not be looked at.
    pub(crate) fn not_run(&mut self, must: impl Into<String>, why: impl fmt::Display) {
        self.findings.push(Finding { must: must.into(), seen: format!("not run: {why}"), verdict: Verdict::NotRun });
    }

    /// A figure for the picture.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.figures.insert(name.into(), value.into());
    }

    /// Broken where anything is; not run where nothing was.
    pub(crate) fn verdict(&self) -> Verdict {
        let any = |verdict| self.findings.iter().any(|it| it.verdict == verdict);
        match (any(Verdict::Broken), any(Verdict::Held)) {
            (true, _) => Verdict::Broken,
            (false, true) => Verdict::Held,
            (false, false) => Verdict::NotRun,
        }
    }

    fn json(&self) -> Value {
        let findings = self.findings.iter();
        let findings: Vec<_> =
            findings.map(|it| json!({"must": it.must, "seen": it.seen, "verdict": it.verdict.to_string()})).collect();
        json!({
            "name": self.name, "verdict": self.verdict().to_string(), "sent": self.sent, "findings": findings,
            "figures": self.figures,
        })
    }

    /// Puts it into a file of one JSON object a line, in the place of an earlier report of the same attack.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn keep(&self, path: &Path) -> Outcome<()> {
        let mut kept = if path.exists() { read(path)? } else { Vec::new() };
        kept.retain(|it| it["name"] != self.name);
        kept.push(self.json());
        let lines: String = kept.iter().map(|it| format!("{it}\n")).collect();
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        Ok(fs::write(path, lines)?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.verdict())?;
        writeln!(f, "  sent  {}", self.sent)?;
        for finding in &self.findings {
            writeln!(f, "  must  {}", finding.must)?;
            writeln!(f, "  seen  {} -- {}", finding.seen, finding.verdict)?;
        }
        Ok(())
    }
}

/// The reports that a file has.
///
/// # Errors
/// It cannot be read, or a line is no JSON.
pub(crate) fn read(path: &Path) -> Outcome<Vec<Value>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path:?} cannot be read: {error}"))?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Whole seconds, as a report shows them.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

/// At most eight of some texts, and how many there are.
pub(crate) fn some(texts: &[String]) -> String {
    let shown = texts.iter().take(8).cloned().collect::<Vec<_>>().join("; ");
    if texts.len() > 8 { format!("{shown}; and {} more", texts.len() - 8) } else { shown }
}

/// Those that a count leaves out, to follow it.
pub(crate) fn except(texts: &[String]) -> String {
    if texts.is_empty() { String::new() } else { format!("; not {}", some(texts)) }
}

/// Megabytes of a million bytes, as a report shows them.
pub(crate) fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

// === impl Verdict ===

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Broken => "BROKEN",
            Self::NotRun => "not run",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_finding_breaks_the_report_and_none_that_was_run_is_not_run() {
        let mut report = Report::new("a", "b");
        report.not_run("c", "needs root");
        assert_eq!(report.verdict(), Verdict::NotRun);
        report.must("d", "e", true);
        assert_eq!(report.verdict(), Verdict::Held);
        report.must("f", "g", false);
        assert_eq!(report.verdict(), Verdict::Broken);
    }

    #[test]
    fn a_report_takes_the_place_of_an_earlier_one() -> Outcome<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("target/attack.json");
        for (name, sent) in [("a", "1"), ("b", "2"), ("a", "3")] {
            Report::new(name, sent).keep(&path)?;
        }
        let kept: Vec<_> = read(&path)?.iter().map(|it| (it["name"].clone(), it["sent"].clone())).collect();
        assert_eq!(kept, [("b".into(), "2".into()), ("a".into(), "3".into())]);
        Ok(())
    }
}
