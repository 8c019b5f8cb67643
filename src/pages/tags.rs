//! The tags of a page that is filled in, as a browser finds them: not in comments, in quoted values or in the text of styles
//! and scripts.

/// An opening tag.
#[derive(Debug, Default)]
pub(super) struct Tag<'h> {
    name: &'h str,
    attributes: Vec<(&'h str, &'h str)>,
    /// What stands in a style or script; nothing for others.
    pub(super) text: &'h str,
}

/// Elements whose text is no HTML.
const TEXTS: [&str; 4] = ["script", "style", "textarea", "title"];

/// The opening tags, in order. Looks at each byte about once.
pub(super) fn tags<'h>(html: &'h str) -> impl Iterator<Item = Tag<'h>> {
    let mut rest = html;
    std::iter::from_fn(move || next(&mut rest))
}

fn next<'h>(rest: &mut &'h str) -> Option<Tag<'h>> {
    loop {
        *rest = &rest[rest.find('<')? + 1..];
        if rest.starts_with("!--") {
            *rest = &rest[1..];
            *rest = &rest[rest.find("-->")?..];
        } else if rest.starts_with(|it: char| it == '/' || it.is_ascii_alphabetic()) {
            let (mut tag, after) = Tag::parse(rest);
            *rest = after;
            if tag.name.is_empty() {
                continue;
            }
            if TEXTS.iter().any(|it| tag.is(it)) {
                let after = after.strip_prefix('>').unwrap_or(after);
                (tag.text, *rest) = after.split_at(end_of(tag.name, after));
            }
            return Some(tag);
        }
    }
}

/// Where the end tag of an element begins, or the text ends.
fn end_of(name: &str, text: &str) -> usize {
    let is_end = |at: usize| {
        let tag = &text.as_bytes()[at + 1..];
        tag.first() == Some(&b'/')
            && tag.get(1..=name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
            && tag.get(1 + name.len()).is_none_or(|it| it.is_ascii_whitespace() || matches!(it, b'/' | b'>'))
    };
    text.match_indices('<').find(|(at, _)| is_end(*at)).map_or(text.len(), |(at, _)| at)
}

// === impl Tag ===

impl<'h> Tag<'h> {
    /// Parses what follows a `<`; returns what follows the tag, with its `>`.
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
            attributes.push((name, value));
        }
        (Self { name, attributes, text: "" }, rest)
    }

    /// Whether it is of this name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The name, in lower case.
    pub(super) fn name(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The value of an attribute, as it is written.
    pub(super) fn attribute(&self, name: &str) -> Option<&'h str> {
        self.attributes.iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_where_a_browser_finds_them() {
        for (html, expected) in [
            ("<style title=\"a>b\">x{}</style>", "style:x{}"),
            ("<STYLE>a</sTyLe ><p>", "style:a p:"),
            ("<style>a</styled></style>", "style:a</styled>"),
            ("<script>'<p>'</script/><b>", "script:'<p>' b:"),
            ("<title><style></title><textarea><p></textarea>", "title:<style> textarea:<p>"),
            ("<!-- <p> --><a><!--><b><!---><i>", "a: b: i:"),
            ("<!doctype html>1 < 2 <img alt='>'></p title='<b>'><hr>", "img: hr:"),
            ("<style>é</style", "style:é"),
            ("<style>é</styl", "style:é</styl"),
            ("<a <p>", "a:"),
            ("<p><!-- <a>", "p:"),
            ("<", ""),
        ] {
            let found: Vec<_> = tags(html).map(|it| format!("{}:{}", it.name(), it.text)).collect();
            assert_eq!(found.join(" "), expected, "{html}");
        }
    }
}
