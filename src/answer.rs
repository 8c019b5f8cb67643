//! Answers as responses. The only writer of headers.

use std::time::SystemTime;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL,
        CONNECTION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
        RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use httpdate::HttpDate;

use crate::{
    cors::Sharing,
    negotiate::{Coding, Media},
    pages::{Html, Page, Sent},
    until::RetryAfter,
};

/// Marks a 503 as ours, so that it can be told from a router's.
pub(crate) const MARKER: HeaderName = HeaderName::from_static("maintenance-mode");

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What scripts of other sites may read, beside the few headers that they always may.
const EXPOSED: &str = "Retry-After, Maintenance-Mode, Content-Language, grpc-status, grpc-message";

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
        /// What is sent of the page.
        sent: Sent<'s>,
        /// Seconds after which to try again.
        retry_after: RetryAfter,
    },
    /// Maintenance, for a gRPC call: 200 with the marker, and UNAVAILABLE in the headers.
    Call {
        /// The type that the call knows.
        content_type: &'static str,
        /// What it is told.
        message: &'s HeaderValue,
        /// Seconds after which to try again.
        retry_after: RetryAfter,
    },
    /// What a browser asks before a request from another site that is allowed: 204.
    Preflight {
        /// The method that it asks for.
        method: Option<HeaderValue>,
        /// The headers that it asks for.
        headers: Option<HeaderValue>,
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
            Self::Probe { ok: true, .. } | Self::Metrics(_) | Self::Call { .. } => StatusCode::OK,
            Self::ProbeMethodNotAllowed | Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Options(_) | Self::Preflight { .. } => StatusCode::NO_CONTENT,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }

    /// The body's bytes.
    #[must_use]
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Page { page, coding, .. } => page.html.bytes(*coding).len(),
            Self::Maintenance { sent, .. } => sent.bytes().len(),
            Self::Probe { text, .. } | Self::Metrics(text) => text.len(),
            Self::NotModified { .. } | Self::Options(_) | Self::Call { .. } | Self::Preflight { .. } => 0,
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

    /// The response, in the map of the request's headers, which need no room any more. `sharing` says who may read it,
    /// and `closing` says `Connection: close`.
    #[must_use]
    pub(crate) fn into_response(
        self,
        mut headers: HeaderMap,
        sharing: Sharing,
        closing: bool,
    ) -> Response<Full<Bytes>> {
        let (status, vary) = (self.status(), self.vary(&sharing));
        let is_preflight = matches!(self, Self::Preflight { .. });
        let body = match self {
            Self::Maintenance { sent, retry_after } if sent.media == Media::Html => {
                headers = sent.head().clone();
                fill_retry_after(&mut headers, retry_after);
                sent.bytes().clone()
            }
            answer => {
                headers.clear();
                // Room for all at once, hyper's own too: a map that grows is moved.
                headers.reserve(HEADERS);
                if let Some(vary) = vary {
                    headers.insert(VARY, HeaderValue::from_static(vary));
                }
                answer.fill(&mut headers)
            }
        };
        if sharing.is_allowed() {
            share(&mut headers, sharing, is_preflight);
        }
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if closing {
            close(&mut response);
        }
        response
    }

    /// The headers of a request on which the answer depends.
    const fn vary(&self, sharing: &Sharing) -> Option<&'static str> {
        let by_origin = !matches!(sharing, Sharing::Off);
        match self {
            Self::Maintenance { .. } => Some(vary_of_page(by_origin)),
            Self::Page { .. } | Self::NotModified { .. } if by_origin => Some("Accept-Encoding, Origin"),
            Self::Page { .. } | Self::NotModified { .. } => Some("Accept-Encoding"),
            Self::Preflight { .. } => Some("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
            _ if by_origin => Some("Origin"),
            _ => None,
        }
    }

    /// Puts the headers in, but for those that say who may read the answer, and gives the body.
    fn fill(self, headers: &mut HeaderMap) -> Bytes {
        match self {
            Self::Page { status, page, coding, caching } => {
                if status == StatusCode::OK {
                    headers.insert(ETAG, page.etag(coding).clone());
                }
                fill_html(headers, &page.html, coding, caching)
            }
            Self::NotModified { page, coding, caching } => {
                headers.insert(CACHE_CONTROL, caching.header());
                headers.insert(ETAG, page.etag(coding).clone());
                Bytes::new()
            }
            Self::Maintenance { sent, retry_after } => {
                fill_marker(headers);
                fill_retry_after(headers, retry_after);
                headers.insert(CONTENT_LANGUAGE, sent.page.content_language.clone());
                let body = fill_text(headers, sent.bytes().clone(), Caching::Never);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(sent.media)));
                body
            }
            Self::Call { content_type, message, retry_after } => {
                fill_marker(headers);
                fill_retry_after(headers, retry_after);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                headers.insert(CACHE_CONTROL, Caching::Never.header());
                headers.insert(GRPC_STATUS, const { HeaderValue::from_static("14") });
                headers.insert(GRPC_MESSAGE, message.clone());
                // The call fails at once. With a time here clients would wait for it, and end by their own deadline.
                headers.insert(GRPC_RETRY_PUSHBACK_MS, const { HeaderValue::from_static("-1") });
                Bytes::new()
            }
            Self::Preflight { method, headers: asked } => {
                headers.extend(method.map(|it| (ACCESS_CONTROL_ALLOW_METHODS, it)));
                headers.extend(asked.map(|it| (ACCESS_CONTROL_ALLOW_HEADERS, it)));
                // No permission outlives the window.
                headers.insert(ACCESS_CONTROL_MAX_AGE, const { HeaderValue::from_static("0") });
                headers.insert(CACHE_CONTROL, Caching::Never.header());
                Bytes::new()
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

fn fill_html(headers: &mut HeaderMap, html: &Html, coding: Coding, caching: Caching) -> Bytes {
    headers.insert(CONTENT_TYPE, const { HeaderValue::from_static(content_type(Media::Html)) });
    headers.insert(X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(CONTENT_SECURITY_POLICY, html.policy.clone());
    headers.insert(CACHE_CONTROL, caching.header());
    if coding == Coding::Gzip {
        headers.insert(CONTENT_ENCODING, const { HeaderValue::from_static("gzip") });
    }
    html.bytes(coding).clone()
}

/// The headers of the maintenance page in HTML, but for those that are not the same for all who get it. They are made with the
/// page: to copy them takes a third of the instructions of putting them in one by one.
#[must_use]
pub(crate) fn page_head(html: &Html, coding: Coding, language: &HeaderValue, by_origin: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    // Its place.
    headers.insert(RETRY_AFTER, const { HeaderValue::from_static("0") });
    fill_marker(&mut headers);
    headers.insert(CONTENT_LANGUAGE, language.clone());
    headers.insert(VARY, HeaderValue::from_static(vary_of_page(by_origin)));
    let _ = fill_html(&mut headers, html, coding, Caching::Never);
    headers
}

/// On what the maintenance page depends.
const fn vary_of_page(by_origin: bool) -> &'static str {
    if by_origin {
        "Accept, Accept-Language, Accept-Encoding, Origin"
    } else {
        "Accept, Accept-Language, Accept-Encoding"
    }
}

/// Marks an answer as one of maintenance.
fn fill_marker(headers: &mut HeaderMap) {
    headers.insert(MARKER, const { HeaderValue::from_static("on") });
}

/// Draws when to try again.
fn fill_retry_after(headers: &mut HeaderMap, RetryAfter { least, spread }: RetryAfter) {
    let mut digits = itoa::Buffer::new();
    // Digits are a header value, and `from_str` makes one in half the instructions of `from`.
    if let Ok(seconds) = HeaderValue::from_str(digits.format(least + fastrand::u32(0..=spread))) {
        headers.insert(RETRY_AFTER, seconds);
    }
}

/// Lets another site's scripts read the answer.
fn share(headers: &mut HeaderMap, sharing: Sharing, is_preflight: bool) {
    let origin = if let Sharing::Origin(origin) = sharing {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, const { HeaderValue::from_static("true") });
        origin
    } else {
        const { HeaderValue::from_static("*") }
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if !is_preflight {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, const { HeaderValue::from_static(EXPOSED) });
    }
}

/// `Content-Type`. JSON has one encoding, and the XML names its own where the type is no text.
const fn content_type(media: Media) -> &'static str {
    match media {
        Media::Html => "text/html; charset=utf-8",
        Media::Json => "application/json",
        Media::ProblemJson => "application/problem+json",
        Media::Xml => "application/xml",
        Media::TextXml => "text/xml; charset=utf-8",
        Media::ProblemXml => "application/problem+xml",
        Media::Text => "text/plain; charset=utf-8",
    }
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
