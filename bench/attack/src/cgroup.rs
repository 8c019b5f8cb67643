//! A control group with a limit of memory, as a container has one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

const ROOT: &str = "/sys/fs/cgroup";

/// A group that is taken away when this is dropped, after its processes have ended.
pub(crate) struct Cgroup {
    path: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// The kernel's socket buffers have an account of their own.
    One,
    /// One account for the process and the kernel's socket buffers.
    Two,
}

// === impl Cgroup ===

impl Cgroup {
    /// # Errors
    /// There is no memory controller, or this user may not use it.
    pub(crate) fn new(name: &str, limit: u64) -> Outcome<Self> {
        let of_two = fs::read_to_string(Path::new(ROOT).join("cgroup.subtree_control"));
        let (version, parent) = if of_two.is_ok_and(|it| it.split_whitespace().any(|it| it == "memory")) {
            (Version::Two, PathBuf::from(ROOT))
        } else {
            (Version::One, Path::new(ROOT).join("memory"))
        };
        let path = parent.join(format!("maintenance-mode-{name}-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("no control group can be made at {path:?}: {error}"))?;
        let cgroup = Self { path, version };
        match version {
            Version::One => cgroup.write("memory.limit_in_bytes", limit)?,
            Version::Two => {
                cgroup.write("memory.max", limit)?;
                // It is not there without swap.
                let _ = cgroup.write("memory.swap.max", 0);
            }
        }
        Ok(cgroup)
    }

    /// The file that takes the ids of its processes.
    pub(crate) fn processes(&self) -> String {
        self.path.join("cgroup.procs").display().to_string()
    }

    /// Processes that the kernel killed for want of memory.
    pub(crate) fn kills(&self) -> Outcome<u64> {
        let file = if self.version == Version::One { "memory.oom_control" } else { "memory.events" };
        let text = self.read(file)?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        Ok(count.ok_or_else(|| format!("{file} says nothing of oom_kill"))?.trim().parse()?)
    }

    /// The most memory it had, in a sentence.
    pub(crate) fn peak(&self) -> Outcome<String> {
        let most = |file: &str| -> Outcome<String> { Ok(crate::report::mb(self.read(file)?.trim().parse()?)) };
        Ok(match self.version {
            Version::One => format!(
                "{} at most, and {} of socket buffers",
                most("memory.max_usage_in_bytes")?,
                most("memory.kmem.tcp.max_usage_in_bytes")?
            ),
            Version::Two => format!("{} at most, socket buffers included", most("memory.peak")?),
        })
    }

    fn read(&self, file: &str) -> Outcome<String> {
        Ok(fs::read_to_string(self.path.join(file))?)
    }

    fn write(&self, file: &str, value: u64) -> Outcome<()> {
        fs::write(self.path.join(file), value.to_string()).map_err(|error| format!("{file}: {error}").into())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
