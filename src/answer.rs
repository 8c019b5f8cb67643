//! Answers as responses. The only writer of headers.

use std::time::SystemTime;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
        RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use httpdate::HttpDate;

use crate::{ask::Coding, pages::Page};

/// Marks a 503 as ours, so that it can be told from a router's.
pub(crate) const MARKER: HeaderName = HeaderName::from_static("maintenance-mode");

/// As many headers as a response may have.
const HEADERS: usize = 12;

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
    /// The response. `closing` says `Connection: close`.
    #[must_use]
    pub(crate) fn into_response(self, closing: bool) -> Response<Full<Bytes>> {
        let mut response = match self {
            Self::Page { status, page, coding, caching } => {
                let mut response = of_page(status, page, coding, caching);
                if status == StatusCode::OK {
                    response.headers_mut().insert(ETAG, page.body(coding).etag.clone());
                }
                response
            }
            Self::NotModified { page, coding, caching } => {
                let mut response = of(StatusCode::NOT_MODIFIED, Bytes::new());
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, caching.header());
                headers.insert(VARY, const { HeaderValue::from_static("Accept-Encoding") });
                headers.insert(ETAG, page.body(coding).etag.clone());
                response
            }
            Self::Maintenance { page, coding, retry_after } => {
                let mut response = of_page(StatusCode::SERVICE_UNAVAILABLE, page, coding, Caching::Never);
                let headers = response.headers_mut();
                headers.insert(RETRY_AFTER, retry_after.clone());
                headers.insert(MARKER, const { HeaderValue::from_static("on") });
                response
            }
            Self::Probe { ok, text } => {
                let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                of_text(status, text.into(), Caching::Never)
            }
            Self::Metrics(text) => {
                let mut response = of_text(StatusCode::OK, text.into(), Caching::Never);
                response.headers_mut().insert(CONTENT_TYPE, const { HeaderValue::from_static(OPENMETRICS) });
                response
            }
            Self::Options(allow) => {
                let mut response = of(StatusCode::NO_CONTENT, Bytes::new());
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
                response.headers_mut().insert(CACHE_CONTROL, Caching::Revalidate.header());
                response
            }
            Self::MethodNotAllowed(allow) => method_not_allowed(allow, Caching::Revalidate),
            Self::ProbeMethodNotAllowed => method_not_allowed("GET, HEAD", Caching::Never),
            Self::BadRequest => {
                let text = Bytes::from_static(b"400 bad request\n");
                let mut response = of_text(StatusCode::BAD_REQUEST, text, Caching::Never);
                close(&mut response);
                response
            }
            Self::NotFound => {
                of_text(StatusCode::NOT_FOUND, Bytes::from_static(b"404 not found\n"), Caching::Revalidate)
            }
        };
        if closing {
            close(&mut response);
        }
        response
    }

    /// Whether it answers a probe.
    #[must_use]
    pub(crate) const fn is_probe(&self) -> bool {
        matches!(self, Self::Probe { .. } | Self::ProbeMethodNotAllowed)
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

fn of(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    // Room for all headers at once, hyper's own too: a map that grows is moved.
    response.headers_mut().reserve(HEADERS);
    response
}

fn method_not_allowed(allow: &'static str, caching: Caching) -> Response<Full<Bytes>> {
    let text = Bytes::from_static(b"405 method not allowed\n");
    let mut response = of_text(StatusCode::METHOD_NOT_ALLOWED, text, caching);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn of_text(status: StatusCode, text: Bytes, caching: Caching) -> Response<Full<Bytes>> {
    let mut response = of(status, text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("text/plain; charset=utf-8") });
    headers.insert(X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(CACHE_CONTROL, caching.header());
    response
}

fn of_page(status: StatusCode, page: &Page, coding: Coding, caching: Caching) -> Response<Full<Bytes>> {
    let mut response = of(status, page.body(coding).bytes.clone());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("text/html; charset=utf-8") });
    headers.insert(X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(CONTENT_SECURITY_POLICY, page.policy.clone());
    headers.insert(CACHE_CONTROL, caching.header());
    headers.insert(VARY, const { HeaderValue::from_static("Accept-Encoding") });
    if coding == Coding::Gzip {
        headers.insert(CONTENT_ENCODING, const { HeaderValue::from_static("gzip") });
    }
    response
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
