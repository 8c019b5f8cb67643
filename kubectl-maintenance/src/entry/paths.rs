//! Paths as the prefixes that they are: `/a` covers `/a` and `/a/b`, and not `/ab`.

/// Whether a prefix covers a path.
pub(super) fn covers(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.trim_end_matches('/').strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The length of a prefix, by which the most specific one is found.
pub(super) fn length(prefix: &str) -> usize {
    prefix.trim_end_matches('/').len()
}

/// Whether a path holds what only a regular expression does.
pub(crate) fn has_pattern(path: &str) -> bool {
    path.contains(['(', ')', '[', ']', '{', '}', '*', '+', '?', '|', '^', '$', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_whole_segments() {
        for (prefix, path, expected) in [
            ("/", "/a", true),
            ("/a", "/a", true),
            ("/a/", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
        ] {
            assert_eq!(covers(prefix, path), expected, "{prefix} {path}");
        }
    }
}
