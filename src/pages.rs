//! Pages: the embedded templates and `PAGES_DIR`, filled in. Knows no request.
//!
//! Each page is one document. In maintenance every path is 503, so a linked stylesheet would be one too:
//! `style.css` is put inline, `icon.svg` becomes a `data:` URI, and the content security policy allows just
//! the inline blocks that a page has, by their SHA-256.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hmac_sha256::Hash;
use http::HeaderValue;
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context, machinery::tokenize, syntax::SyntaxConfig};

use crate::{
    ask::Coding,
    files::{self, ReadError},
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

/// A larger override is a mistake: it would be sent with every 503.
const LARGEST_FILE: u64 = 1024 * 1024;
/// The same of a page that is filled in.
const LARGEST_PAGE: usize = 1024 * 1024;
/// A longer Content-Security-Policy is refused by clients, and by proxies in between.
const LONGEST_POLICY: usize = 4096;

/// The work that filling in one page may take, in minijinja's units: one for an instruction or for 64 bytes of text. The
/// embedded pages need 150.
const FUEL: u64 = 100_000;
/// The tokens of one template. Each may be one more level of an expression, which minijinja follows by recursion, and some
/// expressions take time by the square of it: 0.4 s for so many. The embedded pages have up to 116.
const MOST_TOKENS: usize = 10_000;
/// The stack that such a template is parsed and filled in on. The worst that was found, `set` and 10,000 opening brackets,
/// takes 3.1 MiB, and 28 MiB without optimization; what is not touched costs nothing.
const STACK: usize = 64 * 1024 * 1024;

/// The templates, ready to be filled in.
pub(crate) struct Pages {
    templates: Environment<'static>,
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

/// One page: its bytes and the headers that follow from them.
#[derive(Debug)]
pub(crate) struct Page {
    /// The content security policy that allows its inline blocks.
    pub(crate) policy: HeaderValue,
    identity: Body,
    gzip: Body,
}

/// A page in one content coding.
#[derive(Debug)]
pub(crate) struct Body {
    /// The bytes as they are sent.
    pub(crate) bytes: Bytes,
    /// Their strong entity tag.
    pub(crate) etag: HeaderValue,
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
        let (mut own, unknown) = dir.map(|dir| replace(&mut texts, dir)).transpose()?.unwrap_or_default();
        let mut text = |name| texts.remove(name).unwrap_or_default();
        let style = Value::from_safe_string(text(STYLE));
        let icon = BASE64.encode(text(ICON));
        let icon = Value::from_safe_string(format!("data:image/svg+xml;base64,{icon}"));
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_fuel(Some(FUEL));
        // An error says where it is.
        templates.set_debug(true);
        // It could hold itself, and printing it would never end.
        templates.remove_global("namespace");
        for (name, text) in texts {
            let tokens = tokenize(&text, false, SyntaxConfig::default());
            // One that is none is found again by the parser, which says what is wrong.
            if tokens.take_while(Result::is_ok).take(MOST_TOKENS + 1).count() > MOST_TOKENS {
                let why = format!("{name} has more than {MOST_TOKENS} tokens: a page needs fewer expressions");
                return Err(PagesError(why));
            }
            templates.add_template_owned(name, text)?;
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
        let page = |name| self.render(name, &variables).and_then(|html| Page::new(name, &html));
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
                        policy(name, &line_ends(&self.render(name, &variables)?))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn render(&self, name: &str, variables: &Value) -> Result<String, PagesError> {
        let mut page = Bounded(Vec::new());
        match self.templates.get_template(name)?.render_captured_to(variables, &mut page) {
            Err(error) if error.kind() == ErrorKind::WriteFailure => {
                Err(PagesError(format!("{name} becomes larger than {} KiB", LARGEST_PAGE / 1024)))
            }
            Err(error) if error.kind() == ErrorKind::OutOfFuel => {
                let line = error.line().unwrap_or(1);
                Err(PagesError(format!("{name}:{line}: takes more than {FUEL} steps: expected shorter loops")))
            }
            rendered => {
                rendered?;
                String::from_utf8(page.0).map_err(|_| PagesError(format!("{name} is not UTF-8")))
            }
        }
    }

    fn variables(&self, settings: &Settings, facts: &Facts) -> Value {
        let mode = settings.maintenance_mode.is_on();
        context! {
            style => self.style.clone(),
            icon => self.icon.clone(),
            version => env!("CARGO_PKG_VERSION"),
            tier => settings.tier.as_str(),
            pod => facts.pod.clone(),
            title => settings.title.clone(),
            message => settings.message.clone(),
            contact => settings.contact.clone(),
            contact_href => contact_href(&settings.contact),
            retry_after => settings.retry_after,
            retry_after_text => in_words(settings.retry_after),
            users_mode => mode.map_or("", |on| if on { "maintenance" } else { "normal" }),
            users_value => settings.maintenance_mode.as_str(),
            since => to_the_second(facts.since),
            started_at => to_the_second(facts.started_at),
            reload_error => facts.reload_error.clone(),
        }
    }
}

/// Runs what minijinja does by recursion where there is room for it.
fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, PagesError> + Send) -> Result<T, PagesError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("pages".into()).stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| PagesError(format!("no thread can be started: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(PagesError("the template engine failed".into())))
    })
}

/// A buffer that takes no more than a page.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_PAGE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Replaces texts by the files of `dir`; returns which, and the names that are no page's.
fn replace(
    texts: &mut BTreeMap<&'static str, String>,
    dir: &Path,
) -> Result<(Vec<&'static str>, Vec<String>), PagesError> {
    let of_dir = |error: io::Error| ReadError::from_io(dir, &error);
    let (mut own, mut unknown) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).map_err(of_dir)? {
        let name = entry.map_err(of_dir)?.file_name();
        let Some(page) = FILES.into_iter().find(|it| name == **it) else {
            // A mounted ConfigMap has `..data` and the like.
            unknown.extend(name.to_str().filter(|it| !it.starts_with('.')).map(str::to_owned));
            continue;
        };
        let text = files::read(&dir.join(page), LARGEST_FILE)?;
        texts.insert(page, text);
        own.push(page);
    }
    unknown.sort_unstable();
    Ok((own, unknown))
}

// === impl Page ===

impl Page {
    fn new(name: &str, html: &str) -> Result<Self, PagesError> {
        let html = line_ends(html);
        let policy = policy(name, &html)?;
        let hash = BASE64.encode(&Hash::hash(html.as_bytes())[..12]);
        let compressed =
            gzip(html.as_bytes()).map_err(|error| PagesError(format!("{name} cannot be compressed: {error}")))?;
        let header = |text: String| HeaderValue::try_from(text).map_err(|error| PagesError(format!("{name}: {error}")));
        Ok(Self {
            policy: HeaderValue::from_static(for_good(policy)),
            identity: Body { bytes: html.into(), etag: header(format!("\"{hash}\""))? },
            gzip: Body { bytes: compressed.into(), etag: header(format!("\"{hash}-gzip\""))? },
        })
    }

    /// The page in a content coding.
    #[must_use]
    pub(crate) const fn body(&self, coding: Coding) -> &Body {
        match coding {
            Coding::Identity => &self.identity,
            Coding::Gzip => &self.gzip,
        }
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The text, kept until the process ends, once: a header value that is never given back needs no count of the requests
/// that use it, which all threads would share. What piles up is the policies that were ever in force, each at most
/// [`LONGEST_POLICY`] bytes.
fn for_good(text: String) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get(text.as_str()).copied().unwrap_or_else(|| {
        let text = text.leak();
        kept.insert(text);
        text
    })
}

/// Line ends as browsers have them before they hash an inline block.
fn line_ends(html: &str) -> String {
    html.replace("\r\n", "\n").replace('\r', "\n")
}

/// The strictest policy under which the page's own inline styles and scripts still work.
fn policy(name: &str, html: &str) -> Result<String, PagesError> {
    let mut policy =
        String::from("default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let blocks: BTreeSet<_> = inline_blocks(html, element).collect();
        let hashes: Vec<_> = blocks.into_iter().map(|block| BASE64.encode(Hash::hash(block.as_bytes()))).collect();
        if !hashes.is_empty() {
            policy.push_str(&format!("; {directive}"));
        }
        for hash in hashes {
            policy.push_str(&format!(" 'sha256-{hash}'"));
        }
    }
    if policy.len() > LONGEST_POLICY {
        return Err(PagesError(format!(
            "{name} would have a Content-Security-Policy of {} bytes, over {LONGEST_POLICY}: use fewer inline style and \
             script blocks",
            policy.len()
        )));
    }
    Ok(policy)
}

/// The texts between `<element ...>` and `</element`, in order.
fn inline_blocks<'h>(html: &'h str, element: &str) -> impl Iterator<Item = &'h str> {
    // ASCII lower case keeps every byte's place.
    let lower = html.to_ascii_lowercase();
    let (open, close) = (format!("<{element}"), format!("</{element}"));
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let name_end = at + lower[at..].find(&open)? + open.len();
            at = name_end;
            if !lower[name_end..].starts_with(|it: char| it == '>' || it.is_ascii_whitespace()) {
                continue;
            }
            let start = name_end + lower[name_end..].find('>')? + 1;
            let end = start + lower[start..].find(&close)?;
            at = end;
            return Some(&html[start..end]);
        }
    })
}

/// Where a contact that is a mail address, a web address or a phone number leads; nothing for other text.
fn contact_href(contact: &str) -> String {
    if contact.contains(char::is_whitespace) && !contact.starts_with('+') {
        return String::new();
    }
    let dialled: String = contact.chars().filter(|it| !matches!(it, ' ' | '-' | '(' | ')')).collect();
    if contact.starts_with("https://") || contact.starts_with("http://") {
        contact.to_owned()
    } else if let Some(digits) =
        dialled.strip_prefix('+').filter(|it| it.len() > 4 && it.bytes().all(|b| b.is_ascii_digit()))
    {
        format!("tel:+{digits}")
    } else if contact
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains(['@', '?']))
    {
        format!("mailto:{contact}")
    } else {
        String::new()
    }
}

/// Seconds in words, rounded up: 300 is "5 minutes", 5400 is "90 minutes".
fn in_words(seconds: u32) -> String {
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..7200 => (seconds.div_ceil(60), "minute"),
        7200..172_800 => (seconds.div_ceil(3600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

fn to_the_second(time: Timestamp) -> String {
    format!("{time:.0}")
}

// === impl PagesError ===

impl From<ReadError> for PagesError {
    fn from(error: ReadError) -> Self {
        Self(error.to_string())
    }
}

impl From<minijinja::Error> for PagesError {
    /// With file, line and column as far as they are known.
    fn from(error: minijinja::Error) -> Self {
        let name = error.name().unwrap_or("a page");
        let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
        let before = error.template_source().zip(error.range()).and_then(|(text, range)| text.get(..range.start));
        let column = before.map_or_else(String::new, |before| {
            let in_line = before.rsplit('\n').next().unwrap_or_default();
            format!(":{}", in_line.chars().count() + 1)
        });
        let what =
            error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        Self(format!("{name}{line}{column}: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::settings::{Files, Sources};

    fn facts() -> Facts {
        let now = Timestamp::UNIX_EPOCH;
        Facts { pod: "pod-1".into(), started_at: now, since: now, reload_error: String::new() }
    }

    fn filled(dir: Option<&Path>, files: &[(&'static str, &str)]) -> Result<Bodies, PagesError> {
        let settings = Sources::default().resolve(&Files::from_pairs(files)).unwrap();
        Pages::load(dir)?.0.fill(&settings, &facts())
    }

    fn html(page: &Page) -> String {
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
    fn gzip_holds_the_same_page_under_another_tag() {
        use std::io::Read as _;
        let page = filled(None, &[]).unwrap().maintenance;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&page.body(Coding::Gzip).bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, html(&page));
        assert_ne!(page.body(Coding::Gzip).etag, page.body(Coding::Identity).etag);
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
    fn an_inline_block_is_hashed_with_the_line_ends_of_a_browser() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("maintenance.html"), "<style>a\r\n{{ style }}</style>\r\n<script>b\rc</script>")
            .unwrap();
        fs::write(dir.path().join("style.css"), "d\r\n").unwrap();
        let bodies = filled(Some(dir.path()), &[]).unwrap();
        assert_eq!(html(&bodies.maintenance), "<style>a\nd\n</style>\n<script>b\nc</script>");
        let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(Hash::hash(text.as_bytes())));
        let expected = format!("; style-src {}; script-src {}", hash("a\nd\n"), hash("b\nc"));
        assert!(bodies.maintenance.policy.to_str().unwrap().ends_with(&expected));
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

    #[test]
    fn an_absurd_template_is_refused_and_never_ends_the_process() {
        let chains = [
            ("{{ 1", "+1", " }}", 5000),
            ("{{ 1", " and 1", " }}", 5000),
            ("{{ style", "~style", " }}", 5000),
            ("{{ title", ".b", " }}", 5000),
            ("{{ title", "[0]", " }}", 3300),
            ("{{ title", "()", " }}", 3300),
            ("{{ title", "|e", " }}", 5000),
            ("{{ title", " is b", " }}", 5000),
            ("{{ ", "-", "1 }}", 10_000),
            ("{{ ", "not ", "1 }}", 10_000),
            ("{% set ", "(", "a", 10_000),
            ("{{ ", "(", "1 }}", 10_000),
            ("{{ ", "[", "1 }}", 10_000),
            ("{{ ", "{1:", "1 }}", 3300),
            ("{% if contact %}", "{% elif contact %}", "{% endif %}", 2500),
            ("", "{% if title %}", "", 2500),
            ("{% set x=[] %}", "{% set x=[x] %}", "{{ x }}", 1240),
        ];
        let loops = [
            "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
            "{{ 'x' * 100000000 }}",
            "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
            "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        ];
        let load = |text: &str| {
            let dir = TempDir::new().unwrap();
            fs::write(dir.path().join("404.html"), text).unwrap();
            filled(Some(dir.path()), &[]).map(drop).map_err(|error| error.to_string())
        };
        for (before, link, after, count) in chains {
            // Just within the bound on tokens: refused or not, there is stack enough.
            let result = load(&format!("{before}{}{after}", link.repeat(count - 5)));
            assert!(result.as_ref().err().is_none_or(|error| error.starts_with("404.html:1:")), "{link}: {result:?}");
            let error = load(&format!("{before}{}{after}", link.repeat(50_000))).unwrap_err();
            assert!(error.starts_with("404.html has more than 10000 tokens: "), "{link}: {error}");
        }
        for text in loops {
            let error = load(text).unwrap_err();
            assert!(error.starts_with("404.html:1:"), "{text}: {error}");
        }
    }

    #[test]
    fn a_page_may_become_as_large_as_1_mib() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("index.html"), "x".repeat(LARGEST_PAGE - 4096) + "{{ title }}").unwrap();
        let fill = |title: usize| {
            let bodies = filled(Some(dir.path()), &[("MAINTENANCE_TITLE", &"x".repeat(title))]);
            bodies.map(|it| it.index.body(Coding::Identity).bytes.len()).map_err(|error| error.to_string())
        };
        assert_eq!(fill(4096), Ok(LARGEST_PAGE));
        assert_eq!(fill(4097), Err("index.html becomes larger than 1024 KiB".into()));
    }

    #[test]
    fn a_policy_that_clients_would_refuse_is_refused_by_name() {
        let dir = TempDir::new().unwrap();
        let fill = |blocks: usize| {
            let blocks: String = (0..blocks).map(|number| format!("<style>{number}</style>")).collect();
            fs::write(dir.path().join("index.html"), blocks + "<style>0</style><style></style>").unwrap();
            filled(Some(dir.path()), &[]).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(fill(70), Ok(()));
        let error = fill(100).unwrap_err();
        assert!(error.starts_with("index.html would have a Content-Security-Policy of 5"), "{error}");
        assert!(error.ends_with(" bytes, over 4096: use fewer inline style and script blocks"), "{error}");
    }

    #[test]
    fn a_mistake_is_named_with_file_line_and_column() {
        for (text, message) in [
            ("é\n  {{ titel }}", "404.html:2:6: undefined value: `titel` is undefined"),
            ("{% if %}", "404.html:1:7: syntax error: unexpected end of block"),
            ("{{ title|nothing }}", "404.html:1:10: unknown filter: filter nothing is unknown"),
            ("{{ 'abc", "404.html:1:8: syntax error: unexpected end of string"),
        ] {
            let dir = TempDir::new().unwrap();
            fs::write(dir.path().join("404.html"), text).unwrap();
            assert_eq!(filled(Some(dir.path()), &[]).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_named_pipe_in_place_of_a_page_is_refused_by_name() {
        let dir = TempDir::new().unwrap();
        assert!(Command::new("mkfifo").arg(dir.path().join("index.html")).status().unwrap().success());
        let error = filled(Some(dir.path()), &[]).unwrap_err().to_string();
        assert!(error.ends_with("/index.html is not a regular file"), "{error}");
    }

    #[test]
    fn contacts_become_links_only_where_they_are_addresses() {
        for (contact, href) in [
            ("help@example.org", "mailto:help@example.org"),
            ("https://status.example.org/", "https://status.example.org/"),
            ("+49 (30) 123-456", "tel:+4930123456"),
            ("javascript:alert(1)", ""),
            ("the help desk, help@example.org", ""),
            ("a@b@c.d", ""),
            ("extension 7", ""),
            ("", ""),
        ] {
            assert_eq!(contact_href(contact), href, "{contact}");
        }
    }

    #[test]
    fn seconds_are_put_into_words() {
        for (seconds, words) in [
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (300, "5 minutes"),
            (301, "6 minutes"),
            (5400, "90 minutes"),
            (7200, "2 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(in_words(seconds), words);
        }
    }
}
