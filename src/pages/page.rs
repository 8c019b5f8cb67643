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

use super::{PagesError, policy::Policies};
use crate::negotiate::Coding;

/// When pages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compress {
    /// With the rest of the snapshot.
    Now,
    /// With the next snapshot: the first answer of a process should not wait until the page is compressed in each of its
    /// languages, which takes several times as long as everything else.
    Later,
}

/// A page in its content codings.
#[derive(Clone, Debug)]
pub(crate) struct Html {
    /// The content security policy that allows its inline blocks.
    pub(crate) policy: HeaderValue,
    identity: Bytes,
    /// Where it has been compressed.
    gzip: Option<Bytes>,
}

/// A page that clients may keep.
#[derive(Debug)]
pub(crate) struct Page {
    /// The page.
    pub(crate) html: Html,
    identity_etag: HeaderValue,
    gzip_etag: HeaderValue,
}

// === impl Html ===

impl Html {
    pub(super) fn new(name: &str, html: &str, policies: &Policies<'_>, compress: Compress) -> Result<Self, PagesError> {
        let policy = policies.of(name, html)?;
        let compressed = (compress == Compress::Now).then(|| gzip(html.as_bytes())).transpose();
        let compressed = compressed.map_err(|error| PagesError(format!("{name} cannot be compressed: {error}")))?;
        Ok(Self {
            policy: HeaderValue::from_static(for_good(policy)),
            identity: Bytes::copy_from_slice(html.as_bytes()),
            gzip: compressed.map(Bytes::from),
        })
    }

    /// The content coding in which it is sent to a client that likes `coding` best.
    #[must_use]
    pub(crate) const fn coding(&self, coding: Coding) -> Coding {
        if self.gzip.is_some() { coding } else { Coding::Identity }
    }

    /// The bytes for a client that likes `coding` best.
    #[must_use]
    pub(crate) const fn bytes(&self, coding: Coding) -> &Bytes {
        match (coding, &self.gzip) {
            (Coding::Gzip, Some(gzip)) => gzip,
            _ => &self.identity,
        }
    }
}

// === impl Page ===

impl Page {
    pub(super) fn new(name: &str, html: &str, policies: &Policies<'_>, compress: Compress) -> Result<Self, PagesError> {
        let html = Html::new(name, html, policies, compress)?;
        let hash = BASE64.encode(&Hash::hash(&html.identity)[..12]);
        let header = |text: String| HeaderValue::try_from(text).map_err(|error| PagesError(format!("{name}: {error}")));
        Ok(Self { html, identity_etag: header(format!("\"{hash}\""))?, gzip_etag: header(format!("\"{hash}-gzip\""))? })
    }

    /// The strong entity tag of what is sent to a client that likes `coding` best.
    #[must_use]
    pub(crate) const fn etag(&self, coding: Coding) -> &HeaderValue {
        match self.html.coding(coding) {
            Coding::Identity => &self.identity_etag,
            Coding::Gzip => &self.gzip_etag,
        }
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The text, kept until the process ends, once: a header value that is never given back needs no count of the requests
/// that use it, which all threads would share. What piles up is the policies and languages that were ever in force, each at
/// most 4 KiB.
pub(super) fn for_good(text: String) -> &'static str {
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
        let page = filled(None, &[]).unwrap().index;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&page.html.bytes(Coding::Gzip)[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, html(&page.html));
        assert_ne!(page.etag(Coding::Gzip), page.etag(Coding::Identity));
    }
}
