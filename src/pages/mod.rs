//! Pages: the embedded templates and `PAGES_DIR`, filled in. Knows no request.
//!
//! Each page is one document. In maintenance every path is 503, so a linked stylesheet would be one too:
//! `style.css` is put inline, `icon.svg` becomes a `data:` URI, and the content security policy allows just
//! the inline blocks that a page has, by their SHA-256.

mod own;
mod page;
mod policy;
mod template;
mod variables;

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use minijinja::Value;

pub(crate) use self::page::Page;
use self::{
    policy::{line_ends, policy},
    template::{Templates, with_stack},
};
use crate::{
    files::ReadError,
    settings::{Settings, Switch},
};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/static");

const INDEX: &str = "index.html";
const MAINTENANCE: &str = "maintenance.html";
const ADMIN: &str = "admin.html";
const NOT_FOUND: &str = "404.html";
const STYLE: &str = "style.css";
const ICON: &str = "icon.svg";
const PAGES: [&str; 4] = [INDEX, MAINTENANCE, ADMIN, NOT_FOUND];
const FILES: [&str; 6] = [INDEX, MAINTENANCE, ADMIN, NOT_FOUND, STYLE, ICON];

/// The templates, ready to be filled in.
pub(crate) struct Pages {
    templates: Templates,
    /// The templates that are the operator's own.
    own: Vec<&'static str>,
    style: Value,
    icon: Value,
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
}

/// Every page, filled in.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// The demo application's page.
    pub(crate) index: Page,
    /// The page.
    pub(crate) maintenance: Page,
    /// What users are set to get.
    pub(crate) admin: Page,
    /// What a wrong path gets.
    pub(crate) not_found: Page,
}

/// Why the pages cannot be used, as a sentence that names the directory or the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PagesError(String);

// === impl Pages ===

impl Pages {
    /// The embedded pages, each replaced by the file of its name in `dir`. Also returns the names in `dir`
    /// that are no page's, in order, for a warning.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or a template is too large or has a syntax error.
    pub(crate) fn load(dir: Option<&Path>) -> Result<(Self, Vec<String>), PagesError> {
        match dir {
            Some(dir) => with_stack(|| Self::load_here(Some(dir))),
            None => Self::load_here(None),
        }
    }

    fn load_here(dir: Option<&Path>) -> Result<(Self, Vec<String>), PagesError> {
        let mut texts = BTreeMap::new();
        for name in FILES {
            let text = EMBEDDED.get_file(name).and_then(|file| file.contents_utf8());
            texts.insert(name, text.ok_or_else(|| PagesError(format!("{name} is not embedded")))?.to_owned());
        }
        let (mut own, unknown) = dir.map(|dir| own::replace(&mut texts, dir)).transpose()?.unwrap_or_default();
        let mut text = |name| texts.remove(name).unwrap_or_default();
        let style = Value::from_safe_string(text(STYLE));
        let icon = BASE64.encode(text(ICON));
        let icon = Value::from_safe_string(format!("data:image/svg+xml;base64,{icon}"));
        let mut templates = Templates::new();
        for (name, text) in texts {
            templates.add(name, text)?;
        }
        own.retain(|name| PAGES.contains(name));
        Ok((Self { templates, own, style, icon }, unknown))
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
        let variables = self.variables(settings, facts);
        let page = |name| self.templates.render(name, &variables).and_then(|html| Page::new(name, &html));
        Ok(Bodies {
            index: page(INDEX)?,
            maintenance: page(MAINTENANCE)?,
            admin: page(ADMIN)?,
            not_found: page(NOT_FOUND)?,
        })
    }

    /// Fills the operator's own pages in for what may come later, and throws them away: a branch that is first taken when
    /// the mode changes must not be what keeps it from changing.
    ///
    /// # Errors
    /// A template does not render then.
    pub(crate) fn rehearse(&self, settings: &Settings, facts: &Facts) -> Result<(), PagesError> {
        if self.own.is_empty() { Ok(()) } else { with_stack(|| self.rehearse_here(settings, facts)) }
    }

    fn rehearse_here(&self, settings: &Settings, facts: &Facts) -> Result<(), PagesError> {
        for maintenance_mode in [Switch::On, Switch::Off, Switch::Unreadable("maybe".into())] {
            // One that becomes a link, one that does not, and none.
            for contact in ["help@example.org", "the help desk", ""] {
                for reload_error in ["RETRY_AFTER is wrong", ""] {
                    let maintenance_mode = maintenance_mode.clone();
                    let settings = Settings { maintenance_mode, contact: contact.into(), ..settings.clone() };
                    let facts = Facts { reload_error: reload_error.into(), ..facts.clone() };
                    let variables = self.variables(&settings, &facts);
                    for name in &self.own {
                        policy(name, &line_ends(&self.templates.render(name, &variables)?))?;
                    }
                }
            }
        }
        Ok(())
    }
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

    use hmac_sha256::Hash;
    use tempfile::TempDir;

    use super::{policy::inline_blocks, *};
    use crate::{
        ask::Coding,
        settings::{Files, Sources},
    };

    pub(super) fn facts() -> Facts {
        let now = Timestamp::UNIX_EPOCH;
        Facts { pod: "pod-1".into(), started_at: now, since: now, reload_error: String::new() }
    }

    pub(super) fn filled(dir: Option<&Path>, files: &[(&'static str, &str)]) -> Result<Bodies, PagesError> {
        let settings = Sources::default().resolve(&Files::from_pairs(files)).unwrap();
        Pages::load(dir)?.0.fill(&settings, &facts())
    }

    pub(super) fn html(page: &Page) -> String {
        String::from_utf8(page.body(Coding::Identity).bytes.to_vec()).unwrap()
    }

    #[test]
    fn texts_are_escaped_on_pages() {
        let text = "<b>\"Tom\" & 'Ann'</b>";
        let bodies =
            filled(None, &[("MAINTENANCE_TITLE", text), ("MAINTENANCE_MESSAGE", text), ("MAINTENANCE_CONTACT", text)]);
        let bodies = bodies.unwrap();
        for page in [html(&bodies.maintenance), html(&bodies.admin)] {
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
        for page in [&bodies.index, &bodies.maintenance, &bodies.admin, &bodies.not_found] {
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
        let (_, unknown) = Pages::load(Some(dir.path())).unwrap();
        assert_eq!(unknown, ["maintenance.htm"]);
        let bodies = filled(Some(dir.path()), &[("MAINTENANCE_TITLE", "Moving")]).unwrap();
        assert!(html(&bodies.maintenance).ends_with("Moving 5 minutes"));
        let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(Hash::hash(text.as_bytes())));
        let expected = format!("; style-src {} {}; script-src {}", hash("a"), hash("b"), hash("c"));
        assert!(bodies.maintenance.policy.to_str().unwrap().ends_with(&expected));
        assert!(html(&bodies.index).contains("pod-1"));
    }

    #[test]
    fn a_branch_that_would_fail_later_fails_the_rehearsal() {
        let settings = Sources::default().resolve(&Files::default()).unwrap();
        let dir = TempDir::new().unwrap();
        let styles: String = (0..100).map(|number| format!("<style>a{number}</style>")).collect();
        let text = format!("{{% if users_mode == \"maintenance\" %}}{styles}{{% endif %}}");
        fs::write(dir.path().join("maintenance.html"), text).unwrap();
        let error = Pages::load(Some(dir.path())).unwrap().0.rehearse(&settings, &facts()).unwrap_err().to_string();
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
        ] {
            let dir = TempDir::new().unwrap();
            fs::write(dir.path().join(name), format!("{{% if {condition} %}}{{{{ typo }}}}{{% endif %}}")).unwrap();
            let (pages, _) = Pages::load(Some(dir.path())).unwrap();
            let error = pages.rehearse(&settings, &facts()).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}:1")), "{condition}: {error}");
        }
        assert!(Pages::load(None).unwrap().0.rehearse(&settings, &facts()).is_ok());
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
}
