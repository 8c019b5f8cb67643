//! Values that have a form of their own: languages, times, origins, user agents.

use std::net::Ipv6Addr;

use http::Uri;
use jiff::{Timestamp, civil::DateTime, tz::Offset};

use crate::negotiate::usual_name;

/// Other sites, by their origins, as browsers send them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// No other site.
    None,
    /// `*`: every site, and those that have no origin to show.
    Any,
    /// These, in lower case and without a port that is their scheme's.
    Listed(Vec<String>),
}

impl Origins {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        text.split_ascii_whitespace().map(origin).collect::<Option<_>>().map(Self::Listed)
    }
}

/// `https://host[:port]`, or with any other scheme.
fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host)?;
    // As browsers write it: without zeros in front.
    let is_port = port.is_empty() || authority.port_u16().is_some_and(|it| it > 0 && port == format!(":{it}"));
    let is_label = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
    let is_host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    };
    if text != format!("{scheme}://{authority}") || !is_host || !is_port {
        return None;
    }
    // Browsers leave it out.
    let usual = matches!((scheme, port), ("http", ":80") | ("https", ":443"));
    Some(if usual { format!("{scheme}://{host}") } else { text })
}

/// A language tag of RFC 5646 without its rarer forms, in the usual case and by the usual name: `pt-br` is `pt-BR`, and `no`
/// is `nb`.
pub(super) fn language(text: &str) -> Option<String> {
    // RFC 5646, 4.4.1: more are in no language's tag.
    const LONGEST: usize = 35;
    let mut tag = String::new();
    // After a part of one character comes what has no case of its own.
    let mut plain = false;
    for part in text.split('-') {
        let is_word = part.bytes().all(|it| it.is_ascii_alphabetic());
        if tag.is_empty() {
            if !is_word || !matches!(part.len(), 2 | 3) {
                return None;
            }
            tag.push_str(&part.to_ascii_lowercase());
            continue;
        }
        if !matches!(part.len(), 1..=8) || !part.bytes().all(|it| it.is_ascii_alphanumeric()) {
            return None;
        }
        tag.push('-');
        match part.len() {
            2 if !plain => tag.push_str(&part.to_ascii_uppercase()),
            4 if !plain && is_word => {
                tag.push_str(&part[..1].to_ascii_uppercase());
                tag.push_str(&part[1..].to_ascii_lowercase());
            }
            _ => tag.push_str(&part.to_ascii_lowercase()),
        }
        plain |= part.len() == 1;
    }
    let tag = usual_name(&tag).map_or(tag, str::to_owned);
    (tag.len() <= LONGEST).then_some(tag)
}

/// RFC 3339 with a zone: the date, `T`, the time with seconds and perhaps a fraction, and `Z` or `±hh:mm`. By hand, as
/// jiff's parser knows much more than that, and would make the program 2 % larger.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let (start, mut rest) = text.split_at_checked(19)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        // It is less than a second.
        rest = fraction.trim_start_matches(|it: char| it.is_ascii_digit());
        if rest.len() == fraction.len() {
            return None;
        }
    }
    let [year, month, day, hour, minute, second] = numbers(start, "0000-00-00T00:00:00")?;
    let offset = match rest.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign @ ("+" | "-"), zone) => {
            let [hours, minutes] = numbers(zone, "00:00")?;
            let seconds = (hours < 24 && minutes < 60).then_some(3600 * i32::from(hours) + 60 * i32::from(minutes))?;
            if sign == "-" { -seconds } else { seconds }
        }
        _ => return None,
    };
    let small = |number: i16| i8::try_from(number).ok();
    let (month, day, hour) = (small(month)?, small(day)?, small(hour)?);
    let time = DateTime::new(year, month, day, hour, small(minute)?, small(second)?, 0).ok()?;
    Offset::from_seconds(offset).ok()?.to_timestamp(time).ok()
}

/// The numbers in a text of a certain shape, in which `0` stands for any digit.
fn numbers<const N: usize>(text: &str, shape: &str) -> Option<[i16; N]> {
    let fits = |(it, shape): (u8, u8)| if shape == b'0' { it.is_ascii_digit() } else { it == shape };
    if text.len() != shape.len() || !text.bytes().zip(shape.bytes()).all(fits) {
        return None;
    }
    let mut numbers = text.split(|it: char| !it.is_ascii_digit()).map(|it| it.parse().ok());
    let mut found = [0; N];
    for number in &mut found {
        *number = numbers.next()??;
    }
    Some(found)
}

/// What user agents begin with, separated by white space; `none` is none.
pub(super) fn user_agents(text: &str) -> Option<Vec<String>> {
    let agents = if text == "none" { "" } else { text };
    // Among others, or in capitals, `none` is a mistake.
    let is_agent = |it: &str| it.bytes().all(|it| it.is_ascii_graphic()) && !it.eq_ignore_ascii_case("none");
    let agents = agents.split_ascii_whitespace().map(|it| is_agent(it).then(|| it.to_owned()));
    agents.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_send_them() {
        for (text, expected) in [
            ("https://app.example.org", &["https://app.example.org"][..]),
            ("HTTPS://App.Example.org:443", &["https://app.example.org"]),
            ("http://a:80  https://b:8443\nhttps://[::1]:8080", &["http://a", "https://b:8443", "https://[::1]:8080"]),
            ("capacitor://localhost", &["capacitor://localhost"]),
        ] {
            let expected = expected.iter().map(|&it| it.to_owned()).collect();
            assert_eq!(Origins::parse(text), Some(Origins::Listed(expected)), "{text}");
        }
        assert_eq!(Origins::parse("*"), Some(Origins::Any));
        for text in [
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "a",
            "a.example",
            "//a",
            "https://",
            "null",
            "https://a null",
            "* https://a",
            "https://*.a",
            "https://u@a",
            "https://a:",
            "https://a:x",
            "https://a:70000",
            "https://a:0",
            "https://a:0443",
            "https://a..b",
            "https://[zzz]",
            "https://a,https://b",
            "https://größe",
            "https:a",
        ] {
            assert_eq!(Origins::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_language_is_a_tag_in_its_usual_case() {
        for (text, tag) in [
            ("en", "en"),
            ("EN", "en"),
            ("pt-br", "pt-BR"),
            ("ZH-hANT-hk", "zh-Hant-HK"),
            ("es-419", "es-419"),
            ("ckb", "ckb"),
            ("de-1996", "de-1996"),
            ("ca-valencia", "ca-valencia"),
            ("ar-u-nu-LATN", "ar-u-nu-latn"),
            // By their usual names.
            ("NO", "nb"),
            ("no-NO", "nb"),
            ("nn", "nb"),
            ("nb-NO", "nb-NO"),
            ("iw-IL", "he"),
            ("in", "id"),
            ("zh", "zh-Hans"),
            ("zh-cn", "zh-Hans"),
            ("zh-TW", "zh-Hant"),
            ("zh-hk-x-a", "zh-Hant"),
            ("zh-Hans-HK", "zh-Hans-HK"),
            ("zh-Latn", "zh-Latn"),
        ] {
            assert_eq!(language(text).as_deref(), Some(tag), "{text}");
        }
        for text in ["", "e", "french", "fr_FR", "fr-", "-fr", "fr--FR", "x-fr", "é", "fr é", "123", "fr-123456789"] {
            assert_eq!(language(text), None, "{text}");
        }
        assert_eq!(language(&format!("fr{}", "-abcdefgh".repeat(4))), None);
    }

    #[test]
    fn a_time_has_seconds_and_a_zone() {
        for (text, second) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:10+01:00", 10),
            ("1969-12-31T18:30:00.5-05:30", 0),
            ("1970-01-01T23:59:59+23:59", 59),
            ("2026-12-02T07:00:00+01:00", 1_796_191_200),
            ("2026-12-02T06:00:00.123456789Z", 1_796_191_200),
        ] {
            assert_eq!(time(text).map(Timestamp::as_second), Some(second), "{text}");
        }
        for text in [
            "2026-12-02",
            "2026-12-02T06:00Z",
            "2026-12-02T06:00:00",
            "2026-12-02 06:00:00Z",
            "2026-12-02t06:00:00z",
            "2026-12-02T06:00:00.Z",
            "2026-12-02T06:00:00,5Z",
            "2026-12-02T06:00:00+0100",
            "2026-12-02T06:00:00+01",
            "2026-12-02T06:00:00Z[UTC]",
            "2026-13-02T06:00:00Z",
            "2026-02-30T06:00:00Z",
            "2026-12-02T24:00:00Z",
            "20261202T060000Z",
            "+002026-12-02T06:00:00Z",
            "06:00",
            "noon",
            "",
            "2026-12-02T06:00:00é",
            "2026-12-02T06:00:60Z",
            "2026-12-02T06:00:00+24:00",
            "2026-12-02T06:00:00+00:60",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn user_agents_are_separated_by_spaces() {
        let agents = |text| user_agents(text).map(|it| it.join("|"));
        assert_eq!(agents("GoogleHC/  ELB-HealthChecker/"), Some("GoogleHC/|ELB-HealthChecker/".into()));
        assert_eq!(agents("none"), Some(String::new()));
        for text in ["größe", "NONE", "none GoogleHC/", "GoogleHC/ None"] {
            assert_eq!(agents(text), None, "{text}");
        }
        assert_eq!(agents("nonesuch/"), Some("nonesuch/".into()));
    }
}
