//! A config directory to settings.
//!
//! The input makes the directory. It is a list of entries, each ended by the byte FE, which is in no UTF-8 text:
//!
//! | entry | makes |
//! | --- | --- |
//! | `PATH=TEXT` | a file |
//! | `PATH*TEXT` | a file of 4,096 times the text |
//! | `PATH>TARGET` | a symbolic link |
//! | `PATH/` | a directory |
//! | `PATH!` | a named pipe |
//!
//! Nothing is made outside of the directory, and no link leads out of it.
#![no_main]

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Component, Path, PathBuf},
};

use libfuzzer_sys::fuzz_target;
use maintenance_mode::fuzzing::{self, Files, TABLE};
use maintenance_mode_fuzz::{assert_in_range, assert_one_line, names_a_setting};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

const END: u8 = 0xfe;
const ENTRIES: usize = 32;
const TIMES: usize = 4096;

/// No setting is longer, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    let dir = TempDir::new().expect("a directory");
    for entry in input.split(|it| *it == END).take(ENTRIES) {
        make(dir.path(), entry);
    }
    match fuzzing::config_directory(dir.path()) {
        Ok((files, settings)) => {
            assert_holds(&files, dir.path());
            match settings {
                Ok(settings) => assert_in_range(&settings),
                Err(message) => {
                    assert_one_line(&message);
                    assert!(names_a_setting(&message), "which setting? {message}");
                }
            }
        }
        Err(message) => {
            assert_one_line(&message);
            assert!(message.contains(&dir.path().display().to_string()), "which directory? {message}");
        }
    }
});

/// The texts are those that a look at the directory finds: the server reads live settings alone, and all of them.
fn assert_holds(files: &Files, dir: &Path) {
    let data = dir.join("..data");
    let generation = if data.is_symlink() { data } else { dir.to_owned() };
    for setting in TABLE {
        if !setting.live {
            assert_eq!(files.get(setting.name), None, "{} is not live", setting.name);
            continue;
        }
        // It is a regular file, or the server would have said that it is none: a named pipe would hang here.
        let text = fs::read_to_string(generation.join(setting.name)).unwrap_or_default();
        let expected = Some(text.trim()).filter(|it| !it.is_empty());
        assert_eq!(files.get(setting.name), expected, "{}", setting.name);
        assert!(text.len() <= LONGEST_TEXT, "{}", setting.name);
    }
}

/// Makes an entry, if it is one.
fn make(dir: &Path, entry: &[u8]) {
    let Some(at) =
        entry.iter().position(|it| b"=*>!".contains(it)).or_else(|| entry.iter().rposition(|it| *it == b'/'))
    else {
        return;
    };
    let (Some(path), text) = (inside(&entry[..at]), &entry[at + 1..]) else { return };
    let path = dir.join(path);
    // What cannot be made, such as a name that is too long, is not there.
    let _ = match entry[at] {
        b'=' => File::create_new(path).and_then(|mut file| file.write_all(text)),
        b'*' => File::create_new(path).and_then(|mut file| file.write_all(&text.repeat(TIMES))),
        b'>' => inside(text).map_or(Ok(()), |target| symlink(target, path)),
        b'/' => fs::create_dir(path),
        _ => mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).map_err(Into::into),
    };
}

/// A path that does not lead out of where it starts.
fn inside(bytes: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(bytes));
    let stays = path.components().all(|it| matches!(it, Component::Normal(_) | Component::CurDir));
    (stays && !bytes.is_empty()).then(|| path.to_owned())
}
