//! What `kubectl maintenance` does in a cluster that is in memory.

#![allow(clippy::unwrap_used)]

mod all;
mod cluster;
mod config;
mod doors;
mod entry;
mod owned;
mod receipt;
mod service;
mod status;

use cluster::Said;

impl Said {
    /// Ended so, and said each of these.
    #[track_caller]
    fn ended(&self, status: u8, texts: &[&str]) {
        let all = format!("{}{}", self.err, self.out);
        assert_eq!(self.status, status, "{all}");
        for text in texts {
            assert!(all.contains(text), "{text:?} is not in:\n{all}");
        }
    }

    /// Did not say this.
    #[track_caller]
    fn not(&self, text: &str) {
        assert!(!self.err.contains(text) && !self.out.contains(text), "{text:?} is in:\n{}{}", self.err, self.out);
    }
}
