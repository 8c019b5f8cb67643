//! gRPC and gRPC-Web: which calls they are, and what they are told. A call that fails has status 200, and says in its
//! headers why.

use std::fmt::Write as _;

use http::HeaderValue;

use crate::{locales::Wording, settings::Settings, until::Until};

/// As many bytes of a message as are told: clients take a few kB of headers in all.
const LONGEST_MESSAGE: usize = 512;

/// What comes after these ends the name of the type, or names how the messages are written.
const TYPES: [&str; 3] = ["application/grpc-web-text", "application/grpc-web", "application/grpc"];

/// The type of a call's answer, if the type of a request is one of a call.
#[must_use]
pub(crate) fn answer_type(content_type: &HeaderValue) -> Option<&'static str> {
    let bytes = content_type.as_bytes();
    TYPES.into_iter().find(|name| {
        let (start, rest) = bytes.split_at_checked(name.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(name.as_bytes()) && matches!(rest, [] | [b'+' | b';', ..])
    })
}

/// What a call is told: `grpc-message`.
#[must_use]
pub(crate) fn message(wording: &Wording<'_>, settings: &Settings, until: Until) -> String {
    let title = wording.title.text;
    let title = &title[..title.floor_char_boundary(LONGEST_MESSAGE)];
    percent_encoded(&format!("{title}: {}", wording.when(settings, until)))
}

/// As gRPC wants it: what is visible in ASCII, and spaces, as it is, but for the `%` itself.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_by_its_type() {
        for (content_type, answer) in [
            ("application/grpc", Some("application/grpc")),
            ("application/grpc+proto", Some("application/grpc")),
            ("Application/GRPC;charset=utf-8", Some("application/grpc")),
            ("application/grpc-web+json", Some("application/grpc-web")),
            ("application/grpc-web", Some("application/grpc-web")),
            ("application/grpc-web-text+proto", Some("application/grpc-web-text")),
            ("application/grpcx", None),
            ("application/grpc-webx", None),
            ("application/grpc-web-texts", None),
            ("application/grpc ", None),
            ("application/grp", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(answer_type(&HeaderValue::from_static(content_type)), answer, "{content_type}");
        }
    }

    #[test]
    fn a_message_is_percent_encoded() {
        assert_eq!(percent_encoded("100 % é\n~"), "100 %25 %C3%A9%0A~");
    }
}
