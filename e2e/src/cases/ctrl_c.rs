//! Ctrl-C: while the plugin changes, what was changed is put back; while it waits, nothing is. It ends with 130.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{last_line, run as run_program, wait_for};
use crate::release::Release;
use crate::scene::Scene;

const CANCELLED: i32 = 130;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::in_front(scene, "", Helm::V4, &["shop", "cart", "blog"], &[]).await?;
    let recorder = release.record();
    while_changing(&release).await.context("while changing")?;
    while_waiting(&release).await.context("while waiting")?;
    twice(&release).await.context("twice")?;
    scene.figure(recorder.finish()?);
    Ok(())
}

/// In the middle of the second of three patches.
async fn while_changing(release: &Release<'_>) -> Result<()> {
    let mut command = plugin::command(release, &["on"])?;
    // A terminal tells the whole process group.
    plugin::interfere(&mut command, release, "cart-front", "kill -INT -- -$E2E_PLUGIN; sleep 1");
    let told = run_program(&mut command, plugin::LIMIT).await?.status(CANCELLED)?;
    release.fronts_are(Mode::Normal).await.with_context(|| told.clone())?;
    release.users_see(Mode::Normal).await?;
    release.scene.figure(format!("Ctrl-C while changing: put back, 130: {}", last_line(&told)));
    Ok(())
}

/// At a front door that never shows the page, as no entry leads to what it names.
async fn while_waiting(release: &Release<'_>) -> Result<()> {
    let mut waiting = waiting(release)?;
    wait_for("the front Services to be switched", Duration::from_secs(30), async || {
        Ok(release.fronts_are(Mode::Maintenance).await.is_ok().then_some(()))
    })
    .await?;
    // The plugin is then past its changes, and asks the door.
    sleep(Duration::from_secs(3)).await;
    interrupt(&waiting).await?;
    let (code, told) = ended(&mut waiting).await?;
    ensure!(code == Some(CANCELLED), "the plugin should end with 130, but the status is {code:?}: {told}");
    ensure!(told.contains("maintenance"), "the plugin should print what is in which mode, but prints: {told}");
    release.fronts_are(Mode::Maintenance).await.context("nothing should be put back")?;
    release.users_see(Mode::Maintenance).await?;
    release.scene.figure(format!("Ctrl-C while waiting: nothing put back, 130: {}", last_line(&told)));
    plugin::switch(release, Mode::Normal).await?.success()?;
    release.users_see(Mode::Normal).await
}

/// A second one ends it at once.
async fn twice(release: &Release<'_>) -> Result<()> {
    let mut waiting = waiting(release)?;
    wait_for("the front Services to be switched", Duration::from_secs(30), async || {
        Ok(release.fronts_are(Mode::Maintenance).await.is_ok().then_some(()))
    })
    .await?;
    sleep(Duration::from_secs(2)).await;
    let started = Instant::now();
    interrupt(&waiting).await?;
    // It may have ended by the first.
    let _ = interrupt(&waiting).await;
    let (code, told) = ended(&mut waiting).await?;
    let took = started.elapsed();
    ensure!(code == Some(CANCELLED), "the plugin should end with 130, but the status is {code:?}: {told}");
    ensure!(took < Duration::from_secs(3), "the plugin took {:.1} s to end after two", took.as_secs_f64());
    plugin::switch(release, Mode::Normal).await?.success().map(drop)
}

fn waiting(release: &Release<'_>) -> Result<Child> {
    let url = format!("http://{}/", release.scene.cluster.ingress);
    let mut command = plugin::command(release, &["on", "--url", &url, "--host", "nobody.test"])?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.spawn().context("kubectl-maintenance cannot be run")
}

/// What a terminal sends to the process group in its foreground.
async fn interrupt(plugin: &Child) -> Result<()> {
    let group = plugin.id().context("the plugin has ended")?;
    let mut kill = Command::new("bash");
    kill.args(["-c", &format!("kill -INT -- -{group}")]);
    run_program(&mut kill, Duration::from_secs(5)).await?.success().map(drop)
}

/// How it ended, and what it had printed.
async fn ended(plugin: &mut Child) -> Result<(Option<i32>, String)> {
    let mut lines = BufReader::new(plugin.stderr.take().context("the plugin has no output")?).lines();
    let told = async {
        let mut told = Vec::new();
        while let Some(line) = lines.next_line().await? {
            told.push(line);
        }
        let status = plugin.wait().await?;
        Ok::<_, std::io::Error>((status.code(), told.join("\n")))
    };
    timeout(Duration::from_secs(20), told).await.context("the plugin goes on after Ctrl-C")?.context("its output")
}
