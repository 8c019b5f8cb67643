//! Watching a front door from before the first change until it answers in the wanted mode: who wants to know when users saw
//! the last of the old and the first of the new must have asked all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::ask::{Asker, Question, Verdict, run};
use super::request::Failure;

/// Good answers in a row: routers have several workers, which do not learn of a change at the same moment.
const IN_A_ROW: u32 = 5;
/// Failed connections in a row after which a door that has never answered is given up.
const SILENT: u32 = 3;

/// A front door that is watched by a thread of its own, until this is dropped.
pub struct Watch<'s> {
    deadline: Sender<Option<Instant>>,
    thread: ScopedJoinHandle<'s, Seen>,
}

/// What was seen of a front door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What came of it.
    pub verdict: Verdict,
    /// When it answered last in another way than is wanted: as before.
    pub last_old: Option<Instant>,
    /// When it first answered as is wanted.
    pub first_new: Option<Instant>,
}

/// Watches a front door from now on, until `stop` is set. `told` gets what people should know once it is awaited.
pub fn watch<'s>(
    scope: &'s Scope<'s, '_>,
    question: Question<'s>,
    stop: &'s AtomicBool,
    mut told: impl FnMut(&str) + Send + 's,
) -> Watch<'s> {
    let (deadline, receiver) = channel(None);
    let thread = scope.spawn(move || Watcher::new(Asker::new(&question)).run(receiver, stop, &mut told));
    Watch { deadline, thread }
}

impl Watch<'_> {
    /// From now on it should answer in the wanted mode, as all else is in force: until five answers in a row are good, but
    /// not beyond `deadline`.
    pub fn until_good(&self, deadline: Instant) {
        self.deadline.send_replace(Some(deadline));
    }

    /// What was seen. One that is not awaited is watched no longer.
    #[must_use]
    pub fn seen(self) -> Seen {
        let Self { deadline, thread } = self;
        let awaited = deadline.borrow().is_some();
        if !awaited {
            drop(deadline);
        }
        let lost = || Verdict::Bad("a front door was not asked to the end".to_owned());
        thread.join().unwrap_or_else(|_| Seen { verdict: lost(), last_old: None, first_new: None })
    }
}

struct Watcher<'a> {
    asker: Asker<'a>,
    /// Between an answer that is not good and the next question; before it is awaited, between any two.
    pause: Duration,
    /// For how long a 503 without our marker is given time before it is told.
    patience: Duration,
    last_old: Option<Instant>,
    first_new: Option<Instant>,
}

impl<'a> Watcher<'a> {
    const fn new(asker: Asker<'a>) -> Self {
        let (pause, patience) = (Duration::from_millis(200), Duration::from_secs(3));
        Self { asker, pause, patience, last_old: None, first_new: None }
    }

    fn run(mut self, deadline: Receiver<Option<Instant>>, stop: &AtomicBool, told: &mut dyn FnMut(&str)) -> Seen {
        let url = self.asker.question.url;
        let verdict = run(async {
            tokio::select! {
                verdict = self.until_good(deadline, told) => {
                    verdict.unwrap_or_else(|| Verdict::Unchecked(format!("{url} was watched, and not waited for")))
                }
                () = stopped(stop) => Verdict::Unchecked(format!("{url} was no longer asked")),
            }
        });
        Seen { verdict, last_old: self.last_old, first_new: self.first_new }
    }

    /// Nothing where it is no longer watched before it was awaited.
    async fn until_good(
        &mut self,
        mut awaited: Receiver<Option<Instant>>,
        told: &mut dyn FnMut(&str),
    ) -> Option<Verdict> {
        let (mut good, mut silent, mut answered) = (0, 0, false);
        let mut foreign_since = None;
        let mut said: Vec<String> = Vec::new();
        let mut deadline = *awaited.borrow_and_update();
        loop {
            let mut tell = |text: &str| {
                if deadline.is_some() && !said.iter().any(|earlier| earlier == text) {
                    told(text);
                    said.push(text.to_owned());
                }
            };
            let found = tokio::select! {
                found = self.asker.follow(&mut tell) => found,
                changed = awaited.changed() => {
                    changed.ok()?;
                    // What was asked or answered before counts no longer.
                    deadline = *awaited.borrow_and_update();
                    (good, silent) = (0, 0);
                    continue;
                }
            };
            silent = if matches!(found, Err(Failure::NotReached(_))) { silent + 1 } else { 0 };
            answered |= silent == 0;
            let wrong = match found {
                Ok(found) if self.asker.question.expect.is_met_by(&found.answer) => {
                    self.first_new.get_or_insert_with(Instant::now);
                    good += 1;
                    if deadline.is_some() && good == IN_A_ROW {
                        return Some(Verdict::Good(found.sentence()));
                    }
                    None
                }
                Ok(found) => {
                    self.last_old = Some(Instant::now());
                    let wrong = self.asker.complaint(&found);
                    if found.answer.is_foreign_503() && deadline.is_some() {
                        if foreign_since.get_or_insert_with(Instant::now).elapsed() >= self.patience {
                            tell(&wrong);
                        }
                    } else {
                        foreign_since = None;
                    }
                    Some(Verdict::Bad(wrong))
                }
                Err(Failure::NotReached(why)) if answered => Some(Verdict::Bad(why)),
                Err(Failure::NotReached(why)) => Some(self.asker.not_reached(why)),
                Err(Failure::NoAnswer(why)) => Some(Verdict::Bad(why)),
            };
            match (wrong, deadline) {
                (None, Some(_)) => continue,
                (Some(wrong), Some(deadline)) if Instant::now() >= deadline || (!answered && silent >= SILENT) => {
                    return Some(wrong);
                }
                (Some(_), _) => good = 0,
                (None, None) => {}
            }
            tokio::select! {
                () = sleep(self.pause) => {}
                changed = awaited.changed() => {
                    changed.ok()?;
                    deadline = *awaited.borrow_and_update();
                    (good, silent) = (0, 0);
                }
            }
        }
    }
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use super::super::ask::Expect;
    use super::super::testing::{Server, asker, closed, head, is_bad, is_good, page, question};
    use super::*;

    /// For what ends by itself.
    const AMPLE: Duration = Duration::from_secs(3600);
    /// For what does not.
    const SHORT: Duration = Duration::from_millis(100);

    /// Without pauses.
    fn watcher<'a>(question: &'a Question<'a>) -> Watcher<'a> {
        Watcher { pause: Duration::ZERO, patience: Duration::ZERO, ..Watcher::new(asker(question)) }
    }

    /// What is seen of one that is awaited from the beginning, and what is told.
    fn await_good(watcher: Watcher<'_>, time: Duration) -> (Verdict, Vec<String>) {
        let mut told = Vec::new();
        let (_deadline, receiver) = channel(Some(Instant::now() + time));
        let seen = watcher.run(receiver, &AtomicBool::new(false), &mut |text| told.push(text.to_owned()));
        (seen.verdict, told)
    }

    fn until_good(question: &Question<'_>, time: Duration) -> (Verdict, Vec<String>) {
        await_good(watcher(question), time)
    }

    /// Until a server was asked so many times.
    fn asked(server: &Server, times: usize) {
        while server.seen().len() < times {
            thread::yield_now();
        }
    }

    /// Watches, does something meanwhile, and tells what was seen.
    fn watched(question: Question<'_>, meanwhile: impl FnOnce(&Watch<'_>)) -> Seen {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let watch = watch(scope, question, &stop, |_| ());
            meanwhile(&watch);
            watch.seen()
        })
    }

    #[test]
    fn the_last_old_answer_and_the_first_new_one() {
        let new = Arc::new(AtomicBool::new(false));
        let mode = Arc::clone(&new);
        let server = Server::plain(move |_, _| if mode.load(Ordering::SeqCst) { page() } else { head(200, "") });
        let url = server.url("http", "/");
        let began = Instant::now();
        let mut changed = began;
        let seen = watched(question(&url, Expect::Page), |watch| {
            asked(&server, 2);
            changed = Instant::now();
            new.store(true, Ordering::SeqCst);
            watch.until_good(Instant::now() + AMPLE);
        });
        is_good(&seen.verdict);
        let (last_old, first_new) = (seen.last_old.unwrap(), seen.first_new.unwrap());
        assert!(began < last_old && last_old < first_new && changed < first_new, "{seen:?}");
    }

    #[test]
    fn one_that_is_as_wanted_from_the_beginning_has_no_old_answer() {
        let server = Server::plain(|_, _| page());
        let url = server.url("http", "/");
        let seen = watched(question(&url, Expect::Page), |watch| watch.until_good(Instant::now() + AMPLE));
        assert_eq!((seen.last_old, seen.first_new.is_some()), (None, true));
    }

    #[test]
    fn what_was_answered_before_all_else_is_in_force_does_not_count() {
        let server = Server::plain(|_, _| page());
        let url = server.url("http", "/");
        let mut before = 0;
        let seen = watched(question(&url, Expect::Page), |watch| {
            asked(&server, 2);
            before = server.seen().len();
            watch.until_good(Instant::now() + AMPLE);
        });
        is_good(&seen.verdict);
        assert!(server.seen().len() >= before + 5, "{before} of {}", server.seen().len());
    }

    #[test]
    fn one_that_is_not_waited_for_tells_what_was_seen() {
        let server = Server::plain(|_, _| head(200, ""));
        let url = server.url("http", "/");
        let seen = watched(question(&url, Expect::Page), |_| asked(&server, 2));
        assert_eq!(seen.verdict, Verdict::Unchecked(format!("{url} was watched, and not waited for")));
        assert_eq!((seen.last_old.is_some(), seen.first_new), (true, None));
    }

    #[test]
    fn one_that_cannot_be_reached_before_is_asked_again_when_it_is_awaited() {
        // A load balancer without a pod behind it may take no connection.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let url = format!("http://{address}/");
        let seen = watched(question(&url, Expect::Page), |watch| {
            let listener = TcpListener::bind(address).unwrap();
            thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    let _ = std::io::Write::write_all(&mut stream, page().as_bytes());
                }
            });
            watch.until_good(Instant::now() + AMPLE);
        });
        is_good(&seen.verdict);
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
    fn one_that_has_answered_and_then_falls_silent_is_bad() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, page().as_bytes()).unwrap();
        });
        is_bad(&until_good(&question(&url, Expect::Page), SHORT).0, &["cannot be reached from here"]);
    }

    #[test]
    fn one_that_cannot_be_reached_is_unchecked_unless_it_was_named() {
        let url = closed();
        let mut question = question(&url, Expect::Page);
        let (verdict, _) = until_good(&question, AMPLE);
        let Verdict::Unchecked(text) = verdict else { panic!("{verdict:?}") };
        assert!(text.starts_with(&format!("{url} cannot be reached from here: ")), "{text}");
        question.named = true;
        is_bad(&until_good(&question, AMPLE).0, &[&url, "cannot be reached from here", "refused"]);
    }

    #[test]
    fn a_503_without_our_marker_is_told_once() {
        let server = Server::plain(|_, _| head(503, "Server: nginx\r\n"));
        let url = server.url("http", "/");
        let sentence = format!(
            "{url} answers 503 without our marker (Server: nginx): that is a cache's, or a platform's own page"
        );
        for expect in [Expect::Page, Expect::Application] {
            let (verdict, told) = until_good(&question(&url, expect), SHORT);
            assert_eq!(told, std::slice::from_ref(&sentence));
            assert_eq!(verdict, Verdict::Bad(sentence.clone()));
        }
        let question = question(&url, Expect::Page);
        let (verdict, told) = await_good(Watcher { patience: AMPLE, ..watcher(&question) }, SHORT);
        is_bad(&verdict, &["without our marker"]);
        assert_eq!(told, Vec::<String>::new());
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
    fn it_stops_in_the_middle_of_a_question() {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        // It never answers.
        let server = Server::plain(move |_, _| {
            stopping.store(true, Ordering::Relaxed);
            loop {
                thread::park();
            }
        });
        let url = server.url("http", "/");
        let question = question(&url, Expect::Page);
        let (_deadline, receiver) = channel(Some(Instant::now() + AMPLE));
        let seen = watcher(&question).run(receiver, &stop, &mut |_| ());
        assert_eq!(seen.verdict, Verdict::Unchecked(format!("{url} was no longer asked")));
    }
}
