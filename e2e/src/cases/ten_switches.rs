//! Ten times on and off in front of an application that is there already, in each way, under traffic.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::{Failure, Helm, Outcome, all};
use crate::front::Way;
use crate::recorder::{Mode, Recorder, Switch, judge};
use crate::release::Release;
use crate::report::Scene;

use super::scripts;

const ROUNDS: usize = 10;
/// What the figures of one way must rest on at least.
const LEAST_ANSWERS: usize = 20_000;
/// The goal for the last change, in seconds since the command. It is told whether it was met: a busy machine is no fault
/// of the chart.
const GOAL: f64 = 3.0;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    // One way after the other: the figures are of a machine that does one switch at a time.
    let mut outcomes = Vec::new();
    for way in Way::ALL {
        let told = |Failure(why): Failure| Failure(format!("{}: {why}", way.name()));
        outcomes.push(switched(scene, way).await.map_err(told));
    }
    all(outcomes)
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
    let switches_of = |what: fn(&(Switch, f64)) -> f64| switches.iter().map(what);
    let stale = switches.iter().map(|(switch, _)| switch.stale).sum::<usize>();
    let in_time = switches_of(|(switch, _)| switch.first.max(switch.last)).filter(|&last| last < GOAL).count();
    scene.figure(format!(
        "{}: {ROUNDS} times on and off by Helm 4: first {} s, last {} s, returned {} s; under {GOAL:.0} s {} ({in_time} of {})",
        way.name(),
        spread(switches_of(|(switch, _)| switch.first)),
        spread(switches_of(|(switch, _)| switch.last)),
        spread(switches_of(|(_, returned)| *returned)),
        if in_time == switches.len() { "met" } else { "NOT met" },
        switches.len(),
    ));
    // That none comes later than a second after is asserted of each switch.
    let last = switches_of(|(switch, _)| switch.stale_for).fold(0.0, f64::max);
    let last = if stale == 0 { String::new() } else { format!(", the last {last:.2} s after") };
    scene.figure(format!("{}: {stale} old answers to requests sent after Helm had returned{last}", way.name()));
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
    // Helm returns when the object is patched; a proxy has a second to learn of it.
    let settled = (returned, "Helm had returned");
    let switch = judge(&recorder.since(command), mode, command, settled, returned)?;
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
