//! Takes over a Service that is there already, under its own name, and gives it back by what docs/your-application.md says,
//! under traffic.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use std::time::Duration;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::{all, run as run_program};
use crate::release::{Release, front_values};
use crate::scene::Scene;

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let (v3, v4) = tokio::join!(there_and_back(scene, Helm::V3), there_and_back(scene, Helm::V4));
    all([v3.context("Helm 3"), v4.context("Helm 4")])
}

async fn there_and_back(scene: &Scene, helm: Helm) -> Result<()> {
    let mut release = Release::prepare_front(scene, helm.name(), helm, &["shop"]).await?;
    release.apply_ingress("shop", release.user_host(), "shop").await?;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let before = release.get(&["service/shop"]).await?;

    let recorder = release.record_users();
    // As the page of the docs has them.
    let host = release.user_hosts.clone();
    release.make_standby(&[]);
    release.user_hosts = host;
    release.name = "shop-front".to_owned();
    let values = front_values("shop", "shop");
    let values = values.iter().map(String::as_str).collect::<Vec<_>>();
    release.helm_install(&values, &["--take-ownership"]).await?;
    same(&before, &release.get(&["service/shop"]).await?).context("taken over")?;
    for mode in Mode::BOTH {
        release.toggle(mode).await?;
        release.await_users(mode, Duration::from_secs(30)).await?;
    }
    for mode in Mode::BOTH {
        plugin::switch(&release, mode).await?.success()?;
        release.users_see(mode).await?;
    }

    // Back out again.
    let keep = r"frontServices.shop.annotations.helm\.sh/resource-policy=keep";
    let upgrade = release.upgrade_arguments(&["maintenance.enabled=false", keep], true);
    release.run_helm(&upgrade).await?.success()?;
    release.run_helm(&["uninstall", &release.name, "--wait"]).await?.success()?;
    let left = release.list(&["deployments,services,configmaps"]).await?;
    let ours =
        left.iter().filter(|one| one["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("shop-front")));
    ensure!(ours.count() == 0, "helm uninstall left something of its own");
    same(&before, &release.get(&["service/shop"]).await?).context("given back")?;
    tidied(&release).await?;
    let after = release.get(&["service/shop"]).await?;
    let more =
        ["labels", "annotations"].map(|field| names_of_more(&before["metadata"][field], &after["metadata"][field]));
    ensure!(
        more.concat().is_empty(),
        "the clean-up of docs/your-application.md leaves labels and annotations: {more:?}"
    );
    same(&before, &after).context("tidied")?;
    release.users_see(Mode::Normal).await?;
    scene.figure(format!("by {}: taken over, switched, given back and tidied; {}", helm.name(), recorder.finish()?));
    Ok(())
}

/// The names of what is there now and was not before.
fn names_of_more(before: &Value, now: &Value) -> Vec<String> {
    let now = now.as_object().into_iter().flatten();
    now.map(|(name, _)| name).filter(|name| before[name.as_str()].is_null()).cloned().collect()
}

/// The commands that docs/your-application.md gives to tidy the Service, run in this namespace.
async fn tidied(release: &Release<'_>) -> Result<()> {
    let cluster = &release.scene.cluster;
    let commands = clean_up(&cluster.read("docs/your-application.md")?, &release.namespace)?;
    let mut shell = cluster.program("sh", None)?;
    run_program(shell.args(["-euc", &commands]), Duration::from_secs(60)).await?.success().map(drop)
}

/// The block of commands that begins with `kubectl annotate service shop`, for another namespace.
fn clean_up(text: &str, namespace: &str) -> Result<String> {
    let start = "kubectl annotate service shop -n shop helm.sh/resource-policy-";
    let block = text.split("```").find(|block| block.trim_start_matches("sh").trim_start().starts_with(start));
    let block = block.with_context(|| format!("docs/your-application.md has no block that begins with \"{start}\""))?;
    Ok(block.trim_start_matches("sh").replace("-n shop ", &format!("-n {namespace} ")))
}

/// The same object with the same address, leading where it led.
fn same(before: &Value, now: &Value) -> Result<()> {
    ensure!(before["metadata"]["uid"] == now["metadata"]["uid"], "the Service was made anew");
    for field in ["clusterIP", "selector", "ports"] {
        let (before, now) = (&before["spec"][field], &now["spec"][field]);
        ensure!(before == now, "{field} was {before}, and is {now}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_has_come_and_stays() {
        let (before, now) = (serde_json::json!({ "a": "1" }), serde_json::json!({ "a": "1", "b": "2" }));
        assert_eq!(names_of_more(&before, &now), ["b"]);
        assert_eq!(names_of_more(&Value::Null, &before), ["a"]);
        assert!(names_of_more(&now, &Value::Null).is_empty());
    }

    #[test]
    fn takes_the_clean_up_from_the_documentation() {
        let text = "a\n\n```sh\nkubectl annotate service shop -n shop helm.sh/resource-policy- \\\n  b-\nkubectl label service shop -n shop c-\n```\n";
        assert_eq!(
            clean_up(text, "e2e").unwrap().trim(),
            "kubectl annotate service shop -n e2e helm.sh/resource-policy- \\\n  b-\nkubectl label service shop -n e2e c-"
        );
        assert!(clean_up("nothing", "e2e").is_err());
    }
}
