//! Kind `config`: `MAINTENANCE_MODE` in the ConfigMap, which every user pod reads. In force when each of them says so.

use crate::change::Change;
use crate::release::{Mode, Release};
use crate::settings;
use crate::stamp::{Stamp, keep_managed_fields};

/// The change of the ConfigMap to maintenance.
#[must_use]
pub fn on(release: &Release, stamp: &Stamp, texts: &[(&str, &str)]) -> Change {
    let mut change = Change::of(release.config_name(), &release.config);
    let already = release.mode() == Some(Mode::Maintenance);
    let anew = release.mode() == Some(Mode::Normal);
    let keys: Vec<(&str, &str)> = [(settings::MODE, "true")].iter().chain(texts).copied().collect();
    stamp.set(&mut change, already);
    if anew {
        settings::drop_leftovers(&mut change, &keys);
    }
    settings::set(&mut change, &keys);
    keep_managed_fields(&mut change, already);
    settings::keep_way_back(&mut change, &keys, anew);
    change
}

/// The change of the ConfigMap to normal, and what people should know of it.
#[must_use]
pub fn off(release: &Release) -> (Change, Vec<String>) {
    let mut change = Change::of(release.config_name(), &release.config);
    if release.mode() != Some(Mode::Normal) {
        change.set(settings::at(settings::MODE), Some("false".into()));
    }
    let notes = settings::restore(&mut change);
    Stamp::clear(&mut change);
    (change, notes)
}
