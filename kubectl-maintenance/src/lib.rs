//! `kubectl maintenance`: puts a release into maintenance and back, and returns when that is in force.
//!
//! What happens, in the order in which it does:
//!
//! | module | what it says |
//! | --- | --- |
//! | [`cli`] | the command line |
//! | [`kubectl`] | how the cluster is reached: the operator's own kubectl, behind a trait |
//! | [`proxy`] | the one `kubectl proxy`, through which everything is read |
//! | [`release`] | the releases of a namespace, and what each of them switches |
//! | [`owners`] | who else writes an object: Helm, Argo CD, Flux |
//! | [`change`] | one change of one object: its JSON patch, and the way back |
//! | [`config`], [`service`] | what each kind of switch changes, and when it is in force |
//! | [`preflight`] | what is checked before the first change |
//! | [`undo`] | the changes one after the other, and back again where one fails |
//! | [`wait`] | waiting until it is in force |
//! | [`doors`] | the front doors: which there are, and what they answer |
//! | [`on`], [`off`], [`status`] | the commands |
//! | [`output`] | what people and programs are told |
//! | [`interrupt`] | Ctrl-C |

pub mod cli;
pub mod doors;
