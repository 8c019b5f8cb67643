//! What the maintenance page says, in which language: the built-in texts of `static/locales`, one file a language, and the
//! operator's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use include_dir::Dir;

use crate::{
    negotiate::lookup,
    pages::EMBEDDED,
    settings::Settings,
    until::{Until, in_utc},
};

/// The language that has all texts, whatever else is there.
const ENGLISH: &str = "en";

/// Languages that are written from right to left and have no built-in texts, and scripts that are.
const RIGHT_TO_LEFT: [&str; 15] =
    ["arc", "ckb", "dv", "ks", "ps", "sd", "syr", "ug", "ur", "yi", "Adlm", "Arab", "Hebr", "Syrc", "Thaa"];

/// The built-in texts of one language.
#[derive(Debug)]
pub(crate) struct Locale {
    tag: &'static str,
    texts: BTreeMap<&'static str, &'static str>,
}

/// What the page says in one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wording<'s> {
    /// The language.
    pub(crate) tag: &'s str,
    /// `ltr` or `rtl`.
    pub(crate) direction: &'static str,
    /// The heading.
    pub(crate) title: Text<'s>,
    /// What users are told.
    pub(crate) message: Text<'s>,
    /// Everything else.
    pub(crate) locale: &'static Locale,
    /// The language of everything else, where it is not the page's, or nothing.
    pub(crate) locale_tag: &'static str,
}

/// A text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'s> {
    /// The text.
    pub(crate) text: &'s str,
    /// Its language, where it is not the page's, or nothing.
    pub(crate) tag: &'s str,
}

/// What the page says in each language that it has.
#[derive(Debug)]
pub(crate) struct Wordings<'s> {
    /// The languages.
    pub(crate) all: Vec<Wording<'s>>,
    /// How many of them, from the first, clients may choose.
    pub(crate) offered: usize,
    /// Which of them is for clients that choose none.
    pub(crate) default: usize,
}

static LOCALES: LazyLock<Vec<Locale>> = LazyLock::new(|| {
    let files = EMBEDDED.get_dir("locales").into_iter().flat_map(Dir::files);
    files.filter_map(|file| Some(Locale::parse(file.path().file_stem()?.to_str()?, file.contents_utf8()?))).collect()
});

static NO_LOCALE: Locale = Locale { tag: ENGLISH, texts: BTreeMap::new() };

// === impl Locale ===

impl Locale {
    /// The built-in texts of the language that is nearest to a tag.
    pub(crate) fn find(tag: &str) -> Option<&'static Self> {
        lookup(tag, &LOCALES, |_| true).map(|at| &LOCALES[at])
    }

    fn english() -> &'static Self {
        Self::find(ENGLISH).unwrap_or(&NO_LOCALE)
    }

    /// Lines of `key = text`; `#` begins a comment.
    fn parse(tag: &'static str, text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut texts = BTreeMap::new();
        texts.extend(lines.filter_map(|line| line.split_once('=')).map(|(key, text)| (key.trim(), text.trim())));
        Self { tag, texts }
    }

    /// All texts, by their keys.
    pub(crate) const fn texts(&self) -> &BTreeMap<&'static str, &'static str> {
        &self.texts
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> &'static str {
        self.texts.get(key).copied().unwrap_or_default()
    }

    /// A span of time, rounded up: 300 seconds are `5 min`, and 5400 are `90 min`.
    pub(crate) fn span(&self, seconds: u32) -> String {
        let (number, unit) = match seconds {
            0..60 => (seconds, "seconds"),
            60..7200 => (seconds.div_ceil(60), "minutes"),
            7200..172_800 => (seconds.div_ceil(3600), "hours"),
            _ => (seconds.div_ceil(86_400), "days"),
        };
        self.text(unit).replace("{n}", &number.to_string())
    }

    fn direction(&self) -> &'static str {
        if self.text("direction") == "rtl" { "rtl" } else { "ltr" }
    }
}

impl AsRef<str> for Locale {
    fn as_ref(&self) -> &str {
        self.tag
    }
}

// === impl Wordings ===

impl<'s> Wordings<'s> {
    /// Where the operator has set no text, every built-in language. Else those in which one is set: a page in another
    /// language would not say it.
    pub(crate) fn new(settings: &'s Settings) -> Self {
        let mut own = BTreeSet::new();
        own.extend(settings.titles.keys().chain(settings.messages.keys()).map(String::as_str));
        let mut tags: Vec<&str> =
            if own.is_empty() { LOCALES.iter().map(|it| it.tag).collect() } else { own.into_iter().collect() };
        let offered = tags.len();
        let default = lookup(&settings.language, &tags, |_| true).unwrap_or_else(|| {
            let built_in = Locale::find(&settings.language).unwrap_or_else(Locale::english).tag;
            tags.iter().position(|it| *it == built_in).unwrap_or_else(|| {
                tags.push(built_in);
                offered
            })
        });
        Self { all: tags.into_iter().map(|tag| Wording::new(tag, settings)).collect(), offered, default }
    }
}

// === impl Wording ===

impl<'s> Wording<'s> {
    /// What the page says in a language.
    pub(crate) fn new(tag: &'s str, settings: &'s Settings) -> Self {
        let built_in = Locale::find(tag);
        let other = || Locale::find(&settings.language).unwrap_or_else(Locale::english);
        let text = |own: &'s BTreeMap<String, String>, key| match (own.get(tag), built_in) {
            (Some(text), _) => Text { text, tag: "" },
            (None, Some(locale)) => Text { text: locale.text(key), tag: "" },
            (None, None) => match own.get(&settings.language) {
                Some(text) => Text { text, tag: &settings.language },
                None => Text { text: other().text(key), tag: other().tag },
            },
        };
        Self {
            tag,
            direction: built_in.map_or_else(|| direction(tag), Locale::direction),
            title: text(&settings.titles, "title"),
            message: text(&settings.messages, "message"),
            locale: built_in.unwrap_or_else(other),
            locale_tag: if built_in.is_some() { "" } else { other().tag },
        }
    }

    /// When to come back, in a sentence or two.
    pub(crate) fn when(&self, settings: &Settings, until: Until) -> String {
        let Self { locale, .. } = self;
        let retry = || locale.text("retry").replace("{time}", &locale.span(settings.retry_after));
        match until {
            Until::Ahead(until) => locale.text("until").replace("{time}", &in_utc(until)),
            Until::Overdue => {
                let overdue = locale.text("overdue");
                // Chinese and Japanese have no space between sentences.
                let gap = if overdue.ends_with('。') { "" } else { " " };
                format!("{overdue}{gap}{}", retry())
            }
            Until::Unplanned => retry(),
        }
    }
}

/// The direction of a language that has no built-in texts.
fn direction(tag: &str) -> &'static str {
    if tag.split('-').take(2).any(|part| RIGHT_TO_LEFT.contains(&part)) { "rtl" } else { "ltr" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Files, Sources};

    const KEYS: [&str; 14] = [
        "again",
        "contact",
        "days",
        "direction",
        "hours",
        "message",
        "minutes",
        "overdue",
        "retry",
        "returns",
        "seconds",
        "sent",
        "title",
        "until",
    ];

    fn settings(files: &[(&str, &str)]) -> Settings {
        Sources::default().resolve(&Files::from_pairs(files)).unwrap()
    }

    #[test]
    fn every_language_has_every_text_and_its_places() {
        assert!(LOCALES.len() >= 20, "{}", LOCALES.len());
        for locale in &*LOCALES {
            let Locale { tag, texts } = locale;
            assert_eq!(texts.keys().copied().collect::<Vec<_>>(), KEYS, "{tag}");
            for (key, text) in texts {
                assert!(!text.is_empty(), "{tag} {key}");
                let places = match *key {
                    "retry" | "until" => ["{time}"].as_slice(),
                    "seconds" | "minutes" | "hours" | "days" => &["{n}"],
                    _ => &[],
                };
                assert_eq!(text.matches('{').count(), places.len(), "{tag} {key}: {text}");
                assert!(places.iter().all(|it| text.contains(it)), "{tag} {key}: {text}");
            }
            assert!(["ltr", "rtl"].contains(&locale.text("direction")), "{tag}");
        }
        for tag in ["ar", "fa", "he"] {
            assert_eq!(Locale::find(tag).map(Locale::direction), Some("rtl"), "{tag}");
        }
    }

    #[test]
    fn every_line_of_a_language_is_used_once() {
        for file in EMBEDDED.get_dir("locales").unwrap().files() {
            let lines = file.contents_utf8().unwrap().lines().filter(|it| !it.starts_with('#')).count();
            assert_eq!(lines, KEYS.len(), "{}", file.path().display());
            assert_eq!(file.path().extension().unwrap(), "txt");
        }
    }

    #[test]
    fn a_span_of_time_is_rounded_up() {
        let english = Locale::english();
        for (seconds, span) in [
            (1, "1 sec"),
            (59, "59 sec"),
            (60, "1 min"),
            (300, "5 min"),
            (301, "6 min"),
            (5400, "90 min"),
            (7199, "120 min"),
            (7200, "2 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(english.span(seconds), span);
        }
        assert_eq!(Locale::find("fr-CA").unwrap().span(300), "5 min");
    }

    #[test]
    fn sentences_are_joined_as_their_language_joins_them() {
        let settings = settings(&[]);
        for (tag, told) in [
            ("en", "This takes longer than planned. Please try again in about 5 min."),
            ("ja", "予定より時間がかかっています。約5分後にもう一度お試しください。"),
            ("zh-Hans", "维护时间比计划的要长。请在大约 5 分钟后重试。"),
        ] {
            assert_eq!(Wording::new(tag, &settings).when(&settings, Until::Overdue), told);
        }
    }

    /// Each language with its title and message, those of another language after its tag; the default marked by `*`, and
    /// one that clients cannot choose in brackets.
    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let settings = settings(files);
        let Wordings { all, offered, default } = Wordings::new(&settings);
        let shown = |it: Text<'_>| {
            let built_in = LOCALES.iter().any(|locale| locale.texts.values().any(|text| *text == it.text));
            format!(
                "{}{}{}",
                it.tag,
                if it.tag.is_empty() { "" } else { ":" },
                if built_in { "built-in" } else { it.text }
            )
        };
        let one = |(at, it): (usize, &Wording<'_>)| {
            let tag = if at == default { format!("*{}", it.tag) } else { it.tag.to_owned() };
            let line = format!("{tag} {} {}", shown(it.title), shown(it.message));
            if at < offered { line } else { format!("({line})") }
        };
        all.iter().enumerate().map(one).collect()
    }

    #[test]
    fn without_a_text_of_ones_own_every_language_is_offered() {
        let all = told(&[]);
        assert_eq!(all.len(), LOCALES.len());
        assert!(
            all.contains(&"*en built-in built-in".to_owned()) && all.contains(&"zh-Hant built-in built-in".to_owned())
        );
        assert!(told(&[("MAINTENANCE_LANGUAGE", "fr-CA")]).contains(&"*fr built-in built-in".to_owned()));
        assert!(told(&[("MAINTENANCE_LANGUAGE", "tlh")]).contains(&"*en built-in built-in".to_owned()));
        assert_eq!(told(&[("MAINTENANCE_CONTACT", "x")]).len(), LOCALES.len(), "the contact has no language");
    }

    #[test]
    fn with_texts_of_ones_own_the_languages_that_have_one_are_offered() {
        for (files, expected) in [
            (&[("MAINTENANCE_TITLE", "T")][..], &["*en T built-in"][..]),
            (&[("MAINTENANCE_MESSAGE", "M"), ("MAINTENANCE_LANGUAGE", "de")], &["*de built-in M"]),
            (&[("MAINTENANCE_TITLE", "T"), ("MAINTENANCE_TITLE.fr", "F")], &["*en T built-in", "fr F built-in"]),
            (&[("MAINTENANCE_TITLE.fr", "F")], &["fr F built-in", "(*en built-in built-in)"]),
            (&[("MAINTENANCE_TITLE.fr", "F"), ("MAINTENANCE_LANGUAGE", "fr-CA")], &["*fr F built-in"]),
            (&[("MAINTENANCE_TITLE.fr-CA", "F")], &["fr-CA F built-in", "(*en built-in built-in)"]),
            (&[("MAINTENANCE_TITLE.eu", "E")], &["eu E en:built-in", "(*en built-in built-in)"]),
            (
                &[("MAINTENANCE_TITLE.eu", "E"), ("MAINTENANCE_MESSAGE", "M"), ("MAINTENANCE_LANGUAGE", "es")],
                &["*es built-in M", "eu E es:M"],
            ),
            (&[("MAINTENANCE_TITLE", "E"), ("MAINTENANCE_LANGUAGE", "eu")], &["*eu E en:built-in"]),
        ] {
            assert_eq!(told(files), expected, "{files:?}");
        }
    }

    #[test]
    fn the_direction_is_the_languages() {
        for (tag, direction) in [("ur", "rtl"), ("ckb-IR", "rtl"), ("az-Arab", "rtl"), ("eu", "ltr"), ("fa-AF", "rtl")]
        {
            let name = format!("MAINTENANCE_TITLE.{tag}");
            let settings = settings(&[(&name, "x")]);
            assert_eq!(Wordings::new(&settings).all[0].direction, direction, "{tag}");
        }
    }
}
