//! `kubectl maintenance`: puts a release into maintenance and back, and returns when that is in force.
//!
//! What happens, in the order in which it does:
//!
//! | module | what it says |
//! | --- | --- |
//! | [`cli`] | the command line |
//! | [`run`], [`on`], [`off`], [`status`] | the commands |
//! | [`release`] | the releases of a namespace, and what each of them switches |
//! | [`config`], [`service`] | what each kind of switch changes |
//! | [`settings`], [`stamp`] | what it writes beside the mode: what the page says; who switched, when and why |
//! | [`owners`] | who else writes an object: Helm, Argo CD, Flux |
//! | [`switch`] | what `on` and `off` share: check, change, wait, tell |
//! | [`preflight`] | what is checked before the first change |
//! | [`undo`] | the changes one after the other, and back again where one fails |
//! | [`in_force`] | waiting until it is in force, and saying so; [`wait`] looks at pods and endpoints |
//! | [`doors`] | the front doors: which there are, and what they answer |
//! | [`receipt`], [`output`] | what programs and people are told |
//!
//! What these stand on:
//!
//! | module | what it says |
//! | --- | --- |
//! | [`kubectl`] | how the cluster is reached: the operator's own kubectl, behind a trait |
//! | [`proxy`] | the one `kubectl proxy`, through which everything is read |
//! | [`session`] | what every command works with; [`interrupt`] is Ctrl-C, [`failure`] the exit statuses |
//! | [`read`], [`pods`], [`entries`], [`who`] | what is read: lists, pods, entries, who asks and where |
//! | [`object`], [`change`], [`managed_fields`] | objects as JSON, a change of one and its way back, who wrote which field |

pub mod change;
pub mod cli;
pub mod config;
pub mod doors;
pub mod entries;
pub mod failure;
pub mod in_force;
pub mod interrupt;
pub mod kubectl;
pub mod managed_fields;
pub mod object;
pub mod off;
pub mod on;
pub mod output;
pub mod owners;
pub mod pods;
pub mod preflight;
pub mod proxy;
pub mod read;
pub mod receipt;
pub mod release;
pub mod run;
pub mod service;
pub mod session;
pub mod settings;
pub mod stamp;
pub mod status;
pub mod switch;
pub mod undo;
pub mod wait;
pub mod who;
