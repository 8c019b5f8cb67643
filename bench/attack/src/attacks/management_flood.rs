//! Strangers on the management port must not keep the kubelet's probes from their answers.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::flood::{Flood, RATE, SENT};
use crate::honest::{Asking, Honest, ms};
use crate::report::{Report, seconds};
use crate::server::Binary;

pub(super) const NAME: &str = "management-flood";

const TIME: Duration = Duration::from_secs(13);
/// As many probe at once, each 1 s after its last answer: with answers within 1 s, at least 100 probes in that time.
const KUBELETS: usize = 10;
const PROBES: usize = 100;
/// Connections: the flood begins 2 s earlier and ends when the last probe, which may take 10 s, is answered.
pub(super) const MADE: u64 =
    SENT.len() as u64 * ((TIME.as_secs() + 12) * RATE as u64 + TIME.as_secs() * KUBELETS as u64);

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "for {}, 1,000 clients that keep opening connections to the management port, 500 new a second, and send on each one \
             byte, a bad head, or a POST whose body never comes; meanwhile at least {PROBES} times GET /livez, each on a new connection, as the kubelet does",
            seconds(TIME)
        ),
    );
    for (sent, bytes) in SENT {
        let server = binary.launch().start().await?;
        let flood = Flood::start(server.management, bytes);
        // Until the flood is there.
        sleep(Duration::from_secs(2)).await;
        let probes = Honest::start(Asking {
            address: server.management,
            request: b"GET /livez HTTP/1.1\r\nHost: a\r\nUser-Agent: kube-probe/1.33\r\nConnection: close\r\n\r\n",
            status: 200,
            body: None,
            kept: 0,
            new: KUBELETS,
            pause: Duration::from_secs(1),
        });
        sleep(TIME).await;
        let opened = flood.opened();
        let measured = probes.stop().await?;
        drop(flood);
        let (asked, within) = (measured.asked(), measured.answered_within(Duration::from_secs(1)));
        report.must(
            format!("{sent}: every probe is answered 200 within 1 s"),
            format!(
                "{within} of {asked} within 1 s, the slowest {}; {opened} connections were opened",
                ms(measured.slowest())
            ),
            within == asked && asked >= PROBES,
        );
        report.figure(format!("{sent}: probes"), asked);
        report.figure(format!("{sent}: in time"), within);
    }
    Ok(report)
}
