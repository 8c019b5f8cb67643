//! Answers as responses. The only writer of headers.

use std::time::SystemTime;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
        RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use httpdate::HttpDate;

use crate::{ask::Coding, pages::Page};

/// Marks a 503 as ours, so that it can be told from a router's.
pub(crate) const MARKER: HeaderName = HeaderName::from_static("maintenance-mode");

const METHOD_NOT_ALLOWED: &str = "405 method not allowed\n";
const UNAUTHORIZED: &str = "401 unauthorized\n";
const BAD_REQUEST: &str = "400 bad request\n";
const NOT_FOUND: &str = "404 not found\n";

/// As many headers as a response may have.
const HEADERS: usize = 12;

/// How to say who one is: RFC 7617.
const CHALLENGE: &str = "Basic realm=\"maintenance-mode admin tier\", charset=\"UTF-8\"";

/// The media type that Prometheus 3 insists on.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is answered, before it is a response.
#[derive(Debug)]
pub(crate) enum Answer<'s> {
    /// A page with status 200 or 404.
    Page {
        /// 200 or 404.
        status: StatusCode,
        /// The page.
        page: &'s Page,
        /// The content coding it is sent in.
        coding: Coding,
        /// How it may be cached.
        caching: Caching,
    },
    /// The client has the page already: 304.
    NotModified {
        /// The page.
        page: &'s Page,
        /// The content coding it would be sent in.
        coding: Coding,
        /// How it may be cached.
        caching: Caching,
    },
    /// Maintenance: 503 with the page and the marker.
    Maintenance {
        /// The page.
        page: &'s Page,
        /// The content coding it is sent in.
        coding: Coding,
        /// Seconds after which to try again.
        retry_after: &'s HeaderValue,
    },
    /// What a probe says: 200 or 503.
    Probe {
        /// Whether it passes.
        ok: bool,
        /// The body.
        text: String,
    },
    /// The metrics, in OpenMetrics.
    Metrics(String),
    /// A probe that was asked for by another method than GET and HEAD: 405.
    ProbeMethodNotAllowed,
    /// 401: the admin tier's pages are for somebody else.
    Unauthorized {
        /// Whether credentials came, and are wrong.
        wrong: bool,
    },
    /// No request that means anything: 400, and the connection is closed.
    BadRequest,
    /// 204 with the methods that the path knows.
    Options(&'static str),
    /// 405 with the methods that the path knows.
    MethodNotAllowed(&'static str),
    /// 404 where nobody reads pages.
    NotFound,
}

/// How an answer may be cached: `Cache-Control`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Kept, but asked for again each time: no copy outlives the switch.
    Revalidate,
    /// Never kept.
    Never,
}

// === impl Answer ===

impl Answer<'_> {
    /// The status.
    #[must_use]
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Page { status, .. } => *status,
            Self::NotModified { .. } => StatusCode::NOT_MODIFIED,
            Self::Maintenance { .. } | Self::Probe { ok: false, .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Probe { ok: true, .. } | Self::Metrics(_) => StatusCode::OK,
            Self::ProbeMethodNotAllowed | Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Options(_) => StatusCode::NO_CONTENT,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }

    /// The body's bytes.
    #[must_use]
    pub(crate) const fn length(&self) -> usize {
        match self {
            Self::Page { page, coding, .. } | Self::Maintenance { page, coding, .. } => page.body(*coding).bytes.len(),
            Self::Probe { text, .. } | Self::Metrics(text) => text.len(),
            Self::NotModified { .. } | Self::Options(_) => 0,
            Self::ProbeMethodNotAllowed | Self::MethodNotAllowed(_) => METHOD_NOT_ALLOWED.len(),
            Self::Unauthorized { .. } => UNAUTHORIZED.len(),
            Self::BadRequest => BAD_REQUEST.len(),
            Self::NotFound => NOT_FOUND.len(),
        }
    }

    /// Whether it answers a probe.
    #[must_use]
    pub(crate) const fn is_probe(&self) -> bool {
        matches!(self, Self::Probe { .. } | Self::ProbeMethodNotAllowed)
    }

    /// The response, in the map of the request's headers, which need no room any more. `closing` says
    /// `Connection: close`.
    #[must_use]
    pub(crate) fn into_response(self, mut headers: HeaderMap, closing: bool) -> Response<Full<Bytes>> {
        let status = self.status();
        headers.clear();
        // Room for all at once, hyper's own too: a map that grows is moved.
        headers.reserve(HEADERS);
        let body = self.fill(&mut headers);
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if closing {
            close(&mut response);
        }
        response
    }

    /// Puts the headers in and gives the body.
    fn fill(self, headers: &mut HeaderMap) -> Bytes {
        match self {
            Self::Page { status, page, coding, caching } => {
                if status == StatusCode::OK {
                    headers.insert(ETAG, page.body(coding).etag.clone());
                }
                fill_page(headers, page, coding, caching)
            }
            Self::NotModified { page, coding, caching } => {
                headers.insert(CACHE_CONTROL, caching.header());
                headers.insert(VARY, const { HeaderValue::from_static("Accept-Encoding") });
                headers.insert(ETAG, page.body(coding).etag.clone());
                Bytes::new()
            }
            Self::Maintenance { page, coding, retry_after } => {
                headers.insert(RETRY_AFTER, retry_after.clone());
                headers.insert(MARKER, const { HeaderValue::from_static("on") });
                fill_page(headers, page, coding, Caching::Never)
            }
            Self::Probe { text, .. } => fill_text(headers, text, Caching::Never),
            Self::Metrics(text) => {
                let body = fill_text(headers, text, Caching::Never);
                headers.insert(CONTENT_TYPE, const { HeaderValue::from_static(OPENMETRICS) });
                body
            }
            Self::Options(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
                headers.insert(CACHE_CONTROL, Caching::Revalidate.header());
                Bytes::new()
            }
            Self::MethodNotAllowed(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
                fill_text(headers, METHOD_NOT_ALLOWED, Caching::Revalidate)
            }
            Self::ProbeMethodNotAllowed => {
                headers.insert(ALLOW, const { HeaderValue::from_static("GET, HEAD") });
                fill_text(headers, METHOD_NOT_ALLOWED, Caching::Never)
            }
            Self::Unauthorized { .. } => {
                headers.insert(WWW_AUTHENTICATE, const { HeaderValue::from_static(CHALLENGE) });
                fill_text(headers, UNAUTHORIZED, Caching::Never)
            }
            Self::BadRequest => {
                headers.insert(CONNECTION, const { HeaderValue::from_static("close") });
                fill_text(headers, BAD_REQUEST, Caching::Never)
            }
            Self::NotFound => fill_text(headers, NOT_FOUND, Caching::Revalidate),
        }
    }
}

/// Says that the connection closes after this response.
pub(crate) fn close(response: &mut Response<Full<Bytes>>) {
    response.headers_mut().insert(CONNECTION, const { HeaderValue::from_static("close") });
}

/// A whole response, status line to body, to a head that is not read to its end.
#[must_use]
pub(crate) fn head_too_large(now: SystemTime) -> String {
    let date = HttpDate::from(now);
    format!(
        "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: {date}\r\n\r\n"
    )
}

fn fill_text(headers: &mut HeaderMap, text: impl Into<Bytes>, caching: Caching) -> Bytes {
    headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("text/plain; charset=utf-8") });
    headers.insert(X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(CACHE_CONTROL, caching.header());
    text.into()
}

fn fill_page(headers: &mut HeaderMap, page: &Page, coding: Coding, caching: Caching) -> Bytes {
    headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("text/html; charset=utf-8") });
    headers.insert(X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(CONTENT_SECURITY_POLICY, page.policy.clone());
    headers.insert(CACHE_CONTROL, caching.header());
    headers.insert(VARY, const { HeaderValue::from_static("Accept-Encoding") });
    if coding == Coding::Gzip {
        headers.insert(CONTENT_ENCODING, const { HeaderValue::from_static("gzip") });
    }
    page.body(coding).bytes.clone()
}

// === impl Caching ===

impl Caching {
    const fn header(self) -> HeaderValue {
        match self {
            Self::Revalidate => const { HeaderValue::from_static("no-cache") },
            Self::Never => const { HeaderValue::from_static("no-store") },
        }
    }
}
