//! What the page is to say of this maintenance: `--until` (or `--for`) and `--message`.

use jiff::Timestamp;

use crate::choose::Chosen;
use crate::pods::Wanted;
use crate::release::{Front, Mode, Release};
use crate::settings::{self, MESSAGE, UNTIL};

/// What the page is to say.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    until: Option<Timestamp>,
    until_text: Option<String>,
    message: Option<String>,
}

// === impl Texts ===

impl Texts {
    /// The planned end and the text, where they are given.
    #[must_use]
    pub fn new(until: Option<Timestamp>, message: Option<String>) -> Self {
        Self { until, until_text: until.map(|until| until.to_string()), message }
    }

    /// The keys of the ConfigMap and their values.
    #[must_use]
    pub fn keys(&self) -> Vec<(&str, &str)> {
        let until = self.until_text.as_deref().map(|until| (UNTIL, until));
        until.into_iter().chain(self.message.as_deref().map(|message| (MESSAGE, message))).collect()
    }

    /// What the pods are waited for to say, beside their mode; nothing where they have nothing to read.
    #[must_use]
    pub fn wanted(&self, release: &Release) -> Option<Wanted> {
        let (keys, leftovers) = (self.keys(), settings::leftovers(release));
        if keys.is_empty() && leftovers.is_empty() {
            return None;
        }
        // An empty text is that of the client's language, and a translation comes before it.
        let alone = settings::translated(release).is_empty();
        let gone = |key: &str| {
            let drops = leftovers.contains(&key) && !keys.iter().any(|(set, _)| *set == key);
            settings::get(release, key).filter(|_| drops).map(str::to_owned)
        };
        Some(Wanted {
            mode: None,
            until: self.until,
            message: self.message.clone().filter(|message| !message.trim().is_empty() && alone),
            gone_until: gone(UNTIL).and_then(|until| until.parse().ok()),
            gone_message: gone(MESSAGE),
        })
    }

    /// That users of others read it as well: of entries and front Services that lead to the same page, and are not chosen.
    #[must_use]
    pub fn read_by_others(&self, release: &Release, chosen: &Chosen) -> Option<String> {
        let led = release.led_here.iter().filter(|name| !chosen.has_entry(name)).cloned();
        let own = !chosen.has_release(&release.name);
        let fronts = release.fronts.iter().filter(|front| own && front.mode() == Ok(Mode::Maintenance));
        let others: Vec<String> = led.chain(fronts.map(Front::name)).map(|name| name.to_string()).collect();
        (!self.keys().is_empty() && !others.is_empty()).then(|| {
            format!(
                "the page of release {} is shown to users of {} too: they read this as well",
                release.name,
                others.join(", ")
            )
        })
    }

    /// What people should know of a message: who reads another.
    #[must_use]
    pub fn note(&self, release: &Release) -> Option<String> {
        self.message.as_ref()?;
        let translated = settings::translated(release);
        if !translated.is_empty() {
            let languages = translated.join(", ");
            return Some(format!("who reads {languages} gets that language's own message, which is not changed"));
        }
        let first = settings::get(release, MESSAGE).is_none();
        first.then(|| "with a message of its own the page says it to all, whatever their language".to_owned())
    }
}
