//! Before `--all`: the list of what is switched and what is left out, and a question to whoever sits at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::choose::Chosen;
use crate::cli::Switch;
use crate::failure::{Interrupted, Misuse};
use crate::release::Mode;
use crate::session::Session;

/// How long Ctrl-C may take to be seen.
const SIGNAL: Duration = Duration::from_millis(50);

/// Who may be asked.
pub trait Person {
    /// Whether there is somebody: stdin and stderr are a terminal.
    fn is_there(&self) -> bool;

    /// The line that is typed next; nothing where there is no more. It is given up once `stopped` says so.
    fn answer(&self, stopped: &dyn Fn() -> bool) -> Option<String>;
}

/// Whoever sits at the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Terminal;

/// Shows what is switched and what is left out, and goes on where that is wanted.
///
/// # Errors
/// Where it is not, or there is nobody to ask.
pub fn confirm(session: &Session<'_>, switch: &Switch, mode: Mode, chosen: &Chosen) -> Result<()> {
    let releases = chosen.releases.iter().map(|release| release.name.clone());
    let targets: Vec<String> = releases.chain(chosen.entries.iter().map(|(name, _)| name.to_string())).collect();
    if !switch.all || targets.is_empty() {
        return Ok(());
    }
    let output = session.output;
    let to = match mode {
        Mode::Maintenance => "go into maintenance",
        Mode::Normal => "come back from maintenance",
    };
    output.message(&format!("in namespace {} these {to}:", chosen.namespace));
    for target in &targets {
        output.message(&format!("  {target}"));
    }
    if !chosen.left_out.is_empty() {
        output.message("these are left out:");
    }
    for left in &chosen.left_out {
        output.message(&format!("  {}: {}", left.object, left.why));
    }
    if switch.yes || switch.dry_run {
        return Ok(());
    }
    if !session.person.is_there() {
        return Err(Misuse(
            "without a terminal, at which this would be asked for, --all needs --yes. Nothing has changed".to_owned(),
        )
        .into());
    }
    output.question(&format!("Switch these {} to {mode}? [y/N] ", targets.len()));
    let answer = session.person.answer(&|| session.stopped());
    if answer.is_none() {
        // Nobody has ended the line.
        output.message("");
    }
    match answer.as_deref().map(str::trim) {
        Some("y" | "Y" | "yes") => Ok(()),
        _ if session.stopped() => Err(Interrupted("nothing has changed".to_owned()).into()),
        _ => bail!("it was not confirmed. Nothing has changed"),
    }
}

// === impl Terminal ===

impl Person for Terminal {
    fn is_there(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn answer(&self, stopped: &dyn Fn() -> bool) -> Option<String> {
        // Ctrl-C does not end a read, so that is left to a thread, which ends with the process.
        let (line, typed) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = io::stdin().lock().read_line(&mut text);
            let _ = line.send(read.ok().filter(|length| *length > 0).map(|_| text));
        });
        loop {
            match typed.recv_timeout(SIGNAL) {
                Ok(line) => return line,
                Err(RecvTimeoutError::Timeout) if !stopped() => {}
                Err(_) => return None,
            }
        }
    }
}
