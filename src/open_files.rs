//! The limit of open files: containerd leaves the soft one at 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    log::{Level, Log},
    management_port::CONNECTIONS as MANAGEMENT_CONNECTIONS,
};

/// Files that are open beside connections: listeners, pipes, the poller, the config directory.
const OTHER_FILES: usize = 32;

/// Raises the soft limit to the hard one; where even that is too low, `max_connections` is lowered, and one
/// line says so.
pub fn lower(max_connections: &mut usize, log: &Log) {
    let fit = connections_that_fit(*max_connections);
    if fit < *max_connections {
        log.event(Level::Warn, &format!("MAX_CONNECTIONS is lowered to {fit}: no more files may be open"));
        *max_connections = fit;
    }
}

fn connections_that_fit(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let soft = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    fit(connections, soft)
}

/// `None` is no limit.
fn fit(connections: usize, open_files: Option<u64>) -> usize {
    let Some(open_files) = open_files.and_then(|it| usize::try_from(it).ok()) else { return connections };
    connections.min(open_files.saturating_sub(MANAGEMENT_CONNECTIONS + OTHER_FILES)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        assert_eq!(fit(4096, None), 4096);
        assert_eq!(fit(4096, Some(1 << 20)), 4096);
        assert_eq!(fit(4096, Some(1024)), 1024 - 64 - 32);
        assert_eq!(fit(4096, Some(10)), 1);
    }
}
