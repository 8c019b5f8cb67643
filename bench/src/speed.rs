//! The run: every load on every peer, round by round in turn, after each has shown that it sends the same page.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{
    answer::Answer,
    load::{self, Load, Round},
    peers::{Peer, Programs, Running, Task},
    results::{Column, Row, Run, Table},
    settings::Settings,
    table,
};

/// Of the CPUs that the load generator may use; above that its own speed is measured.
const GENERATOR_BUSY: f64 = 0.9;
/// What a run shows of memory has this unit.
const KIB_PER_MB: f64 = 1_000_000.0 / 1024.0;

/// Runs all, prints each table as soon as it is there, and says where the whole is kept.
pub(crate) fn run(programs: &Programs, settings: &Settings, cpus: &Cpus) -> Result<()> {
    if settings.loads.contains(&Load::Idle) {
        load::enough_files()?;
    }
    let mut bench = Bench { programs, settings, cpus, run: blank(settings, cpus)? };
    println!("{}. {}\n", bench.run.machine, bench.run.made);
    for load in &settings.loads {
        let table = bench.table(*load).with_context(|| load.title())?;
        println!("{}", table::text(&table));
        bench.run.tables.push(table);
        bench.run.write(&Run::file())?;
    }
    println!("kept in {}", Run::file().display());
    Ok(())
}

/// Which CPUs the servers and the load generator use.
#[derive(Debug)]
pub(crate) struct Cpus {
    servers: Vec<usize>,
    generator: Vec<usize>,
}

impl Cpus {
    /// Those that this process may use.
    pub(crate) fn all() -> Result<Vec<usize>> {
        let set = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU).filter(|it| set.is_set(*it)).collect())
    }

    /// Apart: the first half for the servers, at most four, as ours has no more workers; the others for the load.
    pub(crate) fn divide(all: &[usize], apart: bool) -> Self {
        if !apart {
            return Self { servers: all.to_vec(), generator: all.to_vec() };
        }
        let (servers, generator) = all.split_at((all.len() / 2).min(4));
        Self { servers: servers.to_vec(), generator: generator.to_vec() }
    }

    /// What is started from now on is a server.
    fn for_servers(&self) -> Result<()> {
        confine(&self.servers)
    }

    /// What this process does from now on, and starts, is load.
    fn for_the_load(&self) -> Result<()> {
        confine(&self.generator)
    }

    /// wrk's threads: on shared CPUs half as many as there are, so that the server has the other half.
    fn generator_threads(&self) -> usize {
        if self.servers == self.generator { self.generator.len().div_ceil(2) } else { self.generator.len() }
    }
}

/// Children inherit it.
pub(crate) fn confine(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

struct Bench<'a> {
    programs: &'a Programs,
    settings: &'a Settings,
    cpus: &'a Cpus,
    run: Run,
}

impl Bench<'_> {
    fn table(&mut self, load: Load) -> Result<Table> {
        let mut task = Task { answer: None, json_log: load.json_log(), cpus: self.cpus.servers.len() };
        let page = self.answer(Peer::Ours, task, load)?;
        task.answer = Some(&page);
        let mut rows = Vec::new();
        for peer in &self.settings.peers {
            rows.push((*peer, self.row(*peer, task, load)?));
        }
        let rounds = if load == Load::Startup { self.settings.starts } else { self.settings.rounds };
        // In turn, so that what disturbs the machine for a while disturbs them all.
        for round in 1..=rounds {
            progress(&format!("{}: round {round} of {rounds}", load.name()));
            for (peer, row) in rows.iter_mut().filter(|(_, row)| row.not_run.is_none()) {
                let values = self.values(*peer, task, load, &mut row.marks).with_context(|| peer.name())?;
                row.values.resize(values.len(), Vec::new());
                row.values.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
            }
        }
        progress("");
        Ok(Table {
            name: load.name().to_owned(),
            title: load.title().to_owned(),
            columns: columns(load),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        })
    }

    /// A row without values, of a peer that has shown that it sends the page, or of one that cannot.
    fn row(&mut self, peer: Peer, task: Task<'_>, load: Load) -> Result<Row> {
        if let Some(why) = peer.obstacle(task) {
            return Ok(Row::not_run(peer, why));
        }
        if let (Some(page), true) = (task.answer, peer != Peer::Ours) {
            let mut differences = page.differences(&self.answer(peer, task, load)?);
            if peer.takes_headers() {
                differences.refused.append(&mut differences.headers);
            } else {
                differences.allowed.append(&mut differences.headers);
            }
            ensure!(
                differences.refused.is_empty(),
                "{} does not send the page: {}",
                peer.name(),
                differences.refused.join("; ")
            );
            let known = self.run.differences.entry(peer.name().to_owned()).or_default();
            for difference in differences.allowed {
                if !known.contains(&difference) {
                    println!("{} differs in what is its own: {difference}", peer.name());
                    known.push(difference);
                }
            }
        }
        if !self.run.versions.contains_key(peer.name()) {
            self.run.versions.insert(peer.name().to_owned(), peer.version(self.programs)?);
        }
        let mut marks = Vec::new();
        if !peer.takes_headers() {
            marks.push("its page takes no headers, so that it sends less than the others".to_owned());
        }
        Ok(Row { peer: peer.name().to_owned(), not_run: None, marks, values: Vec::new() })
    }

    fn answer(&self, peer: Peer, task: Task<'_>, load: Load) -> Result<Answer> {
        let running = self.start(peer, task)?;
        let answer = Answer::of(running.address, &load.headers()).with_context(|| peer.name())?;
        running.stop()?;
        Ok(answer)
    }

    fn start(&self, peer: Peer, task: Task<'_>) -> Result<Running> {
        self.cpus.for_servers()?;
        let running = peer.start(self.programs, task)?;
        self.cpus.for_the_load()?;
        Ok(running)
    }

    /// A value for each column, from a server that is started for it.
    fn values(&self, peer: Peer, task: Task<'_>, load: Load, marks: &mut Vec<String>) -> Result<Vec<f64>> {
        if load == Load::Startup {
            return self.startup(peer, task);
        }
        let running = self.start(peer, task)?;
        // What is read or set up with the first answer is not part of the load.
        Answer::of(running.address, &load.headers())?;
        let values = if load == Load::Idle {
            let memory = load::idle(running.address, running.family())?;
            [memory.during, memory.before, memory.after].map(megabytes).into()
        } else {
            let threads = self.cpus.generator_threads();
            let round = load.round(running.address, running.family(), self.settings.seconds, threads)?;
            mark(&round, marks);
            if task.json_log {
                mark_log(usize::try_from(round.requests)?, running.logged()?, marks);
            }
            round_values(&round)
        };
        running.stop()?;
        Ok(values)
    }

    /// From exec to the first byte of an answer, and the memory that it has then.
    fn startup(&self, peer: Peer, task: Task<'_>) -> Result<Vec<f64>> {
        let prepared = peer.prepare(self.programs, task)?;
        self.cpus.for_servers()?;
        let begin = Instant::now();
        let running = prepared.spawn()?;
        self.cpus.for_the_load()?;
        let mut stream = running.wait()?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        ensure!(stream.read(&mut [0])? == 1, "no answer");
        let took = begin.elapsed();
        let memory = running.family().memory()?;
        running.stop()?;
        Ok(vec![milliseconds(took), megabytes(memory)])
    }
}

/// Shows on a terminal what goes on, in the place of what it showed before.
fn progress(now: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{now}");
    }
}

fn round_values(round: &Round) -> Vec<f64> {
    let requests = f64::from(u32::try_from(round.requests).unwrap_or(u32::MAX));
    vec![
        round.used.cpu.as_secs_f64() * 100_000.0 / requests,
        requests / round.duration.as_secs_f64(),
        milliseconds(round.p50),
        milliseconds(round.p99),
        round.used.kernel * 100.0,
        megabytes(round.memory.before),
        megabytes(round.memory.during),
        megabytes(round.memory.after),
        round.used.cpu.as_secs_f64() / round.duration.as_secs_f64(),
        round.generator * 100.0,
    ]
}

fn columns(load: Load) -> Vec<Column> {
    let columns: &[(&str, usize)] = match load {
        Load::Startup => &[("first answer, ms", 1), ("memory, MB", 1)],
        Load::Idle => &[("memory, MB", 1), ("before", 1), ("after", 1)],
        _ => &[
            ("CPU s / 100,000", 3),
            ("requests/s", 0),
            ("p50, ms", 2),
            ("p99, ms", 2),
            ("kernel, %", 0),
            ("MB before", 1),
            ("during", 1),
            ("after", 1),
            ("CPUs", 2),
            ("generator, %", 0),
        ],
    };
    columns.iter().map(|(title, decimals)| Column { title: (*title).to_owned(), decimals: *decimals }).collect()
}

fn mark(round: &Round, marks: &mut Vec<String>) {
    let mut add = |mark: String| {
        if !marks.contains(&mark) {
            marks.push(mark);
        }
    };
    if round.generator > GENERATOR_BUSY {
        add("the load generator was busy for more than 90 % of a round, so the server may be faster than shown"
            .to_owned());
    }
    if round.errors > 0 {
        add("some requests of a round got no answer".to_owned());
    }
}

/// A server that leaves lines out has less to do.
fn mark_log(requests: usize, logged: usize, marks: &mut Vec<String>) {
    if logged < requests {
        let lost = (requests - logged) * 100 / requests;
        marks.push(format!("a round's log has {logged} lines for {requests} requests: {lost} % are lost"));
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn megabytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / KIB_PER_MB
}

/// A run that has nothing yet but where and how.
fn blank(settings: &Settings, cpus: &Cpus) -> Result<Run> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model =
        info.lines().find_map(|it| it.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |it| it.1);
    let uname = rustix::system::uname();
    let number = Cpus::all()?.len();
    if number == 0 {
        bail!("this process may use no CPU");
    }
    let where_they_run = if settings.apart {
        format!("servers on {}, wrk on {}", count(cpus.servers.len(), "CPU"), count(cpus.generator.len(), "other"))
    } else {
        format!("servers and wrk share {}", count(number, "CPU"))
    };
    Ok(Run {
        machine: format!("{model}, {}, Linux {}", count(number, "CPU"), uname.release().to_string_lossy()),
        made: format!(
            "{} of {} a load, {} a server; {where_they_run}.",
            count(settings.rounds, "round"),
            count(usize::try_from(settings.seconds)?, "second"),
            count(settings.starts, "start"),
        ),
        versions: [].into(),
        differences: [].into(),
        tables: Vec::new(),
    })
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::Used;

    #[test]
    fn the_servers_get_half_of_the_cpus_at_most_four_and_the_load_all_others() {
        let divided = |all: &[usize], apart| {
            let cpus = Cpus::divide(all, apart);
            (cpus.servers.len(), cpus.generator.len(), cpus.generator_threads())
        };
        assert_eq!(divided(&[0, 1], true), (1, 1, 1));
        assert_eq!(divided(&[0, 1, 2], true), (1, 2, 2));
        assert_eq!(divided(&(0..16).collect::<Vec<_>>(), true), (4, 12, 12));
        assert_eq!(divided(&[0, 1], false), (2, 2, 1));
    }

    #[test]
    fn a_round_in_which_the_generator_was_busy_or_requests_were_lost_is_marked_once() {
        let memory = load::Memory { before: 1, during: 1, after: 1 };
        let second = Duration::from_secs(1);
        let mut round = Round {
            requests: 50_000,
            used: Used { cpu: second, kernel: 0.5 },
            duration: second * 2,
            p50: second,
            p99: second,
            memory,
            errors: 0,
            generator: 0.9,
        };
        let mut marks = Vec::new();
        mark(&round, &mut marks);
        assert_eq!(marks, [""; 0]);
        (round.generator, round.errors) = (0.91, 1);
        mark(&round, &mut marks);
        mark(&round, &mut marks);
        assert_eq!(marks.len(), 2);
        assert_eq!(round_values(&round).len(), columns(Load::KeptAlive).len());
        assert!((round_values(&round)[0] - 2.0).abs() < 1e-9, "CPU seconds for 100,000 requests");
    }
}
