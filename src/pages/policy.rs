//! The content security policy of a page: the strictest under which its own inline blocks work.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac_sha256::Hash;

use super::{MAINTENANCE, PagesError};
use crate::settings::Source;

/// A longer Content-Security-Policy is refused by clients, and by proxies in between.
const LONGEST_POLICY: usize = 4096;

/// What the policies of the pages are made of.
pub(super) struct Policies<'s> {
    /// What an own maintenance page may load from.
    sources: &'s [Source],
    /// The hashes of inline blocks, each made once: most pages have the same.
    hashes: Mutex<BTreeMap<String, String>>,
}

// === impl Policies ===

impl<'s> Policies<'s> {
    /// Pages may load from nowhere but the maintenance page, which may load from `sources`.
    pub(super) const fn new(sources: &'s [Source]) -> Self {
        Self { sources, hashes: Mutex::new(BTreeMap::new()) }
    }

    /// What a page may load from.
    pub(super) fn sources(&self, name: &str) -> &'s [Source] {
        if name == MAINTENANCE { self.sources } else { &[] }
    }

    /// The strictest policy under which the page's own inline styles and scripts work, and what it loads from its sources.
    ///
    /// # Errors
    /// It would be too long.
    pub(super) fn of(&self, name: &str, html: &str) -> Result<String, PagesError> {
        policy(name, html, self.sources(name), |block| self.hash(block))
    }

    fn hash(&self, block: &str) -> String {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = hashes.get(block) {
            return hash.clone();
        }
        let hash = BASE64.encode(Hash::hash(block.as_bytes()));
        hashes.insert(block.to_owned(), hash.clone());
        hash
    }
}

fn policy(name: &str, html: &str, sources: &[Source], hash: impl Fn(&str) -> String) -> Result<String, PagesError> {
    let sources: String = sources.iter().map(|source| format!(" {source}")).collect();
    let mut policy = format!("default-src 'none'; img-src data:{sources}; base-uri 'none'; form-action 'none'");
    policy.push_str(match name {
        // It asks whether maintenance is over, and an application that is embedded elsewhere shows it there.
        MAINTENANCE => "; connect-src 'self'",
        _ => "; frame-ancestors 'none'",
    });
    if !sources.is_empty() || html.contains("data:font/") {
        policy.push_str(&format!("; font-src data:{sources}"));
    }
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let mut blocks = BTreeSet::new();
        blocks.extend(inline_blocks(html, element));
        if blocks.is_empty() && sources.is_empty() {
            continue;
        }
        policy.push_str(&format!("; {directive}"));
        for block in blocks {
            policy.push_str(&format!(" 'sha256-{}'", hash(block)));
        }
        policy.push_str(&sources);
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
pub(super) fn inline_blocks<'h>(html: &'h str, element: &str) -> impl Iterator<Item = &'h str> {
    let (open, close) = (format!("<{element}"), format!("</{element}"));
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            rest = around(rest, &open)?.1;
            if !rest.starts_with(|it: char| it == '>' || it.is_ascii_whitespace()) {
                continue;
            }
            let (_, start) = rest.split_once('>')?;
            let (block, end) = around(start, &close)?;
            rest = end;
            return Some(block);
        }
    })
}

/// What stands before and after the start of a tag, which may be written in capitals.
fn around<'h>(html: &'h str, tag: &str) -> Option<(&'h str, &'h str)> {
    let is_tag = |it: &[u8]| it.get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag.as_bytes()));
    let (at, _) = html.match_indices('<').find(|(at, _)| is_tag(&html.as_bytes()[*at..]))?;
    Some((&html[..at], &html[at + tag.len()..]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::pages::tests::{filled, html, maintenance};

    #[test]
    fn an_inline_block_is_hashed_with_the_line_ends_of_a_browser() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("maintenance.html"), "<style>a\r\n{{ style }}</style>\r\n<script>b\rc</script>")
            .unwrap();
        fs::write(dir.path().join("style.css"), "d\r\n").unwrap();
        let bodies = filled(Some(dir.path()), &[]).unwrap();
        let page = maintenance(&bodies, "en", true);
        assert_eq!(html(page), "<style>a\nd\n</style>\n<script>b\nc</script>");
        let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(Hash::hash(text.as_bytes())));
        let expected = format!("; style-src {}; script-src {}", hash("a\nd\n"), hash("b\nc"));
        assert!(page.policy.to_str().unwrap().ends_with(&expected));
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
}
