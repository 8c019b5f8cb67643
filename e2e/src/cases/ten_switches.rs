//! Ten times on and off in front of an application that is there already, in each way, under traffic.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::{Failure, Helm, Outcome};
use crate::ensure;
use crate::front::Way;
use crate::recorder::{Mode, Recorder, Switch, judge};
use crate::release::Release;
use crate::report::Scene;

use super::scripts;

const ROUNDS: usize = 10;
/// What the figures of one way must rest on at least.
const LEAST_ANSWERS: usize = 20_000;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    // One way after the other: the figures are of a machine that does one switch at a time.
    let mut failures = Vec::new();
    for way in Way::ALL {
        if let Err(Failure(why)) = switched(scene, way).await {
            failures.push(format!("{}: {why}", way.name()));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

async fn switched(scene: &Scene, way: Way) -> Outcome<()> {
    let release = Release::in_front(scene, way.name(), Helm::V4, way, &[]).await?;
    let recorder = release.record_application();
    let mut switches = Vec::new();
    for round in 1..=ROUNDS {
        for mode in [Mode::Maintenance, Mode::Normal] {
            let switch = by_helm(&release, mode, &recorder).await;
            switches.push(switch.map_err(|Failure(why)| Failure(format!("round {round}, to {mode:?}: {why}")))?);
        }
    }
    // The scripts wait at the front door, so nothing old may come once they have returned: they fail otherwise.
    let mut took = Vec::new();
    for mode in [Mode::Maintenance, Mode::Normal] {
        took.push(scripts::switch_application(&release, mode, &recorder).await?.as_secs_f64());
    }
    while recorder.count() < LEAST_ANSWERS {
        sleep(Duration::from_millis(500)).await;
    }
    let stale = switches.iter().map(|(switch, _)| switch.stale).sum::<usize>();
    scene.figure(format!(
        "{}: {ROUNDS} times on and off by Helm 4: first {} s, last {} s, returned {} s; {stale} old answers to requests sent after it had returned",
        way.name(),
        spread(switches.iter().map(|(switch, _)| switch.first)),
        spread(switches.iter().map(|(switch, _)| switch.last)),
        spread(switches.iter().map(|(_, returned)| *returned)),
    ));
    scene.figure(format!(
        "{}: by the scripts {} s, 0 old answers after; {}",
        way.name(),
        spread(took.into_iter()),
        recorder.finish()?
    ));
    Ok(())
}

/// The operator's command, judged until a second and a half after the change.
async fn by_helm(release: &Release<'_>, mode: Mode, recorder: &Recorder) -> Outcome<(Switch, f64)> {
    let command = Instant::now();
    release.toggle(mode).await?;
    let returned = Instant::now();
    release.await_users(mode, Duration::from_secs(30)).await?;
    sleep(Duration::from_millis(1500)).await;
    // All is done when the command has returned; a proxy has a second to learn of it.
    let switch = judge(&recorder.since(command), mode, command, returned, returned)?;
    Ok((switch, (returned - command).as_secs_f64()))
}

/// "1.2 1.4 2.0": the least, the median and the most.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values = values.collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    match values[..] {
        [] => "no".to_owned(),
        [least, ..] => {
            format!("{least:.1} {:.1} {:.1}", values[values.len() / 2], values[values.len() - 1])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_least_median_and_most() {
        assert_eq!(spread([3.0, 1.0, 2.04].into_iter()), "1.0 2.0 3.0");
        assert_eq!(spread([].into_iter()), "no");
    }
}
