//! The page in its formats and languages, over sockets.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Client, Dir, Server, eventually};
use jiff::{SignedDuration, Timestamp};

#[test]
fn head_is_answered_as_get_without_the_body() {
    let server = Server::start(&["--maintenance-mode=true", "--retry-jitter=0"]);
    let mut client = Client::to(server.main);
    for accept in ["text/html", "application/json", "application/xml", "text/plain"] {
        let headers = format!("HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\nAccept-Language: de\r\n\r\n");
        let get = client.ask(&format!("GET / {headers}"));
        let head = client.ask(&format!("HEAD / {headers}"));
        let without_date = |head: &str| head.lines().filter(|it| !it.starts_with("date: ")).collect::<String>();
        assert_eq!(without_date(&get.head), without_date(&head.head));
        assert!(
            get.has(&format!("content-length: {}", get.body.len())) && get.has("content-language: de"),
            "{}",
            get.head
        );
    }
}

#[test]
fn the_page_is_compressed_soon_after_the_start() {
    let server = Server::start(&["--maintenance-mode=true"]);
    let mut client = Client::to(server.main);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nAccept-Language: fr\r\n\r\n";
    let first = client.ask(request);
    assert!(first.status == 503 && first.has("content-language: fr"), "{}", first.head);
    eventually("a page in gzip", || client.ask(request).has("content-encoding: gzip"));
    let page = client.ask(request);
    assert!(page.body.starts_with(&[0x1f, 0x8b]) && page.body.len() < 6000, "{} bytes", page.body.len());
}

#[test]
fn a_call_and_a_preflight_are_answered_without_a_body() {
    let server = Server::start(&["--standby=true", "--cors-allow-origins", "https://app.example.org"]);
    let mut client = Client::to(server.main);
    let call = client
        .ask("POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n");
    assert!(call.status == 200 && call.has("grpc-status: 14") && call.has("content-length: 0"), "{}", call.head);
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.org\r\n\
                     Access-Control-Request-Method: PUT\r\n\r\n";
    let preflight = client.ask(preflight);
    assert!(preflight.status == 204 && preflight.has("access-control-allow-methods: PUT"), "{}", preflight.head);
    assert!(!preflight.head.contains("content-length"), "{}", preflight.head);
}

#[test]
fn the_page_says_by_itself_that_the_planned_end_has_passed() {
    let end = (Timestamp::now() + SignedDuration::from_secs(3)).to_string();
    let server = Server::start(&["--maintenance-mode=true", "--maintenance-until", &end]);
    assert!(server.metric("maintenance_until_timestamp_seconds") > 1_000_000_000);
    let mut client = Client::to(server.main);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\n";
    assert!(client.ask(request).text().contains("We expect to be back by "));
    eventually("the end has passed", || client.ask(request).text().contains("This takes longer than planned."));
}

#[test]
fn a_text_in_a_language_of_its_own_is_live() {
    let dir = Dir::new();
    let server = Server::start(&["--maintenance-mode=true", "--maintenance-title=Closed", "--config-dir", dir.str()]);
    let mut client = Client::to(server.main);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\nAccept-Language: fr-CA\r\n\r\n";
    assert!(client.ask(request).text().starts_with("Closed\n"));
    dir.write("MAINTENANCE_TITLE.fr", "Fermé");
    eventually("the title in French", || client.ask(request).text().starts_with("Fermé\n"));
    server.err().await_line("settings changed: MAINTENANCE_TITLE.fr");
}
