//! Memory: heads of every size from as many connections as the chart allows must fit into what the chart allows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Outcome;
use crate::cgroup::Cgroup;
use crate::client::{Client, within};
use crate::report::{Report, mb};
use crate::server::{Binary, Launch, Server};

pub(super) const NAME: &str = "memory";

/// The chart's default, and the server's.
const CONNECTIONS: usize = 4096;
/// Connections: six mixes without a limit of memory and four with it, of which the last has three waves each time.
pub(super) const MADE: u64 = 14 * CONNECTIONS as u64 + 100;
/// The chart's limit for a pod.
const LIMIT: u64 = 128 << 20;
/// What any mix may take of it.
const PEAK: u64 = 96_000_000;
/// Connections that are being opened at the same time: more are in the queue of the kernel, where none is lost.
const AT_ONCE: usize = 128;

/// What one connection sends.
#[derive(Clone, Copy)]
enum Head {
    /// Whole, with that many bytes; the answer is read.
    Whole(usize),
    /// That many bytes, and never the end.
    Half(usize),
    /// Whole, 2 kB each tenth of a second.
    Trickled(usize),
    /// Whole, with 40 small requests after it; no answer is read.
    Unread(usize),
}

/// One way to fill the memory.
struct Mix {
    name: &'static str,
    sent: &'static str,
    waves: usize,
    /// What the connection of a number sends.
    head: fn(usize) -> Head,
    /// Whether the limit takes every head, so that each must have its 503 and be open afterwards.
    all_answered: bool,
    /// The most that may be left 5 s later.
    idle: Option<u64>,
}

const MIXES: &[Mix] = &[
    Mix {
        name: "small heads, then idle",
        sent: "a small GET on each",
        waves: 1,
        head: |_| Head::Whole(35),
        all_answered: true,
        idle: Some(12_000_000),
    },
    Mix {
        name: "16 kB heads, then idle",
        sent: "a GET with a head of 16 kB on each",
        waves: 1,
        head: |_| Head::Whole(16_000),
        all_answered: true,
        idle: Some(16_000_000),
    },
    Mix {
        name: "60 kB heads, then idle",
        sent: "a GET with a head of 60 kB on each",
        waves: 1,
        head: |_| Head::Whole(60_000),
        all_answered: true,
        idle: Some(16_000_000),
    },
    Mix {
        name: "60 kB half heads",
        sent: "60 kB of a head that never ends on each",
        waves: 1,
        head: |_| Head::Half(60_000),
        all_answered: false,
        idle: None,
    },
    Mix {
        name: "60 kB heads whose answers nobody takes",
        sent: "a GET with a head of 60 kB on each and 40 small ones after it, and nothing is read",
        waves: 1,
        head: |_| Head::Unread(60_000),
        all_answered: false,
        idle: None,
    },
    Mix {
        name: "a mix in three waves",
        sent: "small, 16 kB, 60 kB, half and trickled heads in turn, in three waves of as many connections",
        waves: 3,
        head: |number| match number % 8 {
            0 => Head::Whole(35),
            1 | 2 => Head::Whole(16_000),
            3 | 4 => Head::Whole(60_000),
            5 => Head::Half(30_000),
            6 => Head::Half(60_000),
            _ => Head::Trickled(60_000),
        },
        all_answered: false,
        idle: None,
    },
];

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mixes: Vec<_> = MIXES.iter().map(|mix| mix.sent).collect();
    let mut report =
        Report::new(NAME, format!("{CONNECTIONS} connections, a new server each time: {}", mixes.join("; ")));
    for mix in MIXES {
        free(mix, binary, &mut report).await?;
    }
    for mix in &MIXES[2..] {
        limited(mix, binary, &mut report).await?;
    }
    report.figure("limit", LIMIT);
    report.figure("bound", PEAK);
    Ok(report)
}

/// The names of the mixes, as the figures are called.
pub(super) fn mixes() -> impl Iterator<Item = &'static str> {
    MIXES.iter().map(|mix| mix.name)
}

fn launch(binary: &Binary) -> Launch {
    binary.launch().set("MAX_CONNECTIONS", CONNECTIONS.to_string()).set("LOG_FORMAT", "json")
}

/// Without a limit, so that the peak can be seen.
async fn free(mix: &Mix, binary: &Binary, report: &mut Report) -> Outcome<()> {
    let server = launch(binary).start().await?;
    let (mut clients, mut ends) = send(mix, server.main).await;
    sleep(Duration::from_secs(if mix.idle.is_some() { 5 } else { 3 })).await;
    let memory = server.memory()?;
    let open = ends.look(&mut clients).await;
    if mix.all_answered {
        let answered = ends.count("503");
        report.must(
            format!("{}: each is answered 503, and stays open", mix.name),
            format!("{ends}; {open} are open 5 s later"),
            answered == CONNECTIONS && open == CONNECTIONS,
        );
    }
    if let Some(most) = mix.idle {
        report.must(
            format!("{}: at most {} 5 s later", mix.name, mb(most)),
            mb(memory.resident),
            memory.resident <= most,
        );
        report.figure(format!("{}: idle", mix.name), memory.resident);
    }
    let seen = mb(memory.peak) + &if mix.all_answered { String::new() } else { format!("; {ends}; {open} are open") };
    report.must(format!("{}: at most {} at any time", mix.name, mb(PEAK)), seen, memory.peak <= PEAK);
    report.figure(format!("{}: peak", mix.name), memory.peak);
    Ok(())
}

/// In a control group with the chart's limit.
async fn limited(mix: &Mix, binary: &Binary, report: &mut Report) -> Outcome<()> {
    let must = format!("{}: with 128 MiB the kernel kills nothing, and it still answers", mix.name);
    let cgroup = match Cgroup::new("attack", LIMIT) {
        Ok(cgroup) => cgroup,
        Err(why) => {
            report.not_run(must, why);
            return Ok(());
        }
    };
    let processes = cgroup.processes();
    let enters = ["sh", "-c", "echo $$ >\"$0\" && exec \"$1\"", &processes];
    let mut server = launch(binary).wrapped(&enters).start().await?;
    let (clients, ends) = send(mix, server.main).await;
    sleep(Duration::from_secs(1)).await;
    let kills = cgroup.kills()?;
    let answers = after(&server).await;
    let peak = cgroup.peak()?;
    let seen = if kills > 0 { format!("killed; {ends}") } else { format!("{peak}; {ends}") };
    report.must(must, seen, kills == 0 && answers);
    drop(clients);
    // The group can only go when its process has.
    server.signal(rustix::process::Signal::KILL).ok();
    server.ended(Duration::from_secs(5)).await?;
    Ok(())
}

async fn after(server: &Server) -> bool {
    let asked = within(Duration::from_secs(5), async { Client::to(server.main).await?.ask(crate::client::GET).await });
    asked.await.is_ok_and(|it| it.status == 503)
}

/// How connections went, counted by a word.
#[derive(Default)]
struct Ends(BTreeMap<String, usize>);

/// A connection, and whether it waits for an answer.
type Held = (Client, bool);

async fn send(mix: &Mix, address: SocketAddr) -> (Vec<Held>, Ends) {
    let mut ends = Ends::default();
    let mut held = Vec::new();
    for _ in 0..mix.waves {
        let mut wave = Vec::with_capacity(CONNECTIONS);
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut sending = JoinSet::new();
        for number in 0..CONNECTIONS {
            let head = (mix.head)(number);
            let permits = permits.clone();
            sending.spawn(async move {
                let permit = permits.acquire_owned().await;
                if matches!(head, Head::Trickled(_)) {
                    drop(permit);
                    return one(address, head).await;
                }
                one(address, head).await
            });
        }
        for (client, end) in sending.join_all().await {
            wave.extend(client.map(|client| (client, end.is_none())));
            if let Some(end) = end {
                ends.add(&end);
            }
        }
        // The wave before goes only now.
        held = wave;
    }
    (held, ends)
}

/// Connects and sends; how it ended, unless it waits with a half head.
async fn one(address: SocketAddr, head: Head) -> (Option<Client>, Option<String>) {
    let Ok(mut client) = within(Duration::from_secs(10), Client::to(address)).await else {
        return (None, Some("not connected".into()));
    };
    let sent = within(Duration::from_secs(15), async {
        match head {
            Head::Whole(bytes) => client.send(&whole(bytes)).await,
            Head::Half(bytes) => client.send(&whole(bytes + 4)[..bytes]).await,
            Head::Unread(bytes) => client.send(&[whole(bytes), whole(35).repeat(40)].concat()).await,
            Head::Trickled(bytes) => {
                for piece in whole(bytes).chunks(2000) {
                    client.send(piece).await?;
                    sleep(Duration::from_millis(100)).await;
                }
                Ok(())
            }
        }
    });
    let sent = sent.await.is_ok();
    if matches!(head, Head::Half(_) | Head::Unread(_)) && sent {
        return (Some(client), None);
    }
    // One that was refused while it sent has its answer too.
    match within(Duration::from_secs(15), client.answer()).await {
        Ok(answer) => {
            let end = answer.status.to_string();
            (Some(client), Some(end))
        }
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => (Some(client), Some("no answer".into())),
        Err(_) => (None, Some("closed".into())),
    }
}

/// A GET of exactly that many bytes.
fn whole(bytes: usize) -> Vec<u8> {
    let (start, end) = ("GET / HTTP/1.1\r\nHost: a\r\nA: ", "\r\n\r\n");
    format!("{start}{}{end}", "a".repeat(bytes.saturating_sub(start.len() + end.len()))).into_bytes()
}

// === impl Ends ===

impl Ends {
    fn add(&mut self, end: &str) {
        *self.0.entry(end.to_owned()).or_default() += 1;
    }

    fn count(&self, end: &str) -> usize {
        self.0.get(end).copied().unwrap_or_default()
    }

    /// Adds what came for those that waited; how many connections are open.
    async fn look(&mut self, clients: &mut [Held]) -> usize {
        let mut open = 0;
        for (client, waits) in clients {
            if *waits {
                match within(Duration::from_millis(1), client.answer()).await {
                    Ok(answer) => self.add(&answer.status.to_string()),
                    Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                        self.add("waiting");
                        open += 1;
                    }
                    Err(_) => self.add("closed"),
                }
            } else if !client.is_closed(Duration::from_millis(1)).await {
                open += 1;
            }
        }
        open
    }
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(end, count)| format!("{end}: {count}")).collect();
        f.write_str(&counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_the_bytes_that_it_is_asked_for() {
        for bytes in [35, 16_000, 60_004] {
            assert_eq!(whole(bytes).len(), bytes);
        }
    }
}
