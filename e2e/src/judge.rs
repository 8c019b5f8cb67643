//! What the recorded answers say of a switch: whether a request went wrong, when it was in force, and who still got the old
//! mode.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::answer::Answer;
use crate::http::Mode;

/// The longest that any answer may take: far above what a busy machine needs, and below a freeze that a user would call
/// one. The rate alone would not show it.
const LONGEST: Duration = Duration::from_secs(5);

/// When a switch was in force, and what came of the old mode after the command had returned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Switch {
    /// Seconds from the command to the last answer of the old mode or the first of the new one, whichever was later.
    pub(crate) in_force: f64,
    /// Seconds until the command had returned.
    pub(crate) returned: f64,
    /// Answers of the old mode to requests that were sent after that.
    pub(crate) stale: usize,
    /// When the last of those came, in seconds since the command had returned; 0 where there is none.
    pub(crate) stale_for: f64,
}

/// Judges a switch to `new` by the answers to requests from its command on. Faults are not looked at: `no_fault` does.
pub(crate) fn judge(answers: &[Answer], new: Mode, command: Instant, returned: Instant) -> Result<Switch> {
    let of = |mode: Mode| answers.iter().filter(move |answer| answer.mode() == Some(mode));
    let first = of(new).map(|answer| answer.at).min();
    let first = first.with_context(|| format!("no user saw the mode {}", new.word()))?;
    let last = of(new.other()).map(|answer| answer.at).max().unwrap_or(command);
    let stale = of(new.other()).filter(|answer| answer.sent > returned).map(|answer| answer.at).collect::<Vec<_>>();
    Ok(Switch {
        in_force: first.max(last).saturating_duration_since(command).as_secs_f64(),
        returned: (returned - command).as_secs_f64(),
        stale: stale.len(),
        stale_for: stale.into_iter().max().map_or(0.0, |at| (at - returned).as_secs_f64()),
    })
}

/// Fails if any answer is a fault, and tells the first five.
pub(crate) fn no_fault(answers: &[Answer]) -> Result<()> {
    let faults = answers.iter().filter(|answer| answer.is_fault()).collect::<Vec<_>>();
    let Some(first) = faults.first() else { return Ok(()) };
    let told = faults
        .iter()
        .take(5)
        .map(|fault| {
            let after = fault.sent.saturating_duration_since(first.sent).as_secs_f64();
            format!("{:?} {:?} {:?} (+{after:.2} s)", fault.tier, fault.connection, fault.outcome)
        })
        .collect::<Vec<_>>();
    bail!("{} of {} requests went wrong: {}", faults.len(), answers.len(), told.join("; "));
}

/// How long the slowest answer took, or one of the requests that are still `open` has waited; too long is a failure.
pub(crate) fn slowest(answers: &[Answer], open: impl Iterator<Item = Duration>) -> Result<Duration> {
    let slowest = answers.iter().map(|answer| answer.at - answer.sent).chain(open).max().unwrap_or_default();
    ensure!(
        slowest <= LONGEST,
        "an answer took {:.1} s: over {} s users call it frozen",
        slowest.as_secs_f64(),
        LONGEST.as_secs()
    );
    Ok(slowest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Connection, Tier};

    fn answer(start: Instant, milliseconds: u64, status: u16, marker: bool) -> Answer {
        let at = start + Duration::from_millis(milliseconds);
        Answer { sent: at, at, tier: Tier::User, connection: Connection::Kept, outcome: Ok((status, marker)) }
    }

    fn judged(answers: &[(u64, u16, bool)], returned: u64) -> Result<Switch> {
        let start = Instant::now();
        let answers = answers.iter().map(|&(at, status, marker)| answer(start, at, status, marker));
        let returned = start + Duration::from_millis(returned);
        judge(&answers.collect::<Vec<_>>(), Mode::Maintenance, start, returned)
    }

    #[test]
    fn a_switch_is_in_force_after_the_last_old_answer() {
        let switch = judged(&[(500, 200, false), (2000, 503, true), (2500, 200, false)], 3000).unwrap();
        assert_eq!(switch, Switch { in_force: 2.5, returned: 3.0, stale: 0, stale_for: 0.0 });
    }

    #[test]
    fn a_switch_is_not_in_force_before_a_user_saw_it() {
        let switch = judged(&[(500, 200, false), (2000, 503, true)], 3000).unwrap();
        assert!((switch.in_force - 2.0).abs() < 1e-9);
    }

    #[test]
    fn an_old_answer_after_the_command_is_counted() {
        let switch = judged(&[(2000, 503, true), (3000, 200, false)], 2500).unwrap();
        assert_eq!((switch.stale, switch.stale_for), (1, 0.5));
    }

    #[test]
    fn a_switch_that_nobody_saw_is_refused() {
        assert!(judged(&[(500, 200, false)], 3000).is_err());
    }

    #[test]
    fn a_freeze_is_refused_though_it_is_no_fault() {
        let start = Instant::now();
        let mut frozen = answer(start, 6000, 200, false);
        assert_eq!(slowest(&[frozen.clone()], [].into_iter()).unwrap(), Duration::ZERO);
        assert!(slowest(&[frozen.clone()], [Duration::from_secs(6)].into_iter()).is_err());
        frozen.sent = start;
        assert!(slowest(&[frozen], [].into_iter()).is_err());
    }

    #[test]
    fn a_503_without_the_marker_went_wrong() {
        let start = Instant::now();
        let answers = [answer(start, 0, 200, false), answer(start, 500, 503, false)];
        assert!(no_fault(&answers[..1]).is_ok());
        assert!(no_fault(&answers).unwrap_err().to_string().starts_with("1 of 2 requests went wrong: "));
    }
}
