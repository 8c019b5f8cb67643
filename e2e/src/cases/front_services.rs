//! Every value of `frontServices` at once, two ports of one front Service, and port 80.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::plugin;
use crate::programs::wait_for;
use crate::release::Release;
use crate::scene::Scene;

/// The host of each port's Ingress, and the application that answers there.
const PORTS: [(&str, &str, &str, &str); 3] =
    [("web", "everything", "8080", "web"), ("api", "everything", "9000", "api"), ("eighty", "eighty", "80", "eighty")];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let mut release = Release::prepare(scene, "", Helm::V4).await?;
    release.make_standby(&[]);
    release.user_hosts = PORTS.map(|(name, ..)| host(&release, name)).to_vec();
    let image = scene.cluster.application_image.as_str();
    release.apply("application-ports", &[("NAME", "shop"), ("IMAGE", image)]).await?;
    release.kubectl(&["rollout", "status", "deployment/shop", "--timeout=60s"]).await?;
    for (name, service, port, _) in PORTS {
        let host = host(&release, name);
        release.apply("ingress", &[("NAME", name), ("HOST", &host), ("SERVICE", service), ("PORT", port)]).await?;
    }
    let values = scene.cluster.repository.join("e2e/manifests/front-services-values.yaml");
    release.helm_install(&[], &["--values", &values.to_string_lossy()]).await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    rendered(&release).await?;

    let recorder = release.record_users();
    served(&release, Mode::Normal).await?;
    for mode in Mode::BOTH {
        plugin::switch(&release, mode).await?.success()?;
        served(&release, mode).await.with_context(|| format!("by the plugin, {}", mode.word()))?;
    }
    for mode in Mode::BOTH {
        release.toggle(mode).await?;
        release.await_users(mode, Duration::from_secs(20)).await?;
        served(&release, mode).await.with_context(|| format!("by Helm, {}", mode.word()))?;
    }
    scene.figure(format!(
        "every value of a front Service, two ports and port 80, switched by the plugin and by Helm 4: {}",
        recorder.finish()?
    ));
    Ok(())
}

fn host(release: &Release<'_>, name: &str) -> String {
    format!("{}-{name}.test", release.namespace)
}

/// The values as the API server has them.
async fn rendered(release: &Release<'_>) -> Result<()> {
    let service = release.get(&["service", "everything"]).await?;
    let spec = &service["spec"];
    for (what, found, wanted) in [
        ("type", &spec["type"], json!("NodePort")),
        ("selector", &spec["selector"], json!({ "app": "shop", "part": "web" })),
        ("sessionAffinity", &spec["sessionAffinity"], json!("ClientIP")),
        ("the first targetPort", &spec["ports"][0]["targetPort"], json!("web")),
        ("the first appProtocol", &spec["ports"][0]["appProtocol"], json!("http")),
        ("the first nodePort", &spec["ports"][0]["nodePort"], json!(30937)),
        ("the second port", &spec["ports"][1]["port"], json!(9000)),
        ("the second targetPort", &spec["ports"][1]["targetPort"], json!("api")),
        ("the annotation", &service["metadata"]["annotations"]["example.org/team"], json!("shop")),
        ("the label", &service["metadata"]["labels"]["team"], json!("shop")),
    ] {
        ensure!(*found == wanted, "{what} should be {wanted}, but is {found}");
    }
    Ok(())
}

/// Each port's users get that port's application, or the page; and so does who comes by the node.
async fn served(release: &Release<'_>, mode: Mode) -> Result<()> {
    release.users_see(mode).await?;
    for (name, _, _, application) in PORTS {
        let reply = release.ask(&host(release, name), "/").await?;
        let wanted = (mode == Mode::Normal).then_some(application);
        ensure!(reply.application() == wanted, "{name} should be {wanted:?}'s, but is {:?}'s", reply.application());
    }
    let node = release.scene.cluster.node_address().await?;
    wait_for(&format!("the node port to be in mode {}", mode.word()), Duration::from_secs(10), async || {
        let reply = crate::http::get(&format!("{node}:30937"), "shop", "/").await;
        Ok((reply.ok().and_then(|reply| reply.mode()) == Some(mode)).then_some(()))
    })
    .await
}
