//! SIGTERM and SIGINT: nothing is lost, and it ends.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::TcpStream;

use common::{Client, Server, eventually};

const READY: &str = "GET /readyz?exclude=maintenance HTTP/1.1\r\nHost: a\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn readiness_fails_at_once_while_connections_are_taken_and_closed_after_their_answer() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&["--shutdown-delay", "2", "--shutdown-timeout", "20"]);
        let mut kept = Client::to(server.users);
        assert_eq!(kept.ask(GET).status, 200);
        let mut waiting = Client::to(server.users);
        server.signal(signal);
        eventually("readiness fails", || Client::to(server.users).ask(READY).status == 503);
        let ready = Client::to(server.users).ask(READY);
        assert!(ready.text().contains("[-]shutdown failed: reason withheld\n"), "{}", ready.text());
        for client in [&mut kept, &mut waiting] {
            let answer = client.ask(GET);
            assert_eq!(answer.status, 200);
            assert!(answer.has("connection: close"), "{}", answer.head);
            assert!(client.is_at_end());
        }
        let management = Client::to(server.management).ask(READY);
        assert_eq!(management.status, 503);
        assert!(server.ended().success());
        assert!(TcpStream::connect(server.users).is_err());
    }
}

#[test]
fn connections_that_do_not_end_are_cut_at_the_time_limit() {
    let mut server = Server::start(&["--shutdown-delay", "0", "--shutdown-timeout", "1"]);
    let mut stuck = Client::to(server.users);
    stuck.send(b"GET / HTTP/1.1\r\n");
    eventually("it is accepted", || server.metric("http_connections{port=\"users\"}") == 1);
    server.signal("TERM");
    assert!(server.ended().success());
    server.err().await_line("1 connections did not end within SHUTDOWN_TIMEOUT");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&["--shutdown-delay", "3600"]);
    server.signal("TERM");
    server.err().await_line("draining");
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(1));
    server.err().await_line("a second signal came");
}

#[test]
fn an_idle_server_ends_at_once_without_a_delay() {
    let mut server = Server::start(&["--shutdown-delay", "0", "--shutdown-timeout", "3600"]);
    let mut idle = Client::to(server.users);
    assert_eq!(idle.ask(GET).status, 200);
    server.signal("TERM");
    assert!(idle.is_at_end());
    assert!(server.ended().success());
}
