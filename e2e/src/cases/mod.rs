//! The cases, one a file, in the order in which they start: those that wait longest first.

mod adopt;
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
}

pub(crate) const CASES: &[Case] = &[
    Case { number: 11, name: "ten switches in front of an application that is there already" },
    Case { number: 16, name: "Argo CD: by commit, by hand and by parameter" },
    Case { number: 3, name: "the switch by patch, and patches and upgrades together" },
    Case { number: 2, name: "the switch by Helm, by the command that NOTES prints" },
    Case { number: 6, name: "probes in maintenance, and no restart in 2 minutes" },
    Case { number: 10, name: "compose" },
    Case { number: 5, name: "maintenance.endpoints" },
    Case { number: 9, name: "rollback, uninstall, and a Helm that was killed" },
    Case { number: 1, name: "install" },
    Case { number: 8, name: "a malformed MAINTENANCE_MODE" },
    Case { number: 4, name: "the switch by the scripts" },
    Case { number: 13, name: "what was under way when the switch came" },
    Case { number: 12, name: "taking over an Ingress and a Service, and giving them back" },
    Case { number: 14, name: "the role of rbac.toggle.subjects" },
    Case { number: 15, name: "what stays on the application, and one that is not there" },
    Case { number: 17, name: "rendered manifests, applied twice" },
    Case { number: 7, name: "the HPA under load" },
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
            other => unreachable!("case {other} is not in the table"),
        }
    }
}
