//! The content security policy of a page: the strictest under which its own inline blocks work.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac_sha256::Hash;

use super::PagesError;

/// A longer Content-Security-Policy is refused by clients, and by proxies in between.
const LONGEST_POLICY: usize = 4096;

/// Line ends as browsers have them before they hash an inline block.
pub(super) fn line_ends(html: &str) -> String {
    html.replace("\r\n", "\n").replace('\r', "\n")
}

/// The strictest policy under which the page's own inline styles and scripts still work.
pub(super) fn policy(name: &str, html: &str) -> Result<String, PagesError> {
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
pub(super) fn inline_blocks<'h>(html: &'h str, element: &str) -> impl Iterator<Item = &'h str> {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::pages::tests::{filled, html};

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
