//! The maintenance page in every language that it has, and in every format.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::{
    Facts, MAINTENANCE, Pages, PagesError,
    page::{Html, bytes, for_good},
    policy::Policies,
    problem,
    template::in_parallel,
};
use crate::{
    answer::page_head,
    grpc,
    locales::{Wording, Wordings},
    negotiate::{Coding, List, Media, language},
    settings::{Format, Origins, Settings},
};

/// What the page may have in all languages together. With gzip, and twice while a reload takes the place of what is in force,
/// that stays under 64 MB, half of the chart's limit.
const LARGEST_TOGETHER: usize = 16 * 1024 * 1024;

/// The maintenance page.
#[derive(Debug)]
pub(crate) struct Maintenance {
    languages: Vec<Localized>,
    /// How many of them, from the first, clients may choose.
    offered: usize,
    /// Which of them is for clients that choose none.
    default: usize,
    /// What a gRPC call is told.
    pub(crate) grpc_message: HeaderValue,
}

/// The maintenance page in one language.
#[derive(Debug)]
pub(crate) struct Localized {
    tag: String,
    /// `Content-Language`, but for a page for people.
    pub(crate) content_language: HeaderValue,
    /// With the script, and without.
    html: [Variant; 2],
    json: Bytes,
    xml: Bytes,
    text: Bytes,
}

/// The maintenance page for people, in one language.
#[derive(Debug)]
struct Variant {
    html: Html,
    /// Its headers, where it is sent as it is.
    identity_head: HeaderMap,
    /// And in gzip.
    gzip_head: HeaderMap,
}

/// The page for people as it renders in some languages.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// Those that are not equal. Where a template of the operator's own knows no language, that is one.
    pub(super) distinct: Vec<Bytes>,
    /// For each language, which of them it is with the script, and without.
    of: Vec<[usize; 2]>,
}

/// What is sent of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'s> {
    /// The page.
    pub(crate) page: &'s Localized,
    /// Its media type.
    pub(crate) media: Media,
    /// Whether a page for people has the script that looks whether we are back.
    pub(crate) scripted: bool,
    /// The content coding of a page for people. The other formats are not compressed: they are shorter than a packet.
    pub(crate) coding: Coding,
}

// === impl Maintenance ===

impl Maintenance {
    /// The page in the language that a client likes best.
    #[must_use]
    pub(crate) fn localized(&self, languages: &List<'_>) -> &Localized {
        let default = &self.languages[self.default].tag;
        let at = language(languages, &self.languages[..self.offered], default).unwrap_or(self.default);
        &self.languages[at]
    }

    /// Compresses the pages for people.
    pub(super) fn compress(&self) {
        self.languages.iter().flat_map(|it| &it.html).for_each(|it| it.html.compress());
    }
}

// === impl Localized ===

impl Localized {
    /// The content coding in which the page for people can be sent now to a client that likes `coding` best.
    #[must_use]
    pub(crate) fn coding(&self, scripted: bool, coding: Coding) -> Coding {
        self.variant(scripted).html.coding(coding)
    }

    fn variant(&self, scripted: bool) -> &Variant {
        let [with, without] = &self.html;
        if scripted { with } else { without }
    }
}

impl AsRef<str> for Localized {
    fn as_ref(&self) -> &str {
        &self.tag
    }
}

// === impl Sent ===

impl<'s> Sent<'s> {
    /// The bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> &'s Bytes {
        let Localized { json, xml, text, .. } = self.page;
        match self.media.format() {
            Format::Html => self.variant().html.bytes(self.coding),
            Format::Json => json,
            Format::Xml => xml,
            Format::Text => text,
        }
    }

    /// The headers of a page for people.
    #[must_use]
    pub(crate) fn head(&self) -> &'s HeaderMap {
        match self.coding {
            Coding::Identity => &self.variant().identity_head,
            Coding::Gzip => &self.variant().gzip_head,
        }
    }

    /// The page for people itself.
    #[cfg(test)]
    pub(crate) fn html(&self) -> &'s Html {
        &self.variant().html
    }

    fn variant(&self) -> &'s Variant {
        self.page.variant(self.scripted)
    }
}

// === impl Variant ===

impl Variant {
    fn new(html: Html, language: &HeaderValue, by_origin: bool) -> Self {
        // A copy has no room to spare.
        let head = |coding| page_head(&html, coding, language, by_origin).clone();
        Self { identity_head: head(Coding::Identity), gzip_head: head(Coding::Gzip), html }
    }
}

// === impl Pages ===

impl Pages {
    /// Fills the maintenance page in.
    pub(super) fn maintenance(
        &self,
        settings: &Settings,
        facts: &Facts,
        policies: &Policies<'_>,
    ) -> Result<Maintenance, PagesError> {
        let Wordings { all, offered, default } = Wordings::new(settings);
        let others = all.iter().map(|wording| {
            let others = [problem::json, problem::xml, problem::text];
            others.map(|write| Bytes::from(write(wording, settings, facts.until)))
        });
        let rendered = self.render(settings, facts, &all)?;
        let made = in_parallel(&rendered.distinct, |html| Html::new(MAINTENANCE, html, policies))?;
        let by_origin = settings.cors_allow_origins != Origins::None;
        let header = |tag: &str| HeaderValue::from_static(for_good(tag.to_owned()));
        let languages = all.iter().zip(&rendered.of).zip(others).map(|((wording, of), [json, xml, text])| {
            let tag = wording.tag.to_owned();
            let content_language = header(&tag);
            let of_html = if rendered.is_one_for_all() { header(&settings.language) } else { content_language.clone() };
            let html = of.map(|at| Variant::new(made[at].clone(), &of_html, by_origin));
            Localized { tag, content_language, html, json, xml, text }
        });
        let languages = languages.collect();
        let grpc_message = HeaderValue::try_from(grpc::message(&all[default], settings, facts.until))
            .map_err(|error| PagesError(format!("grpc-message: {error}")))?;
        Ok(Maintenance { languages, offered, default, grpc_message })
    }

    /// Renders the page for people in each of the languages, with the script and without. Equal ones are kept once.
    ///
    /// # Errors
    /// It does not render in one of them, or becomes too large in all together.
    pub(super) fn render(
        &self,
        settings: &Settings,
        facts: &Facts,
        languages: &[Wording<'_>],
    ) -> Result<Rendered, PagesError> {
        let variables = self.variables(settings, facts);
        let distinct = Mutex::default();
        let of = in_parallel(languages, |wording| {
            let html = |scripted| {
                let html = self.templates.render(MAINTENANCE, &variables.of(wording, scripted))?;
                number(&mut distinct.lock().unwrap_or_else(PoisonError::into_inner), html)
            };
            Ok([html(true)?, html(false)?])
        })?;
        Ok(Rendered { distinct: distinct.into_inner().unwrap_or_else(PoisonError::into_inner), of })
    }
}

/// The number of a page among those that are distinct.
fn number(distinct: &mut Vec<Bytes>, html: String) -> Result<usize, PagesError> {
    if let Some(at) = distinct.iter().position(|it| it == html.as_bytes()) {
        return Ok(at);
    }
    if distinct.iter().map(Bytes::len).sum::<usize>() + html.len() > LARGEST_TOGETHER {
        return Err(PagesError(format!(
            "{MAINTENANCE} becomes larger than {} MiB in all languages together: use smaller pictures, or fewer languages",
            LARGEST_TOGETHER / 1024 / 1024
        )));
    }
    distinct.push(bytes(html));
    Ok(distinct.len() - 1)
}

// === impl Rendered ===

impl Rendered {
    /// Whether there are several languages, and the page says the same in all of them.
    fn is_one_for_all(&self) -> bool {
        self.of.len() > 1 && self.of.iter().all(|it| *it == self.of[0])
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http::header::CONTENT_LANGUAGE;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        pages::tests::{facts, filled},
        settings::{Files, Sources},
    };

    #[test]
    fn the_page_has_16_mib_in_all_languages_together_which_is_tried_before_it_is_needed() {
        let dir = TempDir::new().unwrap();
        let settings = Sources::default().resolve(&Files::default()).unwrap();
        let try_logo = |size: usize| {
            fs::write(dir.path().join("logo.png"), vec![b'x'; size]).unwrap();
            let rehearsed = Pages::load(Some(dir.path())).unwrap().rehearse(&settings, &facts());
            let in_force = filled(Some(dir.path()), &[]).map(drop).map_err(|error| error.to_string());
            assert_eq!(rehearsed.map(drop).map_err(|error| error.to_string()), in_force);
            in_force
        };
        assert_eq!(try_logo(150 * 1024), Ok(()));
        let error = "maintenance.html becomes larger than 16 MiB in all languages together: use smaller pictures, or \
                     fewer languages";
        assert_eq!(try_logo(300_000), Err(error.into()));
        // One that is the same in every language is kept once.
        fs::write(dir.path().join("maintenance.html"), "{{ logo }}").unwrap();
        assert_eq!(try_logo(300_000), Ok(()));
        let bodies = filled(Some(dir.path()), &[]).unwrap();
        let mut places: Vec<_> = bodies.maintenance.unwrap().languages.into_iter().flat_map(|it| it.html).collect();
        places.dedup_by_key(|it| it.html.bytes(Coding::Identity).as_ptr());
        assert_eq!(places.len(), 1);
    }

    #[test]
    fn a_page_that_says_the_same_in_all_languages_is_in_the_operators() {
        let dir = TempDir::new().unwrap();
        let languages = |text: &str| {
            fs::write(dir.path().join("maintenance.html"), text).unwrap();
            let bodies = filled(Some(dir.path()), &[("MAINTENANCE_LANGUAGE", "fr-CA")]).unwrap();
            let all = bodies.maintenance.unwrap().languages;
            let japanese = all.into_iter().find(|it| it.tag == "ja").unwrap();
            let heads = japanese.html.into_iter().flat_map(|it| [it.identity_head, it.gzip_head]);
            let html: Vec<_> = heads.map(|it| it[CONTENT_LANGUAGE].clone()).collect();
            (html, japanese.content_language)
        };
        let tag = HeaderValue::from_static;
        let alike = "{% if scripted %}<script></script>{% endif %}";
        assert_eq!(languages(alike), (vec![tag("fr-CA"); 4], tag("ja")), "only the page for people");
        assert_eq!(languages("{{ lang }}"), (vec![tag("ja"); 4], tag("ja")));
    }
}
