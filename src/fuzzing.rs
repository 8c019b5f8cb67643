//! The fuzz targets' one door, compiled for them alone. Each function does with its input what the server does, and
//! hands back what came of it; what must hold of that is asserted in `fuzz/`.

use std::{
    ffi::OsString,
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, request::Parts};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, ReadBuf, join},
    runtime::{self, Runtime},
};

pub use crate::settings::{Files, Origins, Settings, Switch, TABLE, Tier};
use crate::{
    cli::Command,
    connection::{Handler as _, http1},
    log::Log,
    main_port::MainPort,
    metrics::Metrics,
    probes::{self, Check},
    settings::{Sources, read},
    shared::Shared,
    start::Start,
};

/// The main port of a server, without its sockets.
pub struct MainPortInMemory {
    port: MainPort,
    runtime: Runtime,
}

/// What a client got: the heads that hyper read, and all bytes that were sent until the connection ended.
pub struct Talk {
    /// The requests, as hyper understood them.
    pub requests: Vec<Parts>,
    /// The answers.
    pub output: Vec<u8>,
}

/// Input that comes in pieces, until it ends.
struct Pieces<'i> {
    rest: &'i [u8],
    size: usize,
}

// === impl MainPortInMemory ===

impl MainPortInMemory {
    /// A server with these settings.
    ///
    /// # Errors
    /// What ends a server's start.
    pub fn new(environment: &[(&str, &str)]) -> Result<Self, String> {
        let environment = environment.iter().map(|&(name, value)| (name.into(), value.into()));
        let sources = Sources::default().with_environment(environment).map_err(|error| error.to_string())?;
        let start = Start::load(sources, "pod".into(), Timestamp::UNIX_EPOCH)?;
        start.snapshot.bodies.compress();
        let metrics = Metrics::new(start.snapshot.settings.tier);
        let (format, lost) = (start.snapshot.settings.log_format, metrics.log_lines_lost.clone());
        // Its lines go nowhere, but they are written.
        let (log, _) = Log::start(format, lost, io::sink(), io::sink()).map_err(|error| error.to_string())?;
        let runtime = runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        Ok(Self { port: MainPort(Shared::new(start.snapshot, metrics, log)), runtime })
    }

    /// Talks to a client that sends `input`, of which at most `piece` bytes come at once, and then shuts its side.
    #[must_use]
    pub fn talk(&self, input: &[u8], piece: usize) -> Talk {
        let (requests, mut output) = (Mutex::new(Vec::new()), Vec::new());
        let peer = SocketAddr::from(([192, 0, 2, 1], 1024));
        let service = service_fn(|request: Request<Incoming>| {
            let (head, body) = request.into_parts();
            if let Ok(mut requests) = requests.lock() {
                requests.push(head.clone());
            }
            let response = self.port.handle(Request::from_parts(head, body), peer, Instant::now());
            std::future::ready(Ok::<_, std::convert::Infallible>(response))
        });
        let stream = join(Pieces { rest: input, size: piece }, &mut output);
        let connection = http1().serve_connection(TokioIo::new(stream), service);
        // An error is a request that is none, and hyper has told the client what it had to say.
        let _ = self.runtime.block_on(connection);
        Talk { requests: requests.into_inner().unwrap_or_default(), output }
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (piece, rest) = self.rest.split_at(self.rest.len().min(self.size).min(buffer.remaining()));
        buffer.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// What a process with these arguments and this environment would serve with; `None` where it would do something else.
///
/// # Errors
/// What it would say before it ends with status 64.
pub fn settings(arguments: Vec<OsString>, environment: Vec<(OsString, OsString)>) -> Result<Option<Settings>, String> {
    match Command::parse(arguments, environment).map_err(|error| error.to_string())? {
        Command::Serve(sources) => sources.resolve(&Files::default()).map(Some).map_err(|error| error.to_string()),
        Command::Probe { .. } | Command::Help | Command::Version => Ok(None),
    }
}

/// What a config directory holds, and what a process without other settings makes of it.
///
/// # Errors
/// Why the directory cannot be read.
pub fn config_directory(dir: &Path) -> Result<(Files, Result<Settings, String>), String> {
    let files = read(dir).map_err(|error| error.to_string())?;
    let settings = Sources::default().resolve(&files).map_err(|error| error.to_string());
    Ok((files, settings))
}

/// What the probe `readyz` reports of these checks (a name, and whether it passes) to a raw query: whether it passes,
/// and the text.
#[must_use]
pub fn probe(query: &str, checks: &[(&'static str, bool)]) -> (bool, String) {
    let checks: Vec<_> = checks.iter().map(|&(name, ok)| Check { name, ok }).collect();
    let report = probes::run("readyz", query, &checks);
    (report.ok, report.text)
}
