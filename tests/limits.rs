//! What a client may do, and what it may not, without disturbing anybody else.
#![allow(clippy::unwrap_used)]

mod common;

use std::{io::Write as _, net::Shutdown, thread};

use common::{Client, Server, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn in_maintenance() -> Server {
    Server::start(&["--maintenance-mode", "true"])
}

#[test]
fn an_upload_of_30_mb_sees_its_answer_and_no_reset() {
    let server = in_maintenance();
    let chunk = vec![b'x'; 1 << 20];
    for head in [
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 31457280\r\n\r\n",
        "PUT /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 31457280\r\n\r\n",
        "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut client = Client::to(server.users);
        client.send(head.as_bytes());
        let mut upload = client.0.get_ref().try_clone().unwrap();
        let chunk = chunk.clone();
        let chunked = head.contains("chunked");
        let sender = thread::spawn(move || {
            for _ in 0..30 {
                if chunked {
                    upload.write_all(b"100000\r\n")?;
                }
                upload.write_all(&chunk)?;
                if chunked {
                    upload.write_all(b"\r\n")?;
                }
            }
            upload.shutdown(Shutdown::Write)
        });
        sender.join().unwrap().unwrap();
        let answer = client.answer(false);
        assert_eq!(answer.status, 503, "{head}");
        assert!(answer.text().contains("</html>"));
        assert!(client.is_at_end());
    }
}

#[test]
fn head_answers_as_get_without_the_body_and_connect_opens_nothing() {
    let server = in_maintenance();
    let mut client = Client::to(server.users);
    let length = client.ask(GET).body.len();
    let head = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.has(&format!("content-length: {length}")), "{}", head.head);
    assert_eq!(client.ask(GET).status, 503, "no stray body stands before the next answer");
    assert_eq!(client.ask("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n").status, 503);
    let normal = Server::start(&[]);
    let answer = Client::to(normal.users).ask("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n");
    assert_eq!(answer.status, 404);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = in_maintenance();
    let mut client = Client::to(server.users);
    client.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!([200, 503, 200], std::array::from_fn(|_| client.answer(false).status));
}

#[test]
fn what_is_refused_is_counted_by_kind_and_disturbs_nobody() {
    let server = in_maintenance();
    let mut other = Client::to(server.users);
    assert_eq!(other.ask(GET).status, 503);
    let large = |bytes| format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", "c".repeat(bytes));
    assert_eq!(Client::to(server.users).ask(&large(60 * 1024)).status, 503, "large cookies still see the page");
    for (request, status) in [
        ("BAD\r\n\r\n".to_owned(), 400),
        (large(70 * 1024), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(70 * 1024)), 431),
    ] {
        let mut client = Client::to(server.users);
        assert_eq!(client.ask(&request).status, status);
        assert!(client.is_at_end());
    }
    assert_eq!(server.metric("http_refused_requests_total{kind=\"bad_request\"}"), 1);
    assert_eq!(server.metric("http_refused_requests_total{kind=\"head_too_large\"}"), 2);
    assert_eq!(other.ask(GET).status, 503);
}

#[test]
fn the_silent_and_the_slow_are_closed_and_others_go_on() {
    let server = in_maintenance();
    let mut silent = Client::to(server.users);
    let mut slow = Client::to(server.users);
    slow.send(b"GET / HTTP/1.1\r\nHos");
    let mut idle = Client::to(server.users);
    assert_eq!(idle.ask(GET).status, 503);
    assert!(silent.is_at_end());
    assert!(slow.is_at_end());
    eventually("counted", || server.metric("http_refused_requests_total{kind=\"head_timeout\"}") == 1);
    assert_eq!(idle.ask(GET).status, 503, "a connection that has asked once may idle for long");
}

#[test]
fn at_the_limit_those_that_wait_make_room_then_the_idle() {
    let server = Server::start(&["--maintenance-mode", "true", "--max-connections", "2"]);
    let mut idle = Client::to(server.users);
    assert_eq!(idle.ask(GET).status, 503);
    let mut silent = Client::to(server.users);
    let mut third = Client::to(server.users);
    assert_eq!(third.ask(GET).status, 503);
    assert!(silent.is_at_end());
    assert_eq!(idle.ask(GET).status, 503, "the idle one is still there");
    let mut fourth = Client::to(server.users);
    assert_eq!(fourth.ask(GET).status, 503);
    assert!(third.is_at_end(), "of two idle ones the one that idles longer");
    assert_eq!(server.metric("http_connections{port=\"users\"}"), 2);
}

#[test]
fn ipv4_comes_in_where_ipv6_is_listened_to() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        // Then [::] stands for 0.0.0.0, which the start line of every other test would show.
        return;
    }
    let server = Server::start_at("[::]:0", &[], std::process::Stdio::piped());
    let address = ([127, 0, 0, 1], server.users.port()).into();
    assert_eq!(Client::to(address).ask(GET).status, 200);
    assert!(server.out().await_line("\"path\":\"/\"").contains("\"peer\":\"127.0.0.1\""));
}
