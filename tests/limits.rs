//! What a client may do, and what it may not, without disturbing anybody else.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{BufRead as _, Write as _},
    net::Shutdown,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{Client, Dir, PATIENCE, Server, eventually};

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
        let mut client = Client::to(server.main);
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

/// With a page that is larger than the buffers of a socket, as large as one may become.
fn with_a_large_page(arguments: &[&str]) -> (Server, Dir) {
    let pages = Dir::new();
    pages.write("maintenance.html", &format!("{{% for _ in range(8) %}}{}{{% endfor %}}", "x".repeat(1 << 17)));
    let server = Server::start(&[&["--maintenance-mode=true", "--pages-dir", pages.str()], arguments].concat());
    (server, pages)
}

#[test]
fn an_answer_that_no_buffer_holds_arrives_whole_at_a_client_that_reads_late() {
    let (server, _pages) = with_a_large_page(&[]);
    let upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n";
    let closes = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let upgrades = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n";
    for (head, body, half_close) in [
        (upload, 1 << 24, false),
        (upload, 1 << 24, true),
        (upload, 1 << 10, true),
        (closes, 0, false),
        (upgrades, 0, false),
        ("GET / HTTP/1.0\r\n\r\n", 0, false),
        (GET, 0, true),
    ] {
        let mut client = Client::with_small_buffer(server.main);
        client.send(head.as_bytes());
        client.send(&vec![b'x'; body]);
        if half_close {
            client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        }
        thread::sleep(Duration::from_millis(300));
        assert_eq!(client.answer(false).body.len(), 1 << 20, "{head} {body}");
        assert!(client.is_at_end());
    }
}

#[test]
fn an_answer_that_no_buffer_holds_outlasts_the_drain() {
    let (mut server, _pages) = with_a_large_page(&["--shutdown-delay=1"]);
    // One that is kept, and one whose answer says that it is not.
    let mut clients = [Client::with_small_buffer(server.main), Client::with_small_buffer(server.main)];
    clients[0].send(GET.as_bytes());
    let answered = |number| server.metric("http_requests_total{tier=\"user\",method=\"GET\",code=\"503\"}") == number;
    eventually("it is answered", || answered(1));
    server.signal("TERM");
    server.err().await_line("draining");
    clients[1].send(GET.as_bytes());
    eventually("it is answered", || answered(2));
    // Both are told to close after the delay.
    thread::sleep(Duration::from_millis(1500));
    for mut client in clients {
        assert_eq!(client.answer(false).body.len(), 1 << 20);
        assert!(client.is_at_end());
    }
    assert!(server.ended().success());
}

#[test]
fn what_comes_after_the_last_answer_is_read_for_a_while_and_no_longer() {
    let server = in_maintenance();
    let upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
    let mut drips = Client::to(server.main);
    drips.send(upload);
    let start = Instant::now();
    assert_eq!(drips.answer(false).status, 503);
    assert!(drips.is_at_end(), "our side is shut at once");
    while drips.0.get_mut().write_all(b"x").is_ok() {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(50));
    }
    assert!(start.elapsed() > Duration::from_millis(1500), "{:?}", start.elapsed());

    let mut floods = Client::to(server.main);
    floods.send(upload);
    let chunk = vec![b'x'; 1 << 20];
    let taken = (0..900).take_while(|_| floods.0.get_mut().write_all(&chunk).is_ok()).count();
    // The buffers of both kernels take some more.
    assert!(taken < 64 + 20, "{taken} MiB");
}

#[test]
fn head_answers_as_get_without_the_body_and_connect_opens_nothing() {
    let server = in_maintenance();
    let mut client = Client::to(server.main);
    let length = client.ask(GET).body.len();
    let head = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.has(&format!("content-length: {length}")), "{}", head.head);
    assert_eq!(client.ask(GET).status, 503, "no stray body stands before the next answer");
    assert_eq!(client.ask("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n").status, 503);
    let normal = Server::start(&[]);
    let answer = Client::to(normal.main).ask("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n");
    assert_eq!(answer.status, 404);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = in_maintenance();
    let mut client = Client::to(server.main);
    client.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!([200, 503, 200], std::array::from_fn(|_| client.answer(false).status));
}

#[test]
fn a_head_may_have_64_kib_and_100_headers() {
    let server = in_maintenance();
    let head = |bytes: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: a\r\nCookie: ", "\r\n\r\n");
        format!("{start}{}{end}", "c".repeat(bytes - start.len() - end.len()))
    };
    let headers = |number: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(number - 1));
    for request in [head(64 * 1024), headers(100)] {
        assert_eq!(Client::to(server.main).ask(&request).status, 503);
    }
    for request in [head(64 * 1024 + 1), headers(101)] {
        let mut client = Client::to(server.main);
        assert_eq!(client.ask(&request).status, 431);
        assert!(client.is_at_end());
    }
    assert_eq!(server.metric("http_refused_requests_total{kind=\"head_too_large\"}"), 2);
}

#[test]
fn other_forms_of_a_request_are_answered_too() {
    let server = in_maintenance();
    let mut old = Client::to(server.main);
    let answer = old.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!((&answer.head[..12], answer.has("maintenance-mode: on")), ("HTTP/1.0 503", true));
    assert!(old.is_at_end());
    let mut client = Client::to(server.main);
    assert_eq!(client.ask("GET http://a.example/livez?verbose HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    for protocol in ["websocket", "h2c\r\nHTTP2-Settings: AAMAAABk"] {
        let connection = "Connection: Upgrade, HTTP2-Settings";
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{connection}\r\nUpgrade: {protocol}\r\n\r\n");
        assert_eq!(client.ask(&request).status, 503, "{protocol}");
    }
    assert_eq!(client.ask(GET).status, 503, "and the connection speaks HTTP/1 as before");
}

#[test]
fn http_2_without_tls_is_refused_without_a_word() {
    let server = in_maintenance();
    let mut client = Client::to(server.main);
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(client.is_at_end());
    assert_eq!(server.metric("http_refused_requests_total{kind=\"bad_request\"}"), 1);
}

#[test]
fn a_client_that_never_reads_is_cut() {
    let server = in_maintenance();
    let mut client = Client::with_small_buffer(server.main);
    let stream = client.0.get_mut();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // Until nobody takes any more.
    while stream.write_all(GET.as_bytes()).is_ok() {}
    let open = || server.metric("http_connections{port=\"main\"}");
    assert_eq!(open(), 1);
    let until = Instant::now() + Duration::from_secs(60);
    while open() > 0 {
        assert!(Instant::now() < until, "it is still open");
        thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn where_no_more_files_may_be_open_accepting_rests_and_goes_on() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_maintenance-mode")]).env_clear();
    let server = Server::start_by(limited, "127.0.0.1:0", &["--log-format=text"], Stdio::piped());
    let silent: Vec<_> = (0..60).map(|_| Client::to(server.management)).collect();
    server.err().await_line("no connection can be accepted for 50ms: ");
    thread::sleep(Duration::from_secs(2));
    // After 0, 50, 150, 350, 750 and 1,550 ms.
    let lines = server.err().count("no connection can be accepted for ");
    assert!((2..10).contains(&lines), "{lines} lines");
    drop(silent);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.metric("http_connections{port=\"main\"}"), 0);
}

#[test]
fn what_is_refused_is_counted_by_kind_and_disturbs_nobody() {
    let server = in_maintenance();
    let mut other = Client::to(server.main);
    assert_eq!(other.ask(GET).status, 503);
    let large = |bytes| format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", "c".repeat(bytes));
    assert_eq!(Client::to(server.main).ask(&large(60 * 1024)).status, 503, "large cookies still see the page");
    for (request, status) in [
        ("BAD\r\n\r\n".to_owned(), 400),
        (large(70 * 1024), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(70 * 1024)), 431),
    ] {
        let mut client = Client::to(server.main);
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
    let mut silent = Client::to(server.main);
    let mut slow = Client::to(server.main);
    slow.send(b"GET / HTTP/1.1\r\nHos");
    let mut idle = Client::to(server.main);
    assert_eq!(idle.ask(GET).status, 503);
    assert!(silent.is_at_end());
    assert!(slow.is_at_end());
    eventually("counted", || server.metric("http_refused_requests_total{kind=\"head_timeout\"}") == 1);
    assert_eq!(idle.ask(GET).status, 503, "a connection that has asked once may idle for long");
}

#[test]
fn at_the_limit_old_silent_connections_make_room_then_idle_ones() {
    let server = Server::start(&["--maintenance-mode", "true", "--max-connections", "2"]);
    let mut idle = Client::to(server.main);
    assert_eq!(idle.ask(GET).status, 503);
    let mut silent = Client::to(server.main);
    thread::sleep(Duration::from_millis(1500));
    let mut third = Client::to(server.main);
    assert_eq!(third.ask(GET).status, 503);
    assert!(silent.is_at_end());
    thread::sleep(Duration::from_millis(50));
    assert_eq!(idle.ask(GET).status, 503, "the idle one is still there");
    let mut fourth = Client::to(server.main);
    assert_eq!(fourth.ask(GET).status, 503);
    assert!(third.is_at_end(), "of two idle ones the one that idles longer");
    assert_eq!(server.metric("http_connections{port=\"main\"}"), 2);
}

#[test]
fn at_the_limit_newcomers_do_not_close_each_other_while_others_idle() {
    let server = Server::start(&["--maintenance-mode", "true", "--max-connections", "20"]);
    let mut idle: Vec<_> = (0..20).map(|_| Client::to(server.main)).collect();
    assert!(idle.iter_mut().all(|client| client.ask(GET).status == 503));
    // Fewer than a second's worth of them even on a slow machine: older ones would make room first.
    let mut answered = Vec::new();
    for _ in 0..10 {
        let mut newcomers = [Client::to(server.main), Client::to(server.main)];
        thread::sleep(Duration::from_millis(100));
        assert!(newcomers.iter_mut().all(|client| client.ask(GET).status == 503));
        answered.extend(newcomers);
    }
    assert!(idle.iter_mut().all(Client::is_at_end));
}

#[test]
fn unfinished_heads_share_16_mib_and_whoever_would_pass_it_gets_431() {
    let server = in_maintenance();
    let part = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}", "c".repeat(60_000));
    let refused = || server.metric("http_refused_requests_total{kind=\"head_too_large\"}");
    let mut clients = Vec::new();
    // 324 fill it; on a slow machine the first may be over their time by then.
    while refused() == 0 && clients.len() < 2000 {
        for _ in 0..50 {
            let mut client = Client::to(server.main);
            client.send(part.as_bytes());
            clients.push(client);
        }
    }
    let mut small = Client::to(server.main);
    assert_eq!(small.ask(GET).status, 503, "a small head is nobody's concern");
    let total = clients.len() as u64;
    let answers: Vec<_> = clients
        .into_iter()
        .filter_map(|mut client| {
            // One that was refused, or was too slow, is closed: it may be too late to say more.
            let _ = client.0.get_mut().write_all(b"\r\n\r\n");
            (!client.0.fill_buf().unwrap_or_default().is_empty()).then(|| client.answer(false).status)
        })
        .collect();
    let of = |status| answers.iter().filter(|it| **it == status).count() as u64;
    let late = server.metric("http_refused_requests_total{kind=\"head_timeout\"}");
    assert!(of(431) > 0 && of(503) > 0, "{answers:?}");
    assert_eq!((of(431), of(503) + of(431) + late), (refused(), total));
}

#[test]
fn a_request_without_a_host_is_400_and_counted_as_refused() {
    let server = in_maintenance();
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
    ] {
        let mut client = Client::to(server.main);
        let answer = client.ask(head);
        assert_eq!((answer.status, answer.has("connection: close")), (400, true), "{head}");
        assert!(client.is_at_end());
    }
    assert_eq!(server.metric("http_refused_requests_total{kind=\"bad_request\"}"), 3);
    assert_eq!(server.metric("http_requests_total{tier=\"user\",method=\"GET\",code=\"503\"}"), 0);
}

#[test]
fn a_connection_that_idled_is_served_as_before_and_so_is_a_head_in_pieces() {
    let server = in_maintenance();
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", "c".repeat(60_000));
    let mut client = Client::to(server.main);
    for _ in 0..2 {
        assert_eq!(client.ask(GET).status, 503);
        assert_eq!(client.ask(&large).status, 503);
        // Longer than it takes until its buffers are given back.
        thread::sleep(Duration::from_millis(2500));
        client.send(&GET.as_bytes()[..10]);
        thread::sleep(Duration::from_millis(2500));
        client.send(&GET.as_bytes()[10..]);
        assert_eq!(client.answer(false).status, 503);
        // One whole head and a part of the next, at once.
        client.send(format!("{GET}{}", &GET[..20]).as_bytes());
        assert_eq!(client.answer(false).status, 503);
        thread::sleep(Duration::from_millis(2500));
        client.send(&GET.as_bytes()[20..]);
        assert_eq!(client.answer(false).status, 503);
    }
    let many = GET.repeat(100);
    client.send(many.as_bytes());
    assert!((0..100).all(|_| client.answer(false).status == 503));
}

#[test]
fn ipv4_comes_in_where_ipv6_is_listened_to() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        // Then [::] stands for 0.0.0.0, which the start line of every other test would show.
        return;
    }
    let server = Server::start_at("[::]:0", &[], Stdio::piped());
    let address = ([127, 0, 0, 1], server.main.port()).into();
    assert_eq!(Client::to(address).ask(GET).status, 200);
    assert!(server.out().await_line("\"path\":\"/\"").contains("\"peer\":\"127.0.0.1\""));
}
