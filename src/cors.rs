//! CORS: which other sites' browsers may read an answer, and what a preflight is told.

use http::HeaderValue;

use crate::settings::Origins;

/// As many bytes of a preflight's header as are said again.
const LONGEST_LIST: usize = 4096;

/// What an answer says of other sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nothing: no other site is allowed, whoever asks.
    Off,
    /// That it is not for the site that asks, but may be for another.
    Denied,
    /// That every site may read it.
    Any,
    /// That the site that asks may read it, with the credentials that its request had.
    Origin(HeaderValue),
}

/// What an answer to a request from `origin` says of other sites.
#[must_use]
pub(crate) fn sharing(allowed: &Origins, origin: Option<&HeaderValue>) -> Sharing {
    match (allowed, origin) {
        (Origins::None, _) => Sharing::Off,
        (_, None) => Sharing::Denied,
        (Origins::Any, Some(_)) => Sharing::Any,
        (Origins::Listed(list), Some(origin)) => {
            let listed = origin.to_str().is_ok_and(|it| list.iter().any(|listed| listed == it));
            if listed { Sharing::Origin(origin.clone()) } else { Sharing::Denied }
        }
    }
}

// === impl Sharing ===

impl Sharing {
    /// Whether the site that asks may read the answer.
    #[must_use]
    pub(crate) const fn is_allowed(&self) -> bool {
        matches!(self, Self::Any | Self::Origin(_))
    }
}

/// What a preflight asks for, to be said again: a list of tokens, and nothing else.
#[must_use]
pub(crate) fn tokens(value: Option<&HeaderValue>) -> Option<HeaderValue> {
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|it| is_token_character(*it));
    let value = value.filter(|it| it.len() <= LONGEST_LIST)?;
    let mut parts = value.as_bytes().split(|it| *it == b',');
    parts.all(|part| is_token(part.trim_ascii())).then(|| value.clone())
}

/// RFC 9110, 5.6.2.
const fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_where_it_is_listed_or_every_one_is() {
        let listed = Origins::Listed(["https://a".to_owned(), "https://b:8443".to_owned()].into());
        for (allowed, origin, expected) in [
            (&Origins::None, Some("https://a"), Sharing::Off),
            (&listed, None, Sharing::Denied),
            (&listed, Some("https://a"), Sharing::Origin(HeaderValue::from_static("https://a"))),
            (&listed, Some("https://b:8443"), Sharing::Origin(HeaderValue::from_static("https://b:8443"))),
            (&listed, Some("https://b"), Sharing::Denied),
            (&listed, Some("https://a.evil"), Sharing::Denied),
            (&listed, Some("null"), Sharing::Denied),
            (&listed, Some("é"), Sharing::Denied),
            (&Origins::Any, Some("null"), Sharing::Any),
            (&Origins::Any, Some("https://a"), Sharing::Any),
            (&Origins::Any, None, Sharing::Denied),
        ] {
            let value = origin.map(|it| HeaderValue::from_bytes(it.as_bytes()).unwrap());
            assert_eq!(sharing(allowed, value.as_ref()), expected, "{allowed:?} {origin:?}");
        }
    }

    #[test]
    fn what_a_preflight_asks_for_is_said_again_if_it_is_tokens() {
        let long = format!("x-{}", "a".repeat(LONGEST_LIST));
        for (text, said) in [
            ("POST", true),
            ("content-type,x-a", true),
            ("content-type, x-a", true),
            ("*", true),
            (&long[..LONGEST_LIST], true),
            (&long[..=LONGEST_LIST], false),
            ("", false),
            ("a,,b", false),
            ("a b", false),
            ("a:b", false),
            ("é", false),
        ] {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(tokens(Some(&value)), said.then(|| value.clone()), "{text}");
        }
        assert_eq!(tokens(None), None);
    }
}
