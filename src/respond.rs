//! What is answered to what: one flat match, pure, tested without a socket. The table stands in the crate's
//! documentation.

use http::StatusCode;
use jiff::Timestamp;

use crate::{
    admin_auth::Claim,
    answer::{Answer, Caching},
    ask::{Ask, Route, Verb},
    mode::{self, Mode},
    pages::Page,
    probes::{self, Check},
    settings::{Settings, Tier},
    snapshot::Snapshot,
};

/// All that varies outside the request and the snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The time.
    pub(crate) now: Timestamp,
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

/// What the main port answers.
#[must_use]
pub(crate) fn respond<'s>(ask: &Ask<'_>, moment: &Moment, snapshot: &'s Snapshot) -> Answer<'s> {
    let Snapshot { settings, bodies, retry_after } = snapshot;
    if !ask.has_host {
        return Answer::BadRequest;
    }
    let mode = mode::at(settings, moment.now);
    if let Some(which) = main_probe(ask, settings) {
        return probe(which, ask, moment, snapshot);
    }
    if let Some(credentials) = &settings.credentials {
        match credentials.judge(ask.authorization()) {
            Claim::Right => {}
            claim => return Answer::Unauthorized { wrong: claim == Claim::Wrong },
        }
    }
    match (ask.route, ask.verb, settings.tier, mode) {
        (_, _, Tier::User, Mode::Maintenance) => {
            Answer::Maintenance { page: &bodies.maintenance, coding: ask.coding, retry_after }
        }
        (Route::Home, Verb::Read, Tier::User, Mode::Normal) => page(ask, &bodies.index, Caching::Revalidate),
        (Route::Home, Verb::Options, Tier::User, Mode::Normal) => Answer::Options("GET, HEAD, OPTIONS"),
        (Route::Home, Verb::Other, Tier::User, Mode::Normal) => Answer::MethodNotAllowed("GET, HEAD, OPTIONS"),
        (Route::Home | Route::Admin, Verb::Read, Tier::Admin, _) => page(ask, &bodies.admin, Caching::Never),
        (Route::Home | Route::Admin, _, Tier::Admin, _) => Answer::MethodNotAllowed("GET, HEAD"),
        (Route::Admin | Route::Livez | Route::Readyz | Route::Metrics | Route::Other, ..) => Answer::Page {
            status: StatusCode::NOT_FOUND,
            page: &bodies.not_found,
            coding: ask.coding,
            caching: Caching::Revalidate,
        },
    }
}

/// The probe that a request at the main port is, if it is one.
///
/// A standby answers none but its health path, as the probes' paths are the application's own there: its `/health`
/// must not look healthy while it is away.
fn main_probe(ask: &Ask<'_>, settings: &Settings) -> Option<Probe> {
    match ask.route {
        _ if settings.tier == Tier::User && settings.health_path.as_deref() == Some(ask.path) => Some(Probe::Health),
        _ if settings.standby => None,
        Route::Livez => Some(Probe::Livez),
        Route::Readyz => Some(Probe::Readyz),
        _ => None,
    }
}

/// What the management port answers; `metrics` writes the metrics out.
pub(crate) fn respond_management<'s>(
    ask: &Ask<'_>,
    moment: &Moment,
    snapshot: &'s Snapshot,
    metrics: impl FnOnce(Mode) -> String,
) -> Answer<'s> {
    if !ask.has_host {
        return Answer::BadRequest;
    }
    match (ask.route, ask.verb) {
        (Route::Livez, _) => probe(Probe::Livez, ask, moment, snapshot),
        (Route::Readyz, _) => probe(Probe::Readyz, ask, moment, snapshot),
        (Route::Metrics, Verb::Read) => Answer::Metrics(metrics(mode::at(&snapshot.settings, moment.now))),
        (Route::Metrics, _) => Answer::MethodNotAllowed("GET, HEAD"),
        (Route::Home | Route::Admin | Route::Other, _) => Answer::NotFound,
    }
}

fn page<'s>(ask: &Ask<'_>, page: &'s Page, caching: Caching) -> Answer<'s> {
    let coding = ask.coding;
    if ask.has(&page.body(coding).etag) {
        Answer::NotModified { page, coding, caching }
    } else {
        Answer::Page { status: StatusCode::OK, page, coding, caching }
    }
}

fn probe<'s>(which: Probe, ask: &Ask<'_>, moment: &Moment, snapshot: &Snapshot) -> Answer<'s> {
    if ask.verb != Verb::Read {
        return Answer::ProbeMethodNotAllowed;
    }
    let settings = &snapshot.settings;
    // Maintenance touches the user tier only.
    let closed = settings.tier == Tier::User && mode::at(settings, moment.now) == Mode::Maintenance;
    let checks = [
        Check { name: "ping", ok: true },
        Check { name: "shutdown", ok: !moment.draining },
        Check { name: "maintenance", ok: !closed },
    ];
    let report = match which {
        Probe::Livez => probes::run("livez", ask.query, &checks[..1]),
        Probe::Readyz => probes::run("readyz", ask.query, &checks),
        Probe::Health => probes::run("health", ask.query, &checks[..2]),
    };
    Answer::Probe { ok: report.ok, text: report.text }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Request, Response, header};
    use http_body_util::Full;

    use super::*;
    use crate::{
        pages::{Facts, Pages},
        settings::{Files, Sources},
    };

    const NOW: Moment = Moment { now: Timestamp::UNIX_EPOCH, draining: false };

    fn request(line: &str) -> Request<()> {
        let (method, target) = line.split_once(' ').unwrap();
        Request::builder().method(method).uri(target).header(header::HOST, "a").body(()).unwrap()
    }

    fn snapshot(tier: &str, mode: &str) -> Snapshot {
        snapshot_of(&[("TIER", tier), ("MAINTENANCE_MODE", mode)])
    }

    fn snapshot_of(environment: &[(&str, &str)]) -> Snapshot {
        let environment = environment.iter().map(|&(name, value)| (name.into(), value.into()));
        let sources = Sources::default().with_environment(environment).unwrap();
        let settings = sources.resolve(&Files::default()).unwrap();
        let facts = Facts { pod: "pod".into(), started_at: NOW.now, since: NOW.now, reload_error: String::new() };
        Snapshot::new(settings, &Pages::load(None).unwrap(), &facts).unwrap()
    }

    fn ask(tier: &str, mode: &str, line: &str, headers: &[(header::HeaderName, &str)]) -> Response<Full<Bytes>> {
        let mut request = request(line);
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        respond(&Ask::new(&request), &NOW, &snapshot(tier, mode)).into_response(HeaderMap::new(), false)
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
            let response = respond(&Ask::new(&request), &moment, &standby).into_response(HeaderMap::new(), false);
            (response.status().as_u16(), response.headers().contains_key("maintenance-mode"))
        };
        for path in ["/", "/health", "/healthz", "/livez", "/ready", "/readyz?exclude=maintenance", "/lb/", "/any"] {
            assert_eq!(status(&format!("GET {path}"), false), (503, true), "{path}");
        }
        assert_eq!(status("GET /lb?x", false), (200, false));
        assert_eq!(status("HEAD /lb", true), (503, false), "it is about to end: not here any more");
        assert_eq!(status("POST /lb", false), (405, false));
        let request = request("GET /readyz?exclude=maintenance");
        let answer = respond_management(&Ask::new(&request), &NOW, &standby, |_| String::new());
        assert_eq!(
            answer.into_response(HeaderMap::new(), false).status(),
            200,
            "the kubelet keeps it among the endpoints"
        );
    }

    #[test]
    fn a_health_path_is_200_in_either_mode() {
        for mode in ["true", "false"] {
            let snapshot = snapshot_of(&[("MAINTENANCE_MODE", mode), ("HEALTH_PATH", "/lb")]);
            let request = request("GET /lb");
            let answer = respond(&Ask::new(&request), &NOW, &snapshot);
            assert!(answer.is_probe());
            assert_eq!(answer.into_response(HeaderMap::new(), false).status(), 200, "{mode}");
        }
    }

    #[test]
    fn a_health_path_is_nothing_to_the_admin_tier() {
        for (path, status) in [("/lb", 404), ("/admin", 200)] {
            let snapshot = snapshot_of(&[("TIER", "admin"), ("HEALTH_PATH", path)]);
            let request = request(&format!("GET {path}"));
            let answer = respond(&Ask::new(&request), &NOW, &snapshot);
            assert!(!answer.is_probe());
            let response = answer.into_response(HeaderMap::new(), false);
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
            let answer = respond(&Ask::new(&request), &NOW, &admin);
            assert_eq!(matches!(answer, Answer::Unauthorized { wrong: true }), is_wrong, "{line} {authorization:?}");
            let response = answer.into_response(HeaderMap::new(), false);
            assert_eq!(response.status().as_u16(), status, "{line} {authorization:?}");
            let challenge = response.headers().get(header::WWW_AUTHENTICATE).map(|it| it.to_str().unwrap());
            let expected = "Basic realm=\"maintenance-mode admin tier\", charset=\"UTF-8\"";
            assert_eq!(challenge, (status == 401).then_some(expected));
            assert!(status != 401 || response.headers()[header::CACHE_CONTROL] == "no-store");
        }
        let metrics = request("GET /metrics");
        let answer = respond_management(&Ask::new(&metrics), &NOW, &admin, |_| String::new());
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
        let response = ask("user", "false", "GET /", &[(header::ACCEPT_ENCODING, "gzip")]);
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let etag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = [(header::IF_NONE_MATCH, etag.as_str()), (header::ACCEPT_ENCODING, "gzip")];
        let response = ask("user", "false", "GET /", &again);
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()[header::ETAG], etag);
        assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
        assert_eq!(ask("user", "false", "GET /", &again[..1]).status(), 200, "the tag of another coding");
        assert_eq!(ask("user", "false", "GET /x", &[(header::IF_NONE_MATCH, "*")]).status(), 404);
        assert_eq!(ask("user", "true", "GET /", &[(header::IF_NONE_MATCH, "*")]).status(), 503);
    }

    #[test]
    fn draining_fails_readiness_and_closes() {
        let request = request("GET /readyz?exclude=maintenance");
        let moment = Moment { draining: true, ..NOW };
        let snapshot = snapshot("admin", "false");
        let Answer::Probe { ok: false, text } = respond(&Ask::new(&request), &moment, &snapshot) else { panic!() };
        assert_eq!(
            text,
            "[+]ping ok\n[-]shutdown failed: reason withheld\n[+]maintenance excluded: ok\nreadyz check failed\n"
        );
        let response = Answer::NotFound.into_response(HeaderMap::new(), true);
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
            let answer = respond_management(&Ask::new(&request), &NOW, &snapshot, |mode| mode.as_str().into());
            assert_eq!(answer.into_response(HeaderMap::new(), false).status(), status, "{line}");
        }
    }

    #[test]
    fn a_request_without_a_host_is_400_and_closes_on_both_ports_in_either_mode() {
        for (tier, mode) in [("user", "true"), ("user", "false"), ("admin", "false")] {
            let snapshot = snapshot(tier, mode);
            for path in ["/", "/livez"] {
                let request = Request::builder().uri(path).body(()).unwrap();
                let main = respond(&Ask::new(&request), &NOW, &snapshot);
                let management = respond_management(&Ask::new(&request), &NOW, &snapshot, |_| String::new());
                for answer in [main, management] {
                    assert!(matches!(answer, Answer::BadRequest), "{tier} {mode} {path}");
                    let response = answer.into_response(HeaderMap::new(), false);
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
