//! A second SIGTERM ends it, though nobody reads what it writes.

use std::io::{PipeReader, PipeWriter, Write as _, pipe};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;
use crate::client::{Client, GET, within};
use crate::report::{Report, seconds};
use crate::server::{Binary, pid_of};

pub(super) const NAME: &str = "second-signal";

/// A second for the last lines, and one more for a machine that is busy.
const BOUND: Duration = Duration::from_secs(2);

pub(super) async fn attack(binary: &Binary) -> Outcome<Report> {
    let mut report =
        Report::new(NAME, "two SIGTERMs, 0.3 s apart, with SHUTDOWN_DELAY=3600 and full pipes that nobody reads");
    for (what, out_is_full, err_is_full) in
        [("stderr", false, true), ("stdout", true, false), ("stdout and stderr", true, true)]
    {
        let must = format!("{what} full: it ends within {} of the second", seconds(BOUND));
        let (seen, holds) = end(binary, out_is_full, err_is_full).await?;
        report.must(must, seen, holds);
    }
    Ok(report)
}

async fn end(binary: &Binary, out_is_full: bool, err_is_full: bool) -> Outcome<(String, bool)> {
    // The start line is not to be read, so the ports are chosen here.
    let (main, management) = (free_port()?, free_port()?);
    let launch = binary.launch().set("LISTEN", main.to_string()).set("MANAGEMENT_LISTEN", management.to_string());
    let mut command = launch.set("SHUTDOWN_DELAY", "3600").command();
    let mut readers = Vec::new();
    let mut output = |is_full: bool| -> Outcome<Stdio> {
        if !is_full {
            return Ok(Stdio::null());
        }
        let (reader, writer) = full_pipe()?;
        readers.push(reader);
        Ok(writer.into())
    };
    command.stdout(output(out_is_full)?).stderr(output(err_is_full)?);
    let mut child = command.spawn()?;
    let pid = pid_of(&child)?;
    let until = Instant::now() + Duration::from_secs(10);
    let mut client = loop {
        match Client::to(main).await {
            Ok(client) => break client,
            Err(error) if Instant::now() > until => {
                return Ok((format!("it does not even serve: {error}"), false));
            }
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    for _ in 0..100 {
        within(Duration::from_secs(5), client.ask(GET)).await?;
    }
    kill_process(pid, Signal::TERM)?;
    sleep(Duration::from_millis(300)).await;
    let second = Instant::now();
    kill_process(pid, Signal::TERM)?;
    let ended = timeout(BOUND, child.wait()).await;
    drop(readers);
    Ok(match ended {
        Ok(status) => (format!("{}, {:.1} s after it", status?, second.elapsed().as_secs_f64()), true),
        Err(_) => ("it hangs".into(), false),
    })
}

fn free_port() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A pipe that takes no byte more.
fn full_pipe() -> Outcome<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = pipe()?;
    let size = rustix::pipe::fcntl_getpipe_size(&writer)?;
    writer.write_all(&vec![b'x'; size])?;
    Ok((reader, writer))
}
