//! Ten times on and off under traffic: whether a request failed, when it was in force, and whether anybody got the old mode
//! after the command had returned.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use tokio::time::sleep;

use crate::cluster::Helm;
use crate::http::Mode;
use crate::judge::{judge, no_fault};
use crate::plugin;
use crate::programs::run;
use crate::release::Release;
use crate::scene::{Scene, Switches};

const ROUNDS: usize = 10;

/// How many requests a switch must have before the next one, which are 20,000 in all, and how many are sent in a second.
const REQUESTS: usize = 1_000;
const RATE: u32 = 300;

/// What is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Config,
    Service,
    ThreeServices,
    Entry(Kind, Warmth),
}

/// What kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ingress,
    HttpRoute,
}

/// Whether the proxy knows the side to which an entry is about to lead. Contour answers the first requests after a Service
/// became known with its own 503 (projectcontour/contour#2151).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warmth {
    /// The page's own entry and the admins' name both sides the whole time.
    Warm,
    /// No other entry names either side: what that costs is measured, and no failure.
    Cold,
}

/// Who switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By exactly the command that NOTES prints.
    Helm(Helm),
    Plugin,
    Script,
}

pub(crate) async fn measured(scene: &Scene, what: What, by: By) -> Result<()> {
    let release = released(scene, what, by).await?;
    let recorder = if what.is_cold() { release.record_users_at(RATE) } else { release.record_at(RATE) };
    let mut commands = Vec::new();
    for round in 1..=ROUNDS {
        for mode in Mode::BOTH {
            let times = switch(&release, mode, what, by).await;
            let (command, returned) = times.with_context(|| format!("round {round}, to {}", mode.word()))?;
            commands.push((mode, command, returned));
            while recorder.since(command).len() < REQUESTS {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let answers = recorder.answers();
    let ends = commands.iter().skip(1).map(|&(_, command, _)| command).chain([Instant::now()]);
    let mut each = Vec::new();
    for (&(mode, command, returned), end) in commands.iter().zip(ends) {
        let between = answers.iter().filter(|answer| answer.sent >= command && answer.sent < end).cloned();
        each.push(judge(&between.collect::<Vec<_>>(), mode, command, returned)?);
    }
    scene.switched(Switches {
        what: what.name().to_owned(),
        by: by.name(),
        requests: answers.len(),
        failed: answers.iter().filter(|answer| answer.is_fault()).count(),
        judged: !what.is_cold(),
        each: each.clone(),
    });
    if !what.is_cold() {
        no_fault(&answers)?;
    }
    for (number, switch) in each.iter().enumerate() {
        ensure!(
            switch.stale_for <= by.latest(),
            "switch {} of {}: {} answers of the old mode to requests sent after the command had returned, the last {:.2} s after it",
            number + 1,
            each.len(),
            switch.stale,
            switch.stale_for
        );
    }
    if !what.is_cold() {
        scene.figure(recorder.finish()?);
    }
    Ok(())
}

async fn released(scene: &Scene, what: What, by: By) -> Result<Release<'_>> {
    let helm = if by == By::Helm(Helm::V3) { Helm::V3 } else { Helm::V4 };
    let applications = match what {
        What::Config => {
            let mut release = Release::prepare(scene, "", helm).await?;
            // Names of its own, so that NOTES has no command that only fits the defaults. The scripts are the demo's.
            if by != By::Script {
                release.fullname = "storefront".to_owned();
                release.configmap = "shop-settings".to_owned();
            }
            let names =
                [format!("fullnameOverride={}", release.fullname), format!("configMapName={}", release.configmap)];
            release.helm_install(&[&names[0], &names[1]], &[]).await?;
            release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
            release.two_user_pods().await?;
            return Ok(release);
        }
        What::Service => &["shop"][..],
        What::ThreeServices => &["shop", "cart", "blog"],
        What::Entry(kind, warmth) => return with_an_entry(scene, kind, warmth).await,
    };
    Release::in_front(scene, "", helm, applications, &[]).await
}

/// An application with an entry of its own, which names its Service.
async fn with_an_entry(scene: &Scene, kind: Kind, warmth: Warmth) -> Result<Release<'_>> {
    let release = match warmth {
        Warmth::Warm => {
            let release = Release::stand_by(scene, "", &["shop"], &[]).await?;
            release.apply("admin-ingress", &[("HOST", &release.admin_host), ("SERVICE", "shop")]).await?;
            release
        }
        Warmth::Cold => {
            let release = Release::prepare_standby(scene, "", &["shop"]).await?;
            release.helm_install(&[], &[]).await?;
            release
        }
    };
    let host = release.user_host();
    release.apply_entry(kind.manifest(), "shop", host, "shop").await?;
    release.await_users(Mode::Normal, Duration::from_secs(60)).await?;
    Ok(release)
}

/// Switches, and waits for longer than old answers may come: when the command began, and when it had returned.
async fn switch(release: &Release<'_>, mode: Mode, what: What, by: By) -> Result<(Instant, Instant)> {
    let mut command = match (by, what) {
        (By::Helm(helm), _) => by_notes(release, mode, helm).await?,
        (By::Plugin, What::Entry(kind, _)) => {
            plugin::at_the_door(release, &[kind.target()], mode, release.user_host())?
        }
        (By::Plugin, _) => plugin::switch_command(release, mode)?,
        (By::Script, _) => script(release, mode)?,
    };
    let started = Instant::now();
    let ran = run(&mut command, Duration::from_secs(320)).await?;
    let returned = Instant::now();
    let text = ran.text();
    ran.success()?;
    if let What::Entry(_, warmth) = what {
        let warned = text.contains("no other entry names");
        ensure!(warned == (warmth == Warmth::Cold), "the plugin should warn of a cold proxy, and only of one: {text}");
    }
    release.await_users(mode, Duration::from_secs(30)).await?;
    sleep(Duration::from_secs_f64(by.latest() + 1.5)).await;
    Ok((started, returned))
}

/// The command that the notes of the release give.
async fn by_notes(release: &Release<'_>, mode: Mode, helm: Helm) -> Result<Command> {
    let notes = release.run_helm(&["get", "notes", &release.name]).await?.success()?;
    let mut shell = release.scene.cluster.program("sh", Some(helm))?;
    shell.args(["-c", next_command(&notes, mode)?]);
    Ok(shell)
}

/// The one command that the notes give to reach `mode`.
fn next_command(notes: &str, mode: Mode) -> Result<&str> {
    let commands = notes.lines().map(str::trim).filter(|line| line.starts_with("helm upgrade ")).collect::<Vec<_>>();
    let [command] = commands[..] else {
        bail!("NOTES should have one helm command, but have {}:\n{notes}", commands.len());
    };
    let wanted = format!("--set maintenance.enabled={}", mode.value());
    ensure!(command.contains(&wanted), "NOTES should say how to reach mode {}, but say: {command}", mode.word());
    Ok(command)
}

fn script(release: &Release<'_>, mode: Mode) -> Result<Command> {
    let script = match mode {
        Mode::Maintenance => "scripts/enable-maintenance.sh",
        Mode::Normal => "scripts/disable-maintenance.sh",
    };
    let cluster = &release.scene.cluster;
    let mut command = cluster.program(cluster.repository.join(script), None)?;
    command.args([&release.namespace, &release.name]);
    Ok(command)
}

// === impl What ===

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Service => "service",
            Self::ThreeServices => "service, 3 front Services",
            Self::Entry(Kind::Ingress, Warmth::Warm) => "entry, an Ingress",
            Self::Entry(Kind::Ingress, Warmth::Cold) => "entry, an Ingress, cold",
            Self::Entry(Kind::HttpRoute, Warmth::Warm) => "entry, an HTTPRoute",
            Self::Entry(Kind::HttpRoute, Warmth::Cold) => "entry, an HTTPRoute, cold",
        }
    }

    fn is_cold(self) -> bool {
        matches!(self, Self::Entry(_, Warmth::Cold))
    }
}

// === impl Kind ===

impl Kind {
    /// Of `e2e/manifests`.
    fn manifest(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::HttpRoute => "httproute",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Ingress => "ingress/shop",
            Self::HttpRoute => "httproute/shop",
        }
    }
}

// === impl By ===

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Helm(helm) => helm.name(),
            Self::Plugin => "plugin",
            Self::Script => "script",
        }
    }

    /// How long old answers may come after the command, in seconds. A proxy has to learn of it, and Helm 3 returns before old
    /// pods are told to end.
    fn latest(self) -> f64 {
        match self {
            Self::Plugin | Self::Helm(Helm::V4) => 0.0,
            Self::Helm(Helm::V3) | Self::Script => 3.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str =
        "Mode\n  normal\n\nTo turn maintenance on\n  helm upgrade a ./chart --set maintenance.enabled=true --wait\n";

    #[test]
    fn takes_the_command_from_the_notes() {
        let command = next_command(NOTES, Mode::Maintenance).unwrap();
        assert_eq!(command, "helm upgrade a ./chart --set maintenance.enabled=true --wait");
    }

    #[test]
    fn refuses_notes_that_lead_elsewhere() {
        assert!(next_command(NOTES, Mode::Normal).is_err());
        assert!(next_command("nothing", Mode::Normal).is_err());
        assert!(next_command(&NOTES.repeat(2), Mode::Maintenance).is_err());
    }
}
