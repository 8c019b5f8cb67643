//! What an own page links to and its content security policy will block: told when the page is read, as whoever looks at
//! the page later sees nothing but a gap.

use std::collections::BTreeMap;

use super::MAINTENANCE;
use crate::settings::Source;

/// As many lines as are told.
const MOST: usize = 20;

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
    /// Looks through a page that is filled in.
    pub(super) fn look_through(&mut self, name: &str, html: &str, sources: &[Source]) {
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            rest = &rest[at + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = comment.find("-->").map_or("", |end| &comment[end..]);
                continue;
            }
            let (tag, after) = Tag::parse(rest);
            rest = after;
            for (kind, url) in tag.links() {
                self.add(name, kind, url, sources);
            }
            // What stands in these is no HTML.
            if tag.name == "style" || tag.name == "script" {
                let end = rest.to_ascii_lowercase().find(&format!("</{}", tag.name)).unwrap_or(rest.len());
                if tag.name == "style" {
                    self.look_through_style(name, &rest[..end], sources);
                }
                rest = &rest[end..];
            }
        }
    }

    /// Looks through a stylesheet.
    pub(super) fn look_through_style(&mut self, name: &str, css: &str, sources: &[Source]) {
        for url in urls(css) {
            self.add(name, Kind::Picture, url, sources);
        }
        for url in imports(css) {
            self.add(name, Kind::Text, url, sources);
        }
    }

    fn add(&mut self, name: &str, kind: Kind, url: &str, sources: &[Source]) {
        let lower = url.trim().to_ascii_lowercase();
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
        let mut shown: String = url.trim().chars().take(SHOWN).collect();
        if shown.len() < url.trim().len() {
            shown.push_str("...");
        }
        self.0.insert(format!("{name} links to {shown:?}, which its policy will block"), what);
    }

    /// A sentence for each, [`MOST`] at most.
    pub(super) fn warnings(self) -> Vec<String> {
        let total = self.0.len();
        let mut warnings: Vec<_> = self.0.into_iter().map(|(that, what)| format!("{that}: {what}")).collect();
        if total > MOST {
            warnings.truncate(MOST - 1);
            warnings.push(format!("{} more links will be blocked", total - warnings.len()));
        }
        warnings
    }
}

/// An opening tag: its name in lower case and its attributes, names in lower case.
struct Tag<'h> {
    name: String,
    attributes: Vec<(String, &'h str)>,
}

impl<'h> Tag<'h> {
    /// Parses what follows a `<`; returns what follows the tag.
    fn parse(text: &'h str) -> (Self, &'h str) {
        let is_end = |it: char| it.is_ascii_whitespace() || matches!(it, '/' | '>');
        let (name, mut rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches(|it: char| it.is_ascii_whitespace() || it == '/');
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            // An `=` where a name should begin is its first character.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let end = rest[first..].find(|it| is_end(it) || it == '=').map_or(rest.len(), |end| first + end);
            let (name, after) = rest.split_at(end);
            rest = after.trim_start();
            let mut value = "";
            if let Some(after) = rest.strip_prefix('=') {
                let after = after.trim_start();
                let quote = after.chars().next().filter(|it| matches!(it, '"' | '\''));
                (value, rest) = match quote {
                    Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                    None => after
                        .split_at(after.find(|it: char| it.is_ascii_whitespace() || it == '>').unwrap_or(after.len())),
                };
            }
            attributes.push((name.to_ascii_lowercase(), value));
        }
        (Self { name: name.to_ascii_lowercase(), attributes }, rest)
    }

    fn attribute(&self, name: &str) -> Option<&'h str> {
        self.attributes.iter().find(|it| it.0 == name).map(|it| it.1)
    }

    /// What it makes a browser load.
    fn links(&self) -> impl Iterator<Item = (Kind, &'h str)> {
        let (src, href) = (self.attribute("src"), self.attribute("href"));
        let (kind, url) = match &*self.name {
            "img" | "input" => (Kind::Picture, src),
            "image" | "use" => (Kind::Picture, href.or(self.attribute("xlink:href"))),
            "script" => (Kind::Text, src),
            "link" if self.has_rel(&["stylesheet"]) => (Kind::Text, href),
            "link" if self.has_rel(&["icon", "apple-touch-icon", "mask-icon"]) => (Kind::Picture, href),
            "link" if self.has_rel(&["manifest"]) => (Kind::Other, href),
            "audio" | "embed" | "frame" | "iframe" | "source" | "track" | "video" => (Kind::Other, src),
            _ => (Kind::Other, None),
        };
        let style = self.attribute("style").and_then(|style| urls(style).next());
        url.map(|it| (kind, it)).into_iter().chain(style.map(|it| (Kind::Attribute, it)))
    }

    fn has_rel(&self, words: &[&str]) -> bool {
        let rel = self.attribute("rel").unwrap_or_default().to_ascii_lowercase();
        rel.split_ascii_whitespace().any(|it| words.contains(&it))
    }
}

/// What stands in each `url()`.
fn urls(css: &str) -> impl Iterator<Item = &str> {
    css.match_indices('(').filter_map(move |(at, _)| {
        let is_url = css.get(at.checked_sub(3)?..at)?.eq_ignore_ascii_case("url");
        is_url.then(|| unquoted(css[at + 1..].split(')').next().unwrap_or_default()))
    })
}

/// What stands after each `@import`, but for `url()`, which is found anyway.
fn imports(css: &str) -> impl Iterator<Item = &str> {
    css.match_indices('@').filter_map(move |(at, _)| {
        let rest = css
            .get(at + 1..at + 7)
            .filter(|it| it.eq_ignore_ascii_case("import"))
            .map(|_| css[at + 7..].trim_start())?;
        let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        rest[1..].split(quote).next()
    })
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
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
        assert_eq!((told.len(), &*told[19]), (20, "11 more links will be blocked"));
        let told = warnings("404.html", &format!("<img src={}>", "é".repeat(5000)), &[]);
        assert!(told[0].len() < 500, "{}", told[0]);
    }
}
