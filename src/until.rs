//! When maintenance is planned to end: pure functions of the settings and the clock.

use jiff::{SignedDuration, Timestamp};

use crate::settings::Settings;

/// How long after the planned end it is still told that it takes longer: a value that is left over from the last window
/// should say nothing in the next.
const OVERDUE_TIME: SignedDuration = SignedDuration::from_hours(24);

/// The least and the most seconds of `Retry-After` while the planned end is ahead.
const LEAST: u32 = 10;
const MOST: u32 = 86_400;
/// The most seconds by which it is raised at random.
const MOST_SPREAD: u32 = 300;

/// The planned end, seen from a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// None is planned, or it is left over.
    Unplanned,
    /// It is ahead.
    Ahead(Timestamp),
    /// It has passed.
    Overdue,
}

/// `Retry-After`, of which one is drawn for each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryAfter {
    /// At least so many seconds.
    pub(crate) least: u32,
    /// And at most so many more.
    pub(crate) spread: u32,
}

/// What is planned, at a moment.
#[must_use]
pub(crate) fn at(settings: &Settings, now: Timestamp) -> Until {
    match settings.until {
        Some(until) if now < until => Until::Ahead(until),
        Some(until) if now.duration_since(until) <= OVERDUE_TIME => Until::Overdue,
        Some(_) | None => Until::Unplanned,
    }
}

/// A time for people anywhere, to the minute.
#[must_use]
pub(crate) fn in_utc(time: Timestamp) -> String {
    let text = to_the_second(time);
    let (date, clock) = text.split_once('T').unwrap_or_default();
    format!("{date} {} UTC", clock.get(..5).unwrap_or_default())
}

/// A time for programs, to the second.
#[must_use]
pub(crate) fn to_the_second(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// When clients that ask now should ask again. The clock is read only where an end is planned.
#[must_use]
pub(crate) fn retry_after(settings: &Settings, clock: impl FnOnce() -> Timestamp) -> RetryAfter {
    let left = settings.until.map(|until| until.duration_since(clock())).filter(SignedDuration::is_positive);
    let least = left.map_or(settings.retry_after, |left| {
        let seconds = left.as_secs() + i64::from(left.subsec_nanos() > 0);
        u32::try_from(seconds).unwrap_or(MOST).clamp(LEAST, MOST)
    });
    // A percentage of a year fits in 64 bits.
    let spread = u64::from(least) * u64::from(settings.retry_jitter) / 100;
    RetryAfter { least, spread: u32::try_from(spread).map_or(MOST_SPREAD, |it| it.min(MOST_SPREAD)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Files, Sources};

    const END: &str = "1970-01-03T00:00:00Z";
    const SECOND: i64 = 2 * 86_400;

    fn settings(files: &[(&str, &str)]) -> Settings {
        Sources::default().resolve(&Files::from_pairs(files)).unwrap()
    }

    fn moment(second: i64, nanosecond: i32) -> Timestamp {
        Timestamp::new(second, nanosecond).unwrap()
    }

    #[test]
    fn an_end_is_ahead_then_overdue_then_left_over() {
        let settings = settings(&[("MAINTENANCE_UNTIL", END)]);
        let end = moment(SECOND, 0);
        for (now, until) in [
            (moment(0, 0), Until::Ahead(end)),
            (moment(SECOND - 1, 999_999_999), Until::Ahead(end)),
            (end, Until::Overdue),
            (moment(SECOND + 86_400, 0), Until::Overdue),
            (moment(SECOND + 86_400, 1), Until::Unplanned),
        ] {
            assert_eq!(at(&settings, now), until, "{now}");
        }
        assert_eq!(at(&self::settings(&[]), end), Until::Unplanned);
    }

    #[test]
    fn a_time_is_shown_to_the_minute() {
        assert_eq!(in_utc(moment(SECOND + 59, 0)), "1970-01-03 00:00 UTC");
    }

    #[test]
    fn retry_after_counts_down_to_the_end_and_is_the_setting_otherwise() {
        let with_end = |files: &[(&str, &str)]| settings(&[&[("MAINTENANCE_UNTIL", END)], files].concat());
        for (files, now, least, spread) in [
            (&[][..], moment(SECOND - 600, 0), 600, 60),
            (&[], moment(SECOND - 600, 1), 600, 60),
            (&[], moment(SECOND - 601, 1), 601, 60),
            (&[], moment(SECOND - 1, 0), 10, 1),
            (&[], moment(SECOND - 86_401, 0), 86_400, 300),
            (&[], moment(0, 0), 86_400, 300),
            (&[], moment(SECOND, 0), 300, 30),
            (&[("RETRY_AFTER", "7")], moment(SECOND, 0), 7, 0),
            (&[("RETRY_AFTER", "31536000"), ("RETRY_JITTER", "100")], moment(SECOND, 0), 31_536_000, 300),
            (&[("RETRY_JITTER", "0")], moment(SECOND, 0), 300, 0),
            (&[("RETRY_JITTER", "100")], moment(SECOND, 0), 300, 300),
        ] {
            assert_eq!(retry_after(&with_end(files), || now), RetryAfter { least, spread }, "{files:?} {now}");
        }
    }
}
