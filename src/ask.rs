//! What a client asks for, read from a request's head. The only reader of client headers that bear on the
//! answer.

use std::net::Ipv6Addr;

use http::{
    HeaderMap, HeaderValue, Method, Request, Version,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, IF_NONE_MATCH, ORIGIN, USER_AGENT,
    },
};

use crate::negotiate::List;

/// A request, as far as its answer depends on it.
#[derive(Debug)]
pub(crate) struct Ask<'r> {
    /// Whether it says for which host it is, as it must: else it means nothing.
    pub(crate) has_host: bool,
    /// The path's meaning.
    pub(crate) route: Route,
    /// The method's meaning.
    pub(crate) verb: Verb,
    /// The path as the client wrote it.
    pub(crate) path: &'r str,
    /// The raw query, or nothing.
    pub(crate) query: &'r str,
    /// The media types that the client likes.
    pub(crate) types: List<'r>,
    /// The languages that it likes.
    pub(crate) languages: List<'r>,
    /// The content codings that it likes.
    pub(crate) codings: List<'r>,
    /// The site whose page asks; none where two are named.
    pub(crate) origin: Option<&'r HeaderValue>,
    /// What the client is, by the first header that says so, as in the log.
    pub(crate) user_agent: Option<&'r HeaderValue>,
    headers: &'r HeaderMap,
}

/// The paths that mean something somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/`
    Home,
    /// `/admin`
    Admin,
    /// `/livez`, `/health`, `/healthz`
    Livez,
    /// `/readyz`, `/ready`
    Readyz,
    /// `/metrics`
    Metrics,
    /// Any other.
    Other,
}

/// The methods that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// GET and HEAD: hyper leaves out a HEAD's body itself.
    Read,
    /// OPTIONS
    Options,
    /// POST
    Post,
    /// Any other.
    Other,
}

// === impl Ask ===

impl<'r> Ask<'r> {
    /// Reads a request's head; its body is never looked at.
    #[must_use]
    pub(crate) fn new<B>(request: &'r Request<B>) -> Self {
        let mut hosts = Hosts::default();
        let (mut types, mut languages, mut codings) = (List::default(), List::default(), List::default());
        let (mut origin, mut user_agent) = (None, None);
        // Once through all: to look one up costs more than to pass by a dozen.
        for (name, value) in request.headers() {
            if name == HOST {
                hosts.add(value);
            } else if name == ACCEPT {
                types.add(value);
            } else if name == ACCEPT_LANGUAGE {
                languages.add(value);
            } else if name == ACCEPT_ENCODING {
                codings.add(value);
            } else if name == USER_AGENT {
                user_agent = user_agent.or(Some(value));
            } else if name == ORIGIN {
                origin = only(request.headers(), &ORIGIN);
            }
        }
        Self {
            has_host: hosts.are_right(request.version()),
            route: Route::from_path(request.uri().path()),
            verb: Verb::from_method(request.method()),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            types,
            languages,
            codings,
            origin,
            user_agent,
            headers: request.headers(),
        }
    }

    /// The type of the request's body: asked for where there is one.
    #[must_use]
    pub(crate) fn content_type(&self) -> Option<&'r HeaderValue> {
        self.headers.get(CONTENT_TYPE)
    }

    /// The method and the headers that a browser is about to send for another site, if this is its preflight.
    #[must_use]
    pub(crate) fn preflight(&self) -> Option<(&'r HeaderValue, Option<&'r HeaderValue>)> {
        let is_preflight = self.verb == Verb::Options && self.origin.is_some();
        let method = is_preflight.then(|| self.headers.get(ACCESS_CONTROL_REQUEST_METHOD)).flatten()?;
        Some((method, self.headers.get(ACCESS_CONTROL_REQUEST_HEADERS)))
    }

    /// Who the client says that it is; nobody where it says so twice.
    #[must_use]
    pub(crate) fn authorization(&self) -> Option<&'r [u8]> {
        only(self.headers, &AUTHORIZATION).map(HeaderValue::as_bytes)
    }

    /// Whether the client says that it has what `etag` names: weak comparison, RFC 9110, 13.1.2.
    #[must_use]
    pub(crate) fn has(&self, etag: &HeaderValue) -> bool {
        let listed = self.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        listed.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
            let strong = tag.strip_prefix("W/").unwrap_or(tag);
            strong == "*" || strong.as_bytes() == etag.as_bytes()
        })
    }
}

/// A header that is there once.
fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The `Host` headers.
#[derive(Default)]
struct Hosts {
    number: usize,
    invalid: bool,
}

impl Hosts {
    fn add(&mut self, value: &HeaderValue) {
        self.number += 1;
        self.invalid |= !is_host(value.as_bytes());
    }

    /// RFC 9112, 3.2: one valid `Host`, which HTTP/1.0 and HTTP/2 may leave out.
    fn are_right(&self, version: Version) -> bool {
        !self.invalid && (self.number == 1 || (self.number == 0 && version != Version::HTTP_11))
    }
}

/// RFC 3986, 3.2.2 and 3.2.3: a host with or without a port. An empty one is valid.
fn is_host(value: &[u8]) -> bool {
    let host = if value.first() == Some(&b'[') { after_address(value) } else { Some(after_name(value)) };
    match host {
        Some([] | [b':']) => true,
        Some([b':', digits @ ..]) => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0, |port, digit| port * 10 + u32::from(digit - b'0')) <= u32::from(u16::MAX)
        }
        _ => false,
    }
}

/// What comes after a name or an IPv4 address: unreserved, sub-delims and what is escaped by `%`.
fn after_name(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value {
        value = match first {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'=' => rest,
            b'%' if rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit) => &rest[2..],
            _ => break,
        };
    }
    value
}

/// What comes after an IPv6 address in brackets.
fn after_address(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|it| *it == b']')?;
    str::from_utf8(&value[1..end]).ok()?.parse::<Ipv6Addr>().ok()?;
    Some(&value[end + 1..])
}

// === impl Route ===

impl Route {
    fn from_path(path: &str) -> Self {
        match path {
            "/" => Self::Home,
            "/admin" => Self::Admin,
            "/livez" | "/health" | "/healthz" => Self::Livez,
            "/readyz" | "/ready" => Self::Readyz,
            "/metrics" => Self::Metrics,
            _ => Self::Other,
        }
    }
}

// === impl Verb ===

impl Verb {
    fn from_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Read,
            Method::OPTIONS => Self::Options,
            Method::POST => Self::Post,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_for_which_host_it_is() {
        let has_host = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            Ask::new(&request.body(()).unwrap()).has_host
        };
        for host in
            ["", "a", "a.example:80", "a:", "192.0.2.1:8080", "[::1]", "[2001:db8::1]:8080", "a_b", "x%20y", "~!$"]
        {
            assert!(has_host(Version::HTTP_11, &[host]), "{host:?}");
        }
        for host in [
            "a b", "user@a", "a:b", "a:65536", "a:+1", "a:80:80", "[::1", "[]", "[::1]x", "[::g]", "::1", "a/b", "a%2",
            "a%zz", "a?", "a#", "é", "\"a\"", "a\\b", "<a>",
        ] {
            assert!(!has_host(Version::HTTP_11, &[host]), "{host:?}");
            assert!(!has_host(Version::HTTP_10, &[host]), "{host:?}");
        }
        for (version, may_lack_it) in [(Version::HTTP_10, true), (Version::HTTP_11, false), (Version::HTTP_2, true)] {
            assert_eq!(has_host(version, &[]), may_lack_it, "{version:?}");
            assert!(!has_host(version, &["a", "a"]), "{version:?}");
        }
    }

    #[test]
    fn of_two_origins_none_counts_and_of_two_user_agents_the_first() {
        for (values, origin, user_agent) in
            [(&[][..], None, None), (&["a"], Some("a"), Some("a")), (&["a", "b"], None, Some("a"))]
        {
            let mut request = Request::builder();
            for value in values {
                request = request.header(ORIGIN, *value).header(USER_AGENT, *value);
            }
            let request = request.body(()).unwrap();
            let ask = Ask::new(&request);
            let said = [ask.origin, ask.user_agent].map(|it| it.map(|it| it.to_str().unwrap()));
            assert_eq!(said, [origin, user_agent], "{values:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let etag = HeaderValue::from_static("\"a\"");
        for (header, has) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            let request = Request::builder().header(IF_NONE_MATCH, header).body(()).unwrap();
            assert_eq!(Ask::new(&request).has(&etag), has, "{header}");
        }
        assert!(!Ask::new(&Request::new(())).has(&etag));
    }
}
