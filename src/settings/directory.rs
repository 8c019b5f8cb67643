//! The directory of live settings, read whole or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::table::{TABLE, TRANSLATED};
use crate::{
    files::{self, MOST_TOLD, ReadError, at_most_told},
    generation,
};

/// The live settings that a directory holds: names to trimmed, non-empty texts. A name may be one with a language, such as
/// `MAINTENANCE_TITLE.fr`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    texts: BTreeMap<String, String>,
    /// Names that mean nothing.
    unknown: BTreeSet<String>,
}

/// As many languages may have texts of one's own: in each the pages are made.
const MOST_LANGUAGES: usize = 100;

/// A larger file is a mistake, not a setting.
const LARGEST_FILE: u64 = 64 * 1024;

/// Reads every live setting in `dir`, all of one generation. A name that has no file is simply missing, and of a file that is
/// none the name alone is kept.
///
/// # Errors
/// The directory or one of the files cannot be read, is no regular file, is too large or is not UTF-8; there are texts in
/// more than 100 languages; or the directory changed during each of 5 tries.
pub fn read(dir: &Path) -> Result<Files, ReadError> {
    generation::read(dir, |dir| {
        let mut files = Files::default();
        let mut languages = BTreeSet::new();
        for name in generation::names(dir)? {
            let (path, name) = (dir.join(&name), name.to_string_lossy().into_owned());
            if !is_setting(&name) {
                files.unknown.insert(name);
                continue;
            }
            languages.extend(in_language(&name).map(|(_, language)| language.to_owned()));
            if languages.len() > MOST_LANGUAGES {
                return Err(ReadError::new(
                    &path,
                    &format!("is one too many: expected {MOST_LANGUAGES} languages at most"),
                ));
            }
            let text = files::read(&path, LARGEST_FILE)?;
            if !text.trim().is_empty() {
                files.texts.insert(name, text.trim().to_owned());
            }
        }
        Ok(files)
    })
}

fn is_setting(name: &str) -> bool {
    TABLE.iter().any(|it| it.live && name == it.name) || in_language(name).is_some()
}

/// The setting and the language of a name such as `MAINTENANCE_TITLE.fr`.
fn in_language(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(name, _)| TRANSLATED.contains(name))
}

// === impl Files ===

impl Files {
    /// The text of a live setting: trimmed, never empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// The texts of a setting in certain languages: the language as it stands in the name, and the text.
    pub(super) fn in_languages(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.texts.iter().filter_map(|(key, text)| Some((in_language(key)?, text)));
        texts.filter(move |((it, _), _)| *it == name).map(|((_, language), text)| (language, text.as_str()))
    }

    /// The names whose texts are not the same in `other`, in order.
    pub(crate) fn changed<'f>(&'f self, other: &'f Self) -> Vec<&'f str> {
        let mut names = BTreeSet::new();
        names.extend(self.texts.keys().chain(other.texts.keys()).map(String::as_str));
        names.into_iter().filter(|name| self.get(name) != other.get(name)).collect()
    }

    /// A sentence for each name that means nothing and was not in `before`.
    pub(crate) fn warnings(&self, before: &Self) -> Vec<String> {
        let new = self.unknown.difference(&before.unknown);
        let warning = |name| format!("CONFIG_DIR: {name:?} is the name of no live setting and is not used");
        let warnings: Vec<_> = new.map(warning).collect();
        let more = (warnings.len() + 1).saturating_sub(MOST_TOLD);
        at_most_told(warnings, &format!("CONFIG_DIR: {more} more names are not used"))
    }

    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let trimmed = pairs.iter().map(|(name, text)| ((*name).to_owned(), text.trim().to_owned()));
        Self { texts: trimmed.filter(|(_, text)| !text.is_empty()).collect(), unknown: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn only_live_settings_are_read() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("MAINTENANCE_MODE"), " true\n").unwrap();
        fs::write(dir.path().join("RETRY_AFTER"), "\n").unwrap();
        fs::write(dir.path().join("LISTEN"), "[::]:1").unwrap();
        for name in ["notes.txt", "MAINTENANCE_CONTACT.fr", "RETRY_AFTER.fr", "MAINTENANCE_TITLE"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::write(dir.path().join("MAINTENANCE_TITLE.fr"), "y").unwrap();
        let files = [("MAINTENANCE_MODE", "true"), ("MAINTENANCE_TITLE", "x"), ("MAINTENANCE_TITLE.fr", "y")];
        let read = read(dir.path()).unwrap();
        assert_eq!(read.texts, Files::from_pairs(&files).texts);
        let unknown = ["LISTEN", "MAINTENANCE_CONTACT.fr", "RETRY_AFTER.fr", "notes.txt"];
        let warning = |name| format!("CONFIG_DIR: {name:?} is the name of no live setting and is not used");
        assert_eq!(read.warnings(&Files::default()), unknown.map(warning));
        assert!(read.warnings(&read).is_empty(), "each is told of once");
    }

    #[test]
    fn many_unknown_names_are_summed_up_and_those_of_the_kubelet_are_not_told() {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("..data")).unwrap();
        fs::write(dir.path().join(".MAINTENANCE_TITLE.swp"), "x").unwrap();
        for (count, last) in [(20, "\"x19\" is the name of no live setting"), (25, "CONFIG_DIR: 6 more names are")] {
            for number in 0..count {
                fs::write(dir.path().join(format!("..data/x{number:02}")), "hunter2").unwrap();
                fs::write(dir.path().join(format!("x{number:02}")), "hunter2").unwrap();
            }
            let warnings = read(dir.path()).unwrap().warnings(&Files::default());
            assert_eq!(warnings.len(), 20);
            assert!(warnings[0].contains("\"x00\"") && warnings[19].contains(last), "{warnings:?}");
            assert!(!warnings.concat().contains("hunter2"), "what a file says is not told");
        }
    }

    #[test]
    fn the_link_that_the_kubelet_swaps_is_followed() {
        let dir = TempDir::new().unwrap();
        for (generation, mode) in [("..1", "false"), ("..2", "true")] {
            fs::create_dir(dir.path().join(generation)).unwrap();
            fs::write(dir.path().join(format!("{generation}/MAINTENANCE_MODE")), mode).unwrap();
        }
        symlink("..1", dir.path().join("..data")).unwrap();
        symlink("..data/MAINTENANCE_MODE", dir.path().join("MAINTENANCE_MODE")).unwrap();
        assert_eq!(read(dir.path()).unwrap().get("MAINTENANCE_MODE"), Some("false"));
        symlink("..2", dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        assert_eq!(read(dir.path()).unwrap().get("MAINTENANCE_MODE"), Some("true"));
    }

    #[test]
    fn two_generations_are_never_mixed_while_they_are_swapped() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = TempDir::new().unwrap();
        let swap = |number: u32| {
            let generation = format!("..{number}");
            fs::create_dir(dir.path().join(&generation)).unwrap();
            fs::write(dir.path().join(format!("{generation}/MAINTENANCE_TITLE")), number.to_string()).unwrap();
            fs::write(dir.path().join(format!("{generation}/MAINTENANCE_MESSAGE")), number.to_string()).unwrap();
            symlink(&generation, dir.path().join("..data_tmp")).unwrap();
            fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
            if number > 0 {
                fs::remove_dir_all(dir.path().join(format!("..{}", number - 1))).unwrap();
            }
        };
        swap(0);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (1..300).for_each(swap);
                done.store(true, Ordering::Relaxed);
            });
            let mut whole = 0;
            while !done.load(Ordering::Relaxed) || whole == 0 {
                // A swap a microsecond may exhaust the tries; a mix may never be seen.
                let Ok(files) = read(dir.path()) else { continue };
                assert!(files.get("MAINTENANCE_TITLE").is_some());
                assert_eq!(files.get("MAINTENANCE_TITLE"), files.get("MAINTENANCE_MESSAGE"));
                whole += 1;
            }
        });
    }

    #[test]
    fn a_hundred_languages_may_have_texts() {
        let dir = TempDir::new().unwrap();
        for (name, number) in (0..MOST_LANGUAGES).flat_map(|number| TRANSLATED.map(|name| (name, number))) {
            fs::write(dir.path().join(format!("{name}.fr-{number:04}")), "x").unwrap();
        }
        assert_eq!(read(dir.path()).unwrap().in_languages("MAINTENANCE_TITLE").count(), MOST_LANGUAGES);
        fs::write(dir.path().join("MAINTENANCE_TITLE.ga"), "x").unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("/MAINTENANCE_TITLE.ga is one too many: expected 100 languages at most"), "{error}");
    }

    #[test]
    fn a_directory_or_file_that_cannot_be_read_is_named() {
        let dir = TempDir::new().unwrap();
        let missing = dir.path().join("missing");
        let error = read(&missing).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} cannot be read: No such file", missing.display())), "{error}");
        let link = dir.path().join("RETRY_AFTER");
        symlink("nowhere", &link).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} cannot be read: No such file", link.display())), "{error}");
        fs::remove_file(&link).unwrap();
        assert!(Command::new("mkfifo").arg(&link).status().unwrap().success());
        assert!(read(dir.path()).unwrap_err().to_string().ends_with("RETRY_AFTER is not a regular file"));
        fs::remove_file(&link).unwrap();
        fs::write(&link, "1".repeat(64 * 1024 + 1)).unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().ends_with("RETRY_AFTER is larger than 64 KiB"));
    }
}
