//! `scripts/enable-maintenance.sh` and back: in force when they return, and what they print is true.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::{Helm, Outcome, run as run_program};
use crate::ensure;
use crate::recorder::{Mode, Recorder};
use crate::release::Release;
use crate::report::Scene;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let release = Release::install(scene, "scripts", Helm::V4, &[]).await?;
    release.two_user_pods().await?;
    let before = (release.pods("user").await?, release.pods("admin").await?);
    let recorder = release.record();
    for mode in [Mode::Maintenance, Mode::Normal] {
        let took = switch(&release, mode, &recorder).await?;
        ensure!(took < Duration::from_secs(10), "the script took {:.1} s: under 10 s is the goal", took.as_secs_f64());
        scene.figure(format!("to {mode:?}: {:.1} s", took.as_secs_f64()));
    }
    release.same_pods("user", &before.0).await?;
    release.same_pods("admin", &before.1).await?;
    scene.figure(recorder.finish()?);
    Ok(())
}

/// What a script for a mode printed, and when.
struct Ran {
    script: &'static str,
    word: &'static str,
    lines: String,
    took: Duration,
    returned: Instant,
}

async fn run_script(release: &Release<'_>, mode: Mode) -> Outcome<Ran> {
    let (script, word) = match mode {
        Mode::Maintenance => ("scripts/enable-maintenance.sh", "maintenance"),
        Mode::Normal => ("scripts/disable-maintenance.sh", "normal"),
    };
    let url = format!("http://{}/", release.scene.cluster.ingress);
    let mut command = release.scene.cluster.program(release.scene.cluster.repository.join(script), None)?;
    command.args(["-n", &release.namespace, "-r", &release.name, "--url", &url, "--host", &release.user_host]);
    if release.way.is_some() && mode == Mode::Normal {
        command.args(["--admin-url", &url, "--admin-host", &release.admin_host]);
    }
    let output = run_program(&mut command, Duration::from_secs(130)).await?;
    let returned = Instant::now();
    Ok(Ran { script, word, took: output.took, lines: output.success()?, returned })
}

/// What holds of every script: the front door and the time are told, and nothing old comes once it has returned.
async fn in_force(release: &Release<'_>, mode: Mode, recorder: &Recorder, ran: &Ran) -> Outcome<()> {
    let Ran { script, word, lines, .. } = ran;
    let status = if mode == Mode::Maintenance { 503 } else { 200 };
    let door = format!("front door: http://{}/ answers {status} in mode {word}", release.scene.cluster.ingress);
    ensure!(lines.contains(&door), "{script} does not say \"{door}\":\n{lines}");
    ensure!(lines.contains(&format!("{word} is in force after ")), "{script} does not say how long it took:\n{lines}");
    sleep(Duration::from_secs(2)).await;
    let stale = recorder.since(ran.returned).iter().filter(|answer| answer.mode() == Some(mode.other())).count();
    ensure!(stale == 0, "{stale} answers of the old mode to requests after {script} had returned");
    Ok(())
}

/// Runs the script for `mode` in front of an application that is there already.
pub(crate) async fn switch_application(release: &Release<'_>, mode: Mode, recorder: &Recorder) -> Outcome<Duration> {
    let ran = run_script(release, mode).await?;
    let (script, lines) = (ran.script, &ran.lines);
    ensure!(
        lines.contains("a patch of the ConfigMap has no effect here"),
        "{script} should warn of the patch:\n{lines}"
    );
    in_force(release, mode, recorder, &ran).await?;
    Ok(ran.took)
}

/// Runs the script for `mode` and holds its lines against the cluster.
pub(crate) async fn switch(release: &Release<'_>, mode: Mode, recorder: &Recorder) -> Outcome<Duration> {
    let before = release.serving("user").await?;
    let ran = run_script(release, mode).await?;
    let Ran { script, word, lines, took, .. } = &ran;

    // A Helm that was killed leaves a rollout that goes on, so pods may come and go while the script runs: it must tell
    // of each that was there throughout, and of those alone where nothing moved.
    let after = release.serving("user").await?;
    for pod in after.iter().filter(|pod| before.contains(pod)) {
        let line = format!("pod/{pod}: {word}");
        ensure!(lines.lines().any(|found| found == line), "{script} does not say \"{line}\":\n{lines}");
        let on = match release.metric(pod, "maintenance_mode").await {
            Ok(value) => value > 0.5,
            Err(_) if !release.serving("user").await?.contains(pod) => continue,
            Err(why) => return Err(why),
        };
        ensure!(on == (mode == Mode::Maintenance), "{script} says \"{line}\", but the pod does not");
    }
    let told = lines.lines().filter(|line| line.starts_with("pod/") && line.ends_with(&format!(": {word}"))).count();
    ensure!(told >= 1, "{script} tells of no pod in mode {word}:\n{lines}");
    ensure!(
        before != after || told == after.len(),
        "{script} tells of {told} pods in mode {word}, but there are {}:\n{lines}",
        after.len()
    );
    in_force(release, mode, recorder, &ran).await?;
    Ok(*took)
}
