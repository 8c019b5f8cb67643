//! Probes: named checks, reported in the words of Kubernetes' own API server.
//!
//! A success says `ok`, with `?verbose` a line a check; a failure is always verbose. `?exclude=NAME`, which
//! may be repeated, leaves a check out. The one difference is the status of a failure: 503, not 500.

use std::fmt::Write as _;

/// One named check and whether it passes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    /// What `?exclude=` calls it.
    pub(crate) name: &'static str,
    /// Whether it passes.
    pub(crate) ok: bool,
}

/// What a probe says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Whether every check that was not excluded passes.
    pub(crate) ok: bool,
    /// The body, `text/plain`.
    pub(crate) text: String,
}

/// What is repeated of a query: so many bytes of a name, which may become six times as many where they are escaped, and
/// so many names.
const NAME_SHOWN: usize = 64;
const NAMES_SHOWN: usize = 8;

/// Runs the checks of the probe called `probe` as `query` (the raw query string) asks for.
#[must_use]
pub(crate) fn run(probe: &str, query: &str, checks: &[Check]) -> Report {
    let mut verbose = false;
    let mut excluded = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "verbose" => verbose = true,
            "exclude" => excluded.push(value),
            _ => {}
        }
    }
    let mut ok = true;
    let mut text = String::new();
    for Check { name, ok: passes } in checks {
        let line = if excluded.iter().any(|it| it == name) {
            format!("[+]{name} excluded: ok\n")
        } else if *passes {
            format!("[+]{name} ok\n")
        } else {
            ok = false;
            format!("[-]{name} failed: reason withheld\n")
        };
        text.push_str(&line);
    }
    excluded.retain(|name| checks.iter().all(|check| name != check.name));
    excluded.sort_unstable();
    excluded.dedup();
    if !excluded.is_empty() {
        let names: Vec<_> = excluded.iter().take(NAMES_SHOWN).map(|name| quoted(name)).collect();
        let more = if excluded.len() > NAMES_SHOWN { ", ..." } else { "" };
        let names = names.join(", ");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "warn: some health checks cannot be excluded: no matches for {names}{more}");
    }
    match (ok, verbose) {
        (false, _) => _ = writeln!(text, "{probe} check failed"),
        (true, true) => _ = writeln!(text, "{probe} check passed"),
        (true, false) => "ok".clone_into(&mut text),
    }
    Report { ok, text }
}

/// The name in quotes and escaped, cut after [`NAME_SHOWN`] bytes.
fn quoted(name: &str) -> String {
    format!("{:?}", &name[..name.floor_char_boundary(NAME_SHOWN)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[Check] = &[Check { name: "ping", ok: true }, Check { name: "maintenance", ok: true }];
    const BAD: &[Check] = &[Check { name: "ping", ok: true }, Check { name: "maintenance", ok: false }];

    #[test]
    fn a_success_is_terse_unless_asked() {
        assert_eq!(run("readyz", "", GOOD), Report { ok: true, text: "ok".into() });
        let text = "[+]ping ok\n[+]maintenance ok\nreadyz check passed\n";
        assert_eq!(run("readyz", "verbose", GOOD), Report { ok: true, text: text.into() });
        assert_eq!(run("readyz", "verbose=false", GOOD).text, text, "as in Kubernetes, the key alone counts");
    }

    #[test]
    fn a_failure_is_always_verbose() {
        let text = "[+]ping ok\n[-]maintenance failed: reason withheld\nreadyz check failed\n";
        assert_eq!(run("readyz", "", BAD), Report { ok: false, text: text.into() });
    }

    #[test]
    fn an_excluded_check_does_not_count() {
        assert_eq!(run("readyz", "exclude=maintenance", BAD), Report { ok: true, text: "ok".into() });
        let text = "[+]ping excluded: ok\n[+]maintenance excluded: ok\nreadyz check passed\n";
        assert_eq!(run("readyz", "verbose&exclude=maintenance&exclude=ping", BAD).text, text);
    }

    #[test]
    fn names_without_a_match_are_warned_of_quoted_sorted_and_once() {
        let report = run("livez", "verbose&exclude=z&exclude=a%22b&exclude=z", &GOOD[..1]);
        let text = "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"a\\\"b\", \"z\"\nlivez check passed\n";
        assert_eq!(report.text, text);
    }

    #[test]
    fn names_are_quoted_escaped_and_cut() {
        for (name, quote) in [
            ("it's", r#""it's""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a\n\x1b[31m\u{202e}", r#""a\n\u{1b}[31m\u{202e}""#),
            ("é 日本 \u{1f600}", "\"é 日本 \u{1f600}\""),
        ] {
            assert_eq!(quoted(name), quote);
        }
        assert_eq!(quoted(&"é".repeat(33)), format!("\"{}\"", "é".repeat(32)));
        assert_eq!(quoted(&format!("a{}", "é".repeat(33))), format!("\"a{}\"", "é".repeat(31)), "no half character");
    }

    #[test]
    fn what_is_repeated_of_a_query_is_bounded() {
        let names: Vec<String> = (0..1000).map(|n| format!("exclude={n}{}", "%01".repeat(500))).collect();
        let report = run("livez", &format!("verbose&{}", names.join("&")), GOOD);
        assert!(report.text.len() < 3000, "{}", report.text.len());
        assert!(report.text.lines().nth(2).unwrap().ends_with("\", ..."), "{}", report.text);
    }
}
