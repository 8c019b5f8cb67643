//! Answers an honest 503 with a page that helps, while an application is under maintenance.
//!
//! Data flows one way: [`settings`] become a [`snapshot`] with the filled `pages`, and `respond` makes an answer of a
//! request and a snapshot:
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
//! The management port answers the probes too, and 404 to everything else. Where a request lacks a valid `Host`, either
//! port answers 400.
//!
//! | module | |
//! | --- | --- |
//! | [`cli`] | arguments to what is to be done |
//! | [`settings`] | flags, environment and files to settings |
//! | [`start`] | settings and pages to what a server starts with |
//! | `pages` | templates and settings to bodies |
//! | `files`, `generation` | a mounted file to its text, a mounted directory to its files |
//! | [`snapshot`] | settings and bodies, published by one atomic pointer |
//! | [`watch`] | the config directory to the next snapshot |
//! | [`server`] | both ports: listening, accepting, who makes room, the drain |
//! | `connection` | a socket to requests |
//! | `main_port`, `management_port` | a request to a response, counted and logged |
//! | `ask` | a request's head to what is asked |
//! | `respond` | what is asked, the `mode` and a snapshot to an answer |
//! | `probes` | checks to what a probe says |
//! | `answer` | an answer to a response |
//! | [`shared`] | what requests share with the rest of the process |
//! | [`log`], [`metrics`] | what is said and counted of all that |
//! | [`signals`] | when it ends |
//! | [`open_files`] | how many connections the kernel allows |
//! | [`probe_client`] | the other end of a probe |

pub mod cli;
pub mod log;
pub mod metrics;
pub mod open_files;
pub mod probe_client;
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
mod generation;
mod main_port;
mod management_port;
mod mode;
mod pages;
mod probes;
mod respond;
