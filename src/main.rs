//! Load, share, bind, serve, watch.

use std::{io, process::ExitCode, thread, time::Duration};

use jiff::Timestamp;
use maintenance_mode::{
    cli::{self, Command, End},
    log::{Level, Log},
    metrics::Metrics,
    open_files, probe_client,
    server::Bound,
    shared::Shared,
    signals::{self, Signals},
    start::Start,
    watch::Watch,
};
use tokio::{runtime, select};
use tokio_util::sync::CancellationToken;

/// How long the last lines of the log may take where all went well.
const LAST_LINES: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let held_back = signals::hold_back().map_err(End::failure);
    let command = Command::parse(std::env::args_os().skip(1), std::env::vars_os()).map_err(End::misuse);
    cli::exit(held_back.and(command).and_then(run))
}

fn run(command: Command) -> Result<(), End> {
    if !matches!(command, Command::Serve(_)) {
        // It ends by itself, and at a signal at once.
        signals::let_through().map_err(End::failure)?;
    }
    let sources = match command {
        Command::Serve(sources) => sources,
        Command::Probe { url, wanted } => return cli::print(&probe_client::probe(&url, wanted)?),
        Command::Help => return cli::print(&cli::usage()),
        Command::Version => return cli::print(cli::VERSION),
    };
    // 64 cores would start 64 workers, each with a malloc arena of its own.
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    runtime.map_err(End::failure)?.block_on(async {
        let signals = Signals::register().map_err(End::failure)?;
        let pod = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let start = Start::load(sources, pod, Timestamp::now()).map_err(End::misuse)?;
        let metrics = Metrics::new(start.snapshot.settings.tier);
        let lost = metrics.log_lines_lost.clone();
        let log = Log::start(start.snapshot.settings.log_format, lost, io::stdout(), io::stderr());
        let (log, writer) = log.map_err(End::failure)?;
        let ended = serve(start, metrics, log, signals).await;
        writer.finish(if ended.is_ok() { LAST_LINES } else { cli::LAST_LINE });
        ended
    })
}

async fn serve(start: Start, metrics: Metrics, log: Log, mut signals: Signals) -> Result<(), End> {
    for warning in &start.warnings {
        log.event(Level::Warn, warning);
    }
    let mut settings = start.snapshot.settings.clone();
    open_files::lower(&mut settings.max_connections, &log);
    let shared = Shared::new(start.snapshot, metrics, log);
    let bound = Bound::bind(settings, shared.clone()).map_err(End::failure)?;
    let shutdown = CancellationToken::new();
    // `block_on` is no worker, so it only waits.
    let mut serving = tokio::spawn(bound.serve(shutdown.clone().cancelled_owned()));
    // Last, as the first thing that it does takes the CPU from the first answers.
    Watch::new(start.inputs, shared).spawn().map_err(End::failure)?;
    select! {
        ended = &mut serving => return ended.map_err(End::failure),
        () = signals.next() => shutdown.cancel(),
    }
    select! {
        ended = serving => ended.map_err(End::failure),
        () = signals.next() => Err(End::failure("a second signal came: ended at once")),
    }
}
