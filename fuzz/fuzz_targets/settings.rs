//! Names and values, as arguments and environment, to settings.
//!
//! The input is as the kernel holds both: texts, each ended by a zero byte. One that starts with a capital letter and
//! has a `=` is an environment variable, any other an argument.
#![no_main]

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use libfuzzer_sys::fuzz_target;
use maintenance_mode::fuzzing;
use maintenance_mode_fuzz::{assert_in_range, assert_one_line, names_a_setting};

/// A wrong value is shown in part, each character of it escaped.
const LONGEST_MESSAGE: usize = 2048;

fuzz_target!(|input: &[u8]| {
    let (mut arguments, mut environment) = (Vec::new(), Vec::new());
    for text in input.split(|it| *it == 0).filter(|it| !it.is_empty()) {
        match text.iter().position(|it| *it == b'=') {
            Some(at) if text[0].is_ascii_uppercase() => {
                environment.push((text_of(&text[..at]), text_of(&text[at + 1..])));
            }
            _ => arguments.push(text_of(text)),
        }
    }
    let no_arguments = arguments.is_empty();
    match fuzzing::settings(arguments, environment) {
        Ok(Some(settings)) => assert_in_range(&settings),
        Ok(None) => assert!(!no_arguments, "only an argument asks for something else"),
        Err(message) => {
            assert_one_line(&message);
            if no_arguments {
                assert!(names_a_setting(&message), "which setting? {message}");
                assert!(message.len() <= LONGEST_MESSAGE, "{} bytes: {message}", message.len());
            }
        }
    }
});

fn text_of(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}
