//! Strangers on the main port must not make others wait.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::client::GET;
use crate::flood::{Flood, RATE, SENT};
use crate::honest::{Asking, Honest, ms};
use crate::report::{Report, seconds};
use crate::server::Binary;

pub(super) const NAME: &str = "main-flood";

const TIME: Duration = Duration::from_secs(8);
const LIMITS: [u64; 2] = [512, 4096];
/// Honest clients that keep their connection, and as many that do not.
const HONEST: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// Connections: the flood begins 2 s earlier and ends when the last request, which may take 10 s, is answered. Each
/// honest request may be a connection.
pub(super) const MADE: u64 = (LIMITS.len() * SENT.len()) as u64
    * ((TIME.as_secs() + 12) * RATE as u64
        + TIME.as_secs() * (1000 / PAUSE.subsec_millis() as u64) * 2 * HONEST as u64);
const BOUND: Duration = Duration::from_millis(100);

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "for {}, 1,000 clients that keep opening connections to the main port, 500 new a second, and send on each one byte, \
             a bad head, or a POST whose body never comes; meanwhile 8 honest clients, half of them on a new connection for each request",
            seconds(TIME)
        ),
    );
    for (limit, (sent, bytes)) in LIMITS.into_iter().flat_map(|limit| SENT.map(|sent| (limit, sent))) {
        let server = binary.launch().set("MAX_CONNECTIONS", limit.to_string()).start().await?;
        let flood = Flood::start(server.main, bytes);
        sleep(Duration::from_secs(2)).await;
        let honest = Honest::start(Asking {
            address: server.main,
            request: GET,
            status: 503,
            body: None,
            kept: HONEST,
            new: HONEST,
            pause: PAUSE,
        });
        sleep(TIME).await;
        let opened = flood.opened();
        let measured = honest.stop().await?;
        let p99 = measured.permille(990);
        report.must(
            format!("MAX_CONNECTIONS={limit}, {sent}: 99 of 100 honest requests are answered within 100 ms"),
            format!(
                "p50 {}, p99 {}, the slowest {}; {} of {} unanswered; {opened} connections were opened",
                ms(measured.permille(500)),
                ms(p99),
                ms(measured.slowest()),
                measured.unanswered.len(),
                measured.asked()
            ),
            p99 < BOUND && measured.asked() > 0,
        );
    }
    Ok(report)
}
