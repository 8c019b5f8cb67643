//! `PAGES_DIR`: the operator's own pages.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{FILES, PagesError};
use crate::files::{self, ReadError};

/// A larger override is a mistake: it would be sent with every 503.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Replaces texts by the files of `dir`; returns which, and the names that are no page's.
pub(super) fn replace(
    texts: &mut BTreeMap<&'static str, String>,
    dir: &Path,
) -> Result<(Vec<&'static str>, Vec<String>), PagesError> {
    let of_dir = |error: io::Error| ReadError::from_io(dir, &error);
    let (mut own, mut unknown) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).map_err(of_dir)? {
        let name = entry.map_err(of_dir)?.file_name();
        let Some(page) = FILES.into_iter().find(|it| name == **it) else {
            // A mounted ConfigMap has `..data` and the like.
            unknown.extend(name.to_str().filter(|it| !it.starts_with('.')).map(str::to_owned));
            continue;
        };
        let text = files::read(&dir.join(page), LARGEST_FILE)?;
        texts.insert(page, text);
        own.push(page);
    }
    unknown.sort_unstable();
    Ok((own, unknown))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use crate::pages::tests::filled;

    #[test]
    fn a_named_pipe_in_place_of_a_page_is_refused_by_name() {
        let dir = TempDir::new().unwrap();
        assert!(Command::new("mkfifo").arg(dir.path().join("index.html")).status().unwrap().success());
        let error = filled(Some(dir.path()), &[]).unwrap_err().to_string();
        assert!(error.ends_with("/index.html is not a regular file"), "{error}");
    }
}
