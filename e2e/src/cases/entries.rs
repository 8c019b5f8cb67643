//! Ingresses and `HTTPRoutes` as they are found in real life, the files of `e2e/manifests/entries`: switched as they stand,
//! each leads to the page alone, and is given back exactly.

use anyhow::{Context, Result, ensure};

use crate::entry::Before;
use crate::plugin;
use crate::release::Release;
use crate::scene::Scene;

/// A file, and what becomes of its objects.
struct File {
    name: &'static str,
    targets: &'static [&'static str],
    flags: &'static [&'static str],
    /// Switched with them, without being named.
    twins: &'static [&'static str],
    /// What looks like a Service and is not switched.
    stay: &'static [&'static str],
    /// The annotations that the first target lacks meanwhile.
    dropped: &'static [&'static str],
    /// What else the plugin must name in its output.
    named: &'static [&'static str],
}

const PLAIN: File = File { name: "", targets: &[], flags: &[], twins: &[], stay: &[], dropped: &[], named: &[] };

const FILES: [File; 9] = [
    File { name: "several-hosts", targets: &["ingress/several-hosts"], ..PLAIN },
    File {
        name: "regular-expressions",
        targets: &["ingress/regular-expressions"],
        flags: &["--drop-annotation", "nginx.ingress.kubernetes.io/configuration-snippet"],
        dropped: &["nginx.ingress.kubernetes.io/configuration-snippet"],
        ..PLAIN
    },
    File { name: "default-backend", targets: &["ingress/everything", "ingress/host-alone"], ..PLAIN },
    File { name: "resource-backend", targets: &["ingress/resource-backend"], ..PLAIN },
    File {
        name: "five-ingresses",
        targets: &["ingress/users", "ingress/partners", "ingress/callbacks", "ingress/mobile", "ingress/old"],
        ..PLAIN
    },
    File {
        name: "alb",
        targets: &["ingress/alb"],
        stay: &["to-https"],
        named: &["ingress/alb: is not switched in the path /old", "to-https"],
        ..PLAIN
    },
    File {
        name: "nginx",
        targets: &["ingress/nginx"],
        twins: &["ingress/nginx-canary"],
        dropped: &[
            "nginx.ingress.kubernetes.io/backend-protocol",
            "nginx.ingress.kubernetes.io/auth-url",
            "nginx.ingress.kubernetes.io/auth-signin",
            "nginx.ingress.kubernetes.io/custom-http-errors",
        ],
        named: &["nginx-canary"],
        ..PLAIN
    },
    File {
        name: "weights-and-filters",
        targets: &["httproute/weights-and-filters"],
        named: &["RequestMirror", "ExtensionRef"],
        ..PLAIN
    },
    File { name: "redirects", targets: &["httproute/redirects"], ..PLAIN },
];

pub(crate) async fn run(scene: &Scene) -> Result<()> {
    let release = Release::stand_by(scene, "", &["shop"], &[]).await?;
    apply(&release, "services", &[]).await?;
    for file in &FILES {
        there_and_back(&release, file).await.with_context(|| file.name)?;
    }
    scene.figure(format!(
        "{} Ingresses and HTTPRoutes of {} files: switched as they stand, and given back with who owns which field",
        FILES.iter().map(|file| file.targets.len() + file.twins.len()).sum::<usize>(),
        FILES.len()
    ));
    Ok(())
}

async fn there_and_back(release: &Release<'_>, file: &File) -> Result<()> {
    // By either way of applying, as each leaves other traces of who owns what.
    let flags =
        if file.targets[0].starts_with("httproute/") { &["--server-side", "--field-manager=team"][..] } else { &[] };
    apply(release, file.name, flags).await?;
    let before = Before::of_all(release, &[file.targets, file.twins].concat()).await?;

    // Nobody here reaches their hosts, so there is nothing to wait for.
    let told = plugin::plugin_for(release, file.targets, &[&["on", "--wait=false"], file.flags].concat()).await?;
    let text = told.text();
    told.success()?;
    // What the command line names needs no note.
    let dropped = file.dropped.iter().filter(|name| !file.flags.contains(name));
    for name in dropped.chain(file.named) {
        ensure!(text.contains(name), "the plugin should name {name}, but says: {text}");
    }
    for entry in &before {
        entry.leads_to_the_page(release, file.stay).await.with_context(|| text.clone())?;
    }
    before[0].lacks(release, file.dropped).await?;
    plugin::plugin_for(release, file.targets, &["off", "--wait=false"]).await?.success()?;
    for entry in &before {
        entry.is_again(release).await?;
    }
    // Nothing of one file is in the way of the next.
    let path = path(release, file.name);
    release.kubectl(&["delete", "--wait=false", "--filename", &path]).await.map(drop)
}

/// A file of `e2e/manifests/entries` as it stands.
pub(super) async fn apply(release: &Release<'_>, name: &str, flags: &[&str]) -> Result<()> {
    let path = path(release, name);
    release.kubectl(&[&["apply", "--filename", &path], flags].concat()).await.map(drop)
}

fn path(release: &Release<'_>, name: &str) -> String {
    let file = format!("e2e/manifests/entries/{name}.yaml");
    release.scene.cluster.repository.join(file).to_string_lossy().into_owned()
}
