//! What is answered to what: one flat match, pure, tested without a socket. The table stands in the crate's
//! documentation.

use http::StatusCode;
use jiff::Timestamp;

use crate::{
    admin_auth::Claim,
    answer::{Answer, Caching},
    ask::{Ask, Route, Verb},
    cors::{self, Sharing},
    grpc, negotiate,
    pages::{Maintenance, Page, Sent},
    probes::{self, Check},
    settings::{Settings, Tier},
    snapshot::Snapshot,
    until::retry_after,
};

/// All that varies outside the request and the snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Tells the time. It is read where an answer depends on it, and nowhere else.
    pub(crate) clock: fn() -> Timestamp,
    /// Whether SIGTERM has come.
    pub(crate) draining: bool,
}

/// The probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Whether this process should go on.
    Livez,
    /// Whether users should be sent here.
    Readyz,
    /// The same, but for maintenance: for a load balancer that must keep sending users, as they are to get the page.
    Health,
}

/// What the main port answers, and which other site may read it.
#[must_use]
pub(crate) fn respond<'s>(ask: &Ask<'_>, moment: &Moment, snapshot: &'s Snapshot) -> (Answer<'s>, Sharing) {
    let Snapshot { settings, bodies } = snapshot;
    if !ask.has_host {
        return (Answer::BadRequest, Sharing::Off);
    }
    let allowed = &settings.cors_allow_origins;
    if let Some(which) = main_probe(ask, settings) {
        return (probe(which, ask, moment, snapshot), cors::sharing(allowed, None));
    }
    if settings.tier == Tier::Admin {
        return (admin(ask, snapshot), cors::sharing(allowed, None));
    }
    let sharing = cors::sharing(allowed, ask.origin);
    if let Some((method, headers)) = ask.preflight().filter(|_| sharing.is_allowed()) {
        return (Answer::Preflight { method: cors::tokens(Some(method)), headers: cors::tokens(headers) }, sharing);
    }
    match &bodies.maintenance {
        None => (application(ask, snapshot), sharing),
        Some(_) if is_health_check(ask, settings) => {
            (report("health", "", &checks(moment, snapshot)[..2]), cors::sharing(allowed, None))
        }
        Some(page) => (maintenance(ask, moment, settings, page), sharing),
    }
}

/// What admins get.
fn admin<'s>(ask: &Ask<'_>, snapshot: &'s Snapshot) -> Answer<'s> {
    if let Some(credentials) = &snapshot.settings.credentials {
        match credentials.judge(ask.authorization()) {
            Claim::Right => {}
            claim => return Answer::Unauthorized { wrong: claim == Claim::Wrong },
        }
    }
    match (ask.route, ask.verb) {
        (Route::Home | Route::Admin, Verb::Read) => page(ask, &snapshot.bodies.admin, Caching::Never),
        (Route::Home | Route::Admin, _) => Answer::MethodNotAllowed("GET, HEAD"),
        _ => not_found(ask, snapshot),
    }
}

/// What users get in normal mode.
fn application<'s>(ask: &Ask<'_>, snapshot: &'s Snapshot) -> Answer<'s> {
    match (ask.route, ask.verb) {
        (Route::Home, Verb::Read) => page(ask, &snapshot.bodies.index, Caching::Revalidate),
        (Route::Home, Verb::Options) => Answer::Options("GET, HEAD, OPTIONS"),
        (Route::Home, _) => Answer::MethodNotAllowed("GET, HEAD, OPTIONS"),
        _ => not_found(ask, snapshot),
    }
}

/// What users get in maintenance.
fn maintenance<'s>(ask: &Ask<'_>, moment: &Moment, settings: &Settings, page: &'s Maintenance) -> Answer<'s> {
    let retry_after = retry_after(settings, moment.clock);
    let call = if ask.verb == Verb::Post { ask.content_type().and_then(grpc::answer_type) } else { None };
    if let Some(content_type) = call {
        return Answer::Call { content_type, message: &page.grpc_message, retry_after };
    }
    let (page, media) = (page.localized(&ask.languages), negotiate::media(&ask.types, settings.response_format));
    // To ask again would send what was sent a second time.
    let scripted = ask.verb == Verb::Read;
    let coding = page.coding(scripted, negotiate::coding(&ask.codings));
    Answer::Maintenance { sent: Sent { page, media, scripted, coding }, retry_after }
}

/// Whether a load balancer asks whether it may send users here: it must, as they are to get the page.
fn is_health_check(ask: &Ask<'_>, settings: &Settings) -> bool {
    let is_checker = |agent: &[u8]| settings.health_user_agents.iter().any(|it| agent.starts_with(it.as_bytes()));
    ask.verb == Verb::Read && ask.user_agent.is_some_and(|it| is_checker(it.as_bytes()))
}

/// The probe that a request at the main port is, if it is one.
///
/// A standby answers none but its health path, as the probes' paths are the application's own there: its `/health`
/// must not look healthy while it is away.
fn main_probe(ask: &Ask<'_>, settings: &Settings) -> Option<Probe> {
    match ask.route {
        Route::Livez if !settings.standby => Some(Probe::Livez),
        Route::Readyz if !settings.standby => Some(Probe::Readyz),
        _ => {
            (settings.tier == Tier::User && settings.health_path.as_deref() == Some(ask.path)).then_some(Probe::Health)
        }
    }
}

/// What the management port answers; `metrics` writes the metrics out.
pub(crate) fn respond_management<'s>(
    ask: &Ask<'_>,
    moment: &Moment,
    snapshot: &'s Snapshot,
    metrics: impl FnOnce() -> String,
) -> Answer<'s> {
    if !ask.has_host {
        return Answer::BadRequest;
    }
    match (ask.route, ask.verb) {
        (Route::Livez, _) => probe(Probe::Livez, ask, moment, snapshot),
        (Route::Readyz, _) => probe(Probe::Readyz, ask, moment, snapshot),
        (Route::Metrics, Verb::Read) => Answer::Metrics(metrics()),
        (Route::Metrics, _) => Answer::MethodNotAllowed("GET, HEAD"),
        (Route::Home | Route::Admin | Route::Other, _) => Answer::NotFound,
    }
}

fn page<'s>(ask: &Ask<'_>, page: &'s Page, caching: Caching) -> Answer<'s> {
    let coding = page.html.coding(negotiate::coding(&ask.codings));
    if ask.has(page.etag(coding)) {
        Answer::NotModified { page, coding, caching }
    } else {
        Answer::Page { status: StatusCode::OK, page, coding, caching }
    }
}

fn not_found<'s>(ask: &Ask<'_>, snapshot: &'s Snapshot) -> Answer<'s> {
    let page = &snapshot.bodies.not_found;
    let coding = page.html.coding(negotiate::coding(&ask.codings));
    Answer::Page { status: StatusCode::NOT_FOUND, page, coding, caching: Caching::Revalidate }
}

fn probe<'s>(which: Probe, ask: &Ask<'_>, moment: &Moment, snapshot: &Snapshot) -> Answer<'s> {
    if ask.verb != Verb::Read {
        return Answer::ProbeMethodNotAllowed;
    }
    let checks = checks(moment, snapshot);
    match which {
        Probe::Livez => report("livez", ask.query, &checks[..1]),
        Probe::Readyz => report("readyz", ask.query, &checks),
        Probe::Health => report("health", ask.query, &checks[..2]),
    }
}

fn checks(moment: &Moment, snapshot: &Snapshot) -> [Check; 3] {
    [
        Check { name: "ping", ok: true },
        Check { name: "shutdown", ok: !moment.draining },
        Check { name: "maintenance", ok: snapshot.bodies.maintenance.is_none() },
    ]
}

fn report<'s>(probe: &str, query: &str, checks: &[Check]) -> Answer<'s> {
    let report = probes::run(probe, query, checks);
    Answer::Probe { ok: report.ok, text: report.text }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        future::Future as _,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use bytes::Bytes;
    use http::{HeaderMap, Request, Response, header};
    use http_body_util::{BodyExt as _, Full};

    use super::*;
    use crate::{
        pages::{Facts, Pages},
        settings::{Files, Origins, Sources},
        until,
    };

    const NOW: Moment = Moment { clock: || Timestamp::UNIX_EPOCH, draining: false };

    fn request(line: &str) -> Request<()> {
        request_with(line, &[])
    }

    fn request_with(line: &str, headers: &[(&str, &str)]) -> Request<()> {
        let (method, target) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target).header(header::HOST, "a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn snapshot(tier: &str, mode: &str) -> Snapshot {
        snapshot_of(&[("TIER", tier), ("MAINTENANCE_MODE", mode)])
    }

    fn snapshot_of(environment: &[(&str, &str)]) -> Snapshot {
        let defaults = [("RETRY_JITTER", "0")];
        let environment = defaults.iter().chain(environment).map(|&(name, value)| (name.into(), value.into()));
        let sources = Sources::default().with_environment(environment).unwrap();
        let settings = sources.resolve(&Files::default()).unwrap();
        let now = (NOW.clock)();
        let until = until::at(&settings, now);
        let facts = Facts { pod: "pod".into(), started_at: now, since: now, reload_error: String::new(), until };
        let snapshot = Snapshot::new(settings, &Pages::load(None).unwrap(), &facts).unwrap();
        snapshot.bodies.compress();
        snapshot
    }

    fn response(snapshot: &Snapshot, request: &Request<()>, moment: &Moment) -> Response<Full<Bytes>> {
        let (answer, sharing) = respond(&Ask::new(request), moment, snapshot);
        answer.into_response(HeaderMap::new(), sharing, moment.draining)
    }

    fn ask(tier: &str, mode: &str, line: &str, headers: &[(&str, &str)]) -> Response<Full<Bytes>> {
        response(&snapshot(tier, mode), &request_with(line, headers), &NOW)
    }

    fn body_of(response: Response<Full<Bytes>>) -> Bytes {
        let mut collected = pin!(response.into_body().collect());
        match collected.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(body)) => body.to_bytes(),
            _ => unreachable!("a body is whole"),
        }
    }

    /// The status, every header in order of its name, and the start of the body. Of a policy the hashes are left out.
    fn whole(response: Response<Full<Bytes>>) -> String {
        let line = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
            let value = value.to_str().unwrap();
            format!("{name}: {}\n", value.split("; style-src").next().unwrap())
        };
        let mut lines: Vec<_> = response.headers().iter().map(line).collect();
        lines.sort_unstable();
        let status = response.status().as_u16();
        let body = body_of(response);
        let start = String::from_utf8_lossy(&body[..body.len().min(48)]).replace('\n', "|");
        format!("{status}\n{}{start}", lines.concat())
    }

    /// A request, with the settings beside `STANDBY` and `RETRY_JITTER`, and the whole answer. `\u{fffd}` stands for what is
    /// no text.
    struct Row {
        what: &'static str,
        settings: &'static [(&'static str, &'static str)],
        request: &'static str,
        headers: &'static [(&'static str, &'static str)],
        answer: &'static str,
    }

    const OWN: (&str, &str) = ("MAINTENANCE_TITLE", "Closed");
    const LISTED: (&str, &str) = ("CORS_ALLOW_ORIGINS", "https://app.example.org https://b.example");
    const FROM_APP: (&str, &str) = ("origin", "https://app.example.org");
    const AHEAD: (&str, &str) = ("MAINTENANCE_UNTIL", "1970-01-01T01:10:00+01:00");
    const GRPC: (&str, &str) = ("content-type", "application/grpc-web+proto");

    const ROWS: &[Row] = &[
        Row {
            what: "a client that says nothing",
            settings: &[],
            request: "GET /any?x",
            headers: &[],
            answer: "503
cache-control: no-store
content-language: en
content-security-policy: default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; connect-src 'self'
content-type: text/html; charset=utf-8
maintenance-mode: on
retry-after: 300
vary: Accept, Accept-Language, Accept-Encoding
x-content-type-options: nosniff
<!doctype html>|<html lang=\"en\" dir=\"ltr\">|<head",
        },
        Row {
            what: "a browser that speaks French",
            settings: &[],
            request: "GET /",
            headers: &[
                ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
                ("accept-language", "fr-CA, fr;q=0.9, en;q=0.5"),
                ("accept-encoding", "gzip, deflate, br, zstd"),
            ],
            answer: "503
cache-control: no-store
content-encoding: gzip
content-language: fr
content-security-policy: default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; connect-src 'self'
content-type: text/html; charset=utf-8
maintenance-mode: on
retry-after: 300
vary: Accept, Accept-Language, Accept-Encoding
x-content-type-options: nosniff
GZIP",
        },
        Row {
            what: "a browser that speaks Arabic",
            settings: &[],
            request: "POST /",
            headers: &[("accept-language", "ar-EG")],
            answer: "503
cache-control: no-store
content-language: ar
content-security-policy: default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; connect-src 'self'
content-type: text/html; charset=utf-8
maintenance-mode: on
retry-after: 300
vary: Accept, Accept-Language, Accept-Encoding
x-content-type-options: nosniff
<!doctype html>|<html lang=\"ar\" dir=\"rtl\">|<head",
        },
        Row {
            what: "a client of an API",
            settings: &[OWN],
            request: "DELETE /api/v1/items/7",
            headers: &[("accept", "application/json"), ("accept-language", "fr"), ("accept-encoding", "gzip")],
            answer: "503
cache-control: no-store
content-language: en
content-type: application/json
maintenance-mode: on
retry-after: 300
vary: Accept, Accept-Language, Accept-Encoding
x-content-type-options: nosniff
{\"type\":\"tag:maintenance-mode.github.io,2026:mai",
        },
        Row {
            what: "a client that speaks XML, with an end ahead",
            settings: &[OWN, AHEAD],
            request: "GET /",
            headers: &[("accept", "text/xml")],
            answer: "503
cache-control: no-store
content-language: en
content-type: text/xml; charset=utf-8
maintenance-mode: on
retry-after: 600
vary: Accept, Accept-Language, Accept-Encoding
x-content-type-options: nosniff
<?xml version=\"1.0\" encoding=\"UTF-8\"?>|<problem ",
        },
        Row {
            what: "a client that says nothing, where the format is set",
            settings: &[OWN, ("RESPONSE_FORMAT", "json"), ("MAINTENANCE_LANGUAGE", "de")],
            request: "GET /",
            headers: &[("accept", "*/*")],
            answer: "503
cache-control: no-store
content-language: de
content-type: application/problem+json
maintenance-mode: on
retry-after: 300
vary: Accept, Accept-Language, Accept-Encoding
x-content-type-options: nosniff
{\"type\":\"tag:maintenance-mode.github.io,2026:mai",
        },
        Row {
            what: "a gRPC-Web call from another site",
            settings: &[OWN, AHEAD, LISTED],
            request: "POST /shop.Orders/List",
            headers: &[GRPC, FROM_APP],
            answer: "200
access-control-allow-credentials: true
access-control-allow-origin: https://app.example.org
access-control-expose-headers: Retry-After, Maintenance-Mode, Content-Language, grpc-status, grpc-message
cache-control: no-store
content-type: application/grpc-web
grpc-message: Closed: We expect to be back by 1970-01-01 00:10 UTC.
grpc-retry-pushback-ms: -1
grpc-status: 14
maintenance-mode: on
retry-after: 600
vary: Origin
",
        },
        Row {
            what: "a gRPC call",
            settings: &[OWN],
            request: "POST /shop.Orders/List",
            headers: &[("content-type", "application/grpc"), ("te", "trailers")],
            answer: "200
cache-control: no-store
content-type: application/grpc
grpc-message: Closed: Please try again in about 5 min.
grpc-retry-pushback-ms: -1
grpc-status: 14
maintenance-mode: on
retry-after: 300
",
        },
        Row {
            what: "a preflight of an allowed site",
            settings: &[LISTED],
            request: "OPTIONS /api/orders",
            headers: &[
                FROM_APP,
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "content-type,x-trace"),
            ],
            answer: "204
access-control-allow-credentials: true
access-control-allow-headers: content-type,x-trace
access-control-allow-methods: POST
access-control-allow-origin: https://app.example.org
access-control-max-age: 0
cache-control: no-store
vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers
",
        },
        Row {
            what: "a preflight where every site is allowed",
            settings: &[("CORS_ALLOW_ORIGINS", "*")],
            request: "OPTIONS /api/orders",
            headers: &[
                ("origin", "null"),
                ("access-control-request-method", "PO ST"),
                ("access-control-request-headers", "a b"),
            ],
            answer: "204
access-control-allow-origin: *
access-control-max-age: 0
cache-control: no-store
vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers
",
        },
        Row {
            what: "a preflight of a site that is not allowed",
            settings: &[OWN, LISTED],
            request: "OPTIONS /api/orders",
            headers: &[
                ("origin", "https://evil.example"),
                ("access-control-request-method", "POST"),
                ("accept", "text/plain"),
            ],
            answer: "503
cache-control: no-store
content-language: en
content-type: text/plain; charset=utf-8
maintenance-mode: on
retry-after: 300
vary: Accept, Accept-Language, Accept-Encoding, Origin
x-content-type-options: nosniff
Closed|We are doing planned maintenance, and thi",
        },
        Row {
            what: "a page of an allowed site",
            settings: &[OWN, ("CORS_ALLOW_ORIGINS", "*")],
            request: "PUT /api/orders",
            headers: &[FROM_APP, ("accept", "text/plain")],
            answer: "503
access-control-allow-origin: *
access-control-expose-headers: Retry-After, Maintenance-Mode, Content-Language, grpc-status, grpc-message
cache-control: no-store
content-language: en
content-type: text/plain; charset=utf-8
maintenance-mode: on
retry-after: 300
vary: Accept, Accept-Language, Accept-Encoding, Origin
x-content-type-options: nosniff
Closed|We are doing planned maintenance, and thi",
        },
        Row {
            what: "the health check of a load balancer",
            settings: &[LISTED],
            request: "GET /any?verbose",
            headers: &[("user-agent", "GoogleHC/1.0"), FROM_APP],
            answer: "200
cache-control: no-store
content-type: text/plain; charset=utf-8
vary: Origin
x-content-type-options: nosniff
ok",
        },
        Row {
            what: "no host",
            settings: &[LISTED],
            request: "GET /",
            headers: &[("host", "a b")],
            answer: "400
cache-control: no-store
connection: close
content-type: text/plain; charset=utf-8
x-content-type-options: nosniff
400 bad request|",
        },
        Row {
            what: "another site in normal mode",
            settings: &[("STANDBY", "false"), LISTED],
            request: "GET /x",
            headers: &[FROM_APP],
            answer: "404
access-control-allow-credentials: true
access-control-allow-origin: https://app.example.org
access-control-expose-headers: Retry-After, Maintenance-Mode, Content-Language, grpc-status, grpc-message
cache-control: no-cache
content-security-policy: default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
content-type: text/html; charset=utf-8
vary: Accept-Encoding, Origin
x-content-type-options: nosniff
<!doctype html>|<html lang=\"en\">|<head>|<meta ch",
        },
        Row {
            what: "a preflight in normal mode",
            settings: &[("STANDBY", "false"), LISTED],
            request: "OPTIONS /",
            headers: &[("origin", "https://b.example"), ("access-control-request-method", "PUT")],
            answer: "204
access-control-allow-credentials: true
access-control-allow-methods: PUT
access-control-allow-origin: https://b.example
access-control-max-age: 0
cache-control: no-store
vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers
",
        },
        Row {
            what: "a gRPC call in normal mode",
            settings: &[("STANDBY", "false")],
            request: "POST /",
            headers: &[GRPC],
            answer: "405
allow: GET, HEAD, OPTIONS
cache-control: no-cache
content-type: text/plain; charset=utf-8
x-content-type-options: nosniff
405 method not allowed|",
        },
        Row {
            what: "a health check by its agent in normal mode",
            settings: &[("STANDBY", "false")],
            request: "POST /",
            headers: &[("user-agent", "GoogleHC/1.0")],
            answer: "405
allow: GET, HEAD, OPTIONS
cache-control: no-cache
content-type: text/plain; charset=utf-8
x-content-type-options: nosniff
405 method not allowed|",
        },
        Row {
            what: "another site at the admin tier",
            settings: &[("STANDBY", "false"), ("TIER", "admin"), LISTED],
            request: "OPTIONS /admin",
            headers: &[FROM_APP, ("access-control-request-method", "PUT")],
            answer: "405
allow: GET, HEAD
cache-control: no-cache
content-type: text/plain; charset=utf-8
vary: Origin
x-content-type-options: nosniff
405 method not allowed|",
        },
        Row {
            what: "another site at a probe",
            settings: &[("STANDBY", "false"), ("MAINTENANCE_MODE", "true"), LISTED],
            request: "GET /readyz?exclude=maintenance",
            headers: &[FROM_APP],
            answer: "200
cache-control: no-store
content-type: text/plain; charset=utf-8
vary: Origin
x-content-type-options: nosniff
ok",
        },
    ];

    #[test]
    fn whole_answers() {
        for Row { what, settings, request, headers, answer } in ROWS {
            let snapshot = snapshot_of(&[&[("STANDBY", "true")], *settings].concat());
            let request = request_with(request, headers);
            let given = response(&snapshot, &request, &NOW);
            let is_gzip = given.headers().contains_key(header::CONTENT_ENCODING);
            let mut given = whole(given);
            if is_gzip {
                let body = given.rfind('\n').unwrap() + 1;
                assert!(given[body..].starts_with("\u{1f}\u{fffd}"), "{what}");
                given.replace_range(body.., "GZIP");
            }
            assert_eq!(&given, answer, "{what}");
        }
    }

    #[test]
    fn the_script_is_for_get_and_head_alone() {
        let snapshot = snapshot("user", "true");
        for (method, scripted) in
            [("GET", true), ("HEAD", true), ("POST", false), ("PUT", false), ("OPTIONS", false), ("TRACE", false)]
        {
            let page = body_of(response(&snapshot, &request(&format!("{method} /")), &NOW));
            assert_eq!(String::from_utf8_lossy(&page).contains("<script>"), scripted, "{method}");
        }
    }

    #[test]
    fn a_health_check_is_told_by_the_start_of_its_agent() {
        let status = |settings: &[(&str, &str)], line: &str, agent: &str, draining| {
            let request = request_with(line, &[("user-agent", agent)]);
            let given = response(&snapshot_of(settings), &request, &Moment { draining, ..NOW });
            (given.status().as_u16(), given.headers().contains_key("maintenance-mode"))
        };
        let standby = [("STANDBY", "true")];
        assert_eq!(status(&standby, "HEAD /", "ELB-HealthChecker/2.0", false), (200, false));
        assert_eq!(status(&standby, "GET /readyz", "GoogleHC/1.0", false), (200, false));
        assert_eq!(status(&standby, "GET /", "GoogleHC/1.0", true), (503, false));
        assert_eq!(status(&standby, "POST /", "GoogleHC/1.0", false), (503, true));
        assert_eq!(status(&standby, "GET /", "Mozilla/5.0 GoogleHC/1.0", false), (503, true));
        assert_eq!(status(&[standby[0], ("HEALTH_USER_AGENTS", "none")], "GET /", "GoogleHC/1.0", false), (503, true));
        let own = [standby[0], ("HEALTH_USER_AGENTS", "Probe Check/")];
        assert_eq!(status(&own, "GET /", "Check/1", false), (200, false));
        let tier = [("MAINTENANCE_MODE", "true")];
        assert_eq!(status(&tier, "GET /", "GoogleHC/1.0", false), (200, false));
        assert_eq!(status(&tier, "GET /readyz", "GoogleHC/1.0", false), (503, false), "a probe says what it says");
    }

    #[test]
    fn retry_after_is_spread_upwards() {
        let snapshot = snapshot_of(&[("STANDBY", "true"), ("RETRY_AFTER", "100"), ("RETRY_JITTER", "5")]);
        let drawn: BTreeSet<u32> = (0..1000)
            .map(|_| {
                response(&snapshot, &request("GET /"), &NOW).headers()["retry-after"].to_str().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(drawn, (100..=105).collect());
    }

    /// Pieces of which odd requests are made.
    const PIECES: &[&str] = &[
        "",
        ",",
        ";",
        "q=0",
        ";q=0.5",
        ";q=x",
        "*",
        "*/*",
        "text/html",
        "application/json",
        "+xml",
        "application/grpc",
        "application/grpc-web-text",
        "+",
        "-",
        "fr",
        "zh-TW",
        "x-",
        "gzip",
        "identity",
        "https://app.example.org",
        "null",
        "POST",
        "GoogleHC/",
        "\t",
        " ",
        "%",
        "\"",
        "é",
        "a",
        "/",
        "=",
        "true",
        "0",
        "99999999999999999999",
    ];
    const NAMES: &[&str] = &[
        "accept",
        "accept-language",
        "accept-encoding",
        "content-type",
        "origin",
        "access-control-request-method",
        "access-control-request-headers",
        "user-agent",
        "if-none-match",
        "range",
        "expect",
        "upgrade",
        "x-other",
    ];
    const METHODS: &[&str] = &["GET", "HEAD", "POST", "OPTIONS", "PUT", "TRACE", "CONNECT", "BREW"];
    const PATHS: &[&str] = &["/", "/readyz", "/livez?verbose", "/lb", "/metrics", "/a?b", "*", "/%00"];

    #[test]
    fn every_answer_of_page_pods_but_the_known_exceptions_is_a_503_with_the_marker() {
        let common = [("STANDBY", "true"), ("HEALTH_PATH", "/lb")];
        let worlds = [&[][..], &[LISTED, AHEAD], &[("CORS_ALLOW_ORIGINS", "*"), OWN, ("RESPONSE_FORMAT", "json")]];
        let worlds = worlds.map(|it| snapshot_of(&[&common, it].concat()));
        let mut random = fastrand::Rng::with_seed(9);
        let (mut pages, mut calls, mut preflights, mut healthy) = (0, 0, 0, 0);
        for _ in 0..20_000 {
            let mut any = |list: &[&'static str]| list[random.usize(..list.len())];
            let (method, path) = (any(METHODS), any(PATHS));
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, header::HeaderValue::from_static("a"));
            for _ in 0..4 {
                let mut value = any(PIECES).to_owned();
                while any(PIECES).len() > 2 {
                    value.push_str(any(PIECES));
                }
                let value = header::HeaderValue::from_bytes(value.trim().as_bytes()).unwrap();
                headers.append(any(NAMES), value);
            }
            let mut request = Request::builder().method(method).uri(path).body(()).unwrap();
            *request.headers_mut() = headers;
            let snapshot = &worlds[random.usize(..worlds.len())];
            let given = response(snapshot, &request, &NOW);
            let (status, headers) = (given.status().as_u16(), given.headers());
            let has = |name: &str| headers.contains_key(name);
            let read = method == "GET" || method == "HEAD";
            assert_eq!(
                has("vary"),
                status == 503 || snapshot.settings.cors_allow_origins != Origins::None,
                "{request:?}"
            );
            match status {
                503 => {
                    pages += 1;
                    for name in ["maintenance-mode", "retry-after", "content-language", "content-type"] {
                        assert!(has(name), "{name}: {request:?}");
                    }
                }
                200 if has("grpc-status") => {
                    calls += 1;
                    assert!(method == "POST" && has("maintenance-mode") && has("retry-after"), "{request:?}");
                }
                204 => {
                    preflights += 1;
                    assert!(method == "OPTIONS" && has("access-control-allow-origin"), "{request:?}");
                }
                200 => {
                    healthy += 1;
                    let agent = request
                        .headers()
                        .get_all("user-agent")
                        .iter()
                        .any(|it| it.as_bytes().starts_with(b"GoogleHC/"));
                    assert!(read && (path == "/lb" || agent) && !has("maintenance-mode"), "{request:?}");
                }
                405 => assert!(path == "/lb" && !read, "{request:?}"),
                _ => panic!("{status}: {request:?}"),
            }
            assert!(matches!(status, 405) || headers["cache-control"] == "no-store", "{request:?}");
        }
        assert!(
            pages > 10_000 && calls > 10 && preflights > 10 && healthy > 10,
            "{pages} {calls} {preflights} {healthy}"
        );
    }

    #[test]
    fn the_table_of_requests() {
        for (tier, mode, request, status, allow) in [
            ("user", "false", "GET /", 200, None),
            ("user", "false", "HEAD /", 200, None),
            ("user", "false", "OPTIONS /", 204, Some("GET, HEAD, OPTIONS")),
            ("user", "false", "POST /", 405, Some("GET, HEAD, OPTIONS")),
            ("user", "false", "GET /admin", 404, None),
            ("user", "false", "GET /metrics", 404, None),
            ("user", "false", "POST /maintenance.html", 404, None),
            ("user", "false", "GET /index.html", 404, None),
            ("user", "false", "CONNECT example.org:443", 404, None),
            ("user", "true", "GET /", 503, None),
            ("user", "true", "OPTIONS /", 503, None),
            ("user", "true", "POST /admin", 503, None),
            ("user", "true", "GET /any/path?q", 503, None),
            ("user", "true", "CONNECT example.org:443", 503, None),
            ("admin", "true", "GET /", 200, None),
            ("admin", "true", "HEAD /admin", 200, None),
            ("admin", "true", "POST /admin", 405, Some("GET, HEAD")),
            ("admin", "true", "GET /other", 404, None),
            ("admin", "maybe", "GET /admin", 200, None),
            ("user", "true", "GET /livez", 200, None),
            ("user", "true", "GET /health", 200, None),
            ("user", "true", "HEAD /healthz", 200, None),
            ("user", "true", "GET /readyz", 503, None),
            ("user", "true", "HEAD /ready", 503, None),
            ("user", "true", "GET /readyz?exclude=maintenance", 200, None),
            ("user", "true", "POST /readyz", 405, Some("GET, HEAD")),
            ("user", "true", "OPTIONS /livez", 405, Some("GET, HEAD")),
            ("user", "false", "GET /readyz", 200, None),
            ("admin", "true", "GET /readyz", 200, None),
        ] {
            let response = ask(tier, mode, request, &[]);
            let told = response.headers().get(header::ALLOW).map(|it| it.to_str().unwrap());
            assert_eq!((response.status().as_u16(), told), (status, allow), "{tier} {mode} {request}");
        }
    }

    #[test]
    fn a_standby_is_the_page_on_every_path_but_its_health() {
        let standby = snapshot_of(&[("STANDBY", "true"), ("MAINTENANCE_MODE", "false"), ("HEALTH_PATH", "/lb")]);
        let status = |line: &str, draining| {
            let request = request(line);
            let moment = Moment { draining, ..NOW };
            let response = response(&standby, &request, &moment);
            (response.status().as_u16(), response.headers().contains_key("maintenance-mode"))
        };
        for path in ["/", "/health", "/healthz", "/livez", "/ready", "/readyz?exclude=maintenance", "/lb/", "/any"] {
            assert_eq!(status(&format!("GET {path}"), false), (503, true), "{path}");
        }
        assert_eq!(status("GET /lb?x", false), (200, false));
        assert_eq!(status("HEAD /lb", true), (503, false), "it is about to end: not here any more");
        assert_eq!(status("POST /lb", false), (405, false));
        let request = request("GET /readyz?exclude=maintenance");
        let answer = respond_management(&Ask::new(&request), &NOW, &standby, String::new);
        assert_eq!(
            answer.into_response(HeaderMap::new(), Sharing::Off, false).status(),
            200,
            "the kubelet keeps it among the endpoints"
        );
    }

    #[test]
    fn a_health_path_is_200_in_either_mode() {
        for mode in ["true", "false"] {
            let snapshot = snapshot_of(&[("MAINTENANCE_MODE", mode), ("HEALTH_PATH", "/lb")]);
            let request = request("GET /lb");
            let (answer, _) = respond(&Ask::new(&request), &NOW, &snapshot);
            assert!(answer.is_probe());
            assert_eq!(answer.status(), 200, "{mode}");
        }
    }

    #[test]
    fn a_health_path_that_is_a_probes_path_is_the_probe_but_at_a_standby() {
        for (standby, status) in [("false", 503), ("true", 200)] {
            let settings = [("MAINTENANCE_MODE", "true"), ("STANDBY", standby), ("HEALTH_PATH", "/readyz")];
            let (request, snapshot) = (request("GET /readyz"), snapshot_of(&settings));
            let (answer, _) = respond(&Ask::new(&request), &NOW, &snapshot);
            assert_eq!(answer.status(), status, "STANDBY={standby}");
        }
    }

    #[test]
    fn a_health_path_is_nothing_to_the_admin_tier() {
        for (path, status) in [("/lb", 404), ("/admin", 200)] {
            let snapshot = snapshot_of(&[("TIER", "admin"), ("HEALTH_PATH", path)]);
            let request = request(&format!("GET {path}"));
            let (answer, sharing) = respond(&Ask::new(&request), &NOW, &snapshot);
            assert!(!answer.is_probe());
            let response = answer.into_response(HeaderMap::new(), sharing, false);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        }
    }

    #[test]
    fn the_admin_tier_asks_who_one_is_on_every_path_but_the_probes() {
        let environment = [("TIER", "admin"), ("ADMIN_USER", "anna"), ("ADMIN_PASSWORD", "hunter2")];
        let admin = snapshot_of(&environment);
        let (right, wrong) = ("Basic YW5uYTpodW50ZXIy", "Basic YW5uYTpodW50ZXIx");
        for (line, authorization, status, is_wrong) in [
            ("GET /", &[][..], 401, false),
            ("GET /admin", &[], 401, false),
            ("HEAD /", &[], 401, false),
            ("POST /admin", &[], 401, false),
            ("GET /x", &[], 401, false),
            ("OPTIONS /", &[], 401, false),
            ("GET /", &[wrong], 401, true),
            ("GET /", &[right, right], 401, false),
            ("GET /", &[right], 200, false),
            ("POST /admin", &[right], 405, false),
            ("GET /x", &[right], 404, false),
            ("GET /livez", &[], 200, false),
            ("GET /readyz", &[wrong], 200, false),
            ("POST /health", &[], 405, false),
        ] {
            let mut request = request(line);
            for value in authorization {
                request.headers_mut().append(header::AUTHORIZATION, value.parse().unwrap());
            }
            let (answer, sharing) = respond(&Ask::new(&request), &NOW, &admin);
            assert_eq!(matches!(answer, Answer::Unauthorized { wrong: true }), is_wrong, "{line} {authorization:?}");
            let response = answer.into_response(HeaderMap::new(), sharing, false);
            assert_eq!(response.status().as_u16(), status, "{line} {authorization:?}");
            let challenge = response.headers().get(header::WWW_AUTHENTICATE).map(|it| it.to_str().unwrap());
            let expected = "Basic realm=\"maintenance-mode admin tier\", charset=\"UTF-8\"";
            assert_eq!(challenge, (status == 401).then_some(expected));
            assert!(status != 401 || response.headers()[header::CACHE_CONTROL] == "no-store");
        }
        let metrics = request("GET /metrics");
        let answer = respond_management(&Ask::new(&metrics), &NOW, &admin, String::new);
        assert_eq!(answer.status(), 200, "the management port asks nobody");
    }

    #[test]
    fn only_the_page_carries_the_markers() {
        let response = ask("user", "true", "GET /x", &[]);
        for (name, value) in [("retry-after", "300"), ("cache-control", "no-store"), ("maintenance-mode", "on")] {
            assert_eq!(response.headers()[name], value);
        }
        assert!(!response.headers().contains_key(header::ETAG));
        for (tier, mode, request, caching) in [
            ("user", "true", "GET /readyz", "no-store"),
            ("user", "false", "POST /livez", "no-store"),
            ("user", "false", "GET /", "no-cache"),
            ("user", "false", "GET /x", "no-cache"),
            ("user", "false", "POST /", "no-cache"),
            ("admin", "true", "GET /admin", "no-store"),
        ] {
            let response = ask(tier, mode, request, &[]);
            assert!(!response.headers().contains_key("maintenance-mode"), "{request}");
            assert!(!response.headers().contains_key(header::RETRY_AFTER), "{request}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], caching, "{tier} {request}");
        }
    }

    #[test]
    fn a_client_that_has_the_page_gets_304_but_never_in_maintenance() {
        let response = ask("user", "false", "GET /", &[("accept-encoding", "gzip")]);
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let etag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = [("if-none-match", etag.as_str()), ("accept-encoding", "gzip")];
        let response = ask("user", "false", "GET /", &again);
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()[header::ETAG], etag);
        assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
        assert_eq!(ask("user", "false", "GET /", &again[..1]).status(), 200, "the tag of another coding");
        assert_eq!(ask("user", "false", "GET /x", &[("if-none-match", "*")]).status(), 404);
        assert_eq!(ask("user", "true", "GET /", &[("if-none-match", "*")]).status(), 503);
    }

    #[test]
    fn draining_fails_readiness_and_closes() {
        let request = request("GET /readyz?exclude=maintenance");
        let moment = Moment { draining: true, ..NOW };
        let snapshot = snapshot("admin", "false");
        let (Answer::Probe { ok: false, text }, _) = respond(&Ask::new(&request), &moment, &snapshot) else { panic!() };
        assert_eq!(
            text,
            "[+]ping ok\n[-]shutdown failed: reason withheld\n[+]maintenance excluded: ok\nreadyz check failed\n"
        );
        let response = Answer::NotFound.into_response(HeaderMap::new(), Sharing::Off, true);
        assert_eq!(response.headers()[header::CONNECTION], "close");
    }

    #[test]
    fn the_management_port_knows_probes_and_metrics_alone() {
        let snapshot = snapshot("user", "true");
        for (line, status) in [
            ("GET /metrics", 200),
            ("POST /metrics", 405),
            ("GET /", 404),
            ("GET /admin", 404),
            ("GET /livez", 200),
            ("GET /readyz", 503),
        ] {
            let request = request(line);
            let answer = respond_management(&Ask::new(&request), &NOW, &snapshot, String::new);
            assert_eq!(answer.status(), status, "{line}");
        }
    }

    #[test]
    fn a_request_without_a_host_is_400_and_closes_on_both_ports_in_either_mode() {
        for (tier, mode) in [("user", "true"), ("user", "false"), ("admin", "false")] {
            let snapshot = snapshot(tier, mode);
            for path in ["/", "/livez"] {
                let request = Request::builder().uri(path).body(()).unwrap();
                let (main, sharing) = respond(&Ask::new(&request), &NOW, &snapshot);
                assert_eq!(sharing, Sharing::Off);
                let management = respond_management(&Ask::new(&request), &NOW, &snapshot, String::new);
                for answer in [main, management] {
                    assert!(matches!(answer, Answer::BadRequest), "{tier} {mode} {path}");
                    let response = answer.into_response(HeaderMap::new(), Sharing::Off, false);
                    assert_eq!(
                        (response.status().as_u16(), response.headers().contains_key("maintenance-mode")),
                        (400, false)
                    );
                    assert_eq!(response.headers()[header::CONNECTION], "close");
                }
            }
        }
    }
}
