//! The loads, and the two that make them: wrk for requests, and connections of our own that idle.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    accounting::{Family, Used, children_cpu_time},
    answer::{Connection, Header},
};

/// Connections of the load `idle`.
pub(crate) const IDLE_CONNECTIONS: usize = 4096;
/// How long they idle before memory is read.
const IDLE_FOR: Duration = Duration::from_secs(3);
/// How long a server may take to give memory back after a load.
const SETTLE: Duration = Duration::from_secs(1);

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    KeptAlive,
    OneConnection,
    NewConnection,
    Browser,
    Gzip,
    JsonLog,
    Idle,
    Startup,
}

/// What a round of requests showed.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) requests: u64,
    /// The server's.
    pub(crate) used: Used,
    pub(crate) duration: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// KiB.
    pub(crate) memory: Memory,
    /// Requests that got no answer, by wrk's count.
    pub(crate) errors: u64,
    /// CPUs that wrk kept busy, of those that it had threads for.
    pub(crate) generator: f64,
}

/// KiB before, during and after a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) before: u64,
    pub(crate) during: u64,
    pub(crate) after: u64,
}

impl Load {
    pub(crate) const ALL: [Self; 8] = [
        Self::KeptAlive,
        Self::OneConnection,
        Self::NewConnection,
        Self::Browser,
        Self::Gzip,
        Self::JsonLog,
        Self::Idle,
        Self::Startup,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KeptAlive => "kept-alive",
            Self::OneConnection => "one-connection",
            Self::NewConnection => "new-connection",
            Self::Browser => "browser",
            Self::Gzip => "gzip",
            Self::JsonLog => "json-log",
            Self::Idle => "idle",
            Self::Startup => "startup",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::KeptAlive => "64 connections kept alive",
            Self::OneConnection => "1 connection",
            Self::NewConnection => "A new connection per request",
            Self::Browser => "A browser's head with 2 kB of cookies",
            Self::Gzip => "gzip",
            Self::JsonLog => "JSON access log",
            Self::Idle => "4,096 idle connections",
            Self::Startup => "Start",
        }
    }

    /// Connections at once, of those that wrk makes.
    fn connections(self) -> usize {
        if self == Self::OneConnection { 1 } else { 64 }
    }

    /// Whether the server logs each request.
    pub(crate) fn json_log(self) -> bool {
        self == Self::JsonLog
    }

    /// What decides the answer's head and body.
    pub(crate) fn headers(self) -> Vec<Header> {
        match self {
            Self::Browser => browser(),
            Self::Gzip => vec![("Accept-Encoding", "gzip".to_owned())],
            _ => Vec::new(),
        }
    }

    /// Puts the load on a server for so many seconds, by so many threads.
    pub(crate) fn round(self, address: SocketAddr, server: Family, seconds: u32, threads: usize) -> Result<Round> {
        let before = server.memory()?;
        let script = tempfile::NamedTempFile::with_suffix(".lua")?;
        fs::write(script.path(), SUMMARY)?;
        let mut command = Command::new("wrk");
        let connections = self.connections();
        let threads = threads.min(connections);
        command.args([format!("-t{threads}"), format!("-c{connections}"), format!("-d{seconds}s")]);
        command.args(["--timeout", "10s", "-s"]).arg(script.path());
        for (name, value) in self.headers() {
            command.arg("-H").arg(format!("{name}: {value}"));
        }
        if self == Self::NewConnection {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(format!("http://{address}/")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let generator_before = children_cpu_time()?;
        let cpu_before = server.cpu_time()?;
        let wrk = command.spawn().context("wrk")?;
        thread::sleep(Duration::from_secs(seconds.into()) / 2);
        let during = server.memory()?;
        let output = wrk.wait_with_output()?;
        let used = server.cpu_time()?.since(&cpu_before)?;
        let generator = (children_cpu_time()? - generator_before).as_secs_f64();
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("wrk failed, {}: {}{said}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        let summary = Summary::parse(&said).with_context(|| format!("wrk's summary is not understood: {said}"))?;
        if summary.requests == 0 || summary.other_than_200 != summary.requests {
            bail!("{} of {} answers were the page", summary.other_than_200, summary.requests);
        }
        thread::sleep(SETTLE);
        Ok(Round {
            requests: summary.requests,
            used,
            duration: summary.duration,
            p50: summary.p50,
            p99: summary.p99,
            memory: Memory { before, during, after: server.memory()? },
            errors: summary.errors,
            generator: generator / summary.duration.as_secs_f64() / f64::from(u32::try_from(threads)?),
        })
    }
}

/// Opens the connections, asks once on each, and lets them idle.
pub(crate) fn idle(address: SocketAddr, server: Family) -> Result<Memory> {
    let before = server.memory()?;
    let mut connections = Vec::with_capacity(IDLE_CONNECTIONS);
    for opened in 0..IDLE_CONNECTIONS {
        let mut connection = Connection::open(address, &[]).with_context(|| format!("connection {opened}"))?;
        connection.ask().with_context(|| format!("connection {opened}"))?;
        connections.push(connection);
    }
    thread::sleep(IDLE_FOR);
    let during = server.memory()?;
    drop(connections);
    thread::sleep(SETTLE);
    Ok(Memory { before, during, after: server.memory()? })
}

/// Whether this process may open that many connections.
pub(crate) fn enough_files() -> Result<()> {
    // Some beside the connections: files, pipes, what a shell has left open.
    let needed = IDLE_CONNECTIONS + 64;
    let allowed = open_files(Path::new("/proc/self/limits"))?;
    if allowed < u64::try_from(needed)? {
        bail!(
            "{IDLE_CONNECTIONS} idle connections need {needed} open files, and {allowed} are allowed: see `ulimit -n`"
        );
    }
    Ok(())
}

fn open_files(limits: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(limits)?;
    let soft = text.lines().find_map(|it| it.strip_prefix("Max open files")?.split_ascii_whitespace().next());
    Ok(match soft {
        Some("unlimited") => u64::MAX,
        other => other.and_then(|it| it.parse().ok()).ok_or(io::ErrorKind::InvalidData)?,
    })
}

/// By wrk's own count. Its latencies are from the request's first byte to the answer's last.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    requests: u64,
    duration: Duration,
    p50: Duration,
    p99: Duration,
    errors: u64,
    /// wrk says "status" of all that is not a 2xx or 3xx.
    other_than_200: u64,
}

const SUMMARY: &str = r#"
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("summary %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
"#;

impl Summary {
    fn parse(output: &str) -> Option<Self> {
        let figures = output.lines().find_map(|it| it.strip_prefix("summary "))?;
        let figures: Vec<u64> = figures.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [requests, duration, p50, p99, errors, other_than_200] = figures[..] else { return None };
        let [duration, p50, p99] = [duration, p50, p99].map(Duration::from_micros);
        Some(Self { requests, duration, p50, p99, errors, other_than_200 })
    }
}

/// What a browser on a desktop sends, with the cookies that analytics and single sign-on leave.
fn browser() -> Vec<Header> {
    let fixed = [
        ("sec-ch-ua", r#""Not)A;Brand";v="8", "Chromium";v="138", "Google Chrome";v="138""#),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", r#""Windows""#),
        ("Upgrade-Insecure-Requests", "1"),
        (
            "User-Agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
        ),
        (
            "Accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        ),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-User", "?1"),
        ("Sec-Fetch-Dest", "document"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9,de;q=0.8"),
    ];
    let mut headers: Vec<_> = fixed.map(|(name, value)| (name, value.to_owned())).into();
    headers.push(("Cookie", cookies()));
    headers
}

/// 2 kB: eight cookies of 250 bytes.
fn cookies() -> String {
    (0..8)
        .map(|it| format!("session.{it}={}", "0123456789abcdef".repeat(15).split_at(238).0))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrks_summary_is_found_in_its_output() {
        let parsed = Summary::parse("Running 2s test\nsummary 10 2000000 27 3748 1 10\n").unwrap();
        assert_eq!((parsed.requests, parsed.duration, parsed.errors), (10, Duration::from_secs(2), 1));
        assert_eq!((parsed.p50, parsed.p99), (Duration::from_micros(27), Duration::from_micros(3748)));
        assert_eq!(Summary::parse("summary 10 20\n"), None);
        assert_eq!(Summary::parse("Requests/sec: 3\n"), None);
    }

    #[test]
    fn the_cookies_are_2_kb() {
        assert_eq!(cookies().len(), 2000 - 2);
    }
}
