//! How a line of the log is written.
//!
//! An access line is written for every request, so it goes into one buffer by plain appends: `write!` costs several times
//! as much.

use std::{borrow::Cow, cell::RefCell, fmt::Write as _, net::IpAddr, time::Duration};

use http::{HeaderValue, Method, Version, header::GetAll};
use jiff::Timestamp;

use super::Level;
use crate::settings::Tier;

/// What a line repeats of a client's own words, at most, in bytes.
const PATH_SHOWN: usize = 1024;
const HEADER_SHOWN: usize = 256;

/// Most lines fit, so that their buffer never grows.
const USUAL_LENGTH: usize = 512;

/// One request and its answer.
#[derive(Debug)]
pub struct Access<'r> {
    /// When its head had been read.
    pub time: Timestamp,
    /// Whom the server is for.
    pub tier: Tier,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Every `X-Forwarded-For`: what the client claims, and after it what each proxy has added.
    pub forwarded_for: GetAll<'r, HeaderValue>,
    /// The method.
    pub method: &'r Method,
    /// The path, without its query.
    pub path: &'r str,
    /// The version of HTTP that the client speaks.
    pub version: Version,
    /// The status.
    pub status: u16,
    /// The body's bytes.
    pub bytes: u64,
    /// From the head to the answer, before it is sent.
    pub duration: Duration,
    /// `User-Agent`.
    pub user_agent: Option<&'r HeaderValue>,
}

// === impl Access ===

impl Access<'_> {
    /// One JSON object and a line end.
    pub(super) fn json(&self) -> String {
        let mut line = String::with_capacity(USUAL_LENGTH);
        line.push_str("{\"time\":\"");
        push_time(&mut line, self.time);
        line.push_str("\",\"tier\":\"");
        line.push_str(self.tier.as_str());
        line.push_str("\",\"peer\":\"");
        push_address(&mut line, self.peer);
        if let Some(entries) = last_entries(&self.forwarded_for) {
            line.push_str("\",\"forwarded_for\":\"");
            push_escaped(&mut line, &text(&entries));
        }
        line.push_str("\",\"method\":\"");
        push_escaped(&mut line, cut(self.method.as_str(), HEADER_SHOWN));
        line.push_str("\",\"path\":\"");
        push_escaped(&mut line, cut(self.path, PATH_SHOWN));
        line.push_str("\",\"protocol\":\"");
        line.push_str(protocol(self.version));
        line.push_str("\",\"status\":");
        push_number(&mut line, self.status.into());
        line.push_str(",\"bytes\":");
        push_number(&mut line, self.bytes);
        line.push_str(",\"duration_seconds\":");
        push_seconds(&mut line, self.duration);
        if let Some(agent) = self.user_agent {
            line.push_str(",\"user_agent\":\"");
            push_header(&mut line, agent);
            line.push('"');
        }
        line.push_str("}\n");
        line
    }

    /// The same as plain text.
    pub(super) fn text(&self) -> String {
        let mut line = String::with_capacity(USUAL_LENGTH);
        push_time(&mut line, self.time);
        line.push(' ');
        line.push_str(self.tier.as_str());
        line.push(' ');
        push_address(&mut line, self.peer);
        line.push_str(" \"");
        match last_entries(&self.forwarded_for) {
            Some(entries) => push_escaped(&mut line, &text(&entries)),
            None => line.push('-'),
        }
        line.push_str("\" \"");
        push_escaped(&mut line, cut(self.method.as_str(), HEADER_SHOWN));
        line.push(' ');
        push_escaped(&mut line, cut(self.path, PATH_SHOWN));
        line.push(' ');
        line.push_str(protocol(self.version));
        line.push_str("\" ");
        push_number(&mut line, self.status.into());
        line.push(' ');
        push_number(&mut line, self.bytes);
        line.push(' ');
        push_seconds(&mut line, self.duration);
        line.push_str(" \"");
        match self.user_agent {
            Some(agent) => push_header(&mut line, agent),
            None => line.push('-'),
        }
        line.push_str("\"\n");
        line
    }
}

/// The version of HTTP as requests name it.
const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// An event as one JSON object and a line end.
pub(super) fn event_json(time: Timestamp, level: Level, message: &str) -> String {
    let mut line = format!("{{\"time\":\"{time:.3}\",\"level\":\"{level}\",\"message\":\"");
    push_escaped(&mut line, message);
    line.push_str("\"}\n");
    line
}

/// The same as plain text.
pub(super) fn event_text(time: Timestamp, level: Level, message: &str) -> String {
    let mut line = format!("{time:.3} {level} ");
    // Nothing stands in quotes here, so that quotes and backslashes stay as they are.
    let parts = message.split_inclusive(['"', '\\']);
    for part in parts {
        let mark = part.len() - usize::from(part.ends_with(['"', '\\']));
        push_escaped(&mut line, &part[..mark]);
        line.push_str(&part[mark..]);
    }
    line.push('\n');
    line
}

/// A time as RFC 3339 writes it, in UTC and to the millisecond.
fn push_time(line: &mut String, time: Timestamp) {
    thread_local! {
        /// The second that this thread wrote last, and its text: most lines are of the same one.
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let milliseconds = time.as_millisecond();
    LAST.with_borrow_mut(|(last, text)| {
        let second = milliseconds.div_euclid(1000);
        if *last != second {
            *last = second;
            *text = format!("{time:.0}");
            text.truncate(text.len() - "Z".len());
        }
        line.push_str(text);
    });
    line.push('.');
    push_padded::<1000>(line, milliseconds.rem_euclid(1000).unsigned_abs());
    line.push('Z');
}

/// Seconds, to the nearest microsecond.
fn push_seconds(line: &mut String, duration: Duration) {
    let duration = duration.saturating_add(Duration::from_nanos(500));
    push_number(line, duration.as_secs());
    line.push('.');
    push_padded::<1_000_000>(line, duration.subsec_micros().into());
}

fn push_address(line: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, number) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    line.push('.');
                }
                push_number(line, number.into());
            }
        }
        // Writing to a String cannot fail.
        IpAddr::V6(address) => _ = write!(line, "{address}"),
    }
}

fn push_number(line: &mut String, number: u64) {
    line.push_str(itoa::Buffer::new().format(number));
}

/// A number below `END`, which is a power of ten, with all its leading zeros.
fn push_padded<const END: u64>(line: &mut String, number: u64) {
    line.push_str(&itoa::Buffer::new().format(END + number)[1..]);
}

fn push_header(line: &mut String, value: &HeaderValue) {
    let bytes = value.as_bytes();
    push_escaped(line, cut(&text(&bytes[..bytes.len().min(HEADER_SHOWN)]), HEADER_SHOWN));
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Nearly always UTF-8, which this finds in fewer steps.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::from)
}

/// The last entries of a list that may stand in several headers, as the router adds its own at the end: as many as fit
/// into [`HEADER_SHOWN`] bytes, else the end of the last one, after `...` where something is left out.
fn last_entries<'r>(headers: &GetAll<'r, HeaderValue>) -> Option<Cow<'r, [u8]>> {
    let mut values = headers.iter().map(HeaderValue::as_bytes);
    let mut list = Cow::from(values.next()?);
    for value in values {
        list.to_mut().extend([b", ", value].concat());
    }
    if list.len() <= HEADER_SHOWN {
        return Some(list);
    }
    let left_out = list.len() - HEADER_SHOWN;
    // Whole entries begin after a comma, which may be the last byte that is left out.
    let comma = list[left_out - 1..].iter().position(|byte| *byte == b',');
    let whole = comma.map(|it| &list[left_out - 1 + it..]);
    let is_entry = |byte: &u8| !matches!(byte, b',' | b' ' | b'\t');
    let kept = whole.filter(|it| it.iter().any(is_entry)).unwrap_or(&list[left_out..]);
    Some([b"...", kept].concat().into())
}

/// At most `most` bytes of a text, whole characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The bytes that stand in a line as they are: printable ASCII but for `"` and `\`. A table, as each byte is looked up.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

/// A text as JSON writes it between quotes. Every character that cannot be seen is escaped, whether it controls, formats,
/// separates or means nothing yet: none may reorder or hide what a terminal shows. So are marks that would join with the
/// character before them.
pub(crate) fn push_escaped(line: &mut String, text: &str) {
    let mut rest = text;
    // A byte that is not plain begins a character, as all before it are ASCII.
    while let Some(at) = rest.bytes().position(|byte| !PLAIN[usize::from(byte)]) {
        line.push_str(&rest[..at]);
        let mut characters = rest[at..].chars();
        let character = characters.next().unwrap_or_default();
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            // Rust would print it as it is.
            _ if character.escape_debug().len() == 1 => line.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
        rest = characters.as_str();
    }
    line.push_str(rest);
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use http::HeaderMap;

    use super::*;

    static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

    fn access<'r>(path: &'r str, agent: Option<&'r HeaderValue>) -> Access<'r> {
        Access {
            time: Timestamp::UNIX_EPOCH,
            tier: Tier::User,
            peer: IpAddr::from([192, 0, 2, 7]),
            forwarded_for: NO_HEADERS.get_all("x-forwarded-for"),
            method: &Method::GET,
            path,
            version: Version::HTTP_11,
            status: 503,
            bytes: 12,
            duration: Duration::from_micros(25),
            user_agent: agent,
        }
    }

    #[test]
    fn a_request_is_one_line_of_json() {
        let agent = HeaderValue::from_bytes(b"a\"b\\c\td\xff").unwrap();
        assert_eq!(
            access("/a\u{7f}\u{2028}b", Some(&agent)).json(),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"tier\":\"user\",\"peer\":\"192.0.2.7\",\"method\":\"GET\",\
             \"path\":\"/a\\u007f\\u2028b\",\"protocol\":\"HTTP/1.1\",\"status\":503,\"bytes\":12,\"duration_seconds\":0.000025,\
             \"user_agent\":\"a\\\"b\\\\c\\u0009d\u{fffd}\"}\n"
        );
    }

    #[test]
    fn a_request_is_one_line_of_text() {
        let agent = HeaderValue::from_static("curl/8");
        let line = "1970-01-01T00:00:00.000Z user 192.0.2.7 \"-\" \"GET / HTTP/1.1\" 503 12 0.000025 ";
        assert_eq!(access("/", None).text(), format!("{line}\"-\"\n"));
        assert_eq!(access("/", Some(&agent)).text(), format!("{line}\"curl/8\"\n"));
    }

    #[test]
    fn a_long_path_and_user_agent_are_cut() {
        let agent = HeaderValue::from_bytes(&[b'x'; 9000]).unwrap();
        let path = "/é".repeat(4000);
        let line = access(&path, Some(&agent)).json();
        assert!(line.contains(&format!("\"{}\"", "x".repeat(256))), "{line}");
        assert!(line.len() < 1024 + 256 + 300, "{}", line.len());
        assert!(access(&path, Some(&agent)).text().len() < 1024 + 256 + 300);
    }

    #[test]
    fn the_last_entries_of_forwarded_for_are_kept() {
        let entries = |count: usize| vec!["192.0.2.1"; count].join(", ");
        let long = "x".repeat(300);
        for (headers, kept) in [
            (&[][..], None),
            (&["192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1,192.0.2.2", "192.0.2.3"], Some("192.0.2.1,192.0.2.2, 192.0.2.3")),
            (&["", "192.0.2.3"], Some(", 192.0.2.3")),
            (&[&"x".repeat(256)], Some(&*"x".repeat(256))),
            // 23 entries are of 251 bytes.
            (&[&entries(23)], Some(&entries(23))),
            (&[&entries(24)], Some(&format!("..., {}", entries(23)))),
            (&[&entries(23), &entries(23), "192.0.2.7"], Some(&format!("..., {}, 192.0.2.7", entries(22)))),
            (&[&long, "192.0.2.7"], Some("..., 192.0.2.7")),
            (&[&format!("{long}, 192.0.2.7")], Some("..., 192.0.2.7")),
            // Room for what comes after the comma, and for no byte more.
            (&[&format!("a,{}", "x".repeat(256))], Some(&format!("...,{}", "x".repeat(256)))),
            (&[&format!("a,{}", "x".repeat(257))], Some(&format!("...{}", "x".repeat(256)))),
            (&["192.0.2.7", &long], Some(&format!("...{}", "x".repeat(256)))),
            (&[&long, ", "], Some(&format!("...{}, , ", "x".repeat(252)))),
        ] {
            let mut map = HeaderMap::new();
            for header in headers {
                map.append("x-forwarded-for", HeaderValue::from_str(header).unwrap());
            }
            let access = Access { forwarded_for: map.get_all("x-forwarded-for"), ..access("/", None) };
            let (json, text) = (access.json(), access.text());
            let found = json.split_once(r#""forwarded_for":""#).map(|it| it.1.split_once('"').unwrap().0);
            assert_eq!(found, kept, "{headers:?}");
            assert!(json.contains(r#"192.0.2.7","#) && json.contains(r#"","method":"GET""#), "{json}");
            assert!(text.contains(&format!(" \"{}\" \"GET ", kept.unwrap_or("-"))), "{text}");
        }
    }

    #[test]
    fn characters_that_cannot_be_seen_are_escaped() {
        for (text, escaped) in [
            ("it's /a?b=~ é ü 日本 \u{1f600} \u{fffd}", "it's /a?b=~ é ü 日本 \u{1f600} \u{fffd}"),
            ("a\"b\\c", r#"a\"b\\c"#),
            ("\0\n\r\t\u{1b}\u{7f}\u{85}", r"\u0000\u000a\u000d\u0009\u001b\u007f\u0085"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", r"\u202a\u202b\u202c\u202d\u202e"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", r"\u2066\u2067\u2068\u2069"),
            ("\u{200e}\u{200f}\u{61c}", r"\u200e\u200f\u061c"),
            ("\u{a0}\u{ad}\u{200b}\u{2028}\u{2029}\u{3000}\u{feff}", r"\u00a0\u00ad\u200b\u2028\u2029\u3000\ufeff"),
            ("\u{e000}\u{378}\u{ffff}", r"\ue000\u0378\uffff"),
            ("e\u{301}", r"e\u0301"),
            ("\u{e0001}\u{10ffff}", r"\udb40\udc01\udbff\udfff"),
        ] {
            let mut line = String::new();
            push_escaped(&mut line, text);
            assert_eq!(line, escaped);
            assert!(event_json(Timestamp::UNIX_EPOCH, Level::Info, text).contains(escaped));
            let in_text = escaped.replace("\\\"", "\"").replace(r"\\", r"\");
            assert!(event_text(Timestamp::UNIX_EPOCH, Level::Info, text).contains(&in_text), "{in_text}");
        }
        let line = access("/\u{202e}", None);
        assert!(line.json().contains("\"/\\u202e\"") && line.text().contains("/\\u202e HTTP/1.1\" "));
    }

    #[test]
    fn a_time_is_written_to_the_millisecond() {
        for (nanoseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_999_999, "1970-01-01T00:00:00.001Z"),
            (999_999_999, "1970-01-01T00:00:00.999Z"),
            (1_000_000_000, "1970-01-01T00:00:01.000Z"),
            (1_700_000_000_090_000_000, "2023-11-14T22:13:20.090Z"),
            (1_700_000_000_991_000_000, "2023-11-14T22:13:20.991Z"),
        ] {
            let mut line = String::new();
            push_time(&mut line, Timestamp::from_nanosecond(nanoseconds).unwrap());
            assert_eq!(line, text);
        }
    }

    #[test]
    fn a_duration_is_rounded_to_the_microsecond() {
        for (nanoseconds, text) in
            [(0, "0.000000"), (499, "0.000000"), (500, "0.000001"), (25_300, "0.000025"), (61_999_999_999, "62.000000")]
        {
            let mut line = String::new();
            push_seconds(&mut line, Duration::from_nanos(nanoseconds));
            assert_eq!(line, text);
        }
    }

    #[test]
    fn an_address_is_written_as_usual() {
        for text in ["0.0.0.0", "203.0.113.255", "::1", "2001:db8::7"] {
            let mut line = String::new();
            push_address(&mut line, text.parse().unwrap());
            assert_eq!(line, text);
        }
    }
}
