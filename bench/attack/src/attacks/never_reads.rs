//! Clients that never read must not keep others out, nor fill the kernel's memory.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Outcome;
use crate::client::{Client, GET, within};
use crate::report::{Report, mb};
use crate::server::Binary;

pub(super) const NAME: &str = "never-reads";

const CLIENTS: usize = 64;
/// What the kernel may buffer for one connection, in bytes: the listener asks for 16 KiB each way, which Linux doubles,
/// and a whole segment may be taken over that.
const BUFFERED: u64 = 128 << 10;

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "{CLIENTS} clients, as many as the limit, each sends GETs until nobody takes any more and never reads; then \
             {CLIENTS} honest newcomers ask"
        ),
    );
    let server = binary.launch().set("MAX_CONNECTIONS", CLIENTS.to_string()).start().await?;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = Client::to(server.main).await?;
        clients.spawn(async move {
            let requests = GET.repeat(1000);
            // Where a whole second takes nothing more, it is full; 64 MB are more than any buffer.
            for _ in 0..2500 {
                if within(Duration::from_secs(1), client.stream.write_all(&requests)).await.is_err() {
                    break;
                }
            }
            client
        });
    }
    let clients = clients.join_all().await;
    let buffers = buffered(server.main.port()).await?;
    let largest = buffers.iter().max_by_key(|it| it.sum()).ok_or("ss tells of no connection")?;
    report.must(
        "the kernel buffers at most 128 KiB for each connection",
        format!(
            "{} KiB for the largest ({} KiB received, {} KiB to be sent), {} in all",
            largest.sum() >> 10,
            largest.received >> 10,
            largest.to_send >> 10,
            mb(buffers.iter().map(Buffers::sum).sum())
        ),
        largest.sum() <= BUFFERED,
    );
    let mut newcomers = JoinSet::new();
    for _ in 0..CLIENTS {
        let address = server.main;
        newcomers.spawn(within(Duration::from_secs(3), async move {
            let mut client = Client::to(address).await?;
            client.ask(GET).await?;
            Ok(client)
        }));
    }
    let answered = newcomers.join_all().await.iter().filter(|it| it.is_ok()).count();
    report.must(
        "every newcomer is answered within 3 s",
        format!("{answered} of {CLIENTS} answered"),
        answered == CLIENTS,
    );
    drop(clients);
    sleep(Duration::from_millis(100)).await;
    Ok(report)
}

/// The bytes that the kernel holds for the server's side of a connection.
struct Buffers {
    received: u64,
    to_send: u64,
}

impl Buffers {
    fn sum(&self) -> u64 {
        self.received + self.to_send
    }
}

/// Those of all connections to a port.
async fn buffered(port: u16) -> Outcome<Vec<Buffers>> {
    let ss = Command::new("ss").args(["-tnmH", "state", "established", &format!("( sport = :{port} )")]).output().await;
    let output = ss.map_err(|error| format!("ss, of iproute2, is needed to see the kernel's buffers: {error}"))?;
    if !output.status.success() {
        return Err(format!("ss: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let buffers = text.split("skmem:(").skip(1).filter_map(|sizes| {
        // `r`: received and not read, `w`: written and not acknowledged; `rb` and `tb` are limits.
        let size = |name| sizes.split([',', ')']).find_map(|it| it.strip_prefix(name)?.parse().ok());
        Some(Buffers { received: size('r')?, to_send: size('w')? })
    });
    let buffers: Vec<_> = buffers.collect();
    if buffers.len() < CLIENTS / 2 {
        return Err(format!("ss tells of {} connections only", buffers.len()).into());
    }
    Ok(buffers)
}
