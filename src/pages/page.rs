//! One page: its bytes and the headers that follow from them.

use std::{
    collections::BTreeSet,
    io::Write as _,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hmac_sha256::Hash;
use http::HeaderValue;

use super::{PagesError, policy::Policies};
use crate::negotiate::Coding;

/// A larger page, most of which is pictures, is compressed fast: in each language, all that would hold the switch up.
const LARGEST_AT_BEST: usize = 64 * 1024;

/// A page in its content codings. A clone shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Html {
    /// The content security policy that allows its inline blocks.
    pub(crate) policy: HeaderValue,
    identity: Bytes,
    /// Once it has been compressed.
    gzip: Arc<OnceLock<Bytes>>,
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
    /// Shares the page's bytes. It is not compressed yet.
    pub(super) fn new(name: &str, html: &Bytes, policies: &Policies<'_>) -> Result<Self, PagesError> {
        let policy = policies.of(name, text(name, html)?)?;
        Ok(Self { policy: HeaderValue::from_static(for_good(policy)), identity: html.clone(), gzip: Arc::default() })
    }

    /// Compresses it, once.
    pub(super) fn compress(&self) {
        self.gzip.get_or_init(|| gzip(&self.identity));
    }

    /// The content coding in which it can be sent now to a client that likes `coding` best.
    #[must_use]
    pub(crate) fn coding(&self, coding: Coding) -> Coding {
        if self.gzip.get().is_some() { coding } else { Coding::Identity }
    }

    /// The bytes in a content coding that [`Self::coding`] has told.
    #[must_use]
    pub(crate) fn bytes(&self, coding: Coding) -> &Bytes {
        match coding {
            Coding::Gzip => self.gzip.get().unwrap_or(&self.identity),
            Coding::Identity => &self.identity,
        }
    }
}

// === impl Page ===

impl Page {
    pub(super) fn new(name: &str, html: String, policies: &Policies<'_>) -> Result<Self, PagesError> {
        let html = Html::new(name, &bytes(html), policies)?;
        let hash = BASE64.encode(&Hash::hash(&html.identity)[..12]);
        let header = |text: String| HeaderValue::try_from(text).map_err(|error| PagesError(format!("{name}: {error}")));
        Ok(Self { html, identity_etag: header(format!("\"{hash}\""))?, gzip_etag: header(format!("\"{hash}-gzip\""))? })
    }

    /// The strong entity tag of the page in a content coding.
    #[must_use]
    pub(crate) const fn etag(&self, coding: Coding) -> &HeaderValue {
        match coding {
            Coding::Identity => &self.identity_etag,
            Coding::Gzip => &self.gzip_etag,
        }
    }
}

/// A page's bytes, without room for more.
pub(super) fn bytes(html: String) -> Bytes {
    html.into_bytes().into_boxed_slice().into()
}

/// A page's text.
pub(super) fn text<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, PagesError> {
    str::from_utf8(bytes).map_err(|_| PagesError(format!("{name} is not UTF-8")))
}

fn gzip(bytes: &[u8]) -> Bytes {
    let level = if bytes.len() > LARGEST_AT_BEST { Compression::fast() } else { Compression::best() };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to a Vec cannot fail.
    let compressed = encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default();
    // Without the room that it did not need.
    compressed.into_boxed_slice().into()
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
