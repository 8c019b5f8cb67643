//! A missing, double or invalid `Host` is a 400 that closes.

use std::time::Duration;

use crate::Outcome;
use crate::client::{Client, within};
use crate::report::{Report, except};
use crate::server::{Binary, Server};

pub(super) const NAME: &str = "host";

const INVALID: &[&str] = &[
    // None, and more than one.
    "",
    "Host: a\r\nHost: a\r\n",
    "Host: a\r\nHost: b\r\n",
    "Host: a\r\nAccept: */*\r\nhost:\r\n",
    "Host: a b\r\n",
    "Host: a@b\r\n",
    "Host: user:password@b\r\n",
    "Host: a, b\r\n",
    "Host: a/b\r\n",
    "Host: a?b\r\n",
    "Host: a#b\r\n",
    "Host: a\\b\r\n",
    "Host: <a>\r\n",
    "Host: \"a\"\r\n",
    "Host: a^b\r\n",
    "Host: a|b\r\n",
    "Host: a`b\r\n",
    "Host: {a}\r\n",
    "Host: a%\r\n",
    "Host: a%zz\r\n",
    "Host: \u{e9}\r\n",
    "Host: http://a\r\n",
    // Ports.
    "Host: a:b\r\n",
    "Host: a:99999\r\n",
    "Host: a:65536\r\n",
    "Host: a:+80\r\n",
    "Host: a:-1\r\n",
    "Host: a: 80\r\n",
    "Host: a:80:80\r\n",
    "Host: a:8 0\r\n",
    // Brackets.
    "Host: [::1\r\n",
    "Host: ::1]\r\n",
    "Host: [::1]x\r\n",
    "Host: [::1]:99999\r\n",
    "Host: [zz]\r\n",
    "Host: [::g]\r\n",
    "Host: []\r\n",
    "Host: [[::1]]\r\n",
    "Host: a[::1]\r\n",
    "Host: ::1\r\n",
];

const VALID: &[(&str, &str)] = &[
    ("1.1", "Host:\r\n"),
    ("1.1", "Host: a\r\n"),
    ("1.1", "Host: a,b\r\n"),
    ("1.1", "Host: shop.example.org\r\n"),
    ("1.1", "Host: shop.example.org.\r\n"),
    ("1.1", "Host: a_b-c.example\r\n"),
    ("1.1", "Host: a:80\r\n"),
    ("1.1", "Host: a:65535\r\n"),
    ("1.1", "Host: 192.0.2.1\r\n"),
    ("1.1", "Host: 192.0.2.1:8080\r\n"),
    ("1.1", "Host: [::1]\r\n"),
    ("1.1", "Host: [::1]:80\r\n"),
    ("1.1", "Host: [2001:db8::1]\r\n"),
    ("1.1", "hOsT:   a  \r\n"),
    ("1.0", ""),
    ("1.0", "Host: a\r\n"),
];

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report = Report::new(
        NAME,
        format!(
            "{} requests with a missing, double or invalid Host and {} with a valid one, to each port",
            INVALID.len(),
            VALID.len()
        ),
    );
    let server = binary.launch().start().await?;
    for (port, address, path, status) in
        [("main", server.main, "/", 503), ("management", server.management, "/livez", 200)]
    {
        let before = refused(&server).await?;
        let mut answered = Vec::new();
        for header in INVALID {
            let request = format!("GET {path} HTTP/1.1\r\n{header}\r\n");
            let mut client = Client::to(address).await?;
            let answer = within(Duration::from_secs(5), client.ask(request.as_bytes())).await;
            let closes = answer.is_ok_and(|it| it.status == 400 && it.closes);
            if !closes || !client.is_closed(Duration::from_secs(3)).await {
                answered.push(format!("{header:?}"));
            }
        }
        report.must(
            format!("{port} port: what is invalid gets 400 with Connection: close, and is closed"),
            format!("{} of {}{}", INVALID.len() - answered.len(), INVALID.len(), except(&answered)),
            answered.is_empty(),
        );
        if port == "main" {
            let counted = refused(&server).await? - before;
            report.must(
                "each is counted as refused (bad_request)",
                format!("{counted} of {}", INVALID.len()),
                usize::try_from(counted)? == INVALID.len(),
            );
        }
        let mut wrong = Vec::new();
        for (version, header) in VALID {
            let request = format!("GET {path} HTTP/{version}\r\n{header}\r\n");
            let mut client = Client::to(address).await?;
            let answer = within(Duration::from_secs(5), client.ask(request.as_bytes())).await;
            if !answer.is_ok_and(|it| it.status == status) {
                wrong.push(format!("{header:?}"));
            }
        }
        report.must(
            format!("{port} port: what is valid is answered {status}"),
            format!("{} of {}{}", VALID.len() - wrong.len(), VALID.len(), except(&wrong)),
            wrong.is_empty(),
        );
    }
    Ok(report)
}

async fn refused(server: &Server) -> Outcome<u64> {
    server.metric("http_refused_requests_total", "kind=\"bad_request\"").await
}
