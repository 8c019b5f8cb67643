//! Live settings: the config directory is read again every second, by content, and what it says is put in
//! force whole or not at all.

use std::{io, sync::Arc, thread, time::Duration};

use jiff::Timestamp;

use crate::{
    log::Level,
    mode,
    pages::Facts,
    settings::{self, Files, MAINTENANCE_MODE, ReadError, Settings, TABLE, find},
    shared::Shared,
    snapshot::Snapshot,
    start::Inputs,
};

/// How often the directory is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the snapshot in step with the directory.
pub struct Watch {
    /// The last good ones.
    inputs: Inputs,
    /// The last good ones, made of the inputs.
    settings: Settings,
    /// What was read last, good or not: what has not changed is neither read nor logged again.
    seen: Result<Files, ReadError>,
    shared: Arc<Shared>,
}

// === impl Watch ===

impl Watch {
    /// Goes on from what the server started with.
    #[must_use]
    pub fn new(inputs: Inputs, shared: Arc<Shared>) -> Self {
        let settings = shared.current.load().settings.clone();
        Self { seen: Ok(inputs.files.clone()), inputs, settings, shared }
    }

    /// Reads the directory every second, on a thread of its own; without a directory there is nothing to do.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(mut self) -> io::Result<()> {
        let Some(dir) = self.settings.config_dir.clone() else { return Ok(()) };
        thread::Builder::new().name("watch".into()).spawn(move || {
            loop {
                thread::sleep(INTERVAL);
                self.take(settings::read(&dir), Timestamp::now());
            }
        })?;
        Ok(())
    }

    /// Puts what was read in force, or says why not.
    fn take(&mut self, read: Result<Files, ReadError>, now: Timestamp) {
        if read == self.seen {
            return;
        }
        self.seen.clone_from(&read);
        if let Err(error) = read.map_err(|error| error.to_string()).and_then(|files| self.reload(files, now)) {
            let Shared { metrics, log, current, .. } = &*self.shared;
            metrics.reload_failures.inc();
            log.event(Level::Error, &format!("reload failed, the last good settings stay: {error}"));
            self.inputs.facts.reload_error = error;
            if let Ok(snapshot) = Snapshot::new(self.settings.clone(), &self.inputs.pages, &self.inputs.facts) {
                current.publish(snapshot);
            }
        }
    }

    fn reload(&mut self, files: Files, now: Timestamp) -> Result<(), String> {
        let Shared { metrics, log, current, .. } = &*self.shared;
        let new = self.inputs.sources.resolve(&files).map_err(|error| error.to_string())?;
        let (old, old_files) = (&self.settings, &self.inputs.files);
        let mut facts = Facts { reload_error: String::new(), ..self.inputs.facts.clone() };
        if new.maintenance_mode != old.maintenance_mode {
            facts.since = now;
        }
        let snapshot = Snapshot::new(new.clone(), &self.inputs.pages, &facts).map_err(|error| error.to_string())?;
        current.publish(snapshot);
        metrics.reloads.inc();
        let gone = old_files.get(MAINTENANCE_MODE).is_some() && files.get(MAINTENANCE_MODE).is_none();
        if let Some((value, origin)) =
            find(MAINTENANCE_MODE).filter(|_| gone).and_then(|it| self.inputs.sources.ruling(it, &files))
        {
            let message =
                format!("{MAINTENANCE_MODE} is gone from the config directory: {value:?} from {origin} rules");
            log.event(Level::Warn, &message);
        }
        let (was, is) = (mode::at(old, now), mode::at(&new, now));
        // What the admin tier cannot read says nothing of what users get: the next line tells of it.
        if was != is && new.maintenance_mode.is_on().is_some() {
            log.event(Level::Info, &format!("{MAINTENANCE_MODE} changed: {} -> {}", was.as_str(), is.as_str()));
        }
        if new.maintenance_mode.is_on().is_none() {
            let value = new.maintenance_mode.as_str();
            let message = format!("invalid {MAINTENANCE_MODE} {value:?}: expected true or false");
            log.event(Level::Warn, &message);
        }
        let changed = |name: &&str| *name != MAINTENANCE_MODE && files.get(name) != old_files.get(name);
        let changed: Vec<_> = TABLE.iter().map(|it| it.name).filter(changed).collect();
        if !changed.is_empty() {
            log.event(Level::Info, &format!("settings changed: {}", changed.join(", ")));
        }
        self.inputs.facts = facts;
        self.inputs.files = files;
        self.settings = new;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ask::Coding,
        log::{Log, Sink, Writer},
        metrics::Metrics,
        settings::{LogFormat, Sources},
        start::Start,
    };

    struct World {
        watch: Watch,
        writer: Writer,
        events: Sink,
    }

    fn world(tier: &str, environment_mode: &str, files: &[(&'static str, &str)]) -> World {
        let environment = [("TIER".into(), tier.into()), (MAINTENANCE_MODE.into(), environment_mode.into())];
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
        fn take(&mut self, files: &[(&'static str, &str)], second: i64) {
            self.watch.take(Ok(Files::from_pairs(files)), Timestamp::from_second(second).unwrap());
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
            String::from_utf8(snapshot.bodies.admin.body(Coding::Identity).bytes.to_vec()).unwrap()
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
        assert_eq!(world.watch.shared.current.load().retry_after, "60");
        let events = world.events();
        assert_eq!(events.lines().count(), 2, "{events}");
        assert!(events.contains("info MAINTENANCE_MODE changed: normal -> maintenance\n"), "{events}");
        assert!(events.contains("info settings changed: RETRY_AFTER\n"), "{events}");
    }

    #[test]
    fn a_wrong_value_changes_nothing_and_is_counted_and_told_once() {
        let mut world = world("user", "", &[(MAINTENANCE_MODE, "true")]);
        for second in 1..4 {
            world.take(&[(MAINTENANCE_MODE, "on"), ("RETRY_AFTER", "7")], second);
        }
        assert_eq!((world.is_on(), world.counts()), (Some(true), (0, 1)));
        assert_eq!(world.watch.shared.current.load().retry_after, "300", "nothing is half applied");
        world.take(&[(MAINTENANCE_MODE, "false")], 5);
        assert_eq!((world.is_on(), world.counts()), (Some(false), (1, 1)));
        let events = world.events();
        let failures =
            events.matches("reload failed, the last good settings stay: invalid MAINTENANCE_MODE \"on\"").count();
        assert_eq!(failures, 1, "{events}");
    }

    #[test]
    fn an_unreadable_directory_changes_nothing() {
        let mut world = world("user", "", &[(MAINTENANCE_MODE, "true")]);
        let error = settings::read(std::path::Path::new("/nonexistent")).unwrap_err();
        world.watch.take(Err(error.clone()), Timestamp::UNIX_EPOCH);
        world.watch.take(Err(error), Timestamp::UNIX_EPOCH);
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
}
