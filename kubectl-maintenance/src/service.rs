//! Kind `service`: the selector of each front Service, which finds the application's pods, or the page pods. In force when
//! its endpoints have followed. What the page says is in the ConfigMap of the page pods.

use serde_json::Value;

use crate::change::Change;
use crate::release::{Front, Mode, Release};
use crate::settings;
use crate::stamp::{Stamp, keep_managed_fields};

/// The changes to maintenance: what the page says first, then who gets it.
#[must_use]
pub fn on(release: &Release, stamp: &Stamp, texts: &[(&str, &str)]) -> Vec<Change> {
    let fronts = release.fronts.iter().map(|front| {
        let mut change = Change::of(front.name(), &front.service);
        let already = front.mode() == Ok(Mode::Maintenance);
        stamp.set(&mut change, already);
        change.set("/spec/selector".to_owned(), Some(selector(front, Mode::Maintenance)));
        keep_managed_fields(&mut change, already);
        change
    });
    [page_on(release, texts)].into_iter().chain(fronts).collect()
}

/// The changes to normal, and what people should know of them.
#[must_use]
pub fn off(release: &Release) -> (Vec<Change>, Vec<String>) {
    let fronts = release.fronts.iter().map(|front| {
        let mut change = Change::of(front.name(), &front.service);
        change.set("/spec/selector".to_owned(), Some(selector(front, Mode::Normal)));
        Stamp::clear(&mut change);
        change
    });
    let (config, notes) = page_off(release);
    (fronts.chain([config]).collect(), notes)
}

/// The change of what the page says.
#[must_use]
pub fn page_on(release: &Release, texts: &[(&str, &str)]) -> Change {
    let anew = !release.is_shown();
    let mut config = Change::of(release.config_name(), &release.config);
    if anew {
        settings::drop_leftovers(&mut config, texts);
    }
    settings::set(&mut config, texts);
    keep_managed_fields(&mut config, !anew);
    settings::keep_way_back(&mut config, texts, anew);
    config
}

/// The change back, and what people should know of it. Nothing changes while entries lead to the page.
#[must_use]
pub fn page_off(release: &Release) -> (Change, Vec<String>) {
    let mut config = Change::of(release.config_name(), &release.config);
    if !release.led_here.is_empty() {
        return (config, Vec::new());
    }
    let notes = settings::restore(&mut config);
    Stamp::clear(&mut config);
    (config, notes)
}

fn selector(front: &Front, mode: Mode) -> Value {
    front
        .selector(mode)
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
