//! Load makes the HPA add user pods, never too many, and an upgrade meanwhile leaves their number alone.

use std::time::Duration;

use crate::cluster::{Failure, Helm, Outcome, wait_for};
use crate::ensure;
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

const MOST: i64 = 4;

/// Our server needs some 30 µs of CPU a request: with a request this small, a load that the machine hardly feels is
/// above the HPA's target.
const VALUES: [&str; 2] = ["user.resources.requests.cpu=5m", "hpa.maxReplicas=4"];

/// Recorders at a time, of 300 requests a second each.
const LOAD: usize = 3;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let release = Release::install(scene, "hpa", Helm::V4, &VALUES).await?;
    release.two_user_pods().await?;
    let recorder = release.record();
    let load = (0..LOAD).map(|_| release.record()).collect::<Vec<_>>();

    let raised = wait_for("the HPA to raise the user tier above 2", Duration::from_secs(180), async || {
        let count = replicas(&release).await?;
        Ok((count > 2).then_some(count))
    })
    .await?;
    // At its most or not, it must have come to rest: then a change is the upgrade's.
    let before = wait_for("the HPA to come to rest", Duration::from_secs(120), async || {
        let count = replicas(&release).await?;
        tokio::time::sleep(Duration::from_secs(12)).await;
        Ok((replicas(&release).await? == count).then_some(count))
    })
    .await?;
    ensure!(before > 2, "the HPA came to rest at {before} while the load went on");

    let upgrade = release.upgrade(&["maintenance.message=Back at noon"]);
    let seen = lowest_while(&release, upgrade).await?;
    ensure!(seen >= before, "the upgrade let the user tier drop from {before} to {seen}");
    let after = replicas(&release).await?;
    ensure!(after >= before, "the user tier had {before} replicas before the upgrade and {after} after it");
    release.users_see(Mode::Normal).await?;
    drop(load);
    scene.figure(format!("raised from 2 to {raised}, at rest at {before} of at most {MOST}, {after} after an upgrade"));
    scene.figure(recorder.finish()?);
    Ok(())
}

/// What the Deployment is told to have; more than the most is a failure.
async fn replicas(release: &Release<'_>) -> Outcome<i64> {
    let deployment = release.get(&["deployment", "shop-user"]).await?;
    let count = deployment["spec"]["replicas"].as_i64();
    let count = count.ok_or_else(|| Failure("the user Deployment has no replicas".to_owned()))?;
    ensure!(count <= MOST, "the user tier has {count} replicas, more than maxReplicas={MOST}");
    Ok(count)
}

/// The fewest replicas that the Deployment was told to have while the upgrade ran.
async fn lowest_while(release: &Release<'_>, upgrade: impl Future<Output = Outcome<String>>) -> Outcome<i64> {
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
