//! Pages: the embedded templates and `PAGES_DIR`, filled in. Knows no request.
//!
//! Each page is one document. In maintenance every path is 503, so a linked stylesheet would be one too: `style.css` is put
//! inline, `icon.svg` and other pictures become `data:` URIs, and the content security policy allows just the inline blocks
//! that a page has, by their SHA-256, and the origins of `PAGES_SOURCES`.

mod blocked;
mod maintenance;
mod own;
mod page;
mod policy;
mod problem;
mod tags;
mod template;
mod variables;

use std::path::Path;

use hmac_sha256::Hash;
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use minijinja::Value;

use self::{
    blocked::Blocked,
    own::Own,
    page::text,
    policy::Policies,
    template::{Templates, with_stack},
};
pub(crate) use self::{
    maintenance::{Maintenance, Sent},
    page::{Html, Page},
};
use crate::{
    files::ReadError,
    generation::Stamp,
    locales::{Wording, Wordings},
    mode::{self, Mode},
    settings::{Settings, Switch, Tier},
    until::Until,
};

/// All that is embedded.
pub(crate) static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/static");

const INDEX: &str = "index.html";
const MAINTENANCE: &str = "maintenance.html";
const ADMIN: &str = "admin.html";
const NOT_FOUND: &str = "404.html";
const STYLE: &str = "style.css";
const SCRIPT: &str = "maintenance.js";
const ICON: &str = "icon.svg";
const PAGES: [&str; 4] = [INDEX, MAINTENANCE, ADMIN, NOT_FOUND];
const FILES: [&str; 6] = [INDEX, MAINTENANCE, ADMIN, NOT_FOUND, STYLE, ICON];

/// The templates, ready to be filled in.
pub(crate) struct Pages {
    templates: Templates,
    /// The templates that are the operator's own.
    own: Vec<&'static str>,
    style: String,
    script: Value,
    /// `icon.svg`, and whether it is the operator's own.
    icon: (String, bool),
    logo: Value,
    logo_alt: String,
    /// Whether `style.css` is the operator's own.
    own_style: bool,
    /// What to warn of in `PAGES_DIR`, whatever is set.
    warnings: Vec<String>,
    /// What `PAGES_DIR` was like.
    stamp: Option<Stamp>,
}

/// What is known beside the settings when pages are filled in.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The host's name, which is the pod's.
    pub(crate) pod: String,
    /// When this process started.
    pub(crate) started_at: Timestamp,
    /// Since when this process knows the value of `MAINTENANCE_MODE`.
    pub(crate) since: Timestamp,
    /// Why the last reload failed, as a sentence, or nothing.
    pub(crate) reload_error: String,
    /// What is planned now.
    pub(crate) until: Until,
}

/// Every page, filled in.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// The demo application's page.
    pub(crate) index: Page,
    /// The page, where users get it.
    pub(crate) maintenance: Option<Maintenance>,
    /// What users are set to get.
    pub(crate) admin: Page,
    /// What a wrong path gets.
    pub(crate) not_found: Page,
}

/// Why the pages cannot be used, as a sentence that names the directory or the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PagesError(String);

// === impl Bodies ===

impl Bodies {
    /// Compresses every page, which takes several times as long as to fill it in. Until then it is sent as it is.
    pub(crate) fn compress(&self) {
        [&self.index, &self.admin, &self.not_found].into_iter().for_each(|it| it.html.compress());
        self.maintenance.iter().for_each(Maintenance::compress);
    }
}

// === impl Pages ===

impl Pages {
    /// The embedded pages, each replaced by the file of its name in `dir`.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or a file is too large or has a syntax error.
    pub(crate) fn load(dir: Option<&Path>) -> Result<Self, PagesError> {
        let Some(dir) = dir else { return Self::parse(Own::default(), None) };
        let (own, stamp) = Own::read(dir)?;
        with_stack(|| Self::parse(own, Some(stamp)))
    }

    fn parse(mut own: Own, stamp: Option<Stamp>) -> Result<Self, PagesError> {
        let mut text = |name| match own.texts.remove(name) {
            Some(text) => Ok((text, true)),
            None => embedded(name).map(|text| (text.to_owned(), false)),
        };
        let ((style, own_style), icon) = (text(STYLE)?, text(ICON)?);
        let texts = PAGES.map(|name| text(name).map(|text| (name, text)));
        let logo = own.logo();
        let mut templates = Templates::new(own.pictures);
        let mut own_pages = Vec::new();
        for text in texts {
            let (name, (text, is_own)) = text?;
            templates.add(name, text)?;
            own_pages.extend(is_own.then_some(name));
        }
        let script = Value::from_safe_string(embedded(SCRIPT)?.to_owned());
        let (logo_alt, warnings) = (own.logo_alt, own.warnings);
        Ok(Self { templates, own: own_pages, style, script, icon, logo, logo_alt, own_style, warnings, stamp })
    }

    /// What `PAGES_DIR` was like when it was read.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// Fills every page in.
    ///
    /// # Errors
    /// A template does not render, for example because it names a variable that is not there; or a page is too large.
    pub(crate) fn fill(&self, settings: &Settings, facts: &Facts) -> Result<Bodies, PagesError> {
        if self.own.is_empty() {
            self.fill_here(settings, facts)
        } else {
            with_stack(|| self.fill_here(settings, facts))
        }
    }

    fn fill_here(&self, settings: &Settings, facts: &Facts) -> Result<Bodies, PagesError> {
        let policies = self.policies(settings);
        let Wordings { all, default, .. } = Wordings::new(settings);
        let variables = self.variables(settings, facts).of(&all[default], false);
        let page = |name| self.templates.render(name, &variables).and_then(|html| Page::new(name, html, &policies));
        // In normal mode, and on the admin tier, nobody gets it: it is made when the mode changes.
        let is_closed = settings.tier == Tier::User && mode::of(settings) == Mode::Maintenance;
        Ok(Bodies {
            index: page(INDEX)?,
            maintenance: is_closed.then(|| self.maintenance(settings, facts, &policies)).transpose()?,
            admin: page(ADMIN)?,
            not_found: page(NOT_FOUND)?,
        })
    }

    /// Fills the maintenance page in in every language, and the operator's own pages for what else may come later, and throws
    /// them away: a branch that is first taken when the mode changes must not be what keeps it from changing. Returns a
    /// sentence for each thing to warn of.
    ///
    /// # Errors
    /// A template does not render then.
    pub(crate) fn rehearse(&self, settings: &Settings, facts: &Facts) -> Result<Vec<String>, PagesError> {
        let mut warnings = self.warnings.clone();
        let mut blocked = Blocked::default();
        if self.own_style {
            blocked.look_through_style(STYLE, &self.style, self.policies(settings).sources(MAINTENANCE));
        }
        // A logo alone may make the page too large.
        if self.stamp.is_some() {
            with_stack(|| self.rehearse_here(settings, facts, &mut blocked))?;
        }
        warnings.extend(blocked.warnings());
        Ok(warnings)
    }

    fn rehearse_here(&self, settings: &Settings, facts: &Facts, blocked: &mut Blocked) -> Result<(), PagesError> {
        let policies = self.policies(settings);
        let mut seen = Vec::new();
        let mut look_through = |name: &'static str, html: &str| {
            let which = (name, Hash::hash(html.as_bytes()));
            // Most are equal.
            if !seen.contains(&which) {
                seen.push(which);
                policies.of(name, html)?;
                blocked.look_through(name, html, policies.sources(name));
            }
            Ok::<_, PagesError>(())
        };
        let on = Settings { maintenance_mode: Switch::On, ..settings.clone() };
        let rendered = self.render(&on, facts, &Wordings::new(&on).all)?;
        if self.own.contains(&MAINTENANCE) {
            for html in &rendered.distinct {
                look_through(MAINTENANCE, text(MAINTENANCE, html)?)?;
            }
        }
        drop(rendered);
        let mut rehearse = |settings: &Settings, facts: &Facts, language, scripted| {
            let variables = self.variables(settings, facts).of(&Wording::new(language, settings), scripted);
            for name in &self.own {
                let html = self.templates.render(name, &variables)?;
                look_through(name, &html)?;
            }
            Ok::<_, PagesError>(())
        };
        // One that becomes a link, one that does not, and none.
        for contact in ["help@example.org", "the help desk", ""] {
            let settings = Settings { contact: contact.into(), ..settings.clone() };
            for maintenance_mode in [Switch::On, Switch::Off, Switch::Unreadable("maybe".into())] {
                let settings = Settings { maintenance_mode, ..settings.clone() };
                for reload_error in ["RETRY_AFTER is wrong", ""] {
                    let facts = Facts { reload_error: reload_error.into(), ..facts.clone() };
                    rehearse(&settings, &facts, "en", true)?;
                }
            }
            let settings = Settings { maintenance_mode: Switch::On, ..settings };
            for until in [Until::Unplanned, Until::Ahead(Timestamp::UNIX_EPOCH), Until::Overdue] {
                let facts = Facts { until, ..facts.clone() };
                for (language, scripted) in [("en", true), ("en", false), ("ar", true), ("ar", false)] {
                    rehearse(&settings, &facts, language, scripted)?;
                }
            }
        }
        Ok(())
    }

    /// The origins of `PAGES_SOURCES` are for an own page for users in maintenance alone.
    fn policies<'s>(&self, settings: &'s Settings) -> Policies<'s> {
        Policies::new(if self.own.contains(&MAINTENANCE) { &settings.pages_sources } else { &[] })
    }
}

fn embedded(name: &str) -> Result<&'static str, PagesError> {
    let text = EMBEDDED.get_file(name).and_then(|file| file.contents_utf8());
    text.ok_or_else(|| PagesError(format!("{name} is not embedded")))
}

// === impl PagesError ===

impl From<ReadError> for PagesError {
    fn from(error: ReadError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
    use http::HeaderValue;
    use tempfile::TempDir;

    use super::{policy::inline_blocks, *};
    use crate::{
        negotiate::{Coding, List, Media},
        settings::{Files, Sources},
    };

    pub(super) fn facts() -> Facts {
        let now = Timestamp::UNIX_EPOCH;
        Facts { pod: "pod-1".into(), started_at: now, since: now, reload_error: String::new(), until: Until::Unplanned }
    }

    /// In maintenance, so that every page is there.
    pub(super) fn filled(dir: Option<&Path>, files: &[(&str, &str)]) -> Result<Bodies, PagesError> {
        let files = Files::from_pairs(&[&[("MAINTENANCE_MODE", "true")], files].concat());
        let settings = Sources::default().resolve(&files).unwrap();
        let bodies = Pages::load(dir)?.fill(&settings, &facts())?;
        bodies.compress();
        Ok(bodies)
    }

    /// The maintenance page as GET gets it, or as any other method does.
    pub(super) fn maintenance<'b>(bodies: &'b Bodies, language: &str, scripted: bool) -> &'b Html {
        let value = HeaderValue::from_str(language).unwrap();
        let mut list = List::default();
        list.add(&value);
        let page = bodies.maintenance.as_ref().unwrap().localized(&list);
        Sent { page, media: Media::Html, scripted, coding: Coding::Identity }.html()
    }

    pub(super) fn html(page: &Html) -> String {
        String::from_utf8(page.bytes(Coding::Identity).to_vec()).unwrap()
    }

    #[test]
    fn texts_are_escaped_on_pages() {
        let text = "<b>\"Tom\" & 'Ann'</b>";
        let bodies =
            filled(None, &[("MAINTENANCE_TITLE", text), ("MAINTENANCE_MESSAGE", text), ("MAINTENANCE_CONTACT", text)]);
        let bodies = bodies.unwrap();
        for page in [html(maintenance(&bodies, "en", true)), html(&bodies.admin.html)] {
            assert!(!page.contains("<b>"), "{page}");
            assert!(
                page.matches("&lt;b&gt;&quot;Tom&quot; &amp; &#x27;Ann&#x27;&lt;&#x2f;b&gt;").count() >= 3,
                "{page}"
            );
        }
    }

    #[test]
    fn each_page_is_one_document_and_names_its_style_in_the_policy() {
        let bodies = filled(None, &[("MAINTENANCE_CONTACT", "help@example.org")]).unwrap();
        let unscripted = maintenance(&bodies, "en", false);
        for page in [&bodies.index.html, unscripted, &bodies.admin.html, &bodies.not_found.html] {
            let html = html(page);
            let blocks: Vec<_> = inline_blocks(&html, "style").collect();
            assert_eq!(blocks.len(), 1);
            let hash = BASE64.encode(Hash::hash(blocks[0].as_bytes()));
            let policy = page.policy.to_str().unwrap();
            assert!(policy.ends_with(&format!("; style-src 'sha256-{hash}'")), "{policy}");
            assert!(policy.starts_with("default-src 'none'; img-src data:; base-uri 'none';"), "{policy}");
            for linked in ["src=", "<script", "rel=\"stylesheet\"", "url(", "@import", " style=\""] {
                assert!(!html.contains(linked), "{linked} in {html}");
            }
            assert!(html.contains("data:image/svg+xml;base64,"));
        }
    }

    #[test]
    fn an_override_replaces_one_file_with_the_same_variables() {
        let dir = TempDir::new().unwrap();
        fs::write(
            dir.path().join("maintenance.html"),
            "<style>a</style><STYLE media=x>b</STYLE><script>c</script>{{ title }} {{ retry_after_text }}",
        )
        .unwrap();
        fs::write(dir.path().join("maintenance.htm"), "").unwrap();
        let settings = Sources::default().resolve(&Files::default()).unwrap();
        let warnings = Pages::load(Some(dir.path())).unwrap().rehearse(&settings, &facts()).unwrap();
        assert_eq!(warnings, ["\"maintenance.htm\" is the name of no page or picture and is not used"]);
        let bodies = filled(Some(dir.path()), &[("MAINTENANCE_TITLE", "Moving")]).unwrap();
        let page = maintenance(&bodies, "en", true);
        assert!(html(page).ends_with("Moving 5 min"));
        let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(Hash::hash(text.as_bytes())));
        let expected = format!("; style-src {} {}; script-src {}", hash("a"), hash("b"), hash("c"));
        assert!(page.policy.to_str().unwrap().ends_with(&expected));
        assert!(html(&bodies.index.html).contains("pod-1"));
    }

    #[test]
    fn a_picture_that_is_meant_to_be_the_logo_and_is_not_is_warned_of() {
        let dir = TempDir::new().unwrap();
        let settings = Sources::default().resolve(&Files::default()).unwrap();
        let warnings = || Pages::load(Some(dir.path())).unwrap().rehearse(&settings, &facts()).unwrap();
        for name in ["logo.jpg", "Logo.svg", "b.png"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let expected = ["Logo.svg", "logo.jpg"]
            .map(|it| format!("{it:?} is not the logo: expected logo.svg or logo.png or logo.webp"));
        assert_eq!(warnings(), expected);
        for name in ["logo.png", "maintenance.html"] {
            fs::write(dir.path().join(name), "").unwrap();
            assert!(warnings().is_empty(), "{name}");
            fs::remove_file(dir.path().join(name)).unwrap();
        }
    }

    #[test]
    fn names_that_mean_nothing_take_20_lines_in_all() {
        let dir = TempDir::new().unwrap();
        let settings = Sources::default().resolve(&Files::default()).unwrap();
        fs::write(dir.path().join("logo.jpg"), "").unwrap();
        for number in 0..30 {
            fs::write(dir.path().join(format!("{number}.txt")), "").unwrap();
        }
        let warnings = Pages::load(Some(dir.path())).unwrap().rehearse(&settings, &facts()).unwrap();
        assert_eq!(warnings.len(), 20);
        assert!(warnings[0].starts_with("\"logo.jpg\" is not the logo: "), "{warnings:?}");
        assert_eq!(warnings[19], "more names are not used");
    }

    #[test]
    fn a_branch_that_would_fail_later_fails_the_rehearsal() {
        let settings = Sources::default().resolve(&Files::default()).unwrap();
        let dir = TempDir::new().unwrap();
        let styles: String = (0..100).map(|number| format!("<style>a{number}</style>")).collect();
        let text = format!("{{% if users_mode == \"maintenance\" %}}{styles}{{% endif %}}");
        fs::write(dir.path().join("maintenance.html"), text).unwrap();
        let error = Pages::load(Some(dir.path())).unwrap().rehearse(&settings, &facts()).unwrap_err().to_string();
        assert!(error.starts_with("maintenance.html would have a Content-Security-Policy of "), "{error}");
        for (name, condition) in [
            ("maintenance.html", "users_mode == \"maintenance\""),
            ("index.html", "users_mode == \"normal\""),
            ("admin.html", "not users_mode"),
            ("404.html", "contact"),
            ("maintenance.html", "contact_href"),
            ("maintenance.html", "contact and not contact_href"),
            ("maintenance.html", "not contact"),
            ("admin.html", "reload_error"),
            ("admin.html", "not reload_error"),
            ("maintenance.html", "until"),
            ("maintenance.html", "overdue"),
            ("maintenance.html", "scripted and dir == 'rtl'"),
            ("maintenance.html", "until and not scripted and not contact"),
            ("maintenance.html", "overdue and dir == 'ltr'"),
            ("maintenance.html", "lang == 'ja' and not scripted and users_mode == \"maintenance\""),
        ] {
            let dir = TempDir::new().unwrap();
            fs::write(dir.path().join(name), format!("{{% if {condition} %}}{{{{ typo }}}}{{% endif %}}")).unwrap();
            let pages = Pages::load(Some(dir.path())).unwrap();
            let error = pages.rehearse(&settings, &facts()).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}:1")), "{condition}: {error}");
        }
        assert!(Pages::load(None).unwrap().rehearse(&settings, &facts()).is_ok());
    }

    #[test]
    fn an_override_that_does_not_render_is_refused_by_name() {
        for (text, named) in [("{{ titel }}", "maintenance.html:1"), ("{% if %}", "maintenance.html:1")] {
            let dir = TempDir::new().unwrap();
            fs::write(dir.path().join("maintenance.html"), text).unwrap();
            let error = filled(Some(dir.path()), &[]).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let missing = Path::new("/nonexistent/pages");
        let error = filled(Some(missing), &[]).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/pages cannot be read: "), "{error}");
    }

    /// A directory with these files, and what becomes of it: the maintenance page and its policy.
    fn own(files: &[(&str, &[u8])], settings: &[(&str, &str)]) -> Result<(String, String), String> {
        let dir = TempDir::new().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        let environment = [("MAINTENANCE_MODE", "true")].iter().chain(settings);
        let environment = environment.map(|&(name, value)| (name.into(), value.into()));
        let settings = Sources::default().with_environment(environment).unwrap().resolve(&Files::default()).unwrap();
        let bodies = Pages::load(Some(dir.path())).and_then(|pages| pages.fill(&settings, &facts()));
        let bodies = bodies.map_err(|error| error.to_string().replace(dir.path().to_str().unwrap(), "DIR"))?;
        let page = maintenance(&bodies, "en", true);
        Ok((html(page), page.policy.to_str().unwrap().to_owned()))
    }

    #[test]
    fn pictures_and_fonts_are_put_in_by_name() {
        let files: &[(&str, &[u8])] = &[
            ("a.png", b"\xff\x00"),
            ("B.JPEG", b"b"),
            ("c.woff2", b"c"),
            ("maintenance.html", b"{{ data_uri(\"a.png\") }} {{ data_uri('B.JPEG') }} {{ data_uri('c.woff2') }}"),
        ];
        let (html, policy) = own(files, &[]).unwrap();
        assert_eq!(html, "data:image/png;base64,/wA= data:image/jpeg;base64,Yg== data:font/woff2;base64,Yw==");
        assert!(policy.ends_with("; font-src data:"), "{policy}");
        let error = own(&[("maintenance.html", b"\n {{ data_uri(\"a.png\") }}")], &[]).unwrap_err();
        assert_eq!(error, "maintenance.html:2:5: invalid operation: PAGES_DIR has no picture \"a.png\"");
    }

    #[test]
    fn texts_and_pictures_have_room_of_their_own() {
        let of_size = |size: usize| vec![b'x'; size];
        let (text, more_text) = (of_size(256 * 1024), of_size(256 * 1024 + 1));
        let (half, more_than_half) = (of_size(512 * 1024), of_size(512 * 1024 + 1));
        let alt = of_size(1025);
        for (files, error) in [
            (&[("maintenance.html", &*text), ("a.png", &half), ("b.png", &half)][..], None),
            (&[("maintenance.html", &more_text)], Some("DIR/maintenance.html is larger than 256 KiB")),
            (&[("style.css", &more_text)], Some("DIR/style.css is larger than 256 KiB")),
            (
                &[("a.png", &half), ("b.png", &more_than_half)],
                Some("DIR/b.png makes the pictures larger than 1024 KiB together"),
            ),
            (&[("a.png", &of_size(1024 * 1024 + 1))], Some("DIR/a.png is larger than 1024 KiB")),
            (&[("logo.txt", &alt)], Some("DIR/logo.txt is larger than 1 KiB")),
            (&[("index.html", b"\xff")], Some("DIR/index.html is not UTF-8")),
        ] {
            assert_eq!(
                own(files, &[]).err().as_deref(),
                error,
                "{:?}",
                files.iter().map(|it| it.0).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn a_logo_is_a_picture_with_a_text_for_those_who_do_not_see_it() {
        let page: (&str, &[u8]) = ("maintenance.html", b"[{{ logo }}|{{ logo_alt }}]");
        let logo = |files: &[(&str, &[u8])]| own(&[&[page], files].concat(), &[]).unwrap().0;
        assert_eq!(logo(&[]), "[|]");
        assert_eq!(logo(&[("logo.webp", b"w"), ("logo.png", b"p")]), "[data:image/png;base64,cA==|]");
        let files: &[(&str, &[u8])] = &[("logo.svg", b"<svg/>"), ("logo.png", b"p"), ("logo.txt", b" A & B\n")];
        assert_eq!(logo(files), "[data:image/svg+xml;base64,PHN2Zy8+|A &amp; B]");
    }

    #[test]
    fn an_own_maintenance_page_alone_may_load_from_sources() {
        let sources = [("PAGES_SOURCES", "https://cdn.example https://*.img.example:8443")];
        let (_, policy) = own(&[("maintenance.html", b"<style></style>")], &sources).unwrap();
        let origins = "https://cdn.example https://*.img.example:8443";
        let empty = BASE64.encode(Hash::hash(b""));
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; img-src data: {origins}; base-uri 'none'; form-action 'none'; connect-src 'self'; \
                 font-src data: {origins}; style-src 'sha256-{empty}' {origins}; script-src {origins}"
            )
        );
        let (_, policy) = own(&[("index.html", b"")], &sources).unwrap();
        assert!(!policy.contains("https://"), "{policy}");
    }

    #[test]
    fn the_accent_comes_after_the_style_and_colours_the_embedded_icon() {
        let page: (&str, &[u8]) = ("maintenance.html", b"{{ style }} {{ icon }}");
        let accent = [("MAINTENANCE_ACCENT", "#C00000")];
        let (html, _) = own(&[page, ("style.css", b"a{}")], &accent).unwrap();
        let (style, icon) = html.rsplit_once(' ').unwrap();
        assert!(style.starts_with("a{}:root{--accent:#c00000;--on-accent:#ffffff}@media"), "{style}");
        let icon = String::from_utf8(BASE64.decode(icon.split_once(',').unwrap().1).unwrap()).unwrap();
        assert_eq!((icon.matches("#c00000").count(), icon.matches("#0b66c3").count()), (1, 0));
        let (html, _) = own(&[page, ("icon.svg", b"#0b66c3"), ("style.css", b"a{}")], &accent).unwrap();
        assert!(html.ends_with(&BASE64.encode("#0b66c3")), "one's own icon stays as it is");
        let (html, _) = own(&[page, ("style.css", b"a{}")], &[]).unwrap();
        assert!(html.starts_with("a{} "), "{html}");
    }
}
