//! Own pages that never end or grow without end are refused at the start, in one line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::client::{Client, GET, within};
use crate::report::{Report, mb, seconds, some};
use crate::server::{Binary, Lines, Memory, pid_of};

pub(super) const NAME: &str = "templates";

const BOUND: Duration = Duration::from_secs(10);
const MEMORY: u64 = 256_000_000;
/// Nobody needs to see more of it.
const ENOUGH: u64 = 1_000_000_000;
/// The largest head that the clients of routers take.
const HEAD: usize = 16 << 10;
/// As large as the file of a page may be.
const LARGEST: usize = 256 << 10;

/// What a page does, and its text.
fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for size in [100_000, LARGEST] {
        let mut chain = |what: &str, start: &str, part: &str, end: &str| {
            let text = format!("{start}{}{end}", part.repeat((size - start.len() - end.len()) / part.len()));
            pages.push((format!("{what}, {} kB", size / 1000), text));
        };
        chain("a chain of +", "{{ 1", "+1", " }}");
        chain("a chain of ~", "{{ 1", "~1", " }}");
        chain("a chain of and", "{{ 1", " and 1", " }}");
        chain("a chain of filters", "{{ \"a\"", "|upper", " }}");
        chain("a chain of attributes", "{{ pod", ".a", " }}");
        chain("a chain of not", "{{ ", "not ", "1 }}");
        chain("a chain of minus", "{{ ", "-", "1 }}");
        chain("brackets never closed", "{{ ", "(", "1 }}");
        chain("elif after elif", "{% if 0 %}", "{% elif 0 %}", "{% endif %}");
    }
    for (what, open, close, around) in [
        ("nested brackets", "(", ")", ("{{ ", "1", " }}")),
        ("nested lists", "[", "]", ("{{ ", "1", " }}")),
        ("nested filters", "(1|string~", ")", ("{{ ", "1", " }}")),
        ("nested if", "{% if 1 %}", "{% endif %}", ("", "x", "")),
        ("nested for", "{% for a in [1] %}", "{% endfor %}", ("", "x", "")),
    ] {
        let number = (LARGEST - 16) / (open.len() + close.len());
        let text = [around.0, &open.repeat(number), around.1, &close.repeat(number), around.2].concat();
        pages.push((format!("{what}, 256 KiB"), text));
    }
    let loops = |depth: usize, body: &str| {
        format!("{}{body}{}", "{% for a in range(10000) %}".repeat(depth), "{% endfor %}".repeat(depth))
    };
    let mut styles = String::new();
    for number in 0..10_000 {
        // Writing to a String cannot fail.
        let _ = write!(styles, "<style>a{number}{{}}</style>");
    }
    for (what, text) in [
        ("four loops in one another", loops(4, "")),
        ("a loop that writes 10 GB", loops(2, &"x".repeat(100))),
        ("10,000 style blocks", styles),
        ("a macro that calls itself", "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}".into()),
        ("a page that includes itself", "{% include 'maintenance.html' %}".into()),
        ("a page that extends itself", "{% extends 'maintenance.html' %}".into()),
        ("a list of a thousand million", "{{ range(1000000000)|list|length }}".into()),
        ("a string a thousand million times", "{{ 'x' * 1000000000 }}".into()),
        (
            "a string that doubles",
            "{% set a = namespace(b='xxxxxxxx') %}{% for c in range(40) %}{% set a.b = a.b ~ a.b %}{% endfor %}".into(),
        ),
        (
            "a replacement that multiplies",
            format!("{{{{ '{0}'|replace('x', '{0}')|replace('x', '{0}') }}}}", "x".repeat(1000)),
        ),
        ("an indent without end", "{{ 'a\\nb'|indent(2000000000) }}".into()),
        ("a format without end", "{{ '%2000000000d'|format(1) }}".into()),
        ("a file of 256 KiB", "x".repeat(LARGEST)),
        ("a file of more than 256 KiB", "x".repeat(LARGEST + 1)),
        ("a page of more than 1 MiB", format!("{{% for a in range(5) %}}{}{{% endfor %}}", "x".repeat(LARGEST - 100))),
        ("a mistake in the middle", "{{ 1 +".into()),
    ] {
        pages.push((what.to_owned(), text));
    }
    pages
}

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let pages = pages();
    let mut report = Report::new(
        NAME,
        format!(
            "{} own maintenance.html, each with a new server: chains and nests of every kind as long as a page may be, loops \
             in loops, output without end, 10,000 style blocks",
            pages.len()
        ),
    );
    let mut failed = Vec::new();
    let (mut refused, mut served) = (0, 0);
    for (what, text) in &pages {
        let directory = TempDir::with_prefix("maintenance-mode-attack-")?;
        fs::write(directory.path().join("maintenance.html"), text)?;
        match load(binary, directory.path()).await? {
            End::Refused => refused += 1,
            End::Served => served += 1,
            End::Wrong(why) => failed.push(format!("{what}: {why}")),
        }
    }
    report.must(
        "it serves, or ends with exit status 64 and one line that names the file, within 10 s and 256 MB",
        match &failed[..] {
            [] => format!("{refused} refused, {served} served"),
            _ => format!("{refused} refused, {served} served; {}", some(&failed)),
        },
        failed.is_empty(),
    );
    report.figure("wrong", failed.len());
    Ok(report)
}

enum End {
    Refused,
    Served,
    Wrong(String),
}

async fn load(binary: &Binary, pages: &Path) -> Outcome<End> {
    let mut command = binary.launch().set("PAGES_DIR", pages).set("LOG_FORMAT", "text").command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let pid = pid_of(&child)?;
    let err = child.stderr.take().map(Lines::new).unwrap_or_default();
    let until = Instant::now() + BOUND;
    let mut peak = 0;
    let end = loop {
        peak = Memory::of(pid).map_or(0, |it| it.peak).max(peak);
        if let Ok(status) = timeout(Duration::from_millis(10), child.wait()).await {
            let status = status?;
            // The last line may still be on its way.
            sleep(Duration::from_millis(100)).await;
            let lines = err.all();
            break match &lines[..] {
                [line] if status.code() == Some(64) && line.contains("maintenance.html") => End::Refused,
                _ => {
                    let said = lines.join(" / ").replace(&format!("{}/", pages.display()), "");
                    let said: String = said.trim_start_matches(" / ").chars().take(160).collect();
                    End::Wrong(format!("{status}, {said:?}"))
                }
            };
        }
        let line = err.all().into_iter().find(|line| line.contains("MANAGEMENT_LISTEN is"));
        if let Some(line) = line {
            break served(&line).await;
        }
        if Instant::now() > until {
            break End::Wrong(format!("it goes on after {}", seconds(BOUND)));
        }
        if peak > ENOUGH {
            break End::Wrong(format!("more than {}", mb(ENOUGH)));
        }
    };
    if child.id().is_some() {
        rustix::process::kill_process(pid, Signal::KILL)?;
        child.wait().await?;
    }
    Ok(match end {
        End::Refused | End::Served if peak > MEMORY => End::Wrong(mb(peak)),
        end => end,
    })
}

/// Whether the page is one that clients take.
async fn served(start: &str) -> End {
    let Some((main, _)) = crate::server::ports(start) else { return End::Wrong(start.to_owned()) };
    let asked = within(Duration::from_secs(5), async { Client::to(main).await?.ask(GET).await }).await;
    match asked {
        Ok(answer) if answer.status == 503 && answer.head <= HEAD => End::Served,
        Ok(answer) => End::Wrong(format!("{} with a head of {} bytes", answer.status, answer.head)),
        Err(error) => End::Wrong(format!("no answer: {error}")),
    }
}
