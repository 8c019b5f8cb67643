//! Ends of a command that have an exit status of their own. Whatever else fails is 1.

use std::error::Error;
use std::fmt;

/// The command line asks for what cannot be: 64.
#[derive(Debug)]
pub struct Misuse(pub String);

/// Ctrl-C was pressed, and what is in which mode now: 130.
#[derive(Debug)]
pub struct Interrupted(pub String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (--help tells more)", self.0)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted: {}", self.0)
    }
}

impl Error for Misuse {}
impl Error for Interrupted {}
