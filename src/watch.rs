//! What may change while the server runs: the config directory, read again every second and compared by content, and
//! `PAGES_DIR`, read again when its stamp is another; and what the clock says. What is new is put in force whole or not at all.

use std::{io, mem, sync::Arc, thread, time::Duration};

use jiff::Timestamp;

use crate::{
    generation::{self, Stamp},
    log::Level,
    mode::{self, Mode},
    pages::Pages,
    settings::{self, Files, MAINTENANCE_MODE, ReadError, Settings, find},
    shared::Shared,
    snapshot::Snapshot,
    start::Inputs,
    until::{self, Until},
};

/// How often the directories are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the snapshot in step with the directories.
pub struct Watch {
    /// The last good ones.
    inputs: Inputs,
    /// The last good ones, made of the inputs.
    settings: Settings,
    /// What was there last, good or not: what has not changed is neither read nor logged again.
    seen: Seen,
    /// Why what was there last is not in force.
    errors: Errors,
    /// The planned end of which it was told that it is left over.
    left_over: Option<Timestamp>,
    shared: Arc<Shared>,
}

/// What the directories were like.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    files: Result<Files, ReadError>,
    pages: Result<Option<Stamp>, ReadError>,
}

/// Why a directory is not in force.
#[derive(Default)]
struct Errors {
    settings: Option<String>,
    pages: Option<String>,
}

// === impl Watch ===

impl Watch {
    /// Goes on from what the server started with.
    #[must_use]
    pub fn new(inputs: Inputs, shared: Arc<Shared>) -> Self {
        let settings = shared.current.load().settings.clone();
        let seen = Seen { files: Ok(inputs.files.clone()), pages: Ok(inputs.pages.stamp().cloned()) };
        Self { seen, inputs, settings, errors: Errors::default(), left_over: None, shared }
    }

    /// Compresses the pages that the server started with, then looks at the directories and the clock every second, on a thread of
    /// its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(mut self) -> io::Result<()> {
        thread::Builder::new().name("watch".into()).spawn(move || {
            self.shared.current.load().bodies.compress();
            loop {
                thread::sleep(INTERVAL);
                self.take(Seen::now(&self.settings), Timestamp::now());
                self.follow_the_clock(Timestamp::now());
            }
        })?;
        Ok(())
    }

    /// Puts pages in force that say that the planned end has passed, and tells once of one that is left over.
    fn follow_the_clock(&mut self, now: Timestamp) {
        let until = until::at(&self.settings, now);
        if until != self.inputs.facts.until {
            self.inputs.facts.until = until;
            self.fill_again();
        }
        let closed = mode::of(&self.settings) == Mode::Maintenance;
        if let Some(end) = self.settings.until.filter(|_| closed && until == Until::Unplanned)
            && self.left_over.replace(end) != Some(end)
        {
            let message = format!("MAINTENANCE_UNTIL {end} passed more than 24 hours ago and is not used");
            self.shared.log.event(Level::Warn, &message);
        }
    }

    /// Fills the pages in anew, with the same settings.
    fn fill_again(&self) {
        let Shared { log, current, .. } = &*self.shared;
        let Inputs { pages, facts, .. } = &self.inputs;
        match Snapshot::new(self.settings.clone(), pages, facts) {
            Ok(snapshot) => current.publish(snapshot),
            Err(error) => log.event(Level::Error, &format!("the last good pages stay: {error}")),
        }
    }

    /// Puts what is new in force, or says why not. Each directory stands for itself: pages that cannot be used do not keep
    /// the mode from changing.
    fn take(&mut self, now_seen: Seen, now: Timestamp) {
        if now_seen == self.seen {
            return;
        }
        let before = mem::replace(&mut self.seen, now_seen);
        let pages_changed = self.seen.pages != before.pages;
        if pages_changed {
            let reloaded = match &self.seen.pages {
                Ok(_) => self.reload_pages(),
                Err(error) => Err(error.to_string()),
            };
            self.errors.pages = self.told("pages", reloaded.map_err(|error| format!("PAGES_DIR: {error}")));
        }
        // What kept settings from being in force may have been a page of the operator's own.
        if self.seen.files != before.files || (pages_changed && self.errors.settings.is_some()) {
            let reloaded = match self.seen.files.clone() {
                Ok(files) => self.reload_settings(files, now),
                Err(error) => Err(error.to_string()),
            };
            self.errors.settings = self.told("settings", reloaded);
        }
        let errors: Vec<_> = [&self.errors.settings, &self.errors.pages].into_iter().flatten().cloned().collect();
        self.show_error(errors.join("; "));
    }

    /// Counts a reload, and says why it failed.
    fn told(&self, what: &str, reloaded: Result<(), String>) -> Option<String> {
        let Shared { metrics, log, .. } = &*self.shared;
        let Err(error) = reloaded else {
            metrics.reloads.inc();
            return None;
        };
        metrics.reload_failures.inc();
        log.event(Level::Error, &format!("reload failed, the last good {what} stay: {error}"));
        Some(error)
    }

    /// Has the admin page say why a reload failed, or no longer say it.
    fn show_error(&mut self, error: String) {
        if error == self.inputs.facts.reload_error {
            return;
        }
        if error.is_empty() {
            self.shared.log.event(Level::Info, "reload works again: what was read last is in force");
        }
        self.inputs.facts.reload_error = error;
        self.fill_again();
    }

    fn reload_pages(&mut self) -> Result<(), String> {
        let Shared { log, current, .. } = &*self.shared;
        let (settings, facts) = (&self.settings, &self.inputs.facts);
        let loaded = Pages::load(settings.pages_dir.as_deref()).and_then(|pages| {
            let warnings = pages.rehearse(settings, facts)?;
            Ok((Snapshot::new(settings.clone(), &pages, facts)?, pages, warnings))
        });
        let (snapshot, pages, warnings) = loaded.map_err(|error| error.to_string())?;
        current.publish(snapshot);
        log.event(Level::Info, "pages changed: what PAGES_DIR holds now is in force");
        for warning in warnings {
            log.event(Level::Warn, &format!("PAGES_DIR: {warning}"));
        }
        self.inputs.pages = pages;
        Ok(())
    }

    fn reload_settings(&mut self, files: Files, now: Timestamp) -> Result<(), String> {
        let Shared { log, current, .. } = &*self.shared;
        let new = self.inputs.sources.resolve(&files).map_err(|error| error.to_string())?;
        let (old, old_files) = (&self.settings, &self.inputs.files);
        let mut facts = self.inputs.facts.clone();
        if new.maintenance_mode != old.maintenance_mode {
            facts.since = now;
        }
        facts.until = until::at(&new, now);
        // What is changed now must not keep a switch from being in force later.
        let rehearsed = self.inputs.pages.rehearse(&new, &facts);
        let made = rehearsed.and_then(|_| Snapshot::new(new.clone(), &self.inputs.pages, &facts));
        current.publish(made.map_err(|error| error.to_string())?);
        let gone = old_files.get(MAINTENANCE_MODE).is_some() && files.get(MAINTENANCE_MODE).is_none();
        if let Some((value, origin)) =
            find(MAINTENANCE_MODE).filter(|_| gone).and_then(|it| self.inputs.sources.ruling(it, &files))
        {
            let message =
                format!("{MAINTENANCE_MODE} is gone from the config directory: {value:?} from {origin} rules");
            log.event(Level::Warn, &message);
        }
        let (was, is) = (mode::of(old), mode::of(&new));
        // What the admin tier cannot read says nothing of what users get: the next line tells of it.
        if was != is && new.maintenance_mode.is_on().is_some() {
            log.event(Level::Info, &format!("{MAINTENANCE_MODE} changed: {} -> {}", was.as_str(), is.as_str()));
        }
        if new.maintenance_mode.is_on().is_none() {
            let value = new.maintenance_mode.as_str();
            let message = format!("invalid {MAINTENANCE_MODE} {value:?}: expected true or false");
            log.event(Level::Warn, &message);
        }
        let mut changed = files.changed(old_files);
        changed.retain(|name| *name != MAINTENANCE_MODE);
        if !changed.is_empty() {
            log.event(Level::Info, &format!("settings changed: {}", changed.join(", ")));
        }
        for warning in files.warnings(old_files) {
            log.event(Level::Warn, &warning);
        }
        self.inputs.facts = facts;
        self.inputs.files = files;
        self.settings = new;
        Ok(())
    }
}

// === impl Seen ===

impl Seen {
    /// Reads the config directory, and looks at the other.
    fn now(settings: &Settings) -> Self {
        let files = settings.config_dir.as_deref().map_or_else(|| Ok(Files::default()), settings::read);
        let pages = settings.pages_dir.as_deref().map(|dir| generation::read(dir, Stamp::of)).transpose();
        Self { files, pages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::{Log, Sink, Writer},
        metrics::Metrics,
        negotiate::{Coding, List, Media},
        pages::Sent,
        settings::{LogFormat, Sources},
        start::Start,
    };

    struct World {
        watch: Watch,
        writer: Writer,
        events: Sink,
    }

    fn world(tier: &str, environment_mode: &str, files: &[(&str, &str)]) -> World {
        world_of(&[("TIER", tier), (MAINTENANCE_MODE, environment_mode)], files)
    }

    fn world_of(environment: &[(&str, &str)], files: &[(&str, &str)]) -> World {
        let environment = environment.iter().map(|&(name, value)| (name.into(), value.into()));
        let sources = Sources::default().with_environment(environment).unwrap();
        let mut start = Start::load(sources, "pod".into(), Timestamp::UNIX_EPOCH).unwrap();
        start.inputs.files = Files::from_pairs(files);
        let settings = start.inputs.sources.resolve(&start.inputs.files).unwrap();
        start.snapshot = Snapshot::new(settings, &start.inputs.pages, &start.inputs.facts).unwrap();
        let metrics = Metrics::new(start.snapshot.settings.tier);
        let events = Sink::default();
        let (log, writer) =
            Log::start(LogFormat::Text, metrics.log_lines_lost.clone(), io::sink(), events.clone()).unwrap();
        let watch = Watch::new(start.inputs, Shared::new(start.snapshot, metrics, log));
        World { watch, writer, events }
    }

    impl World {
        fn take(&mut self, files: &[(&str, &str)], second: i64) {
            self.take_read(Ok(Files::from_pairs(files)), second);
        }
        fn take_read(&mut self, files: Result<Files, ReadError>, second: i64) {
            let seen = Seen { files, ..self.watch.seen.clone() };
            self.watch.take(seen, Timestamp::from_second(second).unwrap());
        }
        /// Looks at the directory of pages alone.
        fn look_at_pages(&mut self) {
            let seen = Seen { files: self.watch.seen.files.clone(), ..Seen::now(&self.watch.settings) };
            self.watch.take(seen, Timestamp::UNIX_EPOCH);
        }
        /// The maintenance page, for clients that choose no language.
        fn maintenance(&self, media: Media) -> String {
            let snapshot = self.watch.shared.current.load();
            let page = snapshot.bodies.maintenance.as_ref().unwrap().localized(&List::default());
            let sent = Sent { page, media, scripted: true, coding: Coding::Identity };
            String::from_utf8(sent.bytes().to_vec()).unwrap()
        }
        fn text(&self) -> String {
            self.maintenance(Media::Text)
        }
        fn follow_the_clock(&mut self, second: i64) {
            self.watch.follow_the_clock(Timestamp::from_second(second).unwrap());
        }
        fn page(&self) -> String {
            self.maintenance(Media::Html)
        }
        fn is_on(&self) -> Option<bool> {
            self.watch.shared.current.load().settings.maintenance_mode.is_on()
        }
        fn counts(&self) -> (u64, u64) {
            let metrics = &self.watch.shared.metrics;
            (metrics.reloads.get(), metrics.reload_failures.get())
        }
        fn admin_page(&self) -> String {
            let snapshot = self.watch.shared.current.load();
            String::from_utf8(snapshot.bodies.admin.html.bytes(Coding::Identity).to_vec()).unwrap()
        }
        fn events(self) -> String {
            self.writer.finish(Duration::from_secs(1));
            self.events.text()
        }
    }

    #[test]
    fn a_change_is_in_force_at_once_and_told_once() {
        let mut world = world("user", "", &[]);
        world.take(&[(MAINTENANCE_MODE, "true"), ("RETRY_AFTER", "60")], 1);
        world.take(&[(MAINTENANCE_MODE, "true"), ("RETRY_AFTER", "60")], 2);
        assert_eq!((world.is_on(), world.counts()), (Some(true), (1, 0)));
        assert_eq!(world.watch.shared.current.load().settings.retry_after, 60);
        let events = world.events();
        assert_eq!(events.lines().count(), 2, "{events}");
        assert!(events.contains("info MAINTENANCE_MODE changed: normal -> maintenance\n"), "{events}");
        assert!(events.contains("info settings changed: RETRY_AFTER\n"), "{events}");
    }

    #[test]
    fn the_page_says_when_the_planned_end_has_passed() {
        let end = ("MAINTENANCE_UNTIL", "1970-01-01T00:01:00Z");
        let mut world = world("user", "true", &[end]);
        world.watch.inputs.facts.until = until::at(&world.watch.settings, Timestamp::UNIX_EPOCH);
        world.follow_the_clock(59);
        world.follow_the_clock(60);
        assert!(world.text().contains("longer than planned"), "{}", world.text());
        world.take(&[("MAINTENANCE_UNTIL", "1970-01-01T00:02:00Z")], 61);
        assert!(world.text().contains("1970-01-01 00:02 UTC"), "{}", world.text());
        world.take(&[end], 62);
        assert!(world.text().contains("longer than planned"), "{}", world.text());
        for second in [60 + 86_400, 60 + 86_401, 60 + 86_402] {
            world.follow_the_clock(second);
        }
        assert!(!world.text().contains("longer than planned"), "{}", world.text());
        let events = world.events();
        let told = "warn MAINTENANCE_UNTIL 1970-01-01T00:01:00Z passed more than 24 hours ago and is not used\n";
        assert_eq!(events.matches(told).count(), 1, "{events}");
    }

    #[test]
    fn a_planned_end_that_is_left_over_is_told_once_maintenance_is_on() {
        let end = ("MAINTENANCE_UNTIL", "1970-01-01T00:01:00Z");
        let mut world = world("user", "", &[end]);
        world.follow_the_clock(1_000_000);
        world.take(&[end, (MAINTENANCE_MODE, "true")], 1_000_001);
        assert!(world.text().contains("try again in about"), "{}", world.text());
        assert!(!world.text().contains("longer than planned"), "{}", world.text());
        world.follow_the_clock(1_000_001);
        let events = world.events();
        let told = events.find("is not used").unwrap();
        assert!(events.find("normal -> maintenance").unwrap() < told, "{events}");
        assert_eq!(events.matches("is not used").count(), 1, "{events}");
    }

    #[test]
    fn a_wrong_value_changes_nothing_and_is_counted_and_told_once() {
        let mut world = world("user", "", &[(MAINTENANCE_MODE, "true")]);
        for second in 1..4 {
            world.take(&[(MAINTENANCE_MODE, "on"), ("RETRY_AFTER", "7")], second);
        }
        assert_eq!((world.is_on(), world.counts()), (Some(true), (0, 1)));
        assert_eq!(world.watch.shared.current.load().settings.retry_after, 300, "nothing is half applied");
        world.take(&[(MAINTENANCE_MODE, "false")], 5);
        assert_eq!((world.is_on(), world.counts()), (Some(false), (1, 1)));
        let events = world.events();
        let failures =
            events.matches("reload failed, the last good settings stay: invalid MAINTENANCE_MODE \"on\"").count();
        assert_eq!(failures, 1, "{events}");
        assert_eq!(events.matches("info reload works again").count(), 1, "{events}");
    }

    #[test]
    fn an_unreadable_directory_changes_nothing() {
        let mut world = world("user", "", &[(MAINTENANCE_MODE, "true")]);
        let error = settings::read(std::path::Path::new("/nonexistent")).unwrap_err();
        world.take_read(Err(error.clone()), 1);
        world.take_read(Err(error), 2);
        assert_eq!((world.is_on(), world.counts()), (Some(true), (0, 1)));
        assert!(world.events().contains("/nonexistent cannot be read"));
    }

    #[test]
    fn a_missing_key_falls_back_and_says_to_what() {
        let mut world = world("user", "true", &[(MAINTENANCE_MODE, "false")]);
        world.take(&[], 1);
        assert_eq!(world.is_on(), Some(true));
        let events = world.events();
        let line = "MAINTENANCE_MODE is gone from the config directory: \"true\" from the environment rules\n";
        assert!(events.contains(line), "{events}");
    }

    #[test]
    fn the_admin_page_shows_what_users_are_set_to_get_since_when() {
        let mut world = world("admin", "", &[]);
        assert!(world.admin_page().contains("1970-01-01T00:00:00Z"));
        world.take(&[(MAINTENANCE_MODE, "true")], 60);
        assert!(world.admin_page().contains("1970-01-01T00:01:00Z"), "{}", world.admin_page());
        world.take(&[(MAINTENANCE_MODE, "<on>")], 120);
        assert_eq!((world.is_on(), world.counts()), (None, (2, 0)));
        assert!(world.admin_page().contains("&lt;on&gt;"), "{}", world.admin_page());
        world.take(&[("RETRY_AFTER", "soon")], 180);
        assert_eq!(world.counts(), (2, 1));
        assert!(world.admin_page().contains("invalid RETRY_AFTER &quot;soon&quot;"), "{}", world.admin_page());
        let events = world.events();
        assert_eq!(
            events.matches("MAINTENANCE_MODE changed").count(),
            1,
            "what cannot be read changes nothing: {events}"
        );
    }

    #[test]
    fn pages_that_change_are_in_force_and_those_that_cannot_be_used_change_nothing() {
        let dir = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(".new"), text).unwrap();
            std::fs::rename(dir.path().join(".new"), dir.path().join(name)).unwrap();
        };
        write("maintenance.html", "one");
        let mut world = world_of(&[("PAGES_DIR", dir.path().to_str().unwrap())], &[(MAINTENANCE_MODE, "true")]);
        world.look_at_pages();
        assert_eq!((world.page().as_str(), world.counts()), ("one", (0, 0)));
        write("maintenance.html", "{{ data_uri(\"a.png\") }}<img src=b.png>");
        for _ in 0..2 {
            world.look_at_pages();
            assert_eq!((world.page().as_str(), world.counts()), ("one", (0, 1)));
        }
        world.take(&[(MAINTENANCE_MODE, "true"), ("RETRY_AFTER", "60")], 1);
        let retry_after = world.watch.shared.current.load().settings.retry_after;
        assert_eq!((retry_after, world.counts()), (60, (1, 1)), "a page does not keep it from changing");
        assert!(world.admin_page().contains("PAGES_DIR: maintenance.html:1:4: "), "{}", world.admin_page());
        write("a.png", "A");
        world.look_at_pages();
        assert_eq!((world.page().as_str(), world.counts()), ("data:image/png;base64,QQ==<img src=b.png>", (2, 1)));
        assert!(!world.admin_page().contains("PAGES_DIR: "), "{}", world.admin_page());
        std::fs::remove_dir_all(dir.path()).unwrap();
        world.look_at_pages();
        assert_eq!((world.page().len(), world.counts()), (41, (2, 2)));
        let events = world.events();
        assert_eq!(events.matches("pages changed").count(), 1, "{events}");
        assert_eq!(events.matches("reload failed, the last good pages stay: PAGES_DIR: ").count(), 2);
        assert!(events.contains("warn PAGES_DIR: maintenance.html links to \"b.png\", which"), "{events}");
    }

    #[test]
    fn settings_that_a_page_would_fail_with_in_maintenance_are_refused_in_normal_mode() {
        let dir = tempfile::tempdir().unwrap();
        let page = "{% if message == 'Soon' %}{{ data_uri('b.png') }}{% endif %}";
        std::fs::write(dir.path().join("maintenance.html"), page).unwrap();
        let mut world = world_of(&[("PAGES_DIR", dir.path().to_str().unwrap())], &[]);
        world.take(&[("MAINTENANCE_MESSAGE", "Soon")], 1);
        assert_eq!(world.counts(), (0, 1));
        world.take(&[("MAINTENANCE_MESSAGE", "Later")], 2);
        assert_eq!(world.counts(), (1, 1));
        assert!(world.events().contains("PAGES_DIR has no picture \"b.png\""));
    }

    #[test]
    fn settings_that_a_page_keeps_from_being_in_force_are_tried_again_when_pages_change() {
        let dir = tempfile::TempDir::new().unwrap();
        let write = |text: &str| std::fs::write(dir.path().join("index.html"), text).unwrap();
        write("{% if title == \"Boo\" %}{{ typo }}{% endif %}");
        let mut world = world_of(&[("PAGES_DIR", dir.path().to_str().unwrap())], &[]);
        world.take(&[("MAINTENANCE_TITLE", "Boo"), (MAINTENANCE_MODE, "true")], 1);
        assert_eq!((world.is_on(), world.counts()), (Some(false), (0, 1)));
        write("right");
        world.look_at_pages();
        assert_eq!((world.is_on(), world.counts()), (Some(true), (2, 1)));
    }
}
