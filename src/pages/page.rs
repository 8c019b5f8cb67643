//! One page: its bytes and the headers that follow from them.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hmac_sha256::Hash;
use http::HeaderValue;

use super::{
    PagesError,
    policy::{line_ends, policy},
};
use crate::ask::Coding;

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

// === impl Page ===

impl Page {
    pub(super) fn new(name: &str, html: &str) -> Result<Self, PagesError> {
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
/// 4 KiB.
fn for_good(text: String) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get(text.as_str()).copied().unwrap_or_else(|| {
        let text = text.leak();
        kept.insert(text);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::{filled, html};

    #[test]
    fn gzip_holds_the_same_page_under_another_tag() {
        use std::io::Read as _;
        let page = filled(None, &[]).unwrap().maintenance;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&page.body(Coding::Gzip).bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, html(&page));
        assert_ne!(page.body(Coding::Gzip).etag, page.body(Coding::Identity).etag);
    }
}
