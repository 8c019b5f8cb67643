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
/// What the kernel may buffer for one connection, in bytes.
const BUFFERED: u64 = 256 << 10;

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
    let (sum, largest) = buffered(server.main.port()).await?;
    report.must(
        "the kernel buffers at most 256 KiB for each connection",
        format!("{:.0} KiB for the largest, {} in all", largest as f64 / 1024.0, mb(sum)),
        largest <= BUFFERED,
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

/// The bytes that the kernel holds for the server's side of all connections to a port, and for the largest of them.
async fn buffered(port: u16) -> Outcome<(u64, u64)> {
    let ss = Command::new("ss").args(["-tnmH", "state", "established", &format!("( sport = :{port} )")]).output().await;
    let output = ss.map_err(|error| format!("ss, of iproute2, is needed to see the kernel's buffers: {error}"))?;
    if !output.status.success() {
        return Err(format!("ss: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let sizes = text.split("skmem:(").skip(1).map(|it| {
        let fields = it.split([',', ')']);
        // `r`: received and not read, `w`: written and not acknowledged; `rb` and `tb` are limits.
        let sizes = fields.filter_map(|it| it.strip_prefix(['r', 'w'])?.parse::<u64>().ok());
        sizes.take(2).sum::<u64>()
    });
    let sizes: Vec<_> = sizes.collect();
    if sizes.len() < CLIENTS / 2 {
        return Err(format!("ss tells of {} connections only", sizes.len()).into());
    }
    Ok((sizes.iter().sum(), sizes.iter().max().copied().unwrap_or_default()))
}
