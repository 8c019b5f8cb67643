//! Asking a front door once: what it answers, and whether that is what its mode wants.

use hyper::Uri;
use tokio::runtime::Builder;

use super::request::{Answer, Client, Failure};

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

/// Runs what asks to its end.
pub(super) fn run(asking: impl Future<Output = Verdict>) -> Verdict {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Verdict::Bad(format!("nothing can be asked: {error}")),
    };
    let verdict = runtime.block_on(asking);
    // A name that takes long to resolve is not waited for.
    runtime.shutdown_background();
    verdict
}

/// Who asks.
pub(super) struct Asker<'a> {
    pub(super) question: &'a Question<'a>,
    client: Client,
}

/// Where the redirects of a door ended, and what was answered there.
pub(super) struct Found {
    url: Uri,
    pub(super) answer: Answer,
}

impl<'a> Asker<'a> {
    pub(super) fn new(question: &'a Question<'a>) -> Self {
        Self::with_client(question, Client::new())
    }

    pub(super) fn with_client(question: &'a Question<'a>, client: Client) -> Self {
        Self { question, client }
    }

    async fn once(&self) -> Verdict {
        match self.follow(&mut |_| ()).await {
            Ok(found) if self.question.expect.is_met_by(&found.answer) => Verdict::Good(found.sentence()),
            Ok(found) => Verdict::Bad(self.complaint(&found)),
            Err(Failure::NotReached(why)) => self.not_reached(why),
            Err(Failure::NoAnswer(why)) => Verdict::Bad(why),
        }
    }

    /// What it means that it cannot be reached from here.
    pub(super) fn not_reached(&self, why: String) -> Verdict {
        if self.question.named { Verdict::Bad(why) } else { Verdict::Unchecked(why) }
    }

    /// Asks, and follows redirects to the same host.
    pub(super) async fn follow(&self, told: &mut dyn FnMut(&str)) -> Result<Found, Failure> {
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
    pub(super) fn complaint(&self, found: &Found) -> String {
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
    /// What was answered, and where.
    pub(super) fn sentence(&self) -> String {
        format!("{} answers {}", self.url, self.answer)
    }
}

impl Expect {
    /// Whether an answer is what is wanted.
    pub(super) fn is_met_by(self, answer: &Answer) -> bool {
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
    use hyper_util::client::proxy::matcher::Matcher;

    use super::super::testing::{Server, asker, closed, head, is_bad, is_good, page, proxy, question};
    use super::*;

    fn once(question: &Question<'_>) -> Verdict {
        run(asker(question).once())
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
        let verdict = once(&question);
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.starts_with(&format!("{url} cannot be reached from here: ")), "{text}");
        assert!(text.contains("refused"), "{text}");
        question.named = true;
        is_bad(&once(&question), &[&url, "cannot be reached from here", "refused"]);
    }

    #[test]
    fn a_host_that_does_not_resolve_is_unchecked() {
        let verdict = once(&question("http://door.invalid/", Expect::Page));
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.starts_with("http://door.invalid/ cannot be reached from here: "), "{text}");
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
    fn a_503_without_our_marker_is_told_with_what_it_says_of_itself() {
        for (headers, says) in [
            ("Server: nginx\r\nVia: 1.1 cache\r\nAge: 120\r\n", "(Server: nginx, Via: 1.1 cache, Age: 120)"),
            ("", "(no Server, Via or Age)"),
        ] {
            let server = Server::plain(move |_, _| head(503, headers));
            let url = server.url("http", "/");
            let sentence =
                format!("answers 503 without our marker {says}: that is a cache's, or a platform's own page");
            for expect in [Expect::Page, Expect::Application] {
                is_bad(&once(&question(&url, expect)), &[&url, &sentence]);
            }
        }
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
        let sentence =
            "answers 302, which leads to https://login.test/?from=shop: --url names the address where users end up";
        is_bad(&once(&question(&url, Expect::Page)), &[sentence]);
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
        run(Asker::with_client(question, Client::with_proxies(proxies)).once())
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
        let verdict = run(Asker::with_client(&question, Client::with_proxies(proxies)).once());
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.contains("the proxy socks5://127.0.0.1:9/ is not one that begins with http://"), "{text}");
    }
}
