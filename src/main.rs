//! Settings, logs, runtime, serve.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread,
};

use jiff::Timestamp;
use maintenance_mode::{
    cli::{self, Command, End},
    limits,
    log::{Level, Log, Writer},
    metrics::Metrics,
    probe_client,
    server::{Bound, Shared},
    signals::Signals,
    snapshot::Current,
    watch::{Loaded, Watch},
};
use tokio::{runtime, select, sync::oneshot};

fn main() -> ExitCode {
    match Command::parse(std::env::args_os().skip(1), std::env::vars_os()).map_err(End::misuse).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => {
            // A stderr that is closed is no reason to panic, and the status says enough.
            let _ = writeln!(io::stderr(), "maintenance-mode: {end}");
            end.status()
        }
    }
}

fn run(command: Command) -> Result<(), End> {
    let sources = match command {
        Command::Serve(sources) => sources,
        Command::Probe { url, wanted } => return cli::print(&probe_client::probe(&url, wanted)?),
        Command::Help => return cli::print(&cli::usage()),
        Command::Version => return cli::print(cli::VERSION),
    };
    let pod = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut loaded = Loaded::load(sources, pod, Timestamp::now()).map_err(End::misuse)?;
    let metrics = Metrics::new(loaded.settings.tier);
    let lost = metrics.log_lines_lost.clone();
    let (log, writer) =
        Log::start(loaded.settings.log_format, lost, io::stdout(), io::stderr()).map_err(End::failure)?;
    for name in &loaded.unused_pages {
        log.event(Level::Warn, &format!("PAGES_DIR: {name:?} is the name of no page and is not used"));
    }
    limits::lower(&mut loaded.settings.max_connections, &log);
    let watch = Watch::new(loaded, |snapshot| Shared::new(Current::new(snapshot), metrics, log));
    serve(watch, writer)
}

fn serve(watch: Watch, writer: Writer) -> Result<(), End> {
    // 64 cores would start 64 workers, each with a malloc arena of its own.
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let ended = runtime.map_err(End::failure)?.block_on(async {
        let signals = Signals::register().map_err(End::failure)?;
        let bound = Bound::bind(&watch.settings(), &watch.shared().log).map_err(End::failure)?;
        let (first, first_came) = oneshot::channel();
        // An error says that no signal can come any more: then it is over as well.
        let shutdown = async { _ = first_came.await };
        // `block_on` is no worker, so it only waits.
        let serving = tokio::spawn(bound.serve(watch.settings(), watch.shared(), shutdown));
        watch.spawn().map_err(End::failure)?;
        select! {
            ended = serving => ended.map_err(End::failure),
            () = signals.second(first) => Err(End::failure("a second signal came: ended at once")),
        }
    });
    writer.finish();
    ended
}
