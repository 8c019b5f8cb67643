//! What a client says must not steer the terminal or the reader of a log.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;

use crate::Outcome;
use crate::client::{Client, within};
use crate::report::Report;
use crate::server::{Binary, Lines};

pub(super) const NAME: &str = "log-controls";

/// First and last of what must be escaped: controls, bidirectional controls, invisible characters, line separators.
const RANGES: &[(u32, u32)] = &[
    (0x01, 0x1f),
    (0x7f, 0x9f),
    (0xad, 0xad),
    (0x61c, 0x61c),
    (0x180e, 0x180e),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0xfeff, 0xfeff),
    (0xfff9, 0xfffb),
    (0xe0001, 0xe0001),
    (0xe0020, 0xe007f),
];

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let characters: Vec<char> =
        RANGES.iter().flat_map(|(first, last)| *first..=*last).filter_map(char::from_u32).collect();
    let mut report = Report::new(
        NAME,
        format!(
            "{} control, bidirectional, invisible and line-separating characters, each in User-Agent, X-Forwarded-For and \
             the path, and all of them in a live setting that is refused",
            characters.len()
        ),
    );
    for format in ["json", "text"] {
        let directory = TempDir::with_prefix("maintenance-mode-attack-")?;
        fs::write(directory.path().join("RETRY_AFTER"), "60")?;
        let launch = binary.launch().set("LOG_FORMAT", format).set("CONFIG_DIR", directory.path());
        let server = launch.keeping_stdout().start().await?;
        let mut answered = 0;
        for character in &characters {
            for request in [
                format!("GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: x{character}y\r\n\r\n"),
                format!("GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: x{character}y\r\n\r\n"),
                format!("GET /x{character}y HTTP/1.1\r\nHost: a\r\n\r\n"),
            ] {
                let mut client = Client::to(server.main).await?;
                // Some are no header's characters: they are refused, and never reach the log.
                let answer = within(Duration::from_secs(5), client.ask(request.as_bytes())).await?;
                answered += usize::from(answer.status == 503);
            }
        }
        let refused: String = characters.iter().filter(|it| !matches!(it, '\n' | '\r')).collect();
        fs::write(directory.path().join("RETRY_AFTER"), format!("never{refused}"))?;
        let event = server.err.with("never").await;
        // The last lines may still be on their way.
        sleep(Duration::from_millis(300)).await;
        let lines = server.out.all();
        let raw = raw(&server.out, &characters) + raw(&server.err, &characters);
        report.must(
            format!("LOG_FORMAT={format}: every answer is one line, and none of the characters is in it raw"),
            format!("{raw} raw in {} lines of {answered} answers and the events", lines.len()),
            raw == 0 && lines.len() == answered && answered > 100,
        );
        report.must(
            format!("LOG_FORMAT={format}: the setting is refused in one line"),
            event.as_deref().map_or("no line".to_owned(), |it| format!("a line of {} bytes", it.len())),
            event.is_some(),
        );
        if format == "json" {
            let all = lines.iter().chain(&server.err.all()).cloned().collect::<Vec<_>>();
            let parsed = all.iter().filter(|it| serde_json::from_str::<serde_json::Value>(it).is_ok()).count();
            report.must("every line is JSON", format!("{parsed} of {}", all.len()), parsed == all.len());
        }
    }
    Ok(report)
}

fn raw(lines: &Lines, characters: &[char]) -> usize {
    lines.all().iter().map(|line| line.chars().filter(|it| characters.contains(it)).count()).sum()
}
