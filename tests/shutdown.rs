//! SIGTERM and SIGINT: nothing is lost, and it ends.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{self, Read as _},
    net::TcpStream,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use common::{Client, Server, eventually};

const READY: &str = "GET /readyz?exclude=maintenance HTTP/1.1\r\nHost: a\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn readiness_fails_at_once_while_connections_are_taken_and_closed_after_their_answer() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut server = Server::start(&["--shutdown-delay", "2", "--shutdown-timeout", "20"]);
        let mut kept = Client::to(server.main);
        assert_eq!(kept.ask(GET).status, 200);
        let mut waiting = Client::to(server.main);
        server.signal(signal);
        eventually("readiness fails", || Client::to(server.main).ask(READY).status == 503);
        let ready = Client::to(server.main).ask(READY);
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
        assert!(TcpStream::connect(server.main).is_err());
    }
}

#[test]
fn connections_that_do_not_end_are_cut_at_the_time_limit() {
    let mut server = Server::start(&["--shutdown-delay", "0", "--shutdown-timeout", "1"]);
    let mut stuck = Client::to(server.main);
    stuck.send(b"GET / HTTP/1.1\r\n");
    eventually("it is accepted", || server.metric("http_connections{port=\"main\"}") == 1);
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
    let mut idle = Client::to(server.main);
    assert_eq!(idle.ask(GET).status, 200);
    server.signal("TERM");
    assert!(idle.is_at_end());
    assert!(server.ended().success());
}

#[test]
fn a_connection_without_an_answer_and_a_head_that_has_begun_are_answered_after_the_delay() {
    let mut server = Server::start(&["--shutdown-delay", "1", "--shutdown-timeout", "20"]);
    let mut clients =
        [Client::to(server.main), Client::to(server.main), Client::to(server.main), Client::to(server.main)];
    let [silent, first_head, second_head, idle] = &mut clients;
    first_head.send(&GET.as_bytes()[..10]);
    // The second comes with the end of the first, or after it.
    second_head.send(format!("{GET}{}", &GET[..10]).as_bytes());
    assert_eq!(second_head.answer(false).status, 200);
    assert_eq!(idle.ask(GET).status, 200);
    server.signal("TERM");
    server.err().await_line("draining");
    assert!(idle.is_at_end(), "it has its answer");
    // The delay is over.
    silent.send(GET.as_bytes());
    first_head.send(&GET.as_bytes()[10..]);
    second_head.send(&GET.as_bytes()[10..]);
    for client in [silent, first_head, second_head] {
        let answer = client.answer(false);
        assert_eq!((answer.status, answer.has("connection: close")), (200, true));
        assert!(client.is_at_end());
    }
    assert!(server.ended().success());
}

#[test]
fn a_second_signal_ends_it_where_nobody_reads_stderr_or_stdout() {
    let (mut kept, full) = io::pipe().unwrap();
    let (_kept, full_too) = io::pipe().unwrap();
    let mut child = common::command()
        .args(["--listen=127.0.0.1:0", "--management-listen=127.0.0.1:0", "--shutdown-delay=3600", "--log-format=text"])
        .stderr(Stdio::from(full.try_clone().unwrap()))
        .stdout(Stdio::from(full_too))
        .spawn()
        .unwrap();
    // The start line says that signals are waited for.
    kept.read_exact(&mut [0; 10]).unwrap();
    fill(full);
    let term = || assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    term();
    thread::sleep(Duration::from_millis(300));
    term();
    let until = Instant::now() + common::PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < until, "it does not end");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(1));
}

/// Writes into a pipe until nothing more goes in.
fn fill(pipe: io::PipeWriter) {
    let (done, is_done) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut pipe = pipe;
        while io::Write::write(&mut pipe, &[b'x'; 4096]).is_ok() {
            let _ = done.send(());
        }
    });
    while is_done.recv_timeout(Duration::from_millis(500)).is_ok() {}
}
