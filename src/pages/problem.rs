//! The maintenance page for programs and terminals: RFC 9457 in JSON and in XML, and text.

use crate::{
    locales::{Text, Wording},
    log::push_escaped,
    settings::Settings,
    until::{Until, to_the_second},
};

/// What kind of problem it is, for programs that compare it.
const TYPE: &str = "tag:maintenance-mode.github.io,2026:maintenance";

/// The members that are the same in both: names and values. A number has no quotes in JSON.
enum Value<'v> {
    Text(Text<'v>),
    Number(u32),
}

/// The members, in order.
fn members<'v>(wording: &Wording<'v>, settings: &'v Settings, end: &'v str) -> Vec<(&'static str, Value<'v>)> {
    let plain = |text| Value::Text(Text { text, tag: "" });
    let mut members = vec![
        ("type", plain(TYPE)),
        ("title", Value::Text(wording.title)),
        ("status", Value::Number(503)),
        ("detail", Value::Text(wording.message)),
    ];
    // Neither is a countdown: the bodies are made once.
    members.push(if end.is_empty() {
        ("retryAfter", Value::Number(settings.retry_after))
    } else {
        ("until", plain(end))
    });
    if !settings.contact.is_empty() {
        members.push(("contact", plain(&settings.contact)));
    }
    members
}

/// RFC 9457 in JSON.
pub(super) fn json(wording: &Wording<'_>, settings: &Settings, until: Until) -> String {
    let (mut text, end) = (String::new(), end(until));
    for (name, value) in members(wording, settings, &end) {
        text.push_str(if text.is_empty() { "{\"" } else { ",\"" });
        text.push_str(name);
        text.push_str("\":");
        match value {
            Value::Number(number) => text.push_str(&number.to_string()),
            Value::Text(Text { text: value, .. }) => {
                text.push('"');
                push_escaped(&mut text, value);
                text.push('"');
            }
        }
    }
    text + "}\n"
}

/// RFC 9457, appendix B, in XML.
pub(super) fn xml(wording: &Wording<'_>, settings: &Settings, until: Until) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<problem xmlns=\"urn:ietf:rfc:7807\" xml:lang=\"{}\">",
        wording.tag
    );
    let end = end(until);
    for (name, value) in members(wording, settings, &end) {
        text.push('<');
        text.push_str(name);
        match value {
            Value::Number(number) => text.push_str(&format!(">{number}")),
            Value::Text(Text { text: value, tag }) => {
                if !tag.is_empty() {
                    text.push_str(&format!(" xml:lang=\"{tag}\""));
                }
                text.push('>');
                push_xml(&mut text, value);
            }
        }
        text.push_str(&format!("</{name}>"));
    }
    text + "</problem>\n"
}

/// A line for each thing that is said.
pub(super) fn text(wording: &Wording<'_>, settings: &Settings, until: Until) -> String {
    let (title, message, when) = (wording.title.text, wording.message.text, wording.when(settings, until));
    let contact = match settings.contact.as_str() {
        "" => String::new(),
        contact => format!("{} {contact}\n", wording.locale.text("contact")),
    };
    format!("{title}\n{message}\n{when}\n{contact}")
}

/// The planned end while it is ahead, else nothing.
fn end(until: Until) -> String {
    if let Until::Ahead(until) = until { to_the_second(until) } else { String::new() }
}

/// The characters that XML knows, in its own words where they mean something in it.
fn push_xml(xml: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\r' => xml.push_str("&#13;"),
            '\t' | '\n' => xml.push(character),
            // XML 1.0, 2.2: not even escaped.
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        locales::Wordings,
        settings::{Files, Sources},
    };

    /// JSON, XML and text in the language that is set.
    fn written(files: &[(&str, &str)], until: Until) -> [String; 3] {
        let settings = Sources::default().resolve(&Files::from_pairs(files)).unwrap();
        let wordings = Wordings::new(&settings);
        let wording = wordings.all[wordings.default];
        [json, xml, text].map(|write| write(&wording, &settings, until))
    }

    const AHEAD: Until = Until::Ahead(Timestamp::UNIX_EPOCH);
    const OWN: [(&str, &str); 3] =
        [("MAINTENANCE_TITLE", "Closed"), ("MAINTENANCE_MESSAGE", "Moving."), ("MAINTENANCE_CONTACT", "a@b.example")];

    #[test]
    fn a_problem_says_what_the_page_says() {
        let [json, xml, text] = written(&OWN, Until::Unplanned);
        assert_eq!(
            json,
            "{\"type\":\"tag:maintenance-mode.github.io,2026:maintenance\",\"title\":\"Closed\",\"status\":503,\
             \"detail\":\"Moving.\",\"retryAfter\":300,\"contact\":\"a@b.example\"}\n"
        );
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<problem xmlns=\"urn:ietf:rfc:7807\" xml:lang=\"en\">\
             <type>tag:maintenance-mode.github.io,2026:maintenance</type><title>Closed</title><status>503</status>\
             <detail>Moving.</detail><retryAfter>300</retryAfter><contact>a@b.example</contact></problem>\n"
        );
        assert_eq!(text, "Closed\nMoving.\nPlease try again in about 5 min.\nQuestions? a@b.example\n");
    }

    #[test]
    fn a_planned_end_is_told_while_it_is_ahead() {
        let [json, xml, text] = written(&OWN, AHEAD);
        assert!(json.contains(",\"until\":\"1970-01-01T00:00:00Z\",") && !json.contains("retryAfter"), "{json}");
        assert!(xml.contains("<until>1970-01-01T00:00:00Z</until>") && !xml.contains("retryAfter"), "{xml}");
        assert!(text.contains("\nWe expect to be back by 1970-01-01 00:00 UTC.\n"), "{text}");
        let [json, _, text] = written(&OWN, Until::Overdue);
        assert!(json.contains("\"retryAfter\":300") && !json.contains("until"), "{json}");
        assert!(text.contains("\nThis takes longer than planned. Please try again in about 5 min.\n"), "{text}");
    }

    #[test]
    fn texts_are_escaped_in_each_format() {
        let odd = "\"a\\b\"\t<c>&\u{1}\u{202e}\u{ffff}]]>'é\r\nd";
        let [json, xml, text] = written(&[("MAINTENANCE_TITLE", odd)], Until::Unplanned);
        let in_json = "\"title\":\"\\\"a\\\\b\\\"\\u0009<c>&\\u0001\\u202e\\uffff]]>'é\\u000d\\u000ad\"";
        assert!(json.contains(in_json), "{json}");
        let in_xml = "<title>\"a\\b\"\t&lt;c&gt;&amp;\u{fffd}\u{202e}\u{fffd}]]&gt;'é&#13;\nd</title>";
        assert!(xml.contains(in_xml), "{xml}");
        assert!(text.starts_with(odd), "{text}");
    }

    #[test]
    fn a_text_in_another_language_is_marked_in_xml() {
        let [_, xml, _] = written(&[("MAINTENANCE_TITLE", "Itxita"), ("MAINTENANCE_LANGUAGE", "eu")], Until::Unplanned);
        assert!(xml.contains(" xml:lang=\"eu\"><type>") && xml.contains("<title>Itxita</title>"), "{xml}");
        assert!(xml.contains("<detail xml:lang=\"en\">We are "), "{xml}");
    }
}
