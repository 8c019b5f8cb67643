//! What an own page links to and its content security policy will block: told when the page is read, as whoever looks at
//! the page later sees nothing but a gap.

use std::collections::BTreeMap;

use super::{
    MAINTENANCE,
    tags::{Tag, tags},
};
use crate::{
    files::{MOST_TOLD, at_most_told},
    settings::Source,
};

/// As many bytes of an address as are looked at: what comes after does not decide whether it is blocked.
const LOOKED_AT: usize = 2048;

/// As many characters of an address as a line repeats.
const SHOWN: usize = 100;

/// What is blocked, as a sentence, and what to do.
#[derive(Debug, Default)]
pub(super) struct Blocked(BTreeMap<String, String>);

/// What is linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A picture, or by `url()` a picture or font.
    Picture,
    /// A stylesheet or script.
    Text,
    /// A picture, by `url()` in a `style` attribute, which is blocked with all that it says.
    Attribute,
    /// What no page may load.
    Other,
}

// === impl Blocked ===

impl Blocked {
    /// Looks through a page that is filled in, until there is more than is told.
    pub(super) fn look_through(&mut self, name: &str, html: &str, sources: &[Source]) {
        for tag in tags(html) {
            if self.is_full() {
                return;
            }
            for (kind, url) in links(&tag) {
                self.add(name, kind, url, sources);
            }
            if tag.is("style") {
                self.look_through_style(name, tag.text, sources);
            }
        }
    }

    /// Looks through a stylesheet, until there is more than is told.
    pub(super) fn look_through_style(&mut self, name: &str, css: &str, sources: &[Source]) {
        for (kind, url) in urls(css).chain(imports(css)) {
            if self.is_full() {
                return;
            }
            self.add(name, kind, url, sources);
        }
    }

    fn is_full(&self) -> bool {
        self.0.len() > MOST_TOLD
    }

    fn add(&mut self, name: &str, kind: Kind, url: &str, sources: &[Source]) {
        let url = url.trim();
        let url = &url[..url.floor_char_boundary(LOOKED_AT)];
        let lower = url.to_ascii_lowercase();
        // The page itself, or a place in it.
        if lower.is_empty() || lower.starts_with('#') {
            return;
        }
        // The scheme of the page, which is what the operator serves it by.
        let absolute = if lower.starts_with("//") { format!("https:{lower}") } else { lower };
        let is_data = absolute.starts_with("data:");
        let allowed = match kind {
            Kind::Picture => is_data || sources.iter().any(|it| it.has(&absolute)),
            Kind::Text => sources.iter().any(|it| it.has(&absolute)),
            Kind::Attribute | Kind::Other => false,
        };
        if allowed {
            return;
        }
        let own = match kind {
            Kind::Picture => "put the file into PAGES_DIR and write {{ data_uri(\"NAME\") }}",
            Kind::Text => "write its text into the page",
            Kind::Attribute => "move the style attribute into a <style> block",
            Kind::Other => "leave it out: a page may load pictures, fonts, styles and scripts alone",
        };
        let what = match Source::origin(&absolute)
            .filter(|_| name == MAINTENANCE && matches!(kind, Kind::Picture | Kind::Text))
        {
            Some(origin) => format!("{own}, or name {origin} in PAGES_SOURCES"),
            None => own.to_owned(),
        };
        let mut shown: String = url.chars().take(SHOWN).collect();
        if shown.len() < url.len() {
            shown.push_str("...");
        }
        self.0.insert(format!("{name} links to {shown:?}, which its policy will block"), what);
    }

    /// A sentence for each, as far as they are told.
    pub(super) fn warnings(self) -> Vec<String> {
        let warnings = self.0.into_iter().map(|(that, what)| format!("{that}: {what}")).collect();
        at_most_told(warnings, "more links will be blocked")
    }
}

/// What a tag makes a browser load.
fn links<'h>(tag: &Tag<'h>) -> impl Iterator<Item = (Kind, &'h str)> {
    let (src, href) = (tag.attribute("src"), tag.attribute("href"));
    let has_rel = |words: &[&str]| {
        let mut rel = tag.attribute("rel").unwrap_or_default().split_ascii_whitespace();
        rel.any(|it| words.iter().any(|word| it.eq_ignore_ascii_case(word)))
    };
    let (kind, url) = match &*tag.name() {
        "img" | "input" => (Kind::Picture, src),
        "image" | "use" => (Kind::Picture, href.or(tag.attribute("xlink:href"))),
        "script" => (Kind::Text, src),
        "link" if has_rel(&["stylesheet"]) => (Kind::Text, href),
        "link" if has_rel(&["icon", "apple-touch-icon", "mask-icon"]) => (Kind::Picture, href),
        "link" if has_rel(&["modulepreload", "prefetch", "preload"]) => match tag.attribute("as") {
            Some("image" | "font") => (Kind::Picture, href),
            Some("style" | "script") => (Kind::Text, href),
            _ => (Kind::Other, href),
        },
        "link" if has_rel(&["manifest"]) => (Kind::Other, href),
        "audio" | "embed" | "frame" | "iframe" | "source" | "track" | "video" => (Kind::Other, src),
        _ => (Kind::Other, None),
    };
    let style = tag.attribute("style").and_then(|style| urls(style).next());
    url.map(|it| (kind, it)).into_iter().chain(style.map(|(_, it)| (Kind::Attribute, it)))
}

/// What stands in each `url()`.
fn urls(css: &str) -> impl Iterator<Item = (Kind, &str)> {
    let mut rest = css;
    std::iter::from_fn(move || next_url(&mut rest))
}

fn next_url<'c>(rest: &mut &'c str) -> Option<(Kind, &'c str)> {
    loop {
        let (before, after) = rest.split_once('(')?;
        *rest = after;
        if let Some(before) = without_end(before, "url") {
            let is_import = without_end(before.trim_end(), "@import").is_some();
            let (url, after) = after.split_once(')').unwrap_or((after, ""));
            *rest = after;
            let url = url.trim().trim_matches(['"', '\'']);
            return Some((if is_import { Kind::Text } else { Kind::Picture }, url));
        }
    }
}

/// What stands before a word that a text ends with, in whatever case.
fn without_end<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (before, end) = text.split_at_checked(text.len().checked_sub(word.len())?)?;
    end.eq_ignore_ascii_case(word).then_some(before)
}

/// What stands in quotes after each `@import`.
fn imports(css: &str) -> impl Iterator<Item = (Kind, &str)> {
    css.match_indices('@').filter_map(move |(at, _)| {
        let rest = css
            .get(at + 1..at + 7)
            .filter(|it| it.eq_ignore_ascii_case("import"))
            .map(|_| css[at + 7..].trim_start())?;
        let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        Some((Kind::Text, rest[1..].split(quote).next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &str = "put the file into PAGES_DIR and write {{ data_uri(\"NAME\") }}";
    const TEXT: &str = "write its text into the page";
    const OTHER: &str = "leave it out: a page may load pictures, fonts, styles and scripts alone";
    const ATTRIBUTE: &str = "move the style attribute into a <style> block";

    fn warnings(name: &str, html: &str, sources: &[Source]) -> Vec<String> {
        let mut blocked = Blocked::default();
        blocked.look_through(name, html, sources);
        blocked.warnings()
    }

    #[test]
    fn what_will_be_blocked_is_told_with_what_to_do() {
        for (html, url, what) in [
            ("<img src=logo.png>", "logo.png", PICTURE),
            ("<IMG alt='a>b' SRC = 'a b.png'/>", "a b.png", PICTURE),
            ("<link rel='shortcut icon' href=/favicon.ico>", "/favicon.ico", PICTURE),
            ("<svg><use xlink:href='icons.svg#a'/></svg>", "icons.svg#a", PICTURE),
            ("<link rel=stylesheet href=\"style.css\">", "style.css", TEXT),
            ("<script src=//cdn.example/a.js></script>", "//cdn.example/a.js", TEXT),
            ("<script src='data:,x'></script>", "data:,x", TEXT),
            ("<style>a{background:URL( 'b.png' )}</style>", "b.png", PICTURE),
            ("<style>@import \"c.css\" screen;</style>", "c.css", TEXT),
            ("<style>@IMPORT url(\"h.css\");</style>", "h.css", TEXT),
            ("<link rel=preload as=style href=p.css>", "p.css", TEXT),
            ("<link rel=preload as=font href=p.woff2>", "p.woff2", PICTURE),
            ("<link rel=prefetch href=/next>", "/next", OTHER),
            ("<p style='background: url(d.png)'>", "d.png", ATTRIBUTE),
            ("<p style='background: url(data:image/png;base64,AA)'>", "data:image/png;base64,AA", ATTRIBUTE),
            ("<iframe src=https://video.example/></iframe>", "https://video.example/", OTHER),
            ("<link rel=manifest href=/m.json>", "/m.json", OTHER),
        ] {
            let expected = format!("index.html links to {url:?}, which its policy will block: {what}");
            assert_eq!(warnings("index.html", html, &[]), [expected], "{html}");
        }
    }

    #[test]
    fn what_is_no_load_or_will_work_is_not_told() {
        for html in [
            "<a href=https://status.example/>status</a> <img src=''> <svg><use href='#a'/></svg>",
            "<img src='data:image/png;base64,AA'><link rel=icon href=data:image/svg+xml,x>",
            "<link rel=canonical href=https://a.example/><link rel=stylesheet>",
            "<!-- <img src=a.png> --><script>'<img src=a.png>'</script>",
            "<style>a{background:url(data:image/png;base64,AA)} b{fill:url(#c)}</style>",
            "1 < 2 <",
            "<img src",
            "<img src='a.png",
            "<style>url(",
            "<=><img =src=a>",
        ] {
            let told = warnings("index.html", html, &[]);
            // An attribute that never ends is one all the same.
            assert_eq!(told.len(), usize::from(html.ends_with("a.png")), "{html}: {told:?}");
        }
    }

    #[test]
    fn sources_let_pass_what_comes_from_them() {
        let sources = Source::parse_all("https://cdn.example https://*.img.example").unwrap();
        let html = "<link rel=stylesheet href=https://cdn.example/a.css><img src=//a.img.example/b.png>\
                    <script src=https://other.example/c.js></script><img src=http://cdn.example/d.png>\
                    <video src=https://cdn.example/e.mp4></video><p style='background:url(https://cdn.example/f.png)'>";
        assert_eq!(
            warnings(MAINTENANCE, html, &sources),
            [
                format!(
                    "maintenance.html links to \"http://cdn.example/d.png\", which its policy will block: {PICTURE}"
                ),
                format!(
                    "maintenance.html links to \"https://cdn.example/e.mp4\", which its policy will block: {OTHER}"
                ),
                format!(
                    "maintenance.html links to \"https://cdn.example/f.png\", which its policy will block: {ATTRIBUTE}"
                ),
                format!(
                    "maintenance.html links to \"https://other.example/c.js\", which its policy will block: {TEXT}, or \
                     name https://other.example in PAGES_SOURCES"
                ),
            ]
        );
    }

    #[test]
    fn there_are_at_most_20_lines_and_none_twice() {
        let pictures = |number: u32| (0..number).map(|it| format!("<img src={it}><img src={it}>")).collect::<String>();
        assert_eq!(warnings("404.html", &pictures(20), &[]).len(), 20);
        let told = warnings("404.html", &pictures(30), &[]);
        assert_eq!((told.len(), &*told[19]), (20, "more links will be blocked"));
        let told = warnings("404.html", &format!("<img src={}>", "é".repeat(5000)), &[]);
        assert!(told[0].len() < 500, "{}", told[0]);
    }

    /// Were the time by the square of the length, this would take minutes.
    #[test]
    fn pages_that_are_odd_and_large_are_looked_through_in_one_pass() {
        for (part, told) in [
            ("<style></style>", 0),
            ("<style>", 0),
            ("<!--", 0),
            ("<style>url(", 1),
            ("<p style='url(", 1),
            ("<style>@import url(data:</style>", 1),
            ("<style>a{b:url(data:,x)}</style>", 0),
        ] {
            let html = part.repeat(1024 * 1024 / part.len());
            assert_eq!(warnings("404.html", &html, &[]).len(), told, "{part}");
        }
        for part in ["url(data:,", "url(", "@import ", "@import url(", " ( "] {
            let html = format!("<style>{}", part.repeat(1024 * 1024 / part.len()));
            assert!(warnings("404.html", &html, &[]).len() <= 1, "{part}");
        }
    }
}
