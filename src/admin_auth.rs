//! Who may see the admin tier's pages: HTTP Basic (RFC 7617), where a user and a password are set.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac_sha256::Hash;

/// A user and a password. Kept as a hash of both, so that neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials([u8; 32]);

/// What a client says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The one who may see them.
    Right,
    /// Somebody else, or something that is no credentials.
    Wrong,
    /// It has said nothing: a browser asks its user first.
    None,
}

// === impl Credentials ===

impl Credentials {
    /// Of a user, without a colon, and a password.
    #[must_use]
    pub(crate) fn new(user: &str, password: &str) -> Self {
        Self(Hash::hash(format!("{user}:{password}").as_bytes()))
    }

    /// Judges the value of `Authorization`. How long it takes tells nothing of how much of it is right: hashes are
    /// compared, and in constant time.
    #[must_use]
    pub(crate) fn judge(&self, authorization: Option<&[u8]>) -> Claim {
        let Some(value) = authorization else { return Claim::None };
        if decode(value).is_some_and(|given| Hash::verify(given, &self.0)) { Claim::Right } else { Claim::Wrong }
    }
}

/// `user:password`, of a value whose scheme is Basic in any case.
fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked("Basic ".len())?;
    scheme.eq_ignore_ascii_case(b"Basic ").then(|| BASE64.decode(rest.trim_ascii()).ok())?
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_user_with_the_right_password_passes() {
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text));
        let right = basic("jürgen:se:cret üx");
        for (value, claim) in [
            (right.clone(), Claim::Right),
            (right.replace("Basic ", "bASIC "), Claim::Right),
            (right.replace("Basic ", "Basic   "), Claim::Right),
            (basic("jürgen:se:cret ux"), Claim::Wrong),
            (basic("jürgen:se:cret üx "), Claim::Wrong),
            (basic("jürgen:"), Claim::Wrong),
            (basic("jürgen"), Claim::Wrong),
            (basic(":"), Claim::Wrong),
            (basic(""), Claim::Wrong),
            (right.replace("Basic ", "Bearer "), Claim::Wrong),
            (right.replace("Basic ", "Basic"), Claim::Wrong),
            (right.replace("Basic ", ""), Claim::Wrong),
            (right.replace('=', ""), Claim::Wrong),
            (format!("{right}*"), Claim::Wrong),
            ("Basic".into(), Claim::Wrong),
            (String::new(), Claim::Wrong),
        ] {
            let credentials = Credentials::new("jürgen", "se:cret üx");
            assert_eq!(credentials.judge(Some(value.as_bytes())), claim, "{value:?}");
        }
        assert_eq!(Credentials::new("a", "b").judge(None), Claim::None);
        assert_eq!(Credentials::new("a", "b").judge(Some(b"Basic \xff\xfe")), Claim::Wrong);
    }

    #[test]
    fn credentials_are_never_printed() {
        assert_eq!(format!("{:?}", Credentials::new("anna", "hunter2")), "Credentials(not shown)");
    }
}
