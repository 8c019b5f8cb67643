//! What may be asked for beside the switch itself. It is kept with the entry, so that a second `on` adds to it.

use serde_json::{Value, json};

use crate::object::{PREFIX, list, text};

/// What is asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wish {
    /// Paths that stay on the application, with what is below them.
    pub keep_paths: Vec<String>,
    /// A header, by name and value, with which testers get the application.
    pub bypass: Option<(String, String)>,
    /// Annotations that are taken away meanwhile.
    pub drop_annotations: Vec<String>,
}

// === impl Wish ===

impl Wish {
    /// This wish and another; of two headers the other's.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let add = |to: &mut Vec<String>, from: &[String]| {
            for one in from {
                if !to.contains(one) {
                    to.push(one.clone());
                }
            }
        };
        add(&mut self.keep_paths, &other.keep_paths);
        add(&mut self.drop_annotations, &other.drop_annotations);
        self.bypass = other.bypass.clone().or(self.bypass);
        self
    }

    /// The paths without those that lie below another of them.
    pub(super) fn topmost_paths(&self) -> impl Iterator<Item = &str> {
        let below = |path: &str, other: &str| path != other && super::paths::covers(other, path);
        self.keep_paths
            .iter()
            .map(String::as_str)
            .filter(move |path| !self.keep_paths.iter().any(|other| below(path, other)))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "keepPaths": self.keep_paths,
            "bypassHeader": self.bypass.as_ref().map(|(name, value)| json!({"name": name, "value": value})),
            "dropAnnotations": self.drop_annotations,
        })
    }

    pub(super) fn from_json(wish: &Value) -> Self {
        let texts = |field: &str| list(wish, field).filter_map(Value::as_str).map(str::to_owned).collect();
        let header = |header: &Value| (text(header, "/name").to_owned(), text(header, "/value").to_owned());
        Self {
            keep_paths: texts("/keepPaths"),
            bypass: wish.get("bypassHeader").filter(|header| header.is_object()).map(header),
            drop_annotations: texts("/dropAnnotations"),
        }
    }
}

/// Reads a `--keep-path`; a slash at its end says nothing.
///
/// # Errors
/// Where it is none.
pub fn keep_path(path: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!&',;=:@+/".contains(&byte);
    let shorter = path.trim_end_matches('/');
    let segments = || shorter.split('/').skip(1);
    let good = path.starts_with('/')
        && path.len() <= 1024
        && path.bytes().all(known)
        && !shorter.is_empty()
        && segments().all(|segment| !segment.is_empty() && segment != "." && segment != "..")
        && !path.to_ascii_lowercase().contains("%2f");
    match good {
        true => Ok(shorter.to_owned()),
        false => Err("expected a path below /, such as /webhooks/pay, and no pattern".to_owned()),
    }
}

/// Reads a `--bypass-header`.
///
/// # Errors
/// Where it is none.
pub fn bypass_header(header: &str) -> Result<(String, String), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let (name, value) = header.split_once('=').unwrap_or_default();
    let good = !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(token)
        && !value.is_empty()
        && value.len() <= 4096
        && value.trim() == value
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match good {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err("expected the NAME=VALUE of a header, such as X-Tester=2f9c".to_owned()),
    }
}

/// Reads a `--drop-annotation`.
///
/// # Errors
/// Where it is none, or one that is not an entry's own.
pub fn annotation_key(key: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let prefix = key.rsplit_once('/').map_or("", |(prefix, _)| prefix);
    // What kubectl has applied holds the whole object, the key of a Route's certificate too.
    let others = key.starts_with(PREFIX) || prefix == "kubectl.kubernetes.io";
    let good = !name.is_empty() && name.len() <= 63 && name.bytes().all(known) && prefix.bytes().all(known) && !others;
    match good {
        true => Ok(key.to_owned()),
        false => {
            Err("expected the key of an annotation that a controller reads, such as haproxy.org/auth-type".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_to_keep_lies_below_the_root_and_is_no_pattern() {
        assert_eq!(keep_path("/webhooks/pay/").as_deref(), Ok("/webhooks/pay"));
        assert_eq!(keep_path("/.well-known/acme-challenge").as_deref(), Ok("/.well-known/acme-challenge"));
        for bad in [
            "", "/", "//", "webhooks", "/a//b", "/a/../b", "/a/.", "/a*", "/a(/|$)", "/a?b=1", "/a#b", "/a b", "/a%2Fb",
        ] {
            assert!(keep_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_header_has_a_name_and_a_value() {
        assert_eq!(bypass_header("X-Tester=a=b"), Ok(("X-Tester".to_owned(), "a=b".to_owned())));
        for bad in ["", "X-Tester", "X-Tester=", "=a", "X Tester=a", "X-Tester: a", "X-Tester= a", "X-Tester=\n"] {
            assert!(bypass_header(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_annotation_to_drop_is_a_controllers_own() {
        assert!(annotation_key("haproxy.org/auth-type").is_ok());
        for bad in [
            "",
            "a b",
            "example.org/",
            "maintenance-mode.github.io/restore",
            "kubectl.kubernetes.io/last-applied-configuration",
        ] {
            assert!(annotation_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wish_is_kept_and_added_to() {
        let wish = |path: &str, bypass: Option<&str>| Wish {
            keep_paths: vec![path.to_owned()],
            bypass: bypass.map(|value| ("X-Tester".to_owned(), value.to_owned())),
            drop_annotations: vec!["haproxy.org/auth-type".to_owned()],
        };
        let first = wish("/a", Some("1"));
        assert_eq!(Wish::from_json(&first.to_json()), first);
        assert_eq!(Wish::from_json(&Value::Null), Wish::default());
        let both = first.clone().and(&wish("/b", None));
        assert_eq!((both.keep_paths.len(), both.drop_annotations.len()), (2, 1));
        assert_eq!(both.bypass, first.bypass);
        assert_eq!(first.and(&wish("/a", Some("2"))).bypass.unwrap().1, "2");
    }

    #[test]
    fn a_path_below_another_is_kept_with_it() {
        let paths = ["/a/b", "/a", "/ab"].map(str::to_owned).to_vec();
        let wish = Wish { keep_paths: paths, ..Wish::default() };
        assert_eq!(wish.topmost_paths().collect::<Vec<_>>(), ["/a", "/ab"]);
    }
}
