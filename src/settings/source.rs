//! An origin that a page may load from.

use std::fmt;

/// `https://host[:port]`, in lower case; `*.` before the host stands for any names before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The host, without `*.`.
    host: String,
    any_subdomain: bool,
    port: Option<u16>,
}

// === impl Source ===

impl Source {
    /// Parses a list that is separated by white space.
    pub(crate) fn parse_all(text: &str) -> Option<Vec<Self>> {
        text.split_ascii_whitespace().map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.to_ascii_lowercase();
        let rest = rest.strip_prefix("https://")?;
        let (any_subdomain, rest) = rest.strip_prefix("*.").map_or((false, rest), |rest| (true, rest));
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (rest, None),
        };
        let is_label =
            |label: &str| !label.is_empty() && label.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        host.split('.').all(is_label).then(|| Self { host: host.to_owned(), any_subdomain, port })
    }

    /// Whether a URL that begins with `https://` is of this origin.
    pub(crate) fn has(&self, url: &str) -> bool {
        let Some(url) = Self::origin(url) else { return false };
        let host = if self.any_subdomain {
            url.host.strip_suffix(&self.host).is_some_and(|before| before.ends_with('.'))
        } else {
            url.host == self.host
        };
        host && url.port.unwrap_or(443) == self.port.unwrap_or(443)
    }

    /// The origin of a URL, where it can be one.
    pub(crate) fn origin(url: &str) -> Option<Self> {
        let scheme = url.find("//")? + 2;
        let end = url[scheme..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| scheme + at);
        Self::parse(&url[..end]).filter(|it| !it.any_subdomain)
    }
}

fn parse_port(text: &str) -> Option<u16> {
    // `parse` alone would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    text.parse().ok().filter(|it| *it > 0)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = if self.any_subdomain { "*." } else { "" };
        write!(f, "https://{any}{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_https_origin_and_nothing_else() {
        for (text, shown) in [
            ("https://cdn.example.org", "https://cdn.example.org"),
            ("HTTPS://CDN.example.org:8443", "https://cdn.example.org:8443"),
            ("https://*.example.org", "https://*.example.org"),
            ("https://192.0.2.1", "https://192.0.2.1"),
            (" https://a \n https://b ", "https://a https://b"),
        ] {
            let sources = Source::parse_all(text).unwrap();
            let all: Vec<_> = sources.iter().map(ToString::to_string).collect();
            assert_eq!(all.join(" "), shown);
        }
        for text in [
            "http://cdn.example.org",
            "cdn.example.org",
            "https:",
            "https://",
            "https://*",
            "https://a.*.org",
            "https://cdn.example.org/",
            "https://cdn.example.org/path",
            "https://cdn.example.org?x",
            "https://a,https://b",
            "https://a;",
            "https://a; script-src *",
            "https://a:0",
            "https://a:65536",
            "https://a:+1",
            "https://a:",
            "https://a:*",
            "https://a..b",
            "https://user@a",
            "https://é",
            "'self'",
            "'unsafe-inline'",
            "*",
            "data:",
        ] {
            assert_eq!(Source::parse_all(text), None, "{text}");
        }
    }

    #[test]
    fn a_url_is_of_the_origin_that_a_browser_says() {
        for (source, url, has) in [
            ("https://cdn.example", "https://cdn.example/x.css", true),
            ("https://cdn.example", "https://CDN.example", true),
            ("https://cdn.example", "https://cdn.example:443/x?y#z", true),
            ("https://cdn.example:443", "https://cdn.example/", true),
            ("https://cdn.example", "https://cdn.example:8443/", false),
            ("https://cdn.example", "https://cdn.example.org/", false),
            ("https://cdn.example", "https://a.cdn.example/", false),
            ("https://cdn.example", "http://cdn.example/", false),
            ("https://*.example", "https://a.b.example/", true),
            ("https://*.example", "https://example/", false),
            ("https://*.example", "https://anexample/", false),
        ] {
            assert_eq!(Source::parse(source).unwrap().has(url), has, "{source} {url}");
        }
    }
}
