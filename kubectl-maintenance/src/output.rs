//! What people are told: results on stdout; progress, notes and commands on stderr, a live line on a terminal and plain
//! lines elsewhere. `anstream` drops colours where they are not wanted (`NO_COLOR`, no terminal).

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

/// Where results and messages go.
pub struct Output {
    quiet: bool,
    verbose: bool,
    /// Whether stderr is a terminal, on which a line can be written anew.
    live: bool,
    results: Mutex<Box<dyn Write + Send>>,
    messages: Mutex<Messages>,
}

struct Messages {
    to: Box<dyn Write + Send>,
    /// A live line is on the screen.
    open: bool,
    /// The last line of progress, which is not said twice.
    last: String,
    /// The reads that have been told.
    polled: BTreeSet<String>,
}

/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What people should know.
pub const NOTE: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub const WRONG: Style = AnsiColor::Red.on_default().bold();

// === impl Output ===

impl Output {
    /// Writes to stdout and stderr.
    #[must_use]
    pub fn new(quiet: bool, verbose: bool) -> Self {
        // A live line and one command a line do not go together.
        let live = !verbose && io::stderr().is_terminal();
        Self::to(quiet, verbose, live, Box::new(anstream::stdout()), Box::new(anstream::stderr()))
    }

    /// Writes to what is given.
    pub fn to(
        quiet: bool,
        verbose: bool,
        live: bool,
        results: Box<dyn Write + Send>,
        messages: Box<dyn Write + Send>,
    ) -> Self {
        let messages = Mutex::new(Messages { to: messages, open: false, last: String::new(), polled: BTreeSet::new() });
        Self { quiet, verbose, live, results: Mutex::new(results), messages }
    }

    /// A line of the result.
    pub fn result(&self, line: &str) {
        self.close();
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        // Who no longer listens is not told.
        let _ = writeln!(results, "{line}");
        let _ = results.flush();
    }

    /// A command of kubectl, for `-v`.
    pub fn command(&self, command: &str) {
        if self.verbose {
            self.message(&format!("+ {command}"));
        }
    }

    /// A read that is repeated until something is in force, for `-v`: it is told once.
    pub fn poll(&self, command: &str) {
        if self.verbose && self.messages().polled.insert(command.to_owned()) {
            self.command(command);
        }
    }

    /// How far a release is: the same line anew on a terminal.
    pub fn progress(&self, release: &str, how_far: &str) {
        if self.quiet {
            return;
        }
        let mut messages = self.messages();
        let line = format!("{release}: {how_far}");
        if messages.last == line {
            return;
        }
        let _ = match self.live {
            true => write!(messages.to, "\r\x1b[K{line}"),
            false => writeln!(messages.to, "{line}"),
        };
        let _ = messages.to.flush();
        messages.open = self.live;
        messages.last = line;
    }

    /// What people should know, `--quiet` or not.
    pub fn note(&self, note: &str) {
        self.message(&format!("{NOTE}note:{NOTE:#} {note}"));
    }

    /// A message.
    pub fn message(&self, line: &str) {
        self.close();
        let mut messages = self.messages();
        let _ = writeln!(messages.to, "{line}");
        let _ = messages.to.flush();
    }

    /// Ends the live line, so that it stays.
    fn close(&self) {
        let mut messages = self.messages();
        if messages.open {
            let _ = writeln!(messages.to);
        }
        messages.open = false;
    }

    fn messages(&self) -> std::sync::MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Output {
    /// Says nothing.
    fn default() -> Self {
        Self::to(true, false, false, Box::new(io::sink()), Box::new(io::sink()))
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("quiet", &self.quiet).field("verbose", &self.verbose).finish_non_exhaustive()
    }
}
