//! Three times on and off under traffic, by exactly the command that NOTES prints.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::{Failure, Helm, Outcome, all, run as run_program};
use crate::ensure;
use crate::recorder::{Mode, judge};
use crate::release::Release;
use crate::report::Scene;
use crate::watch::PodWatch;

/// Names of its own, so that the command is not one that only fits the defaults.
const VALUES: [&str; 2] = ["fullnameOverride=storefront", "configMapName=shop-settings"];

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    // One after the other: the figures are of a machine that does one switch at a time.
    let v3 = switched(scene, "helm3", Helm::V3).await;
    let v4 = switched(scene, "helm4", Helm::V4).await;
    all([v3, v4])
}

async fn switched(scene: &Scene, part: &str, helm: Helm) -> Outcome<()> {
    let mut release = Release::prepare(scene, part, helm).await?;
    release.fullname = "storefront".to_owned();
    release.configmap = "shop-settings".to_owned();
    release.helm_install(&VALUES).await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    release.two_user_pods().await?;

    let recorder = release.record();
    let watch = PodWatch::start(&release)?;
    for round in 1..=3 {
        for mode in [Mode::Maintenance, Mode::Normal] {
            let notes = release.run_helm(&["get", "notes", &release.name]).await?.success()?;
            let line = next_command(&notes, mode)?;
            let old = release.pod_names().await?;
            let command = Instant::now();
            let mut shell = scene.cluster.program("sh", Some(helm))?;
            run_program(shell.args(["-c", line]), Duration::from_secs(320)).await?.success()?;
            let returned = Instant::now();
            // Judged until the old pods are gone: as long as they live, a pooled connection could reach one.
            release.two_user_pods().await?;
            sleep(Duration::from_secs(1)).await;
            let new = release.pod_names().await?;
            ensure!(new.iter().all(|pod| !old.contains(pod)), "the rollout kept a pod: {old:?}, then {new:?}");
            let settled = watch.settled(&old, &new)?;
            let settled = (settled, "the new pods were Ready and the old ones terminating");
            let switch = judge(&recorder.since(command), mode, command, settled, returned)
                .map_err(|Failure(why)| Failure(format!("{helm}, round {round}, to {mode:?}: {why}")))?;
            scene.figure(format!(
                "{helm} {round} to {mode:?}: first {:.1} s, last {:.1} s, returned {:.1} s; {} old and {} new answers, {} old after it had returned",
                switch.first,
                switch.last,
                (returned - command).as_secs_f64(),
                switch.old,
                switch.new,
                switch.stale,
            ));
            // Helm 3's --wait looks at the new pods alone: it may return while the old ones are about to be told to end.
            // The second that judge allows from then on holds for it too.
            ensure!(
                helm == Helm::V3 || switch.stale == 0,
                "{helm}, round {round}, to {mode:?}: {} answers of the old mode to requests that were sent after the command had returned",
                switch.stale
            );
        }
    }
    scene.figure(format!("{helm}: {}", recorder.finish()?));
    Ok(())
}

/// The one command that the notes give to reach `mode`.
fn next_command(notes: &str, mode: Mode) -> Outcome<&str> {
    let commands = notes.lines().map(str::trim).filter(|line| line.starts_with("helm upgrade ")).collect::<Vec<_>>();
    let [command] = commands[..] else {
        return Err(Failure(format!("NOTES should have one helm command, but have {}:\n{notes}", commands.len())));
    };
    let wanted = format!("--set maintenance.enabled={}", mode == Mode::Maintenance);
    ensure!(command.contains(&wanted), "NOTES should say how to reach {mode:?}, but say: {command}");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str =
        "Mode\n  normal\n\nTo turn maintenance on\n  helm upgrade a ./chart --set maintenance.enabled=true --wait\n";

    #[test]
    fn takes_the_command_from_the_notes() {
        let command = next_command(NOTES, Mode::Maintenance).unwrap();
        assert_eq!(command, "helm upgrade a ./chart --set maintenance.enabled=true --wait");
    }

    #[test]
    fn refuses_notes_that_lead_elsewhere() {
        assert!(next_command(NOTES, Mode::Normal).is_err());
        assert!(next_command("nothing", Mode::Normal).is_err());
        assert!(next_command(&NOTES.repeat(2), Mode::Maintenance).is_err());
    }
}
