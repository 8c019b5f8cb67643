//! `kubectl-maintenance`, as it was built beside this program.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::http::Mode;
use crate::programs::{Output, run};
use crate::release::Release;

/// Longer than the plugin waits by itself.
pub(crate) const LIMIT: Duration = Duration::from_secs(130);

/// A command for this release, such as `on`, with its flags. What the case changes of it is the case's.
pub(crate) fn command(release: &Release<'_>, arguments: &[&str]) -> Result<Command> {
    command_for(release, &[&release.name], arguments)
}

/// The same for any targets in its namespace, such as `ingress/shop`.
pub(crate) fn command_for(release: &Release<'_>, targets: &[&str], arguments: &[&str]) -> Result<Command> {
    let program = env::current_exe().context("this program")?.with_file_name("kubectl-maintenance");
    ensure!(
        program.is_file(),
        "there is no {}: `cargo build --package kubectl-maintenance` makes it",
        program.display()
    );
    let mut command = release.scene.cluster.program(program, None)?;
    let (verb, flags) = arguments.split_first().context("the plugin needs a command")?;
    command.arg(verb).args(targets).args(["--namespace", &release.namespace]).args(flags);
    Ok(command)
}

/// Runs it to its end.
pub(crate) async fn plugin(release: &Release<'_>, arguments: &[&str]) -> Result<Output> {
    run(&mut command(release, arguments)?, LIMIT).await
}

/// Runs one for such targets to its end.
pub(crate) async fn plugin_for(release: &Release<'_>, targets: &[&str], arguments: &[&str]) -> Result<Output> {
    run(&mut command_for(release, targets, arguments)?, LIMIT).await
}

/// The command that switches and waits at the front door of the first host.
pub(crate) fn switch_command(release: &Release<'_>, mode: Mode) -> Result<Command> {
    at_the_door(release, &[&release.name], mode, release.user_host())
}

/// Runs that to its end.
pub(crate) async fn switch(release: &Release<'_>, mode: Mode) -> Result<Output> {
    run(&mut switch_command(release, mode)?, LIMIT).await
}

/// The command that switches these targets and waits at the front door of a host.
pub(crate) fn at_the_door(release: &Release<'_>, targets: &[&str], mode: Mode, host: &str) -> Result<Command> {
    let url = format!("http://{}/", release.scene.cluster.ingress);
    command_for(release, targets, &[verb(mode), "--url", &url, "--host", host])
}

pub(crate) fn verb(mode: Mode) -> &'static str {
    match mode {
        Mode::Maintenance => "on",
        Mode::Normal => "off",
    }
}

/// Lets something happen once, just before the plugin's first real patch of what is called `of`: a shell command. The
/// plugin is then the leader of a process group, as it is on a terminal.
pub(crate) fn interfere(command: &mut Command, release: &Release<'_>, of: &str, before: &str) {
    let cluster = &release.scene.cluster;
    command
        .env("KUBECTL", cluster.repository.join("e2e/programs/kubectl"))
        .env("E2E_OF", of)
        .env("E2E_ONCE", cluster.scratch.join(format!("{}-once", release.namespace)))
        .env("E2E_BEFORE", before)
        .process_group(0);
}
