//! Takes over an Ingress and a Service that are there already, and gives them back, under traffic.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Failure, Helm, Outcome, all, run as run_program};
use crate::ensure;
use crate::front::{APPLICATION, Way, app_service, ingress};
use crate::recorder::Mode;
use crate::release::Release;
use crate::report::Scene;

pub(crate) async fn run(scene: &Scene) -> Outcome<()> {
    let (own, service) = tokio::join!(
        adopted(scene, Way::Ingress, Helm::V4, "expose.user.annotations"),
        adopted(scene, Way::Selector, Helm::V3, "app.serviceAnnotations"),
    );
    all([own, service])
}

async fn adopted(scene: &Scene, way: Way, helm: Helm, annotations: &str) -> Outcome<()> {
    let told = |Failure(why): Failure| Failure(format!("{}, {helm}: {why}", way.name()));
    taken_and_given_back(scene, way, helm, annotations).await.map_err(told)
}

async fn taken_and_given_back(scene: &Scene, way: Way, helm: Helm, annotations: &str) -> Outcome<()> {
    let mut release = Release::prepare(scene, way.name(), helm).await?;
    release.apply_application(false).await?;
    release.apply(&app_service(&release.namespace, APPLICATION)).await?;
    release.apply(&ingress(&release.namespace, APPLICATION, &release.user_host)).await?;
    release.await_users(Mode::Normal, Duration::from_secs(30)).await?;
    let object = if way == Way::Selector { "service/shop" } else { "ingress/shop" };
    let before = release.get(&[object]).await?;

    let recorder = release.record_users_of_application();
    let values = match way {
        Way::Selector => vec![],
        // Its name, and the annotations that it has.
        _ => vec![
            "expose.user.name=shop",
            "expose.user.annotations.projectcontour\\.io/response-timeout=infinity",
            "expose.user.annotations.projectcontour\\.io/websocket-routes=/",
        ],
    };
    if way != Way::Selector {
        compared(&mut release, way, &values).await?;
    }
    release.stand_in_front(way, &values, &["--take-ownership"]).await?;
    same(&before, &release.get(&[object]).await?, "taken over")?;
    for mode in [Mode::Maintenance, Mode::Normal] {
        release.toggle(mode).await?;
        release.await_users(mode, Duration::from_secs(30)).await?;
        release.users_see(mode).await?;
    }

    // Back out again.
    let keep = format!("{annotations}.helm\\.sh/resource-policy=keep");
    let upgrade = release.upgrade_arguments(&["maintenance.enabled=false", &keep], true);
    release.run_helm(&upgrade).await?.success()?;
    release.run_helm(&["uninstall", &release.name, "--wait"]).await?.success()?;
    let left = release.get(&["deployments,services,ingresses"]).await?;
    let left = left["items"].as_array().into_iter().flatten();
    let ours = left.filter(|one| one["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("front")));
    ensure!(ours.count() == 0, "helm uninstall left something of its own");
    same(&before, &release.get(&[object]).await?, "given back")?;
    tidied(&release, object).await?;
    let after = release.get(&[object]).await?;
    let more =
        ["labels", "annotations"].map(|field| names_of_more(&before["metadata"][field], &after["metadata"][field]));
    ensure!(more.concat().is_empty(), "the clean-up of docs/adopt.md leaves labels and annotations: {more:?}");
    same(&before, &after, "tidied")?;
    release.users_see(Mode::Normal).await?;
    scene.figure(format!("{object} by {helm}: taken over, switched, given back and tidied; {}", recorder.finish()?));
    Ok(())
}

/// The names of what is there now and was not before.
fn names_of_more(before: &Value, now: &Value) -> Vec<String> {
    let now = now.as_object().into_iter().flatten();
    now.map(|(name, _)| name).filter(|name| before[name.as_str()].is_null()).cloned().collect()
}

/// The step of docs/adopt.md that compares before anything is taken over: labels and annotations are added, and nothing else.
async fn compared(release: &mut Release<'_>, way: Way, values: &[&str]) -> Outcome<()> {
    let arguments = release.in_front_arguments(way, values);
    let template = [
        &["template", "front", "./chart", "--show-only", "templates/user-ingress.yaml"][..],
        &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat();
    let rendered = release.run_helm(&template).await?.success()?;
    let cluster = &release.scene.cluster;
    let file = cluster.write(&format!("{}.yaml", release.namespace), rendered)?;
    let file = file.to_string_lossy();
    let diff = ["--namespace", &release.namespace, "diff", "--filename", &file];
    let diff = cluster.try_kubectl(&diff, Duration::from_secs(60)).await?;
    let changes = changes(&diff.stdout);
    ensure!(!changes.is_empty(), "kubectl diff should show the labels that come, but prints: {}", diff.stderr);
    let other = changes.iter().filter(|line| !is_ours(line)).collect::<Vec<_>>();
    ensure!(other.is_empty(), "kubectl diff should show our labels and annotations alone, but shows {other:?}");
    Ok(())
}

/// The lines of a unified diff that come or go.
fn changes(diff: &str) -> Vec<&str> {
    let lines = diff.lines().filter(|line| !line.starts_with("+++") && !line.starts_with("---"));
    lines.filter(|line| line.starts_with(['+', '-'])).collect()
}

/// Whether a line of a diff adds a label or an annotation of ours.
fn is_ours(line: &str) -> bool {
    let Some(added) = line.strip_prefix('+') else { return false };
    let ours = ["labels:", "annotations:", "app.kubernetes.io/", "helm.sh/chart:", "maintenance-mode/"];
    ours.iter().any(|start| added.trim_start().starts_with(start))
}

/// The commands that docs/adopt.md gives for an Ingress, after the words that lead to them, run for what was taken over.
async fn tidied(release: &Release<'_>, object: &str) -> Outcome<()> {
    let cluster = &release.scene.cluster;
    let path = cluster.repository.join("docs/adopt.md");
    let text = fs::read_to_string(&path).map_err(|error| Failure(format!("{}: {error}", path.display())))?;
    let commands = clean_up(&text, &object.replace('/', " "), &release.namespace)?;
    let mut shell = cluster.program("sh", None)?;
    run_program(shell.args(["-euc", &commands]), Duration::from_secs(60)).await?.success().map(drop)
}

/// The block of commands that begins with `kubectl annotate ingress shop`, for another object and namespace.
fn clean_up(text: &str, object: &str, namespace: &str) -> Outcome<String> {
    let start = "kubectl annotate ingress shop -n shop ";
    let block = text.split("```").find(|block| block.trim_start_matches("sh").trim_start().starts_with(start));
    let block = block.ok_or_else(|| Failure(format!("docs/adopt.md has no block that begins with \"{start}\"")))?;
    Ok(block.trim_start_matches("sh").replace("ingress shop -n shop", &format!("{object} -n {namespace}")))
}

/// The same object with the same address, leading where it led, with what it was told before.
fn same(before: &Value, now: &Value, what: &str) -> Outcome<()> {
    ensure!(before["metadata"]["uid"] == now["metadata"]["uid"], "the object was made anew when it was {what}");
    for field in ["clusterIP", "selector", "ports", "rules"] {
        let (before, now) = (&before["spec"][field], &now["spec"][field]);
        ensure!(before == now, "{field} was {before}, and is {now} when it was {what}");
    }
    for (name, value) in before["metadata"]["annotations"].as_object().into_iter().flatten() {
        let now = &now["metadata"]["annotations"][name];
        ensure!(value == now, "the annotation {name} was {value}, and is {now} when it was {what}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labels_and_annotations_of_ours_may_come() {
        let diff = "--- a\n+++ b\n@@ -1 +1 @@\n   metadata:\n+  labels:\n+    helm.sh/chart: x\n+    maintenance-mode/switch: backend\n-  port: 80\n";
        let changes = changes(diff);
        assert_eq!(changes.len(), 4);
        assert_eq!(changes.iter().filter(|line| is_ours(line)).count(), 3);
        assert!(!is_ours("-    maintenance-mode/switch: backend"));
    }

    #[test]
    fn tells_what_has_come_and_stays() {
        let (before, now) = (serde_json::json!({ "a": "1" }), serde_json::json!({ "a": "1", "b": "2" }));
        assert_eq!(names_of_more(&before, &now), ["b"]);
        assert_eq!(names_of_more(&Value::Null, &before), ["a"]);
        assert!(names_of_more(&now, &Value::Null).is_empty());
    }

    #[test]
    fn takes_the_clean_up_from_the_documentation() {
        let text = "a\n\n```sh\nkubectl annotate ingress shop -n shop a- \\\n  b-\nkubectl label ingress shop -n shop c-\n```\n";
        let commands = clean_up(text, "service shop", "e2e").unwrap();
        assert_eq!(
            commands.trim(),
            "kubectl annotate service shop -n e2e a- \\\n  b-\nkubectl label service shop -n e2e c-"
        );
        assert!(clean_up("nothing", "service shop", "e2e").is_err());
    }
}
