//! Whatever comes in: attackers whose every step is drawn from a seed, beside honest clients.
//!
//! `ATTACK_SEED` is the seed, a whole number; another one is another attack.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::client::{Client, GET, within};
use crate::honest::{Asking, Honest, ms};
use crate::report::{Report, mb, seconds};
use crate::server::{Binary, Server};

pub(super) const NAME: &str = "fresh";

const ATTACKERS: u64 = 500;
/// Each of two rounds takes so long, and opens at most so many connections.
const ROUND: Duration = Duration::from_secs(15);
const CONNECTIONS: usize = 10_000;
/// Honest clients that keep their connection, and as many that do not.
const HONEST: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// Connections of the attackers, and of honest clients, for whom each request may be one; a round and what follows it
/// take twice its time at most.
pub(super) const MADE: u64 =
    2 * CONNECTIONS as u64 + 4 * ROUND.as_secs() * (1000 / PAUSE.subsec_millis() as u64) * 2 * HONEST as u64;
/// What the second round may leave more than the first.
const GROWTH: u64 = 4_000_000;

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let seed = match env::var("ATTACK_SEED") {
        Ok(text) => text.parse().map_err(|_| format!("invalid ATTACK_SEED {text:?}: expected a whole number"))?,
        Err(_) => 1,
    };
    let mut report = Report::new(
        NAME,
        format!(
            "ATTACK_SEED={seed}: two rounds of {}, each of {ATTACKERS} attackers with up to {CONNECTIONS} connections: \
             random bytes, heads cut anywhere, pipelines, huge and broken bodies, many headers, trickles, half-closes, resets",
            seconds(ROUND)
        ),
    );
    let mut server = binary.launch().start().await?;
    let body = Client::to(server.main).await?.ask(GET).await?.body;
    let honest = Honest::start(Asking {
        address: server.main,
        request: GET,
        status: 503,
        body: Some(body),
        kept: HONEST,
        new: HONEST,
        pause: PAUSE,
    });
    let (first, opened_first) = round(&server, seed).await?;
    let (second, opened_second) = round(&server, seed.wrapping_add(ATTACKERS)).await?;
    let measured = honest.stop().await?;
    let mut why = measured.unanswered.clone();
    why.sort();
    why.dedup();
    report.must(
        "every honest request has its whole answer",
        format!(
            "{} of {} have none{}{}; p50 {}, p99 {}, the slowest {}, beside {} connections",
            measured.unanswered.len(),
            measured.asked(),
            if why.is_empty() { "" } else { ": " },
            why.join(", "),
            ms(measured.permille(500)),
            ms(measured.permille(990)),
            ms(measured.slowest()),
            opened_first + opened_second,
        ),
        measured.unanswered.is_empty() && measured.asked() > 0,
    );
    report.must(
        format!("the second round leaves at most {} more than the first", mb(GROWTH)),
        format!("{} and {}", mb(first), mb(second)),
        second <= first + GROWTH,
    );
    let panics = server.panics();
    let ended = server.ended(Duration::ZERO).await?;
    report.must(
        "it runs on, and nothing panicked",
        format!("{panics} panics{}", ended.map_or_else(String::new, |it| format!(", {it}"))),
        panics == 0 && ended.is_none(),
    );
    Ok(report)
}

/// Attacks; the memory 3 s later, and how many connections there were.
async fn round(server: &Server, seed: u64) -> Outcome<(u64, usize)> {
    let opened = Arc::new(AtomicUsize::new(0));
    let until = Instant::now() + ROUND;
    let mut attackers = JoinSet::new();
    for number in 0..ATTACKERS {
        let address = if number % 10 == 0 { server.management } else { server.main };
        let opened = opened.clone();
        attackers.spawn(async move {
            let mut rng = Rng::with_seed(seed.wrapping_add(number));
            while Instant::now() < until && opened.fetch_add(1, Ordering::Relaxed) < CONNECTIONS {
                // That it is refused, closed or slow is what it came for.
                let _ = within(Duration::from_secs(5), one(address, &mut rng)).await;
                sleep(Duration::from_millis(rng.u64(0..500))).await;
            }
        });
    }
    attackers.join_all().await;
    sleep((until + Duration::from_secs(3)).saturating_duration_since(Instant::now()).max(Duration::from_secs(3))).await;
    Ok((server.memory()?.resident, opened.load(Ordering::Relaxed).min(CONNECTIONS)))
}

async fn one(address: SocketAddr, rng: &mut Rng) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let bytes = bytes(rng);
    let sent = match rng.u8(0..4) {
        // In pieces, with pauses between them.
        0 => {
            let mut rest = &bytes[..];
            for _ in 0..40 {
                let (piece, later) = rest.split_at(rng.usize(0..=rest.len().min(200)));
                stream.write_all(piece).await?;
                rest = later;
                sleep(Duration::from_millis(rng.u64(0..60))).await;
            }
            stream.write_all(rest).await
        }
        _ => stream.write_all(&bytes).await,
    };
    match rng.u8(0..5) {
        0 => return stream.set_zero_linger(),
        1 => return sent,
        2 => stream.shutdown().await?,
        3 => sleep(Duration::from_millis(rng.u64(0..3000))).await,
        _ => {}
    }
    let mut buffer = [0; 4096];
    for _ in 0..rng.u32(0..200) {
        if within(Duration::from_secs(1), stream.read(&mut buffer)).await? == 0 {
            break;
        }
    }
    sent
}

/// What one connection sends.
fn bytes(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = match rng.u8(0..9) {
        0 => {
            let mut bytes = vec![0; rng.usize(1..20_000)];
            rng.fill(&mut bytes);
            bytes
        }
        1 => GET.repeat(rng.usize(1..200)),
        2 => chunked(rng),
        3 => {
            let declared =
                *pick(rng, &["0", "1", "100000", "18446744073709551615", "99999999999999999999", "-1", "1, 2"]);
            let mut bytes = head(rng, &format!("Content-Length: {declared}\r\n"));
            bytes.extend(vec![b'x'; rng.usize(0..200_000)]);
            bytes
        }
        4 => {
            let lines: String =
                (0..rng.u32(1..300)).map(|it| format!("X-{it}: {}\r\n", "v".repeat(it as usize))).collect();
            head(rng, &lines)
        }
        5 => {
            let size = rng.usize(1..100_000);
            head(rng, &format!("Cookie: {}\r\n", "c".repeat(size)))
        }
        6 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        7 => head(
            rng,
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: x\r\n",
        ),
        _ => head(rng, ""),
    };
    // Cut anywhere, changed anywhere.
    if rng.u8(0..3) == 0 {
        bytes.truncate(rng.usize(0..=bytes.len()));
    }
    if rng.u8(0..4) == 0 && !bytes.is_empty() {
        let at = rng.usize(0..bytes.len());
        bytes[at] = rng.u8(..);
    }
    bytes
}

fn head(rng: &mut Rng, headers: &str) -> Vec<u8> {
    let method = pick(rng, &["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "TRACE", "PROPFIND", "get", "", "G\0T"]);
    let target =
        pick(rng, &["/", "*", "//", "/a?b#c", "http://a/b", "a:1", "/%", "/\u{e9}", "", "/livez", "/readyz?verbose"]);
    let version = pick(rng, &["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", ""]);
    let end = pick(rng, &["\r\n", "\r\n", "\n", ""]);
    format!("{method} {target} {version}\r\nHost: a\r\n{headers}{end}").into_bytes()
}

fn chunked(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = head(rng, "Transfer-Encoding: chunked\r\n");
    for _ in 0..rng.u32(0..60) {
        let size = rng.usize(0..60_000);
        let declared = if rng.u8(0..8) == 0 { size.wrapping_sub(rng.usize(0..10)) } else { size };
        bytes.extend(format!("{declared:x}\r\n").into_bytes());
        bytes.extend(vec![b'x'; size]);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn pick<'w>(rng: &mut Rng, words: &'w [&'w str]) -> &'w &'w str {
    &words[rng.usize(0..words.len())]
}
