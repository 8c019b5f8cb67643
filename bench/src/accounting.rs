//! What a server has used, by the kernel's own accounting: CPU time and memory of all its processes and their threads.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// A process and all that it has started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    parent: u32,
}

/// The CPU time so far.
#[derive(Clone, Debug)]
pub(crate) struct CpuTime {
    by_thread: BTreeMap<u32, Duration>,
    ticks: Ticks,
}

/// Of 10 ms, for the share alone: by its own sampling the kernel tells user from kernel time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    user: u64,
    kernel: u64,
}

/// What has been used between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    /// The kernel's share, from 0 to 1.
    pub(crate) kernel: f64,
}

impl Family {
    /// That of the process with this id.
    pub(crate) fn of(parent: u32) -> Self {
        Self { parent }
    }

    /// The time that each thread has been on a CPU, user and kernel together, in nanoseconds: the first figure of
    /// schedstat. `utime` and `stime` count ticks of 10 ms, which is too coarse for a short round.
    pub(crate) fn cpu_time(self) -> Result<CpuTime> {
        let mut by_thread = BTreeMap::new();
        let mut ticks = Ticks::default();
        for process in self.processes()? {
            let file = format!("/proc/{process}/stat");
            let stat = fs::read_to_string(&file).with_context(|| file.clone())?;
            let of_process = own_ticks(&stat).with_context(|| format!("{file} is not understood: {stat:?}"))?;
            ticks.user += of_process.user;
            ticks.kernel += of_process.kernel;
            for thread in numbers_in(Path::new(&format!("/proc/{process}/task")))? {
                let file = format!("/proc/{process}/task/{thread}/schedstat");
                let text = fs::read_to_string(&file).with_context(|| file.clone())?;
                by_thread.insert(thread, on_cpu(&text).with_context(|| format!("{file} is not understood: {text:?}"))?);
            }
        }
        Ok(CpuTime { by_thread, ticks })
    }

    /// Memory in KiB: the proportional set size, in which a page that nginx's master and worker share counts once.
    /// The kernel's socket buffers are not in it.
    pub(crate) fn memory(self) -> Result<u64> {
        let mut sum = 0;
        for process in self.processes()? {
            let file = format!("/proc/{process}/smaps_rollup");
            let text = fs::read_to_string(&file).with_context(|| file.clone())?;
            sum += pss(&text).with_context(|| format!("{file} has no Pss"))?;
        }
        Ok(sum)
    }

    /// Whether every thread of the first process waits for something.
    pub(crate) fn sleeps(self) -> Result<bool> {
        let process = self.parent;
        for thread in numbers_in(Path::new(&format!("/proc/{process}/task")))? {
            let file = format!("/proc/{process}/task/{thread}/stat");
            let stat = fs::read_to_string(&file).with_context(|| file.clone())?;
            if state(&stat).with_context(|| format!("{file} is not understood: {stat:?}"))? != "S" {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn processes(self) -> Result<BTreeSet<u32>> {
        let mut parents = BTreeMap::new();
        for process in numbers_in(Path::new("/proc"))? {
            // One that ended meanwhile is none of ours: ours run until they are stopped.
            if let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) {
                parents.insert(process, parent(&stat).with_context(|| format!("not understood: {stat:?}"))?);
            }
        }
        if !parents.contains_key(&self.parent) {
            bail!("process {} has ended", self.parent);
        }
        let mut family = BTreeSet::from([self.parent]);
        loop {
            let before = family.len();
            family.extend(
                parents.iter().filter(|(_, parent)| family.contains(parent)).map(|(it, _)| *it).collect::<Vec<_>>(),
            );
            if family.len() == before {
                return Ok(family);
            }
        }
    }
}

impl CpuTime {
    /// What has been used since `before`.
    ///
    /// # Errors
    /// A thread has ended, and its time is lost with it.
    pub(crate) fn since(&self, before: &Self) -> Result<Used> {
        if let Some(thread) = before.by_thread.keys().find(|it| !self.by_thread.contains_key(it)) {
            bail!("thread {thread} ended while it was measured, and its CPU time is lost");
        }
        let used = |(thread, now): (&u32, &Duration)| *now - before.by_thread.get(thread).copied().unwrap_or_default();
        let user = self.ticks.user.saturating_sub(before.ticks.user);
        let kernel = self.ticks.kernel.saturating_sub(before.ticks.kernel);
        let share = f64::from(u32::try_from(kernel)?) / f64::from(u32::try_from((user + kernel).max(1))?);
        Ok(Used { cpu: self.by_thread.iter().map(used).sum(), kernel: share })
    }
}

/// The CPU time of all processes that this one has started and waited for, in ticks of 10 ms.
pub(crate) fn children_cpu_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let ticks = children_ticks(&stat).with_context(|| format!("/proc/self/stat is not understood: {stat:?}"))?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// The fields of /proc/PID/stat from the third on; the second is a name, in which anything may be.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

fn state(stat: &str) -> Option<&str> {
    fields(stat)?.next()
}

fn parent(stat: &str) -> Option<u32> {
    fields(stat)?.nth(1)?.parse().ok()
}

/// `utime` and `stime`, the 14th and 15th field.
fn own_ticks(stat: &str) -> Option<Ticks> {
    let mut fields = fields(stat)?.skip(11);
    Some(Ticks { user: fields.next()?.parse().ok()?, kernel: fields.next()?.parse().ok()? })
}

/// `cutime` and `cstime`, the 16th and 17th field.
fn children_ticks(stat: &str) -> Option<u64> {
    let mut fields = fields(stat)?.skip(13);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn on_cpu(schedstat: &str) -> Option<Duration> {
    Some(Duration::from_nanos(schedstat.split_ascii_whitespace().next()?.parse().ok()?))
}

fn pss(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup.lines().find_map(|it| it.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn numbers_in(folder: &Path) -> io::Result<Vec<u32>> {
    let names = fs::read_dir(folder)?.map(|it| it.map(|it| it.file_name()));
    Ok(names.collect::<io::Result<Vec<_>>>()?.iter().filter_map(|it| it.to_str()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        assert_eq!(on_cpu("270049 53079 2\n"), Some(Duration::from_nanos(270_049)));
        assert_eq!(
            pss("5600-7ffe ---p 0 00:00 0 [rollup]\nRss: 3064 kB\nPss:       2900 kB\nPss_Dirty: 1 kB\n"),
            Some(2900)
        );
        let stat = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 50 60 70 80 20 0 1 0 9";
        assert_eq!((state(stat), parent(stat)), (Some("S"), Some(3)));
        assert_eq!(own_ticks(stat), Some(Ticks { user: 50, kernel: 60 }));
        assert_eq!(children_ticks(stat), Some(150));
    }

    #[test]
    fn a_process_has_used_cpu_and_memory_and_sleeps_where_it_waits() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let family = Family::of(child.id());
        std::thread::sleep(Duration::from_millis(300));
        let used = family.cpu_time().unwrap();
        let (memory, sleeps) = (family.memory().unwrap(), family.sleeps().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(used.by_thread.values().any(|it| !it.is_zero()));
        assert!(memory > 0 && sleeps);
        assert!(family.cpu_time().is_err(), "it has ended");
    }

    #[test]
    fn the_time_of_a_new_thread_counts_and_that_of_one_that_ended_is_an_error() {
        let second = Duration::from_secs(1);
        let before = CpuTime { by_thread: [(1, second)].into(), ticks: Ticks { user: 60, kernel: 40 } };
        let after =
            CpuTime { by_thread: [(1, second * 3), (2, second)].into(), ticks: Ticks { user: 160, kernel: 340 } };
        assert_eq!(after.since(&before).unwrap(), Used { cpu: second * 3, kernel: 0.75 });
        assert!(before.since(&after).is_err());
    }
}
