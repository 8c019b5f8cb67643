//! `PAGES_DIR`: the operator's own pages and pictures, read whole or not at all.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use minijinja::Value;

use super::{FILES, MAINTENANCE};
use crate::{
    files::{self, ReadError, at_most_told},
    generation::{self, Stamp},
};

/// A template is text, and pictures have room of their own.
const LARGEST_TEMPLATE: u64 = 256 * 1024;
/// What all pictures may have together.
const LARGEST_PICTURES: u64 = 1024 * 1024;
/// The text that stands for the logo where it is not seen.
const LARGEST_ALT: u64 = 1024;

/// The logo of the built-in page: the first of these that is there.
const LOGOS: [&str; 3] = ["logo.svg", "logo.png", "logo.webp"];
const LOGO_ALT: &str = "logo.txt";

/// What `data_uri` takes, by how a name ends.
const PICTURES: [(&str, &str); 11] = [
    (".avif", "image/avif"),
    (".gif", "image/gif"),
    (".ico", "image/x-icon"),
    (".jpeg", "image/jpeg"),
    (".jpg", "image/jpeg"),
    (".png", "image/png"),
    (".svg", "image/svg+xml"),
    (".webp", "image/webp"),
    (".otf", "font/otf"),
    (".woff", "font/woff"),
    (".woff2", "font/woff2"),
];

/// What a directory holds.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The texts of templates and of what is put into them, by the names of the files that they replace.
    pub(super) texts: BTreeMap<&'static str, String>,
    /// Pictures and fonts as `data:` URIs, by name. A page that names one more than once shares it.
    pub(super) pictures: BTreeMap<String, Value>,
    /// What stands for the logo where it is not seen; may be empty.
    pub(super) logo_alt: String,
    /// A sentence for what is meant to be the logo and is not, and for each name that means nothing, in order.
    pub(super) warnings: Vec<String>,
}

// === impl Own ===

impl Own {
    /// Reads every file, all of one generation, with the stamp that it had before.
    ///
    /// # Errors
    /// The directory or a file cannot be read, is no regular file or too large, or a text is not UTF-8.
    pub(super) fn read(dir: &Path) -> Result<(Self, Stamp), ReadError> {
        generation::read(dir, |dir| {
            // Before, so that what changes meanwhile is read again.
            let stamp = Stamp::of(dir)?;
            Ok((Self::read_generation(dir)?, stamp))
        })
    }

    fn read_generation(dir: &Path) -> Result<Self, ReadError> {
        let mut own = Self::default();
        let mut left = LARGEST_PICTURES;
        for name in generation::names(dir)? {
            let path = dir.join(&name);
            let name = &*name.to_string_lossy();
            if let Some(file) = FILES.into_iter().find(|it| *it == name) {
                own.texts.insert(file, files::read(&path, LARGEST_TEMPLATE)?);
            } else if let Some(media_type) = media_type(name) {
                let bytes = files::read_bytes(&path, LARGEST_PICTURES)?;
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    let why = format!("makes the pictures larger than {} KiB together", LARGEST_PICTURES / 1024);
                    ReadError::new(&path, &why)
                })?;
                let uri = format!("data:{media_type};base64,{}", BASE64.encode(bytes));
                own.pictures.insert(name.to_owned(), Value::from_safe_string(uri));
            } else if name == LOGO_ALT {
                files::read(&path, LARGEST_ALT)?.trim().clone_into(&mut own.logo_alt);
            } else {
                own.warnings.push(format!("{name:?} is the name of no page or picture and is not used"));
            }
        }
        // A page of one's own may use it.
        if !own.texts.contains_key(MAINTENANCE) && !LOGOS.iter().any(|it| own.pictures.contains_key(*it)) {
            let logos = own.pictures.keys().filter(|it| it.to_ascii_lowercase().starts_with("logo."));
            let logos = logos.map(|it| format!("{it:?} is not the logo: expected {}", LOGOS.join(" or ")));
            let names = std::mem::take(&mut own.warnings);
            own.warnings.extend(logos);
            own.warnings.extend(names);
        }
        own.warnings = at_most_told(own.warnings, "more names are not used");
        Ok(own)
    }

    /// The logo as a `data:` URI, or nothing.
    pub(super) fn logo(&self) -> Value {
        LOGOS.into_iter().find_map(|name| self.pictures.get(name)).cloned().unwrap_or_else(|| Value::from(""))
    }
}

fn media_type(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    PICTURES.into_iter().find_map(|(end, media_type)| name.ends_with(end).then_some(media_type))
}
