//! Load makes the HPA add user pods, as many as it may and no more, and an upgrade meanwhile leaves their number alone.

use std::time::{Duration, Instant};

use crate::cluster::Helm;
use crate::http::Mode;
use crate::programs::wait_for;
use crate::release::Release;
use crate::scene::Scene;
use anyhow::{Context, Result, ensure};

const MOST: i64 = 4;

/// Our server needs some 30 µs of CPU a request: with a request this small, a load that the machine hardly feels is
/// far above the HPA's target, and would be for many more pods than it may have.
const VALUES: [&str; 2] = ["user.resources.requests.cpu=3m", "hpa.maxReplicas=4"];

/// More of 100 requests a second each, beside the one that is judged.
const LOAD: usize = 2;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::install(scene, "hpa", Helm::V4, &VALUES).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    let load = (0..LOAD).map(|_| release.record()).collect::<Vec<_>>();

    let raised = wait_for("the HPA to raise the user tier above 2", Duration::from_secs(180), async || {
        let count = replicas(&release).await?;
        Ok((count > 2).then_some(count))
    })
    .await?;
    // Every look at the Deployment fails if it has more.
    wait_for("the HPA to raise the user tier to maxReplicas", Duration::from_secs(180), async || {
        Ok((replicas(&release).await? == MOST).then_some(()))
    })
    .await?;
    at_the_cap(&release).await?;

    let upgrade = release.upgrade(&["maintenance.message=Back at noon"]);
    let seen = lowest_while(&release, upgrade).await?;
    ensure!(seen == MOST, "the upgrade let the user tier drop from {MOST} to {seen}");
    let after = replicas(&release).await?;
    ensure!(after == MOST, "the user tier had {MOST} replicas before the upgrade and {after} after it");
    release.users_see(Mode::Normal).await?;
    drop(load);
    scene.figure(format!("raised from 2 to {raised}, at rest at {MOST}, the most, while the load would have more, {after} after an upgrade"));
    scene.figure(recorder.finish()?);
    Ok(())
}

/// Sees that the HPA would have more pods, and for three of its looks in a row leaves it at that.
async fn at_the_cap(release: &Release<'_>) -> Result<()> {
    let limited = || async {
        let hpa = release.get(&["hpa", "shop-user-hpa"]).await?;
        let conditions = hpa["status"]["conditions"].as_array().cloned().unwrap_or_default();
        Ok::<_, anyhow::Error>(conditions.iter().any(|one| {
            one["type"] == "ScalingLimited" && one["status"] == "True" && one["reason"] == "TooManyReplicas"
        }))
    };
    wait_for("the HPA to say that it is at its most", Duration::from_secs(60), async || {
        Ok(limited().await?.then_some(()))
    })
    .await?;
    let since = Instant::now();
    // It looks each 15 s, or each 5 s on the cluster of ci/airgap.
    while since.elapsed() < Duration::from_secs(15) {
        let count = replicas(release).await?;
        ensure!(count == MOST, "the HPA came to rest at {count}, not {MOST}, while the load went on");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// What the Deployment is told to have; more than the most is a failure.
async fn replicas(release: &Release<'_>) -> Result<i64> {
    let deployment = release.get(&["deployment", "shop-user"]).await?;
    let count = deployment["spec"]["replicas"].as_i64();
    let count = count.context("the user Deployment has no replicas")?;
    ensure!(count <= MOST, "the user tier has {count} replicas, more than maxReplicas={MOST}");
    Ok(count)
}

/// The fewest replicas that the Deployment was told to have while the upgrade ran.
async fn lowest_while(release: &Release<'_>, upgrade: impl Future<Output = Result<String>>) -> Result<i64> {
    let mut lowest = i64::MAX;
    let mut upgrade = std::pin::pin!(upgrade);
    loop {
        tokio::select! {
            done = &mut upgrade => return done.map(|_| lowest),
            count = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                replicas(release).await
            } => lowest = lowest.min(count?),
        }
    }
}
