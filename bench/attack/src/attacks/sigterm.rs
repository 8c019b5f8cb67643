//! SIGTERM: who was let in is answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Outcome;
use crate::client::{Client, GET, within};
use crate::report::Report;
use crate::server::{Binary, Launch};

pub(super) const NAME: &str = "sigterm";

/// `SHUTDOWN_DELAY`.
const DELAY: Duration = Duration::from_secs(1);
const LATE: usize = 100;
const HALF: usize = 20;
const IDLE: usize = 20;
const SIGTERMS: usize = 100;
/// Servers that are ended at the same time.
const AT_ONCE: usize = 4;
/// Clients of a server that keep their connection, and as many that connect for each request.
const CLIENTS: usize = 4;
/// Before a request on a kept connection, and before a new connection. Who keeps its connection needs a new one for each
/// request from the SIGTERM on.
const PAUSE_KEPT: Duration = Duration::from_millis(2);
const PAUSE_NEW: Duration = Duration::from_millis(40);
/// So long before the delay ends nobody pauses any more: that is where requests could be lost.
const HURRY: Duration = Duration::from_millis(50);
/// Connections of one client.
const MOST: usize = 70;
/// Connections in all.
pub(super) const MADE: u64 = (SIGTERMS * 2 * CLIENTS * MOST + HALF + IDLE + LATE) as u64;

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "with SHUTDOWN_DELAY=1: {LATE} connections just before the delay ends whose request comes after it; {HALF} \
             second heads, half sent when it ends; {SIGTERMS} times a SIGTERM to a new server under the load of {} \
             clients that honour Connection: close",
            2 * CLIENTS
        ),
    );
    just_before_the_end(binary, &mut report).await?;
    under_load(binary, &mut report).await?;
    Ok(report)
}

fn launch(binary: &Binary) -> Launch {
    binary.launch().set("SHUTDOWN_DELAY", DELAY.as_secs().to_string())
}

async fn just_before_the_end(binary: &Binary, report: &mut Report) -> Outcome<()> {
    let mut server = launch(binary).start().await?;
    let mut kept = Vec::new();
    for _ in 0..HALF + IDLE {
        let mut client = Client::to(server.main).await?;
        client.ask(GET).await?;
        kept.push(client);
    }
    let end = Instant::now() + DELAY;
    server.signal(Signal::TERM)?;
    sleep_until(end - Duration::from_millis(200)).await;
    let mut late = Vec::new();
    for _ in 0..LATE {
        // A machine that is busy may be late itself.
        late.extend(Client::to(server.main).await.ok());
    }
    for client in &mut kept[..HALF] {
        client.send(&GET[..10]).await?;
    }
    let in_time = Instant::now() < end;
    sleep_until(end + Duration::from_millis(200)).await;
    let connected = late.len();
    let mut answers = JoinSet::new();
    for mut client in late {
        answers.spawn(within(Duration::from_secs(10), async move { client.ask(GET).await }));
    }
    let answered = answers.join_all().await.iter().filter(|it| it.is_ok()).count();
    sleep_until(end + Duration::from_millis(500)).await;
    let mut idle = kept.split_off(HALF);
    let mut second = 0;
    for client in &mut kept {
        second += usize::from(within(Duration::from_secs(10), client.ask(&GET[10..])).await.is_ok());
    }
    let mut closed = 0;
    for client in &mut idle {
        closed += usize::from(client.is_closed(Duration::from_millis(500)).await);
    }
    let status = server.ended(Duration::from_secs(25)).await?;
    if !in_time {
        return Err("this machine is too busy: the connections took more than 0.2 s".into());
    }
    report.must(
        "who connects before the delay ends is answered, though the request comes after it",
        format!("{answered} of {connected} answered"),
        answered == connected && connected == LATE,
    );
    report.must(
        "a second head that has begun is answered, when it is complete",
        format!("{second} of {HALF} answered"),
        second == HALF,
    );
    report.must(
        "who was answered and idles is closed when the delay ends",
        format!("{closed} of {IDLE} closed"),
        closed == IDLE,
    );
    report.must(
        "it ends with exit status 0",
        status.map_or_else(|| "it does not end".into(), |it| it.to_string()),
        status.is_some_and(|it| it.success()),
    );
    Ok(())
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    answered: usize,
    /// Why there was no whole answer.
    lost: Vec<String>,
    /// Why there was no connection.
    not_made: Vec<String>,
}

/// What clients are to do.
#[derive(Default)]
struct Phase {
    /// No longer pause.
    hurry: AtomicBool,
    /// Stop.
    over: AtomicBool,
}

async fn under_load(binary: &Binary, report: &mut Report) -> Outcome<()> {
    let mut all = Seen::default();
    let (mut ended, mut hit) = (0, 0);
    for _ in 0..SIGTERMS / AT_ONCE {
        let mut servers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let launch = launch(binary);
            servers.spawn(async move { one_sigterm(&launch).await });
        }
        for one in servers.join_all().await {
            let (seen, in_order) = one?;
            ended += usize::from(in_order);
            hit += usize::from(!seen.lost.is_empty());
            all.answered += seen.answered;
            all.lost.extend(seen.lost);
            all.not_made.extend(seen.not_made);
        }
    }
    report.must(
        "no request is lost: sent on a connection that was made, and not answered whole",
        format!(
            "{} of {} lost, by {hit} of {SIGTERMS} SIGTERMs{}; {} connections were not made{}",
            all.lost.len(),
            all.answered + all.lost.len(),
            kinds(&all.lost),
            all.not_made.len(),
            kinds(&all.not_made),
        ),
        all.lost.is_empty() && all.answered > 0,
    );
    report.must("every server ends with exit status 0", format!("{ended} of {SIGTERMS}"), ended == SIGTERMS);
    report.figure("lost", all.lost.len());
    Ok(())
}

/// How many there are of each kind of error, to follow their sum.
fn kinds(errors: &[String]) -> String {
    let mut kinds = BTreeMap::<_, usize>::new();
    for kind in errors {
        *kinds.entry(kind).or_default() += 1;
    }
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) }
}

async fn one_sigterm(launch: &Launch) -> Outcome<(Seen, bool)> {
    let mut server = launch.start().await?;
    let phase = Arc::new(Phase::default());
    let mut clients = JoinSet::new();
    for number in 0..2 * CLIENTS {
        clients.spawn(client(server.main, number < CLIENTS, phase.clone()));
    }
    sleep(Duration::from_millis(200)).await;
    server.signal(Signal::TERM)?;
    sleep(DELAY - HURRY).await;
    phase.hurry.store(true, Ordering::Relaxed);
    let status = server.ended(Duration::from_secs(30)).await?;
    phase.over.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    for one in clients.join_all().await {
        seen.answered += one.answered;
        seen.lost.extend(one.lost);
        seen.not_made.extend(one.not_made);
    }
    Ok((seen, status.is_some_and(|it| it.success())))
}

/// Asks until nothing listens any more, or it has made [`MOST`] connections.
async fn client(address: SocketAddr, keeps: bool, phase: Arc<Phase>) -> Seen {
    let mut seen = Seen::default();
    let mut kept: Option<Client> = None;
    let mut made = 0;
    loop {
        let mut client = match kept.take() {
            Some(client) => client,
            None if made == MOST => return seen,
            None => {
                made += 1;
                match within(Duration::from_secs(10), Client::to(address)).await {
                    Ok(client) => client,
                    // Nothing was sent.
                    Err(error) => {
                        seen.not_made.push(error.kind().to_string());
                        return seen;
                    }
                }
            }
        };
        match within(Duration::from_secs(10), client.ask(GET)).await {
            Ok(answer) => {
                seen.answered += 1;
                if keeps && !answer.closes {
                    kept = Some(client);
                }
            }
            Err(error) => seen.lost.push(error.kind().to_string()),
        }
        if phase.over.load(Ordering::Relaxed) {
            return seen;
        }
        match (phase.hurry.load(Ordering::Relaxed), &kept) {
            (true, _) => tokio::task::yield_now().await,
            (false, Some(_)) => sleep(PAUSE_KEPT).await,
            (false, None) => sleep(PAUSE_NEW).await,
        }
    }
}
