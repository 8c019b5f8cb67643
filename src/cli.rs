//! The command line: settings as flags, or one of a few other things to do.

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write as _},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use http::StatusCode;

use crate::{
    probe_client::Failure,
    settings::{Invalid, Sources, help},
};

/// What the process is to do.
#[derive(Debug)]
pub enum Command {
    /// Serve, with these settings.
    Serve(Sources),
    /// Ask a URL, and say by the exit status whether it answers as wanted.
    Probe {
        /// What to ask.
        url: String,
        /// The status that is a success; `None`: any 2xx.
        wanted: Option<StatusCode>,
    },
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// What `--version` prints.
pub const VERSION: &str = concat!("maintenance-mode ", env!("CARGO_PKG_VERSION"));

const USAGE: &str = "\
Answers 503 with a page that helps while an application is under maintenance.

usage: maintenance-mode [--SETTING VALUE | --SETTING=VALUE]...
       maintenance-mode probe [--status CODE] URL
           exit status 0 if an http: URL answers 2xx, or CODE, or a tcp: URL can be connected to; else 1
       maintenance-mode --help | --version

settings, as flag and environment variable; a live one may also be a file in CONFIG_DIR,
where it is read again every second. A file beats a flag beats the environment.

";

impl Command {
    /// Reads the arguments, without the program's name, and the environment.
    ///
    /// # Errors
    /// An argument is none of the above, or an environment variable is not UTF-8.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Misuse> {
        let mut sources = Sources::default();
        let mut arguments = arguments
            .into_iter()
            .map(|it| it.into_string().map_err(|it| Misuse(format!("invalid argument {it:?}: expected UTF-8"))));
        let mut first = true;
        while let Some(argument) = arguments.next().transpose()? {
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--version" | "-V" => return Ok(Self::Version),
                "probe" if first => return Self::parse_probe(&arguments.collect::<Result<Vec<_>, _>>()?),
                _ => {}
            }
            let Some(flag) = argument.strip_prefix("--") else {
                return Err(Misuse(format!("invalid argument {argument:?}: expected one that --help lists")));
            };
            let (flag, value) = match flag.split_once('=') {
                Some((flag, value)) => (flag, value.to_owned()),
                None => {
                    let value = arguments.next().transpose()?;
                    let none = || Misuse(format!("invalid flag --{}: expected a value after it", flag.escape_debug()));
                    (flag, value.ok_or_else(none)?)
                }
            };
            sources = sources.with_flag(flag, value)?;
            first = false;
        }
        Ok(Self::Serve(sources.with_environment(environment)?))
    }

    fn parse_probe(arguments: &[String]) -> Result<Self, Misuse> {
        let (wanted, url) = match arguments {
            [url] => (None, url),
            [flag, code, url] if flag == "--status" => {
                let wrong = |_| Misuse(format!("invalid --status {code:?}: expected a status from 100 to 999"));
                (Some(code.parse().map_err(wrong)?), url)
            }
            _ => return Err(Misuse(format!("invalid arguments {arguments:?} of probe: expected [--status CODE] URL"))),
        };
        Ok(Self::Probe { url: url.clone(), wanted })
    }
}

/// What `--help` prints.
#[must_use]
pub fn usage() -> String {
    format!("{USAGE}{}", help())
}

/// Prints what was asked for; a closed stdout is no reason to panic.
///
/// # Errors
/// It cannot be printed.
pub fn print(text: &str) -> Result<(), End> {
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(End::failure)
}

/// How long it may take to say why the process ends: a stderr that nobody reads is no reason to stay.
pub const LAST_LINE: Duration = Duration::from_millis(200);

/// The exit status, after one line on stderr where something failed.
#[must_use]
pub fn exit(ended: Result<(), End>) -> ExitCode {
    let Err(end) = ended else { return ExitCode::SUCCESS };
    let status = end.status();
    let (written, is_written) = mpsc::channel();
    thread::spawn(move || {
        // A stderr that is closed is no reason to panic: the status says enough.
        let _ = writeln!(io::stderr(), "maintenance-mode: {end}");
        let _ = written.send(());
    });
    let _ = is_written.recv_timeout(LAST_LINE);
    status
}

/// How a process ends that has failed: one line, and an exit status.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct End {
    status: u8,
    message: String,
}

/// `EX_USAGE`: a wrong flag, setting, page or URL.
const MISUSE: u8 = 64;

impl End {
    /// The operator asked for something that is not possible.
    pub fn misuse(error: impl fmt::Display) -> Self {
        Self { status: MISUSE, message: error.to_string() }
    }

    /// Something failed that the operator has not caused.
    pub fn failure(error: impl fmt::Display) -> Self {
        Self { status: 1, message: error.to_string() }
    }

    /// 64 for misuse, else 1.
    #[must_use]
    pub fn status(&self) -> ExitCode {
        self.status.into()
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Url(_) => Self::misuse(failure),
            Failure::Answer(_) => Self::failure(failure),
        }
    }
}

/// A command line that cannot be followed, as a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(String);

impl From<Invalid> for Misuse {
    fn from(error: Invalid) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Files, TABLE, Tier};

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        Command::parse(arguments.iter().map(OsString::from), []).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_come_with_a_space_or_an_equals_sign() {
        let Ok(Command::Serve(sources)) = parse(&["--tier", "admin", "--retry-after=5"]) else { panic!() };
        let settings = sources.resolve(&Files::default()).unwrap();
        assert_eq!((settings.tier, settings.retry_after), (Tier::Admin, 5));
    }

    #[test]
    fn a_wrong_command_line_is_named() {
        for (arguments, error) in [
            (&["serve"][..], "invalid argument \"serve\": expected one that --help lists"),
            (&["--tier"], "invalid flag --tier: expected a value after it"),
            (&["--colour", "red"], "invalid flag --colour: expected one that --help lists"),
            (&["--a\nb"], "invalid flag --a\\nb: expected a value after it"),
            (&["--a\nb", "red"], "invalid flag --a\\nb: expected one that --help lists"),
            (&["--tier=user", "--tier=user"], "invalid flag --tier: expected once, and given twice"),
            (&["probe"], "invalid arguments [] of probe: expected [--status CODE] URL"),
            (&["probe", "a", "b"], "invalid arguments [\"a\", \"b\"] of probe: expected [--status CODE] URL"),
            (&["probe", "--status", "5x3", "http://a/"], "invalid --status \"5x3\": expected a status from 100 to 999"),
        ] {
            assert_eq!(parse(arguments).unwrap_err(), error);
        }
    }

    #[test]
    fn the_help_names_every_setting() {
        let usage = usage();
        for setting in TABLE {
            assert!(usage.contains(setting.name) && usage.contains(setting.expected), "{}", setting.name);
        }
        assert!(matches!(parse(&["--help"]), Ok(Command::Help)));
        assert!(matches!(parse(&["-V"]), Ok(Command::Version)));
        assert!(
            matches!(parse(&["probe", "http://a/"]), Ok(Command::Probe { url, wanted: None }) if url == "http://a/")
        );
        let Ok(Command::Probe { wanted, .. }) = parse(&["probe", "--status", "503", "http://a/"]) else { panic!() };
        assert_eq!(wanted, Some(StatusCode::SERVICE_UNAVAILABLE));
    }
}
