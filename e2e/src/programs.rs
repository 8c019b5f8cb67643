//! Programs that are run with a time limit, and what is waited for.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// What a program printed, and how it ended.
pub(crate) struct Output {
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    command: String,
}

/// Runs a program to its end, or kills it at the limit and fails.
pub(crate) async fn run(command: &mut Command, limit: Duration) -> Result<Output> {
    let shown = show(command);
    let started = Instant::now();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(limit, command.output())
        .await
        .map_err(|_| anyhow!("`{shown}` had not ended after {} s", limit.as_secs()))?
        .with_context(|| format!("`{shown}` cannot be run"))?;
    Ok(Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: started.elapsed(),
        command: shown,
    })
}

/// Asks again until there is an answer; fails at the limit and says what was waited for.
pub(crate) async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "waited {} s in vain for {what}", limit.as_secs());
        sleep(Duration::from_millis(500)).await;
    }
}

/// Succeeds if all did, else tells every failure.
pub(crate) fn all(outcomes: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    let failures = outcomes.into_iter().filter_map(Result::err).map(|why| format!("{why:#}")).collect::<Vec<_>>();
    if !failures.is_empty() {
        bail!(failures.join("\n"));
    }
    Ok(())
}

// === impl Output ===

impl Output {
    pub(crate) fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// What was printed, if the program succeeded.
    pub(crate) fn success(self) -> Result<String> {
        ensure!(self.ok(), "`{}` failed: {}", self.command, self.text());
        Ok(self.stdout)
    }

    /// What was printed, if the program failed, as it should.
    pub(crate) fn refusal(self) -> Result<String> {
        ensure!(!self.ok(), "`{}` should have failed and printed: {}", self.command, self.text());
        Ok(self.text())
    }

    /// What was printed, if the program ended with that status.
    pub(crate) fn status(self, wanted: i32) -> Result<String> {
        let code = self.code.map_or("none, but a signal".to_owned(), |code| code.to_string());
        ensure!(
            self.code == Some(wanted),
            "`{}` should end with {wanted}, but the status is {code}: {}",
            self.command,
            self.text()
        );
        Ok(self.text())
    }

    /// All that was printed, errors first.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.stderr.trim(), self.stdout.trim()).trim().to_owned()
    }
}

/// What a program says last, which is its verdict.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

fn show(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |line, argument| line + " " + &argument.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_told() {
        assert!(all([Ok(()), Ok(())]).is_ok());
        assert_eq!(all([Err(anyhow!("a")), Ok(()), Err(anyhow!("b"))]).unwrap_err().to_string(), "a\nb");
    }

    #[test]
    fn a_failure_is_told_with_what_led_to_it() {
        let why = Err(anyhow!("the cause")).context("the step");
        assert_eq!(all([why]).unwrap_err().to_string(), "the step: the cause");
    }
}
