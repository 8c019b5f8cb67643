//! 1,000 clients that keep opening connections, send a little on each and say no more.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::interval;

use crate::client::{Client, within};

/// New connections in a second.
pub(crate) const RATE: u32 = 500;
/// Connections that are open at once.
const CLIENTS: usize = 1000;

/// What each connection of a flood sends: what it is, and the bytes.
pub(crate) const SENT: [(&str, &[u8]); 3] = [
    ("one byte", b"G"),
    ("a bad head", b"BAD\r\n\r\n"),
    ("a POST whose body never comes", b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"),
];

/// A flood that lasts until this is dropped.
pub(crate) struct Flood {
    task: AbortHandle,
    opened: Arc<AtomicUsize>,
}

// === impl Flood ===

impl Flood {
    pub(crate) fn start(address: SocketAddr, sent: &'static [u8]) -> Self {
        let opened = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(flood(address, sent, opened.clone())).abort_handle();
        Self { task, opened }
    }

    /// Connections that were opened so far.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn flood(address: SocketAddr, sent: &'static [u8], opened: Arc<AtomicUsize>) {
    let mut held = VecDeque::new();
    let mut opening = JoinSet::new();
    let mut tick = interval(Duration::from_secs(1) / RATE);
    loop {
        tick.tick().await;
        opening.spawn(within(Duration::from_secs(5), async move {
            let mut client = Client::to(address).await?;
            client.send(sent).await?;
            Ok(client)
        }));
        while let Some(client) = opening.try_join_next() {
            if let Ok(Ok(client)) = client {
                opened.fetch_add(1, Ordering::Relaxed);
                held.push_back(client);
            }
        }
        while held.len() > CLIENTS {
            held.pop_front();
        }
    }
}
