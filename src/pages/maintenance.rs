//! The maintenance page in every language that it has, and in every format.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::{
    Facts, MAINTENANCE, Pages, PagesError,
    page::{Compress, Html, for_good},
    policy::Policies,
    problem,
    template::in_parallel,
};
use crate::{
    answer::page_head,
    grpc,
    locales::Wordings,
    negotiate::{Coding, List, Media, language},
    settings::{Format, Origins, Settings},
};

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
    /// `Content-Language`.
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
        let at = language(languages, &self.languages[..self.offered]).unwrap_or(self.default);
        &self.languages[at]
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
        let [scripted, plain] = &self.page.html;
        if self.scripted { scripted } else { plain }
    }
}

// === impl Variant ===

impl Variant {
    fn new(html: Html, language: &HeaderValue, by_origin: bool) -> Self {
        let head = |coding| page_head(&html, coding, language, by_origin);
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
        compress: Compress,
    ) -> Result<Maintenance, PagesError> {
        let Wordings { all, offered, default } = Wordings::new(settings);
        let variables = self.variables(settings, facts);
        let filled = in_parallel(&all, |wording| {
            let html = |scripted| self.templates.render(MAINTENANCE, &variables.of(wording, scripted));
            let others = [problem::json, problem::xml, problem::text];
            let others = others.map(|write| Bytes::from(write(wording, settings, facts.until)));
            Ok(([html(true)?, html(false)?], others))
        })?;
        // Those that are equal, as where a template of the operator's own knows no language, are made once.
        let mut distinct = BTreeSet::new();
        distinct.extend(filled.iter().flat_map(|(html, _)| html).map(String::as_str));
        let distinct: Vec<_> = distinct.into_iter().collect();
        let made = in_parallel(&distinct, |html| Html::new(MAINTENANCE, html, policies, compress))?;
        let by_origin = settings.cors_allow_origins != Origins::None;
        let languages = all.iter().zip(&filled).map(|(wording, (html, others))| {
            let tag = wording.tag.to_owned();
            let content_language = HeaderValue::from_static(for_good(tag.clone()));
            let html = html.each_ref().map(|html| {
                let at = distinct.partition_point(|it| *it < html.as_str());
                Variant::new(made[at].clone(), &content_language, by_origin)
            });
            let [json, xml, text] = others.clone();
            Localized { tag, content_language, html, json, xml, text }
        });
        let languages = languages.collect();
        let grpc_message = HeaderValue::try_from(grpc::message(&all[default], settings, facts.until))
            .map_err(|error| PagesError(format!("grpc-message: {error}")))?;
        Ok(Maintenance { languages, offered, default, grpc_message })
    }
}
