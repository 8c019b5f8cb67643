//! The front doors of what is switched: which there are, and what they answer.
//!
//! | module | what it says |
//! | --- | --- |
//! | [`find`] | which hosts lead to what is switched |
//! | [`ask`] | asking one once |
//! | [`watch`] | watching one from before the first change until it answers in the wanted mode |
//! | `request` | one request over a connection of its own |

pub mod ask;
pub mod find;
mod request;
#[cfg(test)]
mod testing;
pub mod watch;
