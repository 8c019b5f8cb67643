//! 2, 10 and 50 user pods, and page pods: seconds until a switch by the plugin is in force.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::judge::judge;
use crate::plugin;
use crate::release::Release;
use crate::scene::{Scene, Switches};

const COUNTS: [usize; 3] = [2, 10, 50];

/// So little that the nodes hold them all.
const SMALL: [&str; 3] = ["requests.cpu=1m", "requests.memory=8Mi", "limits.memory=32Mi"];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    tiers(scene).await.context("user pods")?;
    standby(scene).await.context("page pods")
}

async fn tiers(scene: &Scene) -> Result<()> {
    let values = SMALL.map(|value| format!("user.resources.{value}"));
    let values = ["hpa.enabled=false", "maintenance.rollout=live"].into_iter().chain(values.iter().map(String::as_str));
    let release = Release::install(scene, "user", Helm::V4, &values.collect::<Vec<_>>()).await?;
    for count in COUNTS {
        release.scale("shop-user", count).await?;
        let before = release.pods("user").await?;
        switched(&release, &format!("config, {count} user pods")).await?;
        release.same_pods("user", &before).await?;
    }
    release.scale("shop-user", 0).await
}

async fn standby(scene: &Scene) -> Result<()> {
    let values = SMALL.map(|value| format!("page.resources.{value}"));
    let values = values.iter().map(String::as_str).collect::<Vec<_>>();
    let release = Release::in_front(scene, "page", Helm::V4, &["shop"], &values).await?;
    for count in COUNTS {
        release.scale("page-page", count).await?;
        switched(&release, &format!("service, {count} page pods")).await?;
    }
    Ok(())
}

/// On and off, for the table.
async fn switched(release: &Release<'_>, what: &str) -> Result<()> {
    let recorder = release.record();
    sleep(Duration::from_secs(1)).await;
    let mut each = Vec::new();
    for mode in Mode::BOTH {
        let command = Instant::now();
        plugin::switch(release, mode).await?.success()?;
        let returned = Instant::now();
        sleep(Duration::from_secs(2)).await;
        let switch = judge(&recorder.since(command), mode, command, returned)?;
        ensure!(
            switch.stale == 0,
            "{what}: {} answers of the old mode to requests sent after the plugin had returned, the last {:.2} s after it",
            switch.stale,
            switch.stale_for
        );
        each.push(switch);
    }
    let answers = recorder.answers();
    release.scene.switched(Switches {
        what: what.to_owned(),
        by: "plugin",
        requests: answers.len(),
        failed: answers.iter().filter(|answer| answer.is_fault()).count(),
        judged: true,
        each,
    });
    recorder.finish().map(drop)
}
