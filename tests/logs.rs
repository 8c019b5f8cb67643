//! The access log.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs::File,
    io,
    process::{Command, Stdio},
};

use common::{Client, Server, eventually};

#[test]
fn each_request_is_one_line_of_json_and_probes_are_left_out() {
    let server = Server::start(&["--maintenance-mode=true"]);
    let mut client = Client::to(server.main);
    client.ask("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    client.ask("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = "GET /a%20b?secret=1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\
                   X-Forwarded-For: 192.0.2.2\r\nUser-Agent: \"x\"\\\r\n\r\n";
    let bytes = client.ask(request).body.len();
    let line = server.out().await_line("/a%20b");
    let (time, rest) = line.strip_prefix("{\"time\":\"").unwrap().split_at(24);
    assert!(time.ends_with('Z'), "{line}");
    let (before, after) = rest.split_once("\"duration_seconds\":").unwrap();
    assert_eq!(
        before,
        format!(
            "\",\"tier\":\"user\",\"peer\":\"127.0.0.1\",\"forwarded_for\":\"192.0.2.1, 192.0.2.2\",\"method\":\"GET\",\
             \"path\":\"/a%20b\",\"protocol\":\"HTTP/1.1\",\"status\":503,\"bytes\":{bytes},"
        )
    );
    assert!(after.ends_with(",\"user_agent\":\"\\\"x\\\"\\\\\"}"), "{line}");
    assert_eq!(server.out().all().len(), 1, "probes are left out");
}

#[test]
fn the_log_format_may_be_text_or_off() {
    let server = Server::start(&["--log-format=text"]);
    server.get("/");
    assert!(server.out().await_line("GET /").contains(" user 127.0.0.1 \"-\" \"GET / HTTP/1.1\" 200 "));
    let silent = Server::start(&["--log-format=off"]);
    assert_eq!(silent.get("/").status, 200);
    // The counter proves that the request came as far as the log.
    assert_eq!(silent.metric("http_requests_total{tier=\"user\",method=\"GET\",code=\"200\"}"), 1);
    assert_eq!(silent.out().all(), Vec::<String>::new());
}

#[test]
fn a_stdout_that_cannot_be_written_loses_lines_and_no_request() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, closed) = io::pipe().unwrap();
    drop(reader);
    for out in [full.into(), closed.into()] {
        let server = Server::start_at("127.0.0.1:0", &[], out);
        for _ in 0..3 {
            assert_eq!(server.get("/").status, 200);
        }
        eventually("lost lines are counted", || server.metric("log_lines_lost_total") == 3);
    }
}

#[test]
fn a_stdout_that_nobody_reads_holds_nothing_up() {
    let mut reader = Command::new("sleep").arg("3600").stdin(Stdio::piped()).spawn().unwrap();
    let server = Server::start_at("127.0.0.1:0", &[], Stdio::from(reader.stdin.take().unwrap()));
    let mut client = Client::to(server.main);
    // The pipe holds 64 KiB and the queue 4,096 lines; each of these is of more than 1 KiB.
    let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(1100));
    for _ in 0..6000 {
        assert_eq!(client.ask(&request).status, 404);
    }
    assert!(server.metric("log_lines_lost_total") > 0);
    reader.kill().unwrap();
    reader.wait().unwrap();
}
