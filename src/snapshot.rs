//! A snapshot: settings and the bodies that follow from them, for both modes. Immutable; published and
//! loaded by one atomic pointer, so that a request sees one generation and waits for nothing.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::{
    pages::{Bodies, Facts, Pages, PagesError},
    settings::Settings,
};

/// All that an answer is made of.
#[derive(Debug)]
pub struct Snapshot {
    /// The settings.
    pub settings: Settings,
    /// The pages, filled in.
    pub(crate) bodies: Bodies,
}

/// Where the snapshot in force is found.
#[derive(Debug)]
pub(crate) struct Current(ArcSwap<Snapshot>);

// === impl Snapshot ===

impl Snapshot {
    /// Fills the pages in.
    ///
    /// # Errors
    /// A page does not render.
    pub(crate) fn new(settings: Settings, pages: &Pages, facts: &Facts) -> Result<Self, PagesError> {
        let bodies = pages.fill(&settings, facts)?;
        Ok(Self { settings, bodies })
    }
}

// === impl Current ===

impl Current {
    /// Starts with a snapshot.
    #[must_use]
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The snapshot in force.
    #[must_use]
    pub(crate) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// Puts another in force, for every request whose head is read from now on, and then compresses its pages.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.0.store(snapshot.clone());
        snapshot.bodies.compress();
    }
}
