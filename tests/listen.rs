//! Several addresses where users come in.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
};

use common::{Client, Server, command, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server that listens at three addresses, and which they are.
fn server(arguments: &[&str]) -> (Server, Vec<SocketAddr>) {
    let server = Server::start_at("127.0.0.1:0,127.0.0.2:0, 127.0.0.1:0", arguments, Stdio::piped());
    let line = server.err().await_line(" LISTEN is ");
    let (_, after) = line.split_once(" LISTEN is ").unwrap();
    let (addresses, _) = after.split_once(", MANAGEMENT_LISTEN is ").unwrap();
    let addresses: Vec<_> = addresses.split(',').map(|it| it.parse().unwrap()).collect();
    assert_eq!(addresses.len(), 3, "{line}");
    (server, addresses)
}

#[test]
fn each_address_answers_and_all_share_one_limit() {
    let (server, addresses) = server(&["--max-connections=3"]);
    let mut clients: Vec<_> = addresses.iter().map(|it| Client::to(*it)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(GET).status, 200);
    }
    assert_eq!(server.metric("http_connections{port=\"main\"}"), 3);
    assert_eq!(server.metric("http_connections_limit{port=\"main\"}"), 3);
    let mut another = Client::to(addresses[2]);
    assert_eq!(another.ask(GET).status, 200);
    assert!(clients[0].is_at_end(), "it idled longest, at another address");
    assert_eq!(clients[1].ask(GET).status, 200);
    assert_eq!(server.metric("http_connections_shed_total{port=\"main\"}"), 1);
}

#[test]
fn at_the_end_each_address_is_drained_and_closed() {
    let (mut server, addresses) = server(&["--shutdown-delay=1"]);
    let mut idle: Vec<_> = addresses.iter().map(|it| Client::to(*it)).collect();
    for client in &mut idle {
        assert_eq!(client.ask(GET).status, 200);
    }
    let mut silent: Vec<_> = addresses.iter().map(|it| Client::to(*it)).collect();
    server.signal("TERM");
    server.err().await_line("draining");
    for address in &addresses {
        let answer = Client::to(*address).ask(GET);
        assert_eq!((answer.status, answer.has("connection: close")), (200, true), "{address} is still open");
    }
    for client in &mut idle {
        assert!(client.is_at_end());
    }
    for client in &mut silent {
        assert_eq!(client.ask(GET).status, 200, "it was never answered");
        assert!(client.is_at_end());
    }
    assert!(server.ended().success());
    for address in addresses {
        eventually("it is closed", || TcpStream::connect(address).is_err());
    }
}

#[test]
fn where_one_address_is_taken_none_is_served() {
    let other = TcpListener::bind("127.0.0.2:0").unwrap();
    let taken = other.local_addr().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("--listen={free},{taken}");
    let output = command().args([&listen, "--management-listen=127.0.0.1:0"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("LISTEN \"{taken}\" cannot be listened at: Address already in use")), "{text}");
    assert!(!text.contains(" LISTEN is "), "{text}");
    assert!(TcpStream::connect(free).is_err());
}
