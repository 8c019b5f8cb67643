//! The query of a probe to its report.
//!
//! The input is the raw query. The checks pass and fail in every combination.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::{Corpus, fuzz_target};
use maintenance_mode::fuzzing;
use maintenance_mode_fuzz::assert_one_line;

const NAMES: [&str; 3] = ["ping", "shutdown", "maintenance"];

/// Whatever a client asks, in bytes.
const LONGEST_REPORT: usize = 4096;

fuzz_target!(|query: &[u8]| -> Corpus {
    let Ok(query) = str::from_utf8(query) else { return Corpus::Reject };
    let asked = |wanted| form_urlencoded::parse(query.as_bytes()).filter(move |(key, _)| key == wanted);
    let excluded: BTreeSet<_> = asked("exclude").map(|(_, name)| name).collect();
    let unknown = excluded.iter().filter(|it| !NAMES.contains(&&***it)).count();
    for passing in 0..1 << NAMES.len() {
        let checks: Vec<_> = (0..).zip(NAMES).map(|(bit, name)| (name, passing & 1 << bit != 0)).collect();
        let (ok, text) = fuzzing::probe(query, &checks);
        assert_eq!(ok, checks.iter().all(|&(name, passes)| passes || excluded.contains(name)), "{text}");
        assert!(text.len() <= LONGEST_REPORT, "{} bytes: {text}", text.len());
        if ok && asked("verbose").next().is_none() {
            assert_eq!(text, "ok");
            continue;
        }
        let Some(text) = text.strip_suffix('\n') else { panic!("the last line is not ended: {text:?}") };
        text.split('\n').for_each(assert_one_line);
        let mut lines = text.split('\n');
        for (name, passes) in checks {
            let line = match (excluded.contains(name), passes) {
                (true, _) => format!("[+]{name} excluded: ok"),
                (false, true) => format!("[+]{name} ok"),
                (false, false) => format!("[-]{name} failed: reason withheld"),
            };
            assert_eq!(lines.next(), Some(&*line));
        }
        if unknown > 0 {
            assert!(lines.next().is_some_and(|it| it.starts_with("warn: some health checks cannot be excluded: ")));
        }
        assert_eq!(lines.next(), Some(if ok { "readyz check passed" } else { "readyz check failed" }));
        assert_eq!(lines.next(), None);
    }
    Corpus::Keep
});
