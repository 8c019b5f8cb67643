//! Asking a front door until it answers in the wanted mode.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::Uri;
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::request::{Answer, Client, Failure};

/// Good answers in a row: routers have several workers, which do not learn of a change at the same moment.
const IN_A_ROW: u32 = 5;
/// Failed connections in a row after which a door that has never answered is given up.
const SILENT: u32 = 3;
/// How many redirects to the same host are followed.
const REDIRECTS: u32 = 5;

/// A front door, and what it should answer.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Where it is.
    pub url: &'a str,
    /// The Host header and the name in SNI, where they are others than the URL's.
    pub host: Option<&'a str>,
    /// What is good.
    pub expect: Expect,
    /// Whether people named it (`--url`, `--check`): then it is wrong that it cannot be reached from here.
    pub named: bool,
}

/// What is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// In maintenance: a 503 with our marker.
    Page,
    /// In maintenance, where `maintenance.endpoints` is `withdrawn`: a 503 without it.
    WithoutPage,
    /// In normal: no marker, and neither 502, 503 nor 504.
    Application,
    /// Before users are let in again: a status below 500.
    NoError,
}

/// What came of it. Each text is a sentence that begins with the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers as it should.
    Good(String),
    /// It cannot be asked from here, which says nothing about it.
    Unchecked(String),
    /// It does not.
    Bad(String),
}

/// Asks once.
#[must_use]
pub fn ask_once(question: &Question<'_>) -> Verdict {
    run(async { Asker::new(question).once().await })
}

/// Asks until five answers in a row are good, each over a connection of its own; not beyond `deadline`, nor once `stop` is
/// set. `told` gets what people should know meanwhile.
pub fn await_good(
    question: &Question<'_>,
    deadline: Instant,
    stop: &AtomicBool,
    told: &mut dyn FnMut(&str),
) -> Verdict {
    run(unless_stopped(question, stop, Asker::new(question).until_good(deadline, told)))
}

async fn unless_stopped(question: &Question<'_>, stop: &AtomicBool, asking: impl Future<Output = Verdict>) -> Verdict {
    let stopped = async {
        while !stop.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        verdict = asking => verdict,
        () = stopped => Verdict::Unchecked(format!("{} was no longer asked", question.url)),
    }
}

fn run(asking: impl Future<Output = Verdict>) -> Verdict {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Verdict::Bad(format!("nothing can be asked: {error}")),
    };
    let verdict = runtime.block_on(asking);
    // A name that takes long to resolve is not waited for.
    runtime.shutdown_background();
    verdict
}

struct Asker<'a> {
    question: &'a Question<'a>,
    client: Client,
    /// Between an answer that is not good and the next question.
    pause: Duration,
    /// For how long a 503 without our marker is given time before it is told.
    patience: Duration,
}

/// Where the redirects of a door ended, and what was answered there.
struct Found {
    url: Uri,
    answer: Answer,
}

impl<'a> Asker<'a> {
    fn new(question: &'a Question<'a>) -> Self {
        let client = Client::new();
        Self { question, client, pause: Duration::from_millis(300), patience: Duration::from_secs(3) }
    }

    async fn once(&self) -> Verdict {
        match self.follow(&mut |_| ()).await {
            Ok(found) if self.question.expect.is_met_by(&found.answer) => Verdict::Good(found.sentence()),
            Ok(found) => Verdict::Bad(self.complaint(&found)),
            Err(Failure::NotReached(why)) => self.not_reached(why),
            Err(Failure::NoAnswer(why)) => Verdict::Bad(why),
        }
    }

    async fn until_good(&self, deadline: Instant, told: &mut dyn FnMut(&str)) -> Verdict {
        let (mut good, mut silent, mut answered) = (0, 0, false);
        let mut foreign_since = None;
        let mut said: Vec<String> = Vec::new();
        let mut tell = |text: &str| {
            if !said.iter().any(|earlier| earlier == text) {
                told(text);
                said.push(text.to_owned());
            }
        };
        loop {
            let found = self.follow(&mut tell).await;
            silent = if matches!(found, Err(Failure::NotReached(_))) { silent + 1 } else { 0 };
            answered |= silent == 0;
            let wrong = match found {
                Ok(found) if self.question.expect.is_met_by(&found.answer) => {
                    good += 1;
                    if good == IN_A_ROW {
                        return Verdict::Good(found.sentence());
                    }
                    continue;
                }
                Ok(found) => {
                    let wrong = self.complaint(&found);
                    if found.answer.is_foreign_503() {
                        if foreign_since.get_or_insert_with(Instant::now).elapsed() >= self.patience {
                            tell(&wrong);
                        }
                    } else {
                        foreign_since = None;
                    }
                    Verdict::Bad(wrong)
                }
                Err(Failure::NotReached(why)) if answered => Verdict::Bad(why),
                Err(Failure::NotReached(why)) => self.not_reached(why),
                Err(Failure::NoAnswer(why)) => Verdict::Bad(why),
            };
            good = 0;
            if Instant::now() >= deadline || (!answered && silent >= SILENT) {
                return wrong;
            }
            sleep(self.pause).await;
        }
    }

    fn not_reached(&self, why: String) -> Verdict {
        if self.question.named { Verdict::Bad(why) } else { Verdict::Unchecked(why) }
    }

    /// Asks, and follows redirects to the same host.
    async fn follow(&self, told: &mut dyn FnMut(&str)) -> Result<Found, Failure> {
        let invalid = |error| Failure::NotReached(format!("{} is no URL: {error}", self.question.url));
        let mut url: Uri = self.question.url.parse().map_err(invalid)?;
        let mut left = REDIRECTS;
        loop {
            let answer = self.client.get(&url, self.question.host).await.map_err(|failure| match failure {
                Failure::NotReached(why) => Failure::NotReached(format!("{url} cannot be reached from here: {why}")),
                Failure::NoAnswer(why) => {
                    Failure::NoAnswer(format!("{url} took the connection and did not answer: {why}"))
                }
            })?;
            let next = answer.redirect().and_then(|location| same_host(&url, self.question.host, location));
            match next {
                Some(next) if left > 0 => {
                    told(&format!("{url} redirects to {next}, so that is asked"));
                    url = next;
                    left -= 1;
                }
                _ => return Ok(Found { url, answer }),
            }
        }
    }

    /// What is wrong with an answer.
    fn complaint(&self, found: &Found) -> String {
        let sentence = found.sentence();
        let answer = &found.answer;
        match (self.question.expect, answer.redirect()) {
            (Expect::Page | Expect::WithoutPage, Some(location)) => {
                format!("{sentence}, which leads to {location}: --url names the address where users end up")
            }
            _ if answer.is_foreign_503() => format!("{sentence}: that is a cache's, or a platform's own page"),
            _ if matches!(answer.status, 502 | 504) => {
                format!("{sentence} ({}): a router gets no answer behind it", answer.traces)
            }
            (Expect::NoError, _) => sentence,
            _ => format!("{sentence} ({}): is there a cache before it, or does it lead elsewhere?", answer.traces),
        }
    }
}

impl Found {
    fn sentence(&self) -> String {
        format!("{} answers {}", self.url, self.answer)
    }
}

impl Expect {
    fn is_met_by(self, answer: &Answer) -> bool {
        match self {
            Self::Page => answer.status == 503 && answer.marker,
            Self::WithoutPage => answer.is_foreign_503(),
            Self::Application => !answer.marker && !matches!(answer.status, 502..=504),
            Self::NoError => answer.status < 500,
        }
    }
}

/// Where a redirect leads, if that is the same host: by its own name, or by the one that is sent as Host.
fn same_host(url: &Uri, host: Option<&str>, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let own = url.host()?;
    let next = absolute(url, location)?;
    if !matches!(next.scheme_str()?, "http" | "https") {
        return None;
    }
    if next.host()?.eq_ignore_ascii_case(own) {
        return Some(next);
    }
    let sent: Uri = host?.parse().ok()?;
    if !sent.host()?.eq_ignore_ascii_case(next.host()?) {
        return None;
    }
    let port = next.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{own}{port}{}", next.scheme_str()?, next.path_and_query()?).parse().ok()
}

/// A Location, which may be relative to the URL that gave it.
fn absolute(url: &Uri, location: &str) -> Option<Uri> {
    let scheme = url.scheme_str()?;
    let authority = url.authority()?;
    let has_scheme = location.find([':', '/', '?']).is_some_and(|at| location[at..].starts_with(':'));
    let folder = || url.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    match location.chars().next()? {
        _ if has_scheme => location.to_owned(),
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        '/' => format!("{scheme}://{authority}{location}"),
        '?' => format!("{scheme}://{authority}{}{location}", url.path()),
        _ => format!("{scheme}://{authority}{}/{location}", folder()),
    }
    .parse()
    .ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use hyper_util::client::proxy::matcher::Matcher;

    use super::super::testing::{Server, head, page, proxy};
    use super::*;

    fn question(url: &str, expect: Expect) -> Question<'_> {
        Question { url, host: None, expect, named: false }
    }

    /// Without pauses, and without the proxies of whoever runs the tests.
    fn asker<'a>(question: &'a Question<'a>) -> Asker<'a> {
        let client = Client::with_proxies(Matcher::builder().build());
        Asker { question, client, pause: Duration::ZERO, patience: Duration::ZERO }
    }

    fn once(question: &Question<'_>) -> Verdict {
        run(asker(question).once())
    }

    /// The verdict, and what was told.
    fn until_good(question: &Question<'_>, time: Duration) -> (Verdict, Vec<String>) {
        let mut told = Vec::new();
        let deadline = Instant::now() + time;
        let verdict = run(asker(question).until_good(deadline, &mut |text| told.push(text.to_owned())));
        (verdict, told)
    }

    /// For what ends by itself.
    const AMPLE: Duration = Duration::from_secs(3600);
    /// For what does not.
    const SHORT: Duration = Duration::from_millis(100);

    /// A URL at which nobody listens.
    fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    }

    #[track_caller]
    fn is_good(verdict: &Verdict) {
        assert!(matches!(verdict, Verdict::Good(_)), "{verdict:?}");
    }

    #[track_caller]
    fn is_bad(verdict: &Verdict, parts: &[&str]) {
        let Verdict::Bad(text) = verdict else { panic!("{verdict:?}") };
        assert!(parts.iter().all(|part| text.contains(part)), "{text:?} lacks one of {parts:?}");
    }

    #[test]
    fn what_is_good_in_each_mode() {
        let foreign = || head(503, "Server: nginx\r\n");
        for (expect, answer, good) in [
            (Expect::Page, page(), true),
            (Expect::Page, foreign(), false),
            (Expect::Page, head(503, "Maintenance-Mode: off\r\n"), false),
            (Expect::Page, head(200, "Maintenance-Mode: on\r\n"), false),
            (Expect::Page, head(200, ""), false),
            (Expect::WithoutPage, foreign(), true),
            (Expect::WithoutPage, page(), false),
            (Expect::WithoutPage, head(200, ""), false),
            (Expect::Application, head(200, ""), true),
            (Expect::Application, head(404, ""), true),
            (Expect::Application, head(500, ""), true),
            (Expect::Application, head(302, "Location: https://login.test/\r\n"), true),
            (Expect::Application, head(502, ""), false),
            (Expect::Application, foreign(), false),
            (Expect::Application, head(504, ""), false),
            (Expect::Application, page(), false),
            (Expect::Application, head(200, "Maintenance-Mode: on\r\n"), false),
            (Expect::NoError, head(404, ""), true),
            (Expect::NoError, head(500, ""), false),
            (Expect::NoError, page(), false),
        ] {
            let shown = format!("{expect:?} of {answer:?}");
            let server = Server::plain(move |_, _| answer.clone());
            let verdict = once(&question(&server.url("http", "/"), expect));
            assert_eq!(matches!(verdict, Verdict::Good(_)), good, "{shown}: {verdict:?}");
            assert_eq!(matches!(verdict, Verdict::Bad(_)), !good, "{shown}: {verdict:?}");
        }
    }

    #[test]
    fn five_good_answers_in_a_row_each_over_its_own_connection() {
        // The first two answers and the fifth are the old mode's.
        let server = Server::plain(|number, _| if [0, 1, 4].contains(&number) { head(200, "") } else { page() });
        let url = server.url("http", "/app?a=b");
        let (verdict, told) = until_good(&question(&url, Expect::Page), AMPLE);
        assert_eq!(verdict, Verdict::Good(format!("{url} answers 503 with our marker")));
        assert_eq!(told, Vec::<String>::new());
        let seen = server.seen();
        assert_eq!(seen.len(), 10);
        for head in seen {
            let agent = concat!("user-agent: kubectl-maintenance/", env!("CARGO_PKG_VERSION"));
            let host = format!("host: 127.0.0.1:{}", server.port);
            assert_eq!(head, format!("GET /app?a=b HTTP/1.1\r\n{host}\r\n{agent}\r\naccept: */*\r\n\r\n"));
        }
    }

    #[test]
    fn a_connection_is_never_used_twice() {
        // Only a new connection ever gets to the new mode.
        let server = Server::plain(|number, _| if number < 7 { head(200, "") } else { page() });
        is_good(&until_good(&question(&server.url("http", "/"), Expect::Page), AMPLE).0);
        assert_eq!(server.seen().len(), 12);
    }

    #[test]
    fn one_that_stays_as_it_was_is_bad_at_the_deadline() {
        let server = Server::plain(|_, _| head(200, "Age: 30\r\n"));
        let (verdict, told) = until_good(&question(&server.url("http", "/"), Expect::Page), SHORT);
        is_bad(&verdict, &["answers 200 (Age: 30): is there a cache before it, or does it lead elsewhere?"]);
        assert_eq!(told, Vec::<String>::new());
    }

    #[test]
    fn a_router_without_anything_behind_it_is_bad() {
        for (expect, status) in [(Expect::Page, 502), (Expect::Application, 504)] {
            let server = Server::plain(move |_, _| head(status, "Server: envoy\r\n"));
            let verdict = once(&question(&server.url("http", "/"), expect));
            is_bad(&verdict, &[&format!("answers {status} (Server: envoy): a router gets no answer behind it")]);
        }
    }

    #[test]
    fn one_that_cannot_be_reached_is_unchecked_unless_it_was_named() {
        let url = closed();
        let mut question = question(&url, Expect::Page);
        for verdict in [once(&question), until_good(&question, AMPLE).0] {
            let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
            assert!(text.starts_with(&format!("{url} cannot be reached from here: ")), "{text}");
            assert!(text.contains("refused"), "{text}");
        }
        question.named = true;
        is_bad(&once(&question), &[&url, "cannot be reached from here", "refused"]);
        is_bad(&until_good(&question, AMPLE).0, &[&url, "cannot be reached from here", "refused"]);
    }

    #[test]
    fn a_host_that_does_not_resolve_is_unchecked() {
        let verdict = once(&question("http://door.invalid/", Expect::Page));
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.starts_with("http://door.invalid/ cannot be reached from here: "), "{text}");
    }

    #[test]
    fn one_that_has_answered_and_then_falls_silent_is_bad() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, page().as_bytes()).unwrap();
        });
        is_bad(&until_good(&question(&url, Expect::Page), SHORT).0, &["cannot be reached from here"]);
    }

    #[test]
    fn one_that_takes_the_connection_and_says_nothing_is_bad() {
        let server = Server::plain(|_, _| String::new());
        let verdict = once(&question(&server.url("http", "/"), Expect::Page));
        is_bad(&verdict, &[&server.url("http", "/"), "took the connection and did not answer: "]);
    }

    #[test]
    fn what_is_no_url_says_so() {
        let mut question = question("http://shop test/", Expect::Page);
        question.named = true;
        is_bad(&once(&question), &["http://shop test/ is no URL: "]);
    }

    #[test]
    fn the_last_head_is_the_answer() {
        let server =
            Server::plain(|_, _| format!("HTTP/1.1 103 Early Hints\r\nMaintenance-Mode: off\r\n\r\n{}", page()));
        is_good(&once(&question(&server.url("http", "/"), Expect::Page)));
    }

    #[test]
    fn a_503_without_our_marker_is_told_once_with_what_it_says_of_itself() {
        let server = Server::plain(|_, _| head(503, "Server: nginx\r\nVia: 1.1 cache\r\nAge: 120\r\n"));
        let url = server.url("http", "/");
        let sentence = format!(
            "{url} answers 503 without our marker (Server: nginx, Via: 1.1 cache, Age: 120): that is a cache's, or a platform's own page"
        );
        for expect in [Expect::Page, Expect::Application] {
            let (verdict, told) = until_good(&question(&url, expect), SHORT);
            assert_eq!(told, std::slice::from_ref(&sentence));
            assert_eq!(verdict, Verdict::Bad(sentence.clone()));
        }
        let question = question(&url, Expect::Page);
        let patient = Asker { patience: AMPLE, ..asker(&question) };
        let mut told = 0;
        let deadline = Instant::now() + SHORT;
        is_bad(&run(patient.until_good(deadline, &mut |_| told += 1)), &["without our marker"]);
        assert_eq!(told, 0);
        let bare = Server::plain(|_, _| head(503, ""));
        let url = bare.url("http", "/");
        is_bad(&once(&self::question(&url, Expect::Page)), &["503 without our marker (no Server, Via or Age)"]);
    }

    #[test]
    fn a_redirect_to_https_on_the_same_host_is_followed_and_told_once() {
        let secure = Server::tls(|_, _| page());
        let there = secure.url("https", "/app");
        let location = there.clone();
        let server = Server::plain(move |_, _| head(301, &format!("Location: {location}\r\n")));
        let here = server.url("http", "/");
        let (verdict, told) = until_good(&question(&here, Expect::Page), AMPLE);
        assert_eq!(verdict, Verdict::Good(format!("{there} answers 503 with our marker")));
        assert_eq!(told, [format!("{here} redirects to {there}, so that is asked")]);
        assert_eq!((server.seen().len(), secure.seen().len()), (5, 5));
    }

    #[test]
    fn a_redirect_to_nobody_is_as_the_host_itself() {
        let there = closed();
        let location = there.clone();
        let server = Server::plain(move |_, _| head(307, &format!("Location: {location}\r\n")));
        let verdict = once(&question(&server.url("http", "/"), Expect::Page));
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.starts_with(&format!("{there} cannot be reached from here: ")), "{text}");
    }

    #[test]
    fn a_redirect_that_adds_a_slash_is_followed() {
        let server =
            Server::plain(
                |_, request| {
                    if request.starts_with("GET /app/ ") { page() } else { head(308, "Location: /app/\r\n") }
                },
            );
        is_good(&once(&question(&server.url("http", "/app"), Expect::Page)));
    }

    #[test]
    fn a_redirect_to_another_host_is_not_followed() {
        let server = Server::plain(|_, _| head(302, "Location: https://login.test/?from=shop\r\n"));
        let url = server.url("http", "/");
        let (verdict, told) = until_good(&question(&url, Expect::Page), SHORT);
        let sentence =
            "answers 302, which leads to https://login.test/?from=shop: --url names the address where users end up";
        is_bad(&verdict, &[sentence]);
        assert_eq!(told, Vec::<String>::new());
        // An application may send its users to a login.
        is_good(&once(&question(&url, Expect::Application)));
    }

    #[test]
    fn redirects_in_a_circle_end() {
        let server = Server::plain(|_, _| head(302, "Location: /\r\n"));
        is_bad(&once(&question(&server.url("http", "/"), Expect::Page)), &["answers 302"]);
        assert_eq!(server.seen().len(), 6);
    }

    #[test]
    fn where_a_redirect_leads() {
        for (location, host, expected) in [
            ("https://shop.test/", None, Some("https://shop.test/")),
            ("https://SHOP.test:8443/a", None, Some("https://SHOP.test:8443/a")),
            ("//shop.test/b", None, Some("http://shop.test/b")),
            ("/login?next=https://other.test/", None, Some("http://shop.test:8080/login?next=https://other.test/")),
            ("login?next=https://other.test/", None, Some("http://shop.test:8080/app/login?next=https://other.test/")),
            ("?a=b", None, Some("http://shop.test:8080/app/x?a=b")),
            ("/a#part", None, Some("http://shop.test:8080/a")),
            ("https://other.test/", None, None),
            ("//other.test/", None, None),
            ("ftp://shop.test/", None, None),
            ("mailto:shop@shop.test", None, None),
            ("", None, None),
            // Known to users by another name.
            ("https://www.test/a", Some("www.test"), Some("https://shop.test/a")),
            ("https://www.test:8443/a", Some("www.test:8080"), Some("https://shop.test:8443/a")),
            ("https://other.test/", Some("www.test"), None),
        ] {
            let url = Uri::from_static("http://shop.test:8080/app/x");
            let next = same_host(&url, host, location).map(|next| next.to_string());
            assert_eq!(next.as_deref(), expected, "{location} with {host:?}");
        }
    }

    #[test]
    fn the_host_is_sent_as_host_and_as_sni() {
        let server = Server::tls(|_, _| page());
        let url = server.url("https", "/");
        is_good(&once(&Question { host: Some("shop.test"), ..question(&url, Expect::Page) }));
        is_good(&once(&Question { host: Some("shop.test:8443"), ..question(&url, Expect::Page) }));
        let seen = server.seen();
        assert!(seen[0].starts_with("[shop.test] GET / HTTP/1.1\r\nhost: shop.test\r\n"), "{seen:?}");
        assert!(seen[1].starts_with("[shop.test] GET / HTTP/1.1\r\nhost: shop.test:8443\r\n"), "{seen:?}");
        let server = Server::plain(|_, _| page());
        is_good(&once(&Question { host: Some("shop.test"), ..question(&server.url("http", "/"), Expect::Page) }));
        assert!(server.seen()[0].contains("\r\nhost: shop.test\r\n"));
    }

    /// By a proxy for each scheme, on this port.
    fn by_proxy(question: &Question<'_>, port: u16, unless: &str) -> Verdict {
        let proxies = Matcher::builder().all(format!("http://me:secret@127.0.0.1:{port}")).no(unless).build();
        run(Asker { client: Client::with_proxies(proxies), ..asker(question) }.once())
    }

    const CREDENTIALS: &str = "\r\nproxy-authorization: basic bwu6c2vjcmv0\r\n";

    #[test]
    fn a_proxy_is_asked_for_the_whole_url_over_http() {
        let proxy = proxy(0, |_| page());
        is_good(&by_proxy(&question("http://shop.test/app", Expect::Page), proxy.port, ""));
        let seen = proxy.seen();
        assert!(seen[0].starts_with("GET http://shop.test/app HTTP/1.1\r\nhost: shop.test\r\n"), "{seen:?}");
        assert!(seen[0].to_lowercase().contains(CREDENTIALS), "{seen:?}");
    }

    #[test]
    fn a_proxy_passes_on_https() {
        let server = Server::tls(|_, _| page());
        let proxy = proxy(server.port, |_| "HTTP/1.1 200 Connected\r\n\r\n".into());
        is_good(&by_proxy(&question("https://shop.test/app", Expect::Page), proxy.port, ""));
        let (asked, seen) = (proxy.seen(), server.seen());
        assert!(asked[0].starts_with("CONNECT shop.test:443 HTTP/1.1\r\n"), "{asked:?}");
        assert!(asked[0].to_lowercase().contains(CREDENTIALS), "{asked:?}");
        assert!(seen[0].starts_with("[shop.test] GET /app HTTP/1.1\r\nhost: shop.test\r\n"), "{seen:?}");
        assert!(!seen[0].contains("proxy-authorization"), "{seen:?}");
    }

    #[test]
    fn a_proxy_passes_on_what_is_for_another_host() {
        let server = Server::plain(|_, _| page());
        let proxy = proxy(server.port, |_| "HTTP/1.1 200 Connected\r\n\r\n".into());
        let question = Question { host: Some("shop.test"), ..question("http://192.0.2.1/", Expect::Page) };
        is_good(&by_proxy(&question, proxy.port, ""));
        let (asked, seen) = (proxy.seen(), server.seen());
        assert!(asked[0].starts_with("CONNECT 192.0.2.1:80 HTTP/1.1\r\n"), "{asked:?}");
        assert!(seen[0].starts_with("GET / HTTP/1.1\r\nhost: shop.test\r\n"), "{seen:?}");
    }

    #[test]
    fn no_proxy_is_asked_for_what_it_is_not_for() {
        let proxy = proxy(0, |_| page());
        let verdict = by_proxy(&question("http://door.invalid/", Expect::Page), proxy.port, "10.0.0.0/8, .invalid");
        assert!(matches!(verdict, Verdict::Unchecked(_)), "{verdict:?}");
        assert_eq!(proxy.seen(), Vec::<String>::new());
    }

    #[test]
    fn no_proxy_is_asked_for_this_machine() {
        let server = Server::plain(|_, _| page());
        let proxy = proxy(0, |_| head(200, ""));
        for url in [server.url("http", "/"), format!("http://localhost:{}/", server.port)] {
            is_good(&by_proxy(&question(&url, Expect::Page), proxy.port, ""));
        }
        assert_eq!(proxy.seen(), Vec::<String>::new());
    }

    #[test]
    fn a_proxy_that_refuses_is_no_answer_of_the_door() {
        let proxy = Server::plain(|_, _| head(403, ""));
        let verdict = by_proxy(&question("https://shop.test/", Expect::Page), proxy.port, "");
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.starts_with("https://shop.test/ cannot be reached from here: by the proxy http://"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_proxy_of_another_kind_is_named() {
        let question = question("http://shop.test/", Expect::Page);
        let proxies = Matcher::builder().all("socks5://me:secret@127.0.0.1:9").build();
        let verdict = run(Asker { client: Client::with_proxies(proxies), ..asker(&question) }.once());
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.contains("the proxy socks5://127.0.0.1:9/ is not one that begins with http://"), "{text}");
    }

    #[test]
    fn it_stops_in_the_middle_of_a_question() {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        // It never answers.
        let server = Server::plain(move |_, _| {
            stopping.store(true, Ordering::Relaxed);
            loop {
                std::thread::park();
            }
        });
        let url = server.url("http", "/");
        let question = question(&url, Expect::Page);
        let asker = Asker { pause: AMPLE, ..asker(&question) };
        let deadline = Instant::now() + AMPLE;
        let verdict = run(unless_stopped(&question, &stop, asker.until_good(deadline, &mut |_| ())));
        assert_eq!(verdict, Verdict::Unchecked(format!("{url} was no longer asked")));
    }
}
