//! Ctrl-C: while the plugin changes, what was changed is put back; while it waits, nothing is. It ends with 130.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::cluster::Helm;
use crate::entry::Before;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{all, last_line, run as run_program};
use crate::release::Release;
use crate::scene::Scene;

const CANCELLED: i32 = 130;
/// What the plugin says when all is changed, before it asks a front door.
const FOLLOWED: &str = "endpoints of 3 of 3 front Services have followed";
/// The same of an `HTTPRoute`.
const READ: &str = "its gateways have read the change";
/// A terminal tells the whole process group.
const INTERRUPT: &str = "kill -INT -- -$E2E_PLUGIN; sleep 1";
const ENTRIES: [&str; 3] = ["ingress/shop", "ingress/old", "httproute/new"];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (services, entries) = tokio::join!(services(scene), entries(scene));
    all([services.context("front Services"), entries.context("entries")])
}

async fn services(scene: &Scene) -> Result<()> {
    let release = Release::in_front(scene, "services", Helm::V4, &["shop", "cart", "blog"], &[]).await?;
    let recorder = release.record();
    while_changing(&release).await.context("while changing")?;
    while_waiting(&release).await.context("while waiting")?;
    twice(&release).await.context("twice")?;
    scene.figure(recorder.finish()?);
    Ok(())
}

/// In the middle of the second of three entries, and at a front door of one that never shows the page.
async fn entries(scene: &Scene) -> Result<()> {
    let release = Release::stand_by(scene, "entries", &["shop"], &[]).await?;
    let host = release.user_host();
    release.apply_ingress("shop", host, "shop").await?;
    release.apply_ingress("old", &format!("old-{host}"), "shop").await?;
    release.apply_entry("httproute", "new", &format!("new-{host}"), "shop").await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    let before = Before::of_all(&release, &ENTRIES).await?;

    let mut command = plugin::command_for(&release, &ENTRIES, &["on"])?;
    plugin::interfere(&mut command, &release, ENTRIES[1], INTERRUPT);
    let told = run_program(&mut command, plugin::LIMIT).await?.status(CANCELLED)?;
    for entry in &before {
        entry.is_again(&release).await.context("while changing").with_context(|| told.clone())?;
    }
    release.await_users(Mode::Normal, Duration::from_secs(20)).await?;
    scene.figure(format!("entries, Ctrl-C while changing: put back, 130: {}", last_line(&told)));

    let route = &before[2];
    let waiting = Waiting::start(&release, &[&route.object], READ).await?;
    waiting.interrupt().await?;
    let (code, told) = waiting.ended().await?;
    ensure!(code == Some(CANCELLED), "the plugin should end with 130, but the status is {code:?}: {told}");
    route.leads_to_the_page(&release, &[]).await.context("nothing should be put back")?;
    scene.figure(format!("entries, Ctrl-C while waiting: nothing put back, 130: {}", last_line(&told)));
    plugin::plugin_for(&release, &[&route.object], &["off", "--wait=false"]).await?.success()?;
    route.is_again(&release).await
}

/// In the middle of the second of three patches.
async fn while_changing(release: &Release<'_>) -> Result<()> {
    let mut command = plugin::command(release, &["on"])?;
    plugin::interfere(&mut command, release, "cart-front", INTERRUPT);
    let told = run_program(&mut command, plugin::LIMIT).await?.status(CANCELLED)?;
    release.fronts_are(Mode::Normal).await.with_context(|| told.clone())?;
    release.users_see(Mode::Normal).await?;
    release.scene.figure(format!("Ctrl-C while changing: put back, 130: {}", last_line(&told)));
    Ok(())
}

/// At a front door that never shows the page, as no entry leads to what it names.
async fn while_waiting(release: &Release<'_>) -> Result<()> {
    let waiting = Waiting::start(release, &[&release.name], FOLLOWED).await?;
    waiting.interrupt().await?;
    let (code, told) = waiting.ended().await?;
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
    let waiting = Waiting::start(release, &[&release.name], FOLLOWED).await?;
    let started = Instant::now();
    waiting.interrupt().await?;
    // It may have ended by the first.
    let _ = waiting.interrupt().await;
    let (code, told) = waiting.ended().await?;
    let took = started.elapsed();
    ensure!(code == Some(CANCELLED), "the plugin should end with 130, but the status is {code:?}: {told}");
    ensure!(took < Duration::from_secs(3), "the plugin took {:.1} s to end after two", took.as_secs_f64());
    plugin::switch(release, Mode::Normal).await?.success().map(drop)
}

/// A plugin that has changed all that there is to change, and waits for its front door.
struct Waiting {
    plugin: Child,
    lines: Lines<BufReader<ChildStderr>>,
    told: Vec<String>,
}

impl Waiting {
    /// One for these targets, that has said these words.
    async fn start(release: &Release<'_>, targets: &[&str], words: &str) -> Result<Self> {
        let url = format!("http://{}/", release.scene.cluster.ingress);
        let mut command = plugin::command_for(release, targets, &["on", "--url", &url, "--host", "nobody.test"])?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut plugin = command.spawn().context("kubectl-maintenance cannot be run")?;
        let output = plugin.stderr.take().context("the plugin has no output")?;
        let mut waiting = Self { plugin, lines: BufReader::new(output).lines(), told: Vec::new() };
        let followed = timeout(Duration::from_secs(30), waiting.read_until(words)).await;
        followed.with_context(|| format!("the plugin should say \"{words}\""))??;
        ensure!(
            waiting.told.last().is_some_and(|line| line.contains(words)),
            "the plugin ended before it waited: {}",
            waiting.told.join("\n")
        );
        Ok(waiting)
    }

    /// Reads up to a line that has these words, or to the end.
    async fn read_until(&mut self, words: &str) -> Result<()> {
        while let Some(line) = self.lines.next_line().await.context("its output")? {
            let found = line.contains(words);
            self.told.push(line);
            if found {
                break;
            }
        }
        Ok(())
    }

    /// What a terminal sends to the process group in its foreground.
    async fn interrupt(&self) -> Result<()> {
        let group = self.plugin.id().context("the plugin has ended")?;
        let mut kill = Command::new("bash");
        kill.args(["-c", &format!("kill -INT -- -{group}")]);
        run_program(&mut kill, Duration::from_secs(5)).await?.success().map(drop)
    }

    /// How it ended, and what it had printed.
    async fn ended(mut self) -> Result<(Option<i32>, String)> {
        let ended = async {
            while let Some(line) = self.lines.next_line().await? {
                self.told.push(line);
            }
            self.plugin.wait().await
        };
        let status = timeout(Duration::from_secs(20), ended).await.context("the plugin goes on after Ctrl-C")?;
        Ok((status.context("its output")?.code(), self.told.join("\n")))
    }
}
