//! What the server starts with: settings, pages and the first snapshot, read once.

use jiff::Timestamp;

use crate::{
    pages::{Facts, Pages, PagesError},
    settings::{self, Files, Sources},
    snapshot::Snapshot,
    until,
};

/// What a server starts with.
pub struct Start {
    /// What is answered at first.
    pub snapshot: Snapshot,
    /// What to warn of: a sentence each.
    pub warnings: Vec<String>,
    /// What the next snapshots are made of.
    pub inputs: Inputs,
}

/// What snapshots are made of.
pub struct Inputs {
    pub(crate) sources: Sources,
    pub(crate) files: Files,
    pub(crate) pages: Pages,
    pub(crate) facts: Facts,
}

// === impl Start ===

impl Start {
    /// Reads everything once. `pod` is the host's name.
    ///
    /// # Errors
    /// A setting is wrong, or one of the two directories cannot be used: a sentence that names it.
    pub fn load(sources: Sources, pod: String, now: Timestamp) -> Result<Self, String> {
        let read = sources.config_dir().map(|dir| settings::read(&dir)).transpose();
        let files = read.map_err(|error| format!("CONFIG_DIR: {error}"))?.unwrap_or_default();
        let settings = sources.resolve(&files).map_err(|error| error.to_string())?;
        let of_pages = |error: PagesError| format!("PAGES_DIR: {error}");
        let pages = Pages::load(settings.pages_dir.as_deref()).map_err(of_pages)?;
        let until = until::at(&settings, now);
        let facts = Facts { pod, started_at: now, since: now, reload_error: String::new(), until };
        let mut warnings = files.warnings(&Files::default());
        warnings.extend(sources.warnings(&settings).into_iter().map(Into::into));
        let of_pages_dir = pages.rehearse(&settings, &facts).map_err(of_pages)?;
        warnings.extend(of_pages_dir.iter().map(|it| format!("PAGES_DIR: {it}")));
        let snapshot = Snapshot::new(settings, &pages, &facts).map_err(of_pages)?;
        Ok(Self { snapshot, warnings, inputs: Inputs { sources, files, pages, facts } })
    }
}
