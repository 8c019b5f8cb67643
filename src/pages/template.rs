//! The templates, and how much work, room and stack they may take: a mistake in one is named, and never ends the process.

use std::{
    collections::BTreeMap,
    io,
    num::NonZero,
    thread::{self, Scope, ScopedJoinHandle},
};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, machinery::tokenize, syntax::SyntaxConfig};

use super::PagesError;

/// A larger page, filled in, is a mistake: it would be sent with every 503.
const LARGEST_PAGE: usize = 1024 * 1024;

/// The work that filling in one page may take, in minijinja's units: one for an instruction or for 64 bytes of text. The
/// embedded pages need 150.
const FUEL: u64 = 100_000;
/// The tokens of one template. Each may be one more level of an expression, which minijinja follows by recursion, and some
/// expressions take time by the square of it: 0.4 s for so many. The embedded pages have up to 116.
const MOST_TOKENS: usize = 10_000;
/// The stack that such a template is parsed and filled in on. The worst that was found, `set` and 10,000 opening brackets,
/// takes 3.1 MiB, and 28 MiB without optimization; what is not touched costs nothing.
const STACK: usize = 64 * 1024 * 1024;
/// As many threads as pages are made on at once: 64 cores would start 64.
const MOST_THREADS: usize = 4;

/// Templates that are ready to be filled in.
pub(super) struct Templates(Environment<'static>);

// === impl Templates ===

impl Templates {
    /// None yet, but `data_uri` knows these pictures: `data:` URIs by name.
    pub(super) fn new(pictures: BTreeMap<String, Value>) -> Self {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_fuel(Some(FUEL));
        // An error says where it is.
        templates.set_debug(true);
        // It could hold itself, and printing it would never end.
        templates.remove_global("namespace");
        templates.add_function("data_uri", move |name: &str| {
            let what = || format!("PAGES_DIR has no picture {name:?}");
            let known = pictures.get(name).cloned();
            known.ok_or_else(|| minijinja::Error::new(ErrorKind::InvalidOperation, what()))
        });
        Self(templates)
    }

    /// Adds a template.
    ///
    /// # Errors
    /// It is too large or has a syntax error.
    pub(super) fn add(&mut self, name: &'static str, text: String) -> Result<(), PagesError> {
        let tokens = tokenize(&text, false, SyntaxConfig::default());
        // One that is none is found again by the parser, which says what is wrong.
        if tokens.take_while(Result::is_ok).take(MOST_TOKENS + 1).count() > MOST_TOKENS {
            let why = format!("{name} has more than {MOST_TOKENS} tokens: a page needs fewer expressions");
            return Err(PagesError(why));
        }
        self.0.add_template_owned(name, text)?;
        Ok(())
    }

    /// Fills a template in, with the line ends that browsers have before they hash an inline block.
    ///
    /// # Errors
    /// It does not render, or becomes too large.
    pub(super) fn render(&self, name: &str, variables: &Value) -> Result<String, PagesError> {
        let mut page = Bounded(Vec::new());
        match self.0.get_template(name)?.render_captured_to(variables, &mut page) {
            Err(error) if error.kind() == ErrorKind::WriteFailure => {
                Err(PagesError(format!("{name} becomes larger than {} KiB", LARGEST_PAGE / 1024)))
            }
            Err(error) if error.kind() == ErrorKind::OutOfFuel => {
                Err(PagesError(format!("{}: takes more than {FUEL} steps: expected shorter loops", place(&error))))
            }
            rendered => {
                rendered?;
                let html = String::from_utf8(page.0).map_err(|_| PagesError(format!("{name} is not UTF-8")))?;
                Ok(if html.contains('\r') { html.replace("\r\n", "\n").replace('\r', "\n") } else { html })
            }
        }
    }
}

/// Runs what minijinja does by recursion where there is room for it.
pub(super) fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, PagesError> + Send) -> Result<T, PagesError> {
    thread::scope(|scope| join(spawn(scope, work)?))
}

/// The same for each of `items`, on a few threads at once.
pub(super) fn in_parallel<I: Sync, O: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<O, PagesError> + Sync,
) -> Result<Vec<O>, PagesError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let (size, work) = (items.len().div_ceil(threads).max(1), &work);
    thread::scope(|scope| {
        let parts = items.chunks(size).map(|part| spawn(scope, move || part.iter().map(work).collect()));
        let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
        let mut all = Vec::new();
        for part in parts {
            all.extend::<Vec<O>>(join(part)?);
        }
        Ok(all)
    })
}

fn spawn<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    work: impl FnOnce() -> Result<T, PagesError> + Send + 's,
) -> Result<ScopedJoinHandle<'s, Result<T, PagesError>>, PagesError> {
    let thread = thread::Builder::new().name("pages".into()).stack_size(STACK).spawn_scoped(scope, work);
    thread.map_err(|error| PagesError(format!("no thread can be started: {error}")))
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T, PagesError>>) -> Result<T, PagesError> {
    thread.join().unwrap_or_else(|_| Err(PagesError("the template engine failed".into())))
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

// === impl PagesError ===

impl From<minijinja::Error> for PagesError {
    fn from(error: minijinja::Error) -> Self {
        let what =
            error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        Self(format!("{}: {what}", place(&error)))
    }
}

/// File, line and column, as far as they are known.
fn place(error: &minijinja::Error) -> String {
    let name = error.name().unwrap_or("a page");
    let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
    let before = error.template_source().zip(error.range()).and_then(|(text, range)| text.get(..range.start));
    let column = before.map_or_else(String::new, |before| {
        let in_line = before.rsplit('\n').next().unwrap_or_default();
        format!(":{}", in_line.chars().count() + 1)
    });
    format!("{name}{line}{column}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::{negotiate::Coding, pages::tests::filled};

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
            let error = load(&format!("{before}{}{after}", link.repeat(12_000))).unwrap_err();
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
        fs::write(
            dir.path().join("index.html"),
            format!("{{% for _ in range(8) %}}{}{{% endfor %}}{{{{ title }}}}", "x".repeat(LARGEST_PAGE / 8 - 512)),
        )
        .unwrap();
        let fill = |title: usize| {
            let bodies = filled(Some(dir.path()), &[("MAINTENANCE_TITLE", &"x".repeat(title))]);
            bodies.map(|it| it.index.html.bytes(Coding::Identity).len()).map_err(|error| error.to_string())
        };
        assert_eq!(fill(4096), Ok(LARGEST_PAGE));
        assert_eq!(fill(4097), Err("index.html becomes larger than 1024 KiB".into()));
    }
    #[test]
    fn a_mistake_is_named_with_file_line_and_column() {
        for (text, message) in [
            ("é\n  {{ titel }}", "404.html:2:6: undefined value: `titel` is undefined"),
            ("{% if %}", "404.html:1:7: syntax error: unexpected end of block"),
            ("{{ title|nothing }}", "404.html:1:10: unknown filter: filter nothing is unknown"),
            (
                "\n{% for i in range(100000) %}{% for j in range(9) %}{% endfor %}{% endfor %}",
                "404.html:2: takes more than 100000 steps: expected shorter loops",
            ),
            ("{{ 'abc", "404.html:1:8: syntax error: unexpected end of string"),
        ] {
            let dir = TempDir::new().unwrap();
            fs::write(dir.path().join("404.html"), text).unwrap();
            assert_eq!(filled(Some(dir.path()), &[]).unwrap_err().to_string(), message);
        }
    }
}
