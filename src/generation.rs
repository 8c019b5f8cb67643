//! A mounted directory, of which one generation is read.
//!
//! A mounted ConfigMap is a directory whose entries point into `..data`, a symbolic link that the kubelet swaps in one
//! step. So `..data` is resolved once, every file is read below what it named, and it is resolved again: had it moved, the
//! read starts over, and no read mixes two generations.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::files::ReadError;

/// How often a read may start over; the kubelet swaps at most once in some seconds.
const TRIES: usize = 5;

/// What tells one state of a directory from another, without a look into its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The directory that holds the files.
    generation: PathBuf,
    /// By name; `None` is a link that leads nowhere.
    files: BTreeMap<OsString, Option<FileStamp>>,
}

/// The same of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    /// When it was last changed: seconds and nanoseconds.
    changed: (i64, i64),
}

/// Hands the directory that holds the files of `dir` to `read`, until it was the same before and after.
///
/// # Errors
/// What `read` says, or the directory changed during each of 5 tries.
pub(crate) fn read<T>(dir: &Path, read: impl Fn(&Path) -> Result<T, ReadError>) -> Result<T, ReadError> {
    let mut last = ReadError::new(dir, &format!("changed in each of {TRIES} reads"));
    for _ in 0..TRIES {
        let generation = generation(dir);
        let result = read(&generation);
        let moved = self::generation(dir) != generation;
        match result {
            Ok(files) if !moved => return Ok(files),
            Err(error) if !error.is_missing() => return Err(error),
            // Removed while it was being read, or never there: the next try decides.
            Err(error) if !moved => last = error,
            Ok(_) | Err(_) => {}
        }
    }
    Err(last)
}

/// The names in a directory, in order, but those that begin with a dot: a mounted ConfigMap has `..data` and the like.
///
/// # Errors
/// The directory cannot be read.
pub(crate) fn names(dir: &Path) -> Result<Vec<OsString>, ReadError> {
    let entries = fs::read_dir(dir).and_then(|entries| entries.map(|it| Ok(it?.file_name())).collect());
    let mut names: Vec<_> = entries.map_err(|error: io::Error| ReadError::from_io(dir, &error))?;
    names.retain(|name| !name.as_bytes().starts_with(b"."));
    names.sort_unstable();
    Ok(names)
}

/// The directory that holds the files now: what `..data` names, else `dir` itself.
fn generation(dir: &Path) -> PathBuf {
    fs::read_link(dir.join("..data")).map_or_else(|_| dir.to_owned(), |target| dir.join(target))
}

// === impl Stamp ===

impl Stamp {
    /// The stamp of a directory that holds files.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn of(generation: &Path) -> Result<Self, ReadError> {
        let mut files = BTreeMap::new();
        for name in names(generation)? {
            let path = generation.join(&name);
            let stamp = match fs::metadata(&path) {
                Ok(it) => Some(FileStamp {
                    device: it.dev(),
                    inode: it.ino(),
                    size: it.size(),
                    changed: (it.mtime(), it.mtime_nsec()),
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(ReadError::from_io(&path, &error)),
            };
            files.insert(name, stamp);
        }
        Ok(Self { generation: generation.to_owned(), files })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::symlink, time::SystemTime};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_stamp_tells_each_change_of_a_file() {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("a"), "1").unwrap();
        fs::write(path(".hidden"), "1").unwrap();
        let stamp = || Stamp::of(dir.path()).unwrap();
        let mut last = stamp();
        let mut changes = |what: &str, change: &dyn Fn()| {
            change();
            let now = stamp();
            assert_ne!(now, last, "{what}");
            last = now;
        };
        changes("another size", &|| fs::write(path("a"), "12").unwrap());
        changes("another time", &|| {
            File::options().write(true).open(path("a")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        });
        changes("another inode", &|| {
            fs::write(path(".new"), "12").unwrap();
            File::options().write(true).open(path(".new")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            fs::rename(path(".new"), path("a")).unwrap();
        });
        changes("a new name", &|| symlink("nowhere", path("b")).unwrap());
        changes("a link that leads somewhere", &|| fs::write(path("nowhere"), "").unwrap());
        changes("a name that is gone", &|| fs::remove_file(path("a")).unwrap());
        fs::write(path(".hidden"), "12").unwrap();
        assert_eq!(stamp(), last);
    }

    #[test]
    fn a_read_starts_over_where_the_generation_moves_and_gives_up_in_the_end() {
        let dir = TempDir::new().unwrap();
        let link = dir.path().join("..data");
        let swap = |number: usize| {
            let _ = fs::remove_file(&link);
            symlink(format!("..{number}"), &link).unwrap();
        };
        for (moves, tries) in [(0, 1), (1, 2), (4, 5), (5, 5)] {
            let seen = std::cell::Cell::new(0);
            let result = read(dir.path(), |_| {
                seen.set(seen.get() + 1);
                if seen.get() <= moves {
                    swap(seen.get());
                }
                Ok(())
            });
            assert_eq!(seen.get(), tries);
            if moves < 5 {
                assert_eq!(result, Ok(()));
            } else {
                assert!(result.unwrap_err().to_string().ends_with(" changed in each of 5 reads"));
            }
            fs::remove_file(&link).unwrap_or_default();
        }
    }
}
