//! What people are told: results on stdout; progress, notes and commands on stderr, a live line on a terminal and plain
//! lines elsewhere. `anstream` drops colours where they are not wanted (`NO_COLOR`, no terminal).

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use anstream::{AutoStream, ColorChoice};
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
    /// The notes.
    notes: Vec<String>,
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
        // A live line and one command a line do not go together; and where colours are not wanted, nor are other codes.
        let codes = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        let live = !verbose && codes && io::stderr().is_terminal();
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
        let messages = Mutex::new(Messages {
            to: messages,
            open: false,
            last: String::new(),
            polled: BTreeSet::new(),
            notes: Vec::new(),
        });
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
        let line = plain(&format!("{release}: {how_far}"));
        if messages.last == line {
            return;
        }
        // Each release has a line of its own.
        if messages.open && !messages.last.starts_with(&format!("{release}: ")) {
            let _ = writeln!(messages.to);
        }
        let _ = match self.live {
            // Cut at the terminal's edge: one that wraps could not be written anew.
            true => write!(messages.to, "\r\x1b[K\x1b[?7l{line}\x1b[?7h"),
            false => writeln!(messages.to, "{line}"),
        };
        let _ = messages.to.flush();
        messages.open = self.live;
        messages.last = line;
    }

    /// What people should know, `--quiet` or not.
    pub fn note(&self, note: &str) {
        self.messages().notes.push(note.to_owned());
        self.say(&format!("{NOTE}note:{NOTE:#} {}", plain(note)));
    }

    /// All notes until now.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.messages().notes.clone()
    }

    /// A question, to be answered in the same line.
    pub fn question(&self, question: &str) {
        self.close();
        let mut messages = self.messages();
        let _ = write!(messages.to, "{}", plain(question));
        let _ = messages.to.flush();
    }

    /// Why a command failed.
    pub fn error(&self, error: &str) {
        self.say(&format!("{WRONG}error:{WRONG:#} {}", plain(error)));
    }

    /// A message.
    pub fn message(&self, line: &str) {
        self.say(&plain(line));
    }

    fn say(&self, line: &str) {
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

/// Text of others on a terminal of ours: in one line, and without codes that the terminal would obey.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(live: bool) -> String {
        let screen = Screen::default();
        let output = Output::to(false, false, live, Box::new(screen.clone()), Box::new(screen.clone()));
        for how_far in ["0 of 2", "0 of 2", "2 of 2"] {
            output.progress("web", how_far);
        }
        output.progress("shop", "1 of 1");
        output.result("done");
        String::from_utf8_lossy(&screen.0.lock().unwrap()).replace("\x1b[?7l", "").replace("\x1b[?7h", "")
    }

    #[test]
    fn a_terminal_has_one_live_line_for_each_release() {
        let says = "\r\x1b[Kweb: 0 of 2\r\x1b[Kweb: 2 of 2\n\r\x1b[Kshop: 1 of 1\ndone\n";
        assert_eq!(shown(true), says);
    }

    #[test]
    fn elsewhere_there_are_plain_lines_each_once() {
        assert_eq!(shown(false), "web: 0 of 2\nweb: 2 of 2\nshop: 1 of 1\ndone\n");
    }
}
