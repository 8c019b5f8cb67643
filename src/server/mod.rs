//! The server: both ports, from binding them to the end of the last connection.

mod accept;
mod listen;
mod slots;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, time::sleep};

pub use self::listen::BindError;
pub(crate) use self::slots::{Slot, Slots};
use self::{accept::Port, listen::listen};
use crate::{
    cli::VERSION,
    log::Level,
    main_port::MainPort,
    management_port::{self, ManagementPort},
    settings::Settings,
    shared::Shared,
};

/// The management port closes last, and whoever asks there gets this long at most.
const MANAGEMENT_DRAIN: Duration = Duration::from_secs(1);

/// Both ports, bound.
#[derive(Debug)]
pub struct Bound {
    main: Vec<TcpListener>,
    management: TcpListener,
    settings: Settings,
    shared: Arc<Shared>,
}

// === impl Bound ===

impl Bound {
    /// Binds both ports, the main one at each of its addresses.
    ///
    /// # Errors
    /// An address is in use or may not be bound. Then none is.
    pub fn bind(settings: Settings, shared: Arc<Shared>) -> Result<Self, BindError> {
        let log = &shared.log;
        let main: Vec<_> = settings.listen.iter().map(|it| listen("LISTEN", *it, log)).collect::<Result<_, _>>()?;
        let management = listen("MANAGEMENT_LISTEN", settings.management_listen, log)?;
        let (main_at, management_at) = (main.iter().map(at).collect::<Vec<_>>().join(","), at(&management));
        let tier = settings.tier;
        let message = format!("{VERSION}, {tier} tier: LISTEN is {main_at}, MANAGEMENT_LISTEN is {management_at}");
        log.event(Level::Info, &message);
        Ok(Self { main, management, settings, shared })
    }

    /// Serves until `shutdown` completes, then drains: for `SHUTDOWN_DELAY` new connections are still taken while
    /// readiness fails and every answer closes its connection. Then the queues are emptied and closed, connections that
    /// idle are closed, and the others get `SHUTDOWN_TIMEOUT` for their answer. The management port closes last.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { main, management, settings, shared } = self;
        let log = &shared.log;
        let slots = Slots::new(settings.max_connections, shared.metrics.main.clone());
        let main = Port::open(main, slots, MainPort(shared.clone()), log);
        let slots = Slots::new(management_port::CONNECTIONS, shared.metrics.management.clone());
        let management = Port::open(vec![management], slots, ManagementPort(shared.clone()), log);

        shutdown.await;
        shared.drain();
        let (delay, limit) = (settings.shutdown_delay, settings.shutdown_timeout);
        let (more, end) = (delay.as_secs(), limit.as_secs());
        log.event(Level::Info, &format!("draining: connections are taken for {more} s more, then have {end} s to end"));
        sleep(delay).await;

        let deadline = Instant::now() + limit;
        let left = main.drain(deadline).await;
        if left > 0 {
            let message = format!("{left} connections did not end within SHUTDOWN_TIMEOUT ({end} s) and are cut");
            log.event(Level::Warn, &message);
        }
        management.drain(deadline.min(Instant::now() + MANAGEMENT_DRAIN)).await;
        log.event(Level::Info, "ended");
    }
}

/// Where it listens: port 0 has become a real one.
fn at(listener: &TcpListener) -> String {
    listener.local_addr().map_or_else(|error| error.to_string(), |it| it.to_string())
}
