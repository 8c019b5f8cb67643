//! `kubectl maintenance`: puts releases and entries into maintenance and back, and returns when that is in force.
//!
//! What happens, in the order in which it does:
//!
//! | module | what it says |
//! | --- | --- |
//! | [`cli`] | the command line |
//! | [`run`], [`on`], [`off`], [`status`] | the commands |
//! | [`target`], [`choose`] | what was named, and which releases and entries that is |
//! | [`all`], [`confirm`] | what `--all` takes and leaves; the list of it, and the question |
//! | [`release`] | the releases of a namespace, and what each of them switches |
//! | [`page`] | the standby release whose page users of an entry get |
//! | [`plan`] | what is to happen to each target |
//! | [`config`], [`service`], [`entry`] | what each kind of switch changes |
//! | [`texts`], [`settings`], [`stamp`] | what it writes beside: what the page says; who switched, when and why |
//! | [`owners`], [`foretell`] | who else writes an object, and what they will do: Helm, Argo CD, Flux |
//! | [`cold`] | proxies that do not know yet where users go |
//! | [`switch`] | what `on` and `off` share: check, change, wait, tell |
//! | [`preflight`] | what is checked before the first change |
//! | [`undo`] | the changes one after the other, and back again where one fails |
//! | [`in_force`] | waiting until it is in force, and saying so; [`wait`] is for pods and endpoints, [`gateways`] for `HTTPRoutes` |
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
//! | [`read`], [`pods`], [`endpoints`], [`entries`], [`who`] | what is read: lists, pods, endpoints, entries, who asks and where |
//! | [`object`], [`change`], [`restore`], [`managed_fields`] | objects as JSON, a change of one, its way back, who wrote which field |

pub mod all;
pub mod change;
pub mod choose;
pub mod cli;
pub mod cold;
pub mod config;
pub mod confirm;
pub mod doors;
pub mod endpoints;
pub mod entries;
pub mod entry;
pub mod failure;
pub mod foretell;
pub mod gateways;
pub mod in_force;
pub mod interrupt;
pub mod kubectl;
pub mod managed_fields;
pub mod object;
pub mod off;
pub mod on;
pub mod output;
pub mod owners;
pub mod page;
pub mod plan;
pub mod pods;
pub mod preflight;
pub mod proxy;
pub mod read;
pub mod receipt;
pub mod release;
pub mod restore;
pub mod run;
pub mod service;
pub mod session;
pub mod settings;
pub mod stamp;
pub mod status;
pub mod switch;
pub mod target;
pub mod texts;
pub mod undo;
pub mod wait;
pub mod who;
