//! The attacks, one a module.

mod early_signal;
mod forwarded_for;
mod fresh;
mod host;
mod log_controls;
mod main_flood;
mod management_flood;
mod memory;
mod named_pipe;
mod never_reads;
mod second_signal;
mod sigterm;
mod slow_newcomers;
mod templates;

use std::future::Future;
use std::pin::Pin;

use crate::Outcome;
use crate::report::Report;
use crate::server::Binary;

/// One attack: what it is called, what it does in a line, what it takes, and how it is carried out.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// At most so many connections are made.
    pub(crate) connections: u64,
    pub(crate) run: for<'b> fn(&'b Binary) -> Running<'b>,
}

/// More than most attacks make.
const FEW: u64 = 2000;

type Running<'b> = Pin<Box<dyn Future<Output = Outcome<Report>> + 'b>>;

/// Every attack, in the order in which `all` runs them.
pub(crate) static ATTACKS: &[Attack] = &[
    Attack {
        name: memory::NAME,
        about: "4,096 connections with small, large and half heads, whole and in a mix",
        connections: memory::MADE,
        run: |it| Box::pin(memory::attack(it)),
    },
    Attack {
        name: slow_newcomers::NAME,
        about: "newcomers at the limit whose first byte comes late",
        connections: FEW,
        run: |it| Box::pin(slow_newcomers::attack(it)),
    },
    Attack {
        name: sigterm::NAME,
        about: "SIGTERM under load, and requests that begin just before the delay ends",
        connections: sigterm::MADE,
        run: |it| Box::pin(sigterm::attack(it)),
    },
    Attack {
        name: management_flood::NAME,
        about: "one-byte connections to the management port, while the kubelet probes it",
        connections: management_flood::MADE,
        run: |it| Box::pin(management_flood::attack(it)),
    },
    Attack {
        name: main_flood::NAME,
        about: "one-byte connections to the main port, while others ask there",
        connections: main_flood::MADE,
        run: |it| Box::pin(main_flood::attack(it)),
    },
    Attack {
        name: never_reads::NAME,
        about: "clients that ask on and on and never read an answer",
        connections: FEW,
        run: |it| Box::pin(never_reads::attack(it)),
    },
    Attack {
        name: forwarded_for::NAME,
        about: "clients that write X-Forwarded-For themselves, before the router's entry",
        connections: FEW,
        run: |it| Box::pin(forwarded_for::attack(it)),
    },
    Attack {
        name: second_signal::NAME,
        about: "a second SIGTERM while stdout and stderr are full pipes that nobody reads",
        connections: FEW,
        run: |it| Box::pin(second_signal::attack(it)),
    },
    Attack {
        name: named_pipe::NAME,
        about: "named pipes in the place of settings and pages",
        connections: FEW,
        run: |it| Box::pin(named_pipe::attack(it)),
    },
    Attack {
        name: early_signal::NAME,
        about: "SIGHUP, and SIGTERM within 5 ms of the start as PID 1",
        connections: FEW,
        run: |it| Box::pin(early_signal::attack(it)),
    },
    Attack {
        name: log_controls::NAME,
        about: "control, bidirectional and invisible characters in what is logged",
        connections: FEW,
        run: |it| Box::pin(log_controls::attack(it)),
    },
    Attack {
        name: templates::NAME,
        about: "own pages that never end, or grow without end",
        connections: FEW,
        run: |it| Box::pin(templates::attack(it)),
    },
    Attack {
        name: host::NAME,
        about: "missing, double and invalid Host headers",
        connections: FEW,
        run: |it| Box::pin(host::attack(it)),
    },
    Attack {
        name: fresh::NAME,
        about: "random bytes, heads, bodies, trickles, half-closes and resets, from a seed",
        connections: fresh::MADE,
        run: |it| Box::pin(fresh::attack(it)),
    },
];

/// The names of the mixes of `memory`, as its figures are called.
pub(crate) fn memory_mixes() -> impl Iterator<Item = &'static str> {
    memory::mixes()
}
