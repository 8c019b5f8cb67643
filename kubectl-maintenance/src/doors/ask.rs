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
    let stopped = async {
        while !stop.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let asker = Asker::new(question);
    run(async {
        tokio::select! {
            verdict = asker.until_good(deadline, told) => verdict,
            () = stopped => Verdict::Unchecked(format!("{} was no longer asked", question.url)),
        }
    })
}

fn run(asking: impl Future<Output = Verdict>) -> Verdict {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(asking),
        Err(error) => Verdict::Bad(format!("nothing can be asked: {error}")),
    }
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

impl Answer {
    fn is_foreign_503(&self) -> bool {
        self.status == 503 && !self.marker
    }

    fn redirect(&self) -> Option<&str> {
        self.location.as_deref().filter(|_| matches!(self.status, 301 | 302 | 303 | 307 | 308))
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
