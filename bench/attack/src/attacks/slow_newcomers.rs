//! At the connection limit newcomers must not shed each other while idle connections stay.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::Outcome;
use crate::client::{Client, GET, within};
use crate::report::Report;
use crate::server::Binary;

pub(super) const NAME: &str = "slow-newcomers";

const LIMIT: usize = 64;
const NEWCOMERS: usize = 467;

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "{LIMIT} idle connections fill the limit of {LIMIT}; then {NEWCOMERS} newcomers, one each 5 ms, whose first \
             byte comes 50 ms after they connect"
        ),
    );
    let server = binary.launch().set("MAX_CONNECTIONS", LIMIT.to_string()).start().await?;
    let mut idle = Vec::new();
    for _ in 0..LIMIT {
        let mut client = Client::to(server.main).await?;
        client.ask(GET).await?;
        idle.push(client);
    }
    let mut newcomers = JoinSet::new();
    let mut tick = interval(Duration::from_millis(5));
    for _ in 0..NEWCOMERS {
        tick.tick().await;
        let address = server.main;
        newcomers.spawn(within(Duration::from_secs(10), async move {
            let mut client = Client::to(address).await?;
            sleep(Duration::from_millis(50)).await;
            client.ask(GET).await?;
            // Whoever was answered idles on.
            Ok(client)
        }));
    }
    let unanswered = newcomers.join_all().await.iter().filter(|it| it.is_err()).count();
    report.must("none is unanswered", format!("{unanswered} of {NEWCOMERS} unanswered"), unanswered == 0);
    Ok(report)
}
