//! The admin tier behind a user and a password.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;

use common::{Client, Server, command};

#[test]
fn the_admin_tier_asks_who_one_is_and_never_tells_a_password() {
    let mut with_password = command();
    with_password.envs([("ADMIN_USER", "anna"), ("ADMIN_PASSWORD", "hunter2\n"), ("TIER", "admin")]);
    let mut server = Server::start_by(with_password, "127.0.0.1:0", &["--log-format=text"], Stdio::piped());
    let mut client = Client::to(server.main);
    let mut ask =
        |path: &str, authorization: &str| client.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{authorization}\r\n"));
    let answer = ask("/admin", "");
    assert_eq!((answer.status, answer.text().as_str()), (401, "401 unauthorized\n"));
    for header in
        ["www-authenticate: Basic realm=\"maintenance-mode admin tier\", charset=\"UTF-8\"", "cache-control: no-store"]
    {
        assert!(answer.has(header), "{header} in {}", answer.head);
    }
    // anna:hunter3, then anna:hunter2.
    assert_eq!(ask("/admin", "Authorization: Basic YW5uYTpodW50ZXIz\r\n").status, 401);
    assert_eq!(ask("/admin", "Authorization: Basic YW5uYTpodW50ZXIy\r\n").status, 200);
    assert_eq!(ask("/readyz", "").status, 200);
    assert_eq!(server.metric("admin_auth_failures_total"), 1, "one who was not asked yet has not failed");
    assert_eq!(server.metric(r#"http_requests_total{tier="admin",method="GET",code="401"}"#), 2);
    server.out().await_line(" 200 ");
    server.signal("TERM");
    server.signal("TERM");
    server.ended();
    let told = [server.out().all(), server.err().all()].concat().join("\n");
    assert!(told.contains("/admin") && !told.contains("hunter") && !told.contains("YW5u"), "{told}");
}
