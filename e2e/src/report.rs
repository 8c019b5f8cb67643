//! What a run prints at its end: the table of switches, each case with its figures, and how many passed.

use std::fmt::Write as _;
use std::time::Duration;

use crate::judge::Switch;
use crate::scene::Switches;

/// How a case ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Passed,
    /// And why.
    Failed(String),
    /// Whoever started the run has said that it cannot run here, and why.
    NotRun(String),
}

/// How a case ended, and what it told.
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) ended: Ended,
    pub(crate) took: Duration,
    pub(crate) figures: Vec<String>,
    pub(crate) switches: Vec<Switches>,
}

/// All of it; `true` unless a case failed.
pub(crate) fn summary(results: &[Verdict]) -> (String, bool) {
    let mut text = String::new();
    for result in results {
        let verdict = match result.ended {
            Ended::Passed => "passed",
            Ended::Failed(_) => "FAILED",
            Ended::NotRun(_) => "not run",
        };
        let _ = writeln!(text, "{verdict:<7}  {:>4} s  {}", result.took.as_secs(), result.name);
        for figure in &result.figures {
            let _ = writeln!(text, "                 {}", indented(figure));
        }
        if let Ended::Failed(why) | Ended::NotRun(why) = &result.ended {
            let _ = writeln!(text, "                 why: {}", indented(why));
        }
    }
    let switches = results.iter().flat_map(|result| &result.switches).collect::<Vec<_>>();
    if !switches.is_empty() {
        let _ = write!(text, "\n{}\n", table(&switches));
    }
    let count = |which: fn(&Ended) -> bool| results.iter().filter(|result| which(&result.ended)).count();
    let failed = count(|ended| matches!(ended, Ended::Failed(_)));
    let skipped = count(|ended| matches!(ended, Ended::NotRun(_)));
    let _ = write!(text, "{} passed, {failed} failed", results.len() - failed - skipped);
    if skipped > 0 {
        let _ = write!(text, ", {skipped} skipped");
    }
    (text, failed == 0)
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n                 ")
}

/// Every figure of the switches, in seconds: the median and the most.
fn table(switches: &[&Switches]) -> String {
    let mut table = format!(
        "{:<27} {:<7} {:>8} {:>9} {:>7} {:>12} {:>12}  {}\n",
        "switch", "by", "switches", "requests", "failed", "in force s", "command s", "old answers after the command"
    );
    let (judged, figures): (Vec<&Switches>, Vec<&Switches>) = switches.iter().partition(|one| one.judged);
    table.extend(judged.iter().map(|one| row(one)));
    let sum = |of: fn(&Switches) -> usize| judged.iter().map(|one| of(one)).sum::<usize>();
    let _ = writeln!(
        table,
        "{:<27} {:<7} {:>8} {:>9} {:>7}",
        "together",
        "",
        sum(|one| one.each.len()),
        sum(|one| one.requests),
        sum(|one| one.failed)
    );
    // What fails there is expected.
    table.extend(figures.iter().map(|one| row(one)));
    table
}

fn row(one: &Switches) -> String {
    let stale = one.each.iter().map(|switch| switch.stale).sum::<usize>();
    let longest = one.each.iter().map(|switch| switch.stale_for).fold(0.0, f64::max);
    let stale = if stale == 0 { "none".to_owned() } else { format!("{stale}, the last {longest:.2} s after it") };
    format!(
        "{:<27} {:<7} {:>8} {:>9} {:>7} {:>12} {:>12}  {stale}\n",
        one.what,
        one.by,
        one.each.len(),
        one.requests,
        one.failed,
        spread(&one.each, |switch| switch.in_force),
        spread(&one.each, |switch| switch.returned),
    )
}

/// `1.4 (2.0)`: the median and the most.
fn spread(switches: &[Switch], of: fn(&Switch) -> f64) -> String {
    let mut values = switches.iter().map(of).collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    match values.last() {
        None => "-".to_owned(),
        Some(most) => format!("{:.1} ({most:.1})", values[values.len() / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(ended: Ended) -> Verdict {
        Verdict {
            name: "install",
            ended,
            took: Duration::from_secs(3),
            figures: vec!["x".to_owned()],
            switches: Vec::new(),
        }
    }

    #[test]
    fn one_failure_fails_the_run_and_says_why() {
        let failed = Ended::Failed("because".to_owned());
        let (table, good) = summary(&[result(Ended::Passed), result(failed)]);
        assert!(!good);
        assert!(table.contains("why: because"));
        assert!(table.ends_with("\n1 passed, 1 failed"));
    }

    #[test]
    fn all_passed() {
        let (table, good) = summary(&[result(Ended::Passed)]);
        assert!(good && table.ends_with("\n1 passed, 0 failed"));
    }

    #[test]
    fn what_was_not_run_is_told_and_no_failure() {
        let (table, good) = summary(&[result(Ended::Passed), result(Ended::NotRun("no Argo CD".to_owned()))]);
        assert!(good);
        assert!(table.contains("not run     3 s  install\n"), "{table}");
        assert!(table.contains("why: no Argo CD"));
        assert!(table.ends_with("\n1 passed, 0 failed, 1 skipped"));
    }

    #[test]
    fn the_table_has_the_median_the_most_and_what_came_late() {
        let switch = |in_force, stale| Switch { in_force, returned: in_force, stale, stale_for: 0.25 };
        let one = Switches {
            what: "config".to_owned(),
            by: "helm3",
            requests: 500,
            failed: 2,
            judged: true,
            each: vec![switch(3.0, 0), switch(1.0, 4), switch(2.04, 3)],
        };
        let figure = Switches { what: "cold".to_owned(), judged: false, ..one.clone() };
        let table = table(&[&one, &figure, &one]);
        assert!(table.contains("2.0 (3.0)"), "{table}");
        assert!(table.contains("7, the last 0.25 s after it"), "{table}");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let last = table.lines().rev().map(words).collect::<Vec<_>>();
        assert_eq!(last[1], ["together", "6", "1000", "4"]);
        assert_eq!(last[0][..5], ["cold", "helm3", "3", "500", "2"]);
    }
}
