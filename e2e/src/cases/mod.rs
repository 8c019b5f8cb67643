//! The cases, one a file, in the order in which they start: those that must be alone, then those that wait longest.

mod adopt;
mod answers;
mod back_again;
mod bad_value;
mod compose;
mod endpoints;
mod gitops;
mod helm_ends;
mod helm_switch;
mod hpa;
mod install;
mod kept_paths;
mod patch;
mod paths;
mod probes;
mod rendered;
mod scripts;
mod ten_switches;
mod toggle_role;
mod under_way;

use crate::cluster::Outcome;
use crate::report::Scene;

/// What is proved, and by what number it is asked for.
pub(crate) struct Case {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    /// Its figures are of a machine that does one switch at a time: nothing else runs meanwhile.
    pub(crate) alone: bool,
}

const fn alone(number: u8, name: &'static str) -> Case {
    Case { number, name, alone: true }
}

const fn beside(number: u8, name: &'static str) -> Case {
    Case { number, name, alone: false }
}

pub(crate) const CASES: &[Case] = &[
    alone(11, "ten switches in front of an application that is there already"),
    alone(2, "the switch by Helm, by the command that NOTES prints"),
    alone(4, "the switch by the scripts"),
    beside(3, "the switch by patch, and patches and upgrades together"),
    beside(16, "Argo CD: by commit, by hand and by parameter"),
    beside(9, "rollback, uninstall, and a Helm that was killed"),
    beside(6, "probes in maintenance, and no restart in 2 minutes"),
    beside(5, "maintenance.endpoints"),
    beside(7, "the HPA under load"),
    beside(10, "compose"),
    beside(1, "install"),
    beside(8, "a malformed MAINTENANCE_MODE"),
    beside(13, "what was under way when the switch came"),
    beside(12, "taking over an Ingress and a Service, and giving them back"),
    beside(14, "the role of rbac.toggle.subjects"),
    beside(15, "what stays on the application, and one that is not there"),
    beside(18, "several paths, another Service for admins, and a port by number"),
    beside(19, "letting users in again, and the other ways in"),
    beside(17, "rendered manifests, applied twice"),
    beside(20, "what each client is told, pages of one's own, and a password for admins"),
];

impl Case {
    pub(crate) async fn run(&self, scene: &Scene) -> Outcome<()> {
        match self.number {
            1 => install::run(scene).await,
            2 => helm_switch::run(scene).await,
            3 => patch::run(scene).await,
            4 => scripts::run(scene).await,
            5 => endpoints::run(scene).await,
            6 => probes::run(scene).await,
            7 => hpa::run(scene).await,
            8 => bad_value::run(scene).await,
            9 => helm_ends::run(scene).await,
            10 => compose::run(scene).await,
            11 => ten_switches::run(scene).await,
            12 => adopt::run(scene).await,
            13 => under_way::run(scene).await,
            14 => toggle_role::run(scene).await,
            15 => kept_paths::run(scene).await,
            16 => gitops::run(scene).await,
            17 => rendered::run(scene).await,
            18 => paths::run(scene).await,
            19 => back_again::run(scene).await,
            20 => answers::run(scene).await,
            other => unreachable!("case {other} is not in the table"),
        }
    }
}
