//! Files that an operator mounts: read whole, and so that none of them can hold the server up.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// Why a file or directory could not be read, as a sentence that begins with its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {why}", path.display().to_string().escape_debug())]
pub struct ReadError {
    path: PathBuf,
    why: String,
    is_missing: bool,
}

/// As many warnings of one kind, about what is mounted, as are told at once.
pub(crate) const MOST_TOLD: usize = 20;

/// No more warnings than are told: the last says that there are `more`.
pub(crate) fn at_most_told(mut warnings: Vec<String>, more: &str) -> Vec<String> {
    if warnings.len() > MOST_TOLD {
        warnings.truncate(MOST_TOLD - 1);
        warnings.push(more.to_owned());
    }
    warnings
}

/// Reads a regular text file of at most `most` bytes.
///
/// # Errors
/// It cannot be read, is no regular file, is larger, or is not UTF-8.
pub(crate) fn read(path: &Path, most: u64) -> Result<String, ReadError> {
    String::from_utf8(read_bytes(path, most)?).map_err(|_| ReadError::new(path, "is not UTF-8"))
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// It cannot be read, is no regular file, or is larger.
pub(crate) fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    // Opening a named pipe would wait for a writer, and what stands at the path may be swapped at any time: so it is
    // opened without waiting, and asked for what it is once it is open.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let (file, metadata) = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .and_then(|file| file.metadata().map(|metadata| (file, metadata)))
        .map_err(|error| ReadError::from_io(path, &error))?;
    if !metadata.is_file() {
        return Err(ReadError::new(path, "is not a regular file"));
    }
    let mut bytes = Vec::new();
    // It may have grown since.
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| ReadError::from_io(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(ReadError::new(path, &format!("is larger than {} KiB", most / 1024)));
    }
    Ok(bytes)
}

// === impl ReadError ===

impl ReadError {
    /// `why` goes on after the path.
    pub(crate) fn new(path: &Path, why: &str) -> Self {
        Self { path: path.to_owned(), why: why.to_owned(), is_missing: false }
    }

    pub(crate) fn from_io(path: &Path, error: &io::Error) -> Self {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        Self { is_missing, ..Self::new(path, &format!("cannot be read: {error}")) }
    }

    /// Whether there is nothing at the path: it may have been there a moment ago.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "é".repeat(512)).unwrap();
        assert_eq!(read(&path, 1024), Ok("é".repeat(512)));
        fs::write(&path, "é".repeat(512) + "x").unwrap();
        let error = read(&path, 1024).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is larger than 1 KiB", path.display()));
    }

    #[test]
    fn what_is_no_text_file_is_refused_by_name() {
        let dir = TempDir::new().unwrap();
        assert!(read(&dir.path().join("a\nb"), 1024).unwrap_err().to_string().contains("/a\\nb cannot be read"));
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("directory")).unwrap();
        fs::write(path("binary"), b"\xff").unwrap();
        symlink("nowhere", path("link")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        for (name, why) in [
            ("directory", "is not a regular file"),
            ("pipe", "is not a regular file"),
            ("/dev/null", "is not a regular file"),
            ("binary", "is not UTF-8"),
            ("link", "cannot be read: No such file or directory (os error 2)"),
            ("binary/file", "cannot be read: Not a directory (os error 20)"),
        ] {
            let error = read(&path(name), 1024).unwrap_err();
            assert_eq!(error.to_string(), format!("{} {why}", path(name).display()));
            assert_eq!(error.is_missing(), name == "link", "{name}");
        }
    }
}
