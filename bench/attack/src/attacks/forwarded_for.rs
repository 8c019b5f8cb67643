//! A client that writes `X-Forwarded-For` itself must not hide its address, which the router adds last.

use crate::Outcome;
use crate::client::Client;
use crate::report::Report;
use crate::server::Binary;

pub(super) const NAME: &str = "forwarded-for";

/// What the router adds.
const ROUTERS: &str = "192.0.2.77";

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        "X-Forwarded-For by the client, in one line and in many, short and long; then the router's entry",
    );
    let long = "10.0.0.1, ".repeat(400);
    let cases = [
        ("a line before the router's", format!("10.9.9.9\r\nX-Forwarded-For: {ROUTERS}")),
        ("a long list in the router's line", format!("{long}{ROUTERS}")),
        ("a long list and the router's line", format!("{long}10.9.9.9\r\nX-Forwarded-For: {ROUTERS}")),
        ("one entry of 4,000 bytes", format!("{}, {ROUTERS}", "x".repeat(4000))),
        ("50 long lines", format!("{}{ROUTERS}", format!("{}\r\nX-Forwarded-For: ", "y".repeat(300)).repeat(50))),
        ("empty entries", format!(", ,,\r\nX-Forwarded-For:\r\nX-Forwarded-For: {ROUTERS}")),
    ];
    for format in ["json", "text"] {
        let server = binary.launch().set("LOG_FORMAT", format).keeping_stdout().start().await?;
        let mut hidden = Vec::new();
        for (number, (case, value)) in cases.iter().enumerate() {
            let request = format!("GET /case-{number} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {value}\r\n\r\n");
            let status = Client::to(server.main).await?.ask(request.as_bytes()).await?.status;
            let line = server.out.with(&format!("/case-{number}")).await;
            let shown = line.is_some_and(|line| line.contains(&format!("{ROUTERS}\"")));
            if status != 503 || !shown {
                hidden.push(*case);
            }
        }
        report.must(
            format!("LOG_FORMAT={format}: the line ends with the router's entry"),
            match &hidden[..] {
                [] => format!("in {} of {0} lines", cases.len()),
                _ => format!("hidden by: {}", hidden.join("; ")),
            },
            hidden.is_empty(),
        );
    }
    Ok(report)
}
