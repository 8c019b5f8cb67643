//! Answers an honest 503 with a page that helps, while an application is under maintenance.
//!
//! Data flows one way: [`settings`] become a [`snapshot`] (with the [`mode`] and the filled [`pages`]), and
//! [`respond`] makes an answer of a request and a snapshot:
//!
//! | request | normal | maintenance |
//! | --- | --- | --- |
//! | user tier, GET and HEAD of `/` | 200 | 503, the page |
//! | user tier, any other method of `/` | 405, OPTIONS 204, both with `Allow` | 503, the page |
//! | user tier, any other path | 404 | 503, the page |
//! | `/livez`, `/health`, `/healthz` (GET, HEAD; else 405) | 200 | 200 |
//! | `/readyz`, `/ready` (the same) | 200 | 503 |
//! | user tier, `HEALTH_PATH` (the same) | 200 | 200 |
//! | user tier with `STANDBY`, any path but `HEALTH_PATH` | – | 503, the page |
//! | admin tier, GET and HEAD of `/` and `/admin` (else 405) | 200 | 200 |
//! | admin tier, any other path | 404 | 404 |
//! | management port, `/metrics` (GET, HEAD; else 405) | 200 | 200 |
//!
//! The management port answers the probes too, and 404 to everything else.
//!
//! | module | |
//! | --- | --- |
//! | [`cli`] | arguments to what is to be done |
//! | [`settings`] | flags, environment and files to settings |
//! | `files` | a mounted file to its text |
//! | [`mode`] | settings and the clock to a mode |
//! | [`pages`] | templates and settings to bodies |
//! | [`snapshot`] | settings and bodies, published by one atomic pointer |
//! | [`watch`] | the config directory to the next snapshot |
//! | [`ask`] | a request's head to what is asked |
//! | [`probes`] | checks to what a probe says |
//! | [`respond`] | what is asked, and a snapshot, to an answer |
//! | [`answer`] | an answer to a response |
//! | [`connection`] | a socket to requests |
//! | [`slots`] | how many connections there are, and which make room |
//! | [`server`], [`signals`] | both ports, and the drain |
//! | [`log`], [`metrics`] | what is told of all that |
//! | [`limits`] | open files |
//! | [`probe_client`] | the other end of a probe |

pub mod cli;
pub mod log;
pub mod metrics;
pub mod mode;
pub mod open_files;
pub mod pages;
pub mod probe_client;
pub mod probes;
pub mod server;
pub mod settings;
pub mod shared;
pub mod signals;
pub mod snapshot;
pub mod start;
pub mod watch;

mod answer;
mod ask;
mod connection;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod main_port;
mod management_port;
mod respond;
