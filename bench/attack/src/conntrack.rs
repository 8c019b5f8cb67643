//! The kernel's connection tracking, which a host with Docker has: each connection is an entry until about two minutes
//! after its end, and where all are taken, new connections of the whole machine are dropped in silence.

use std::fs;

const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const MOST: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// # Errors
/// There is no room for so many connections more; with the numbers.
pub(crate) fn room_for(connections: u64) -> Result<(), String> {
    let number = |path| fs::read_to_string(path).ok()?.trim().parse().ok();
    match (number(COUNT), number(MOST)) {
        (Some(count), Some(most)) => fits(connections, count, most),
        // Nothing is tracked.
        _ => Ok(()),
    }
}

fn fits(connections: u64, count: u64, most: u64) -> Result<(), String> {
    // To the kernel, 0 is no limit.
    if most == 0 || count + connections <= most {
        return Ok(());
    }
    Err(format!(
        "{connections} connections do not fit into the connection tracking of this host: {count} of {most} entries are taken"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_does_not_fit() {
        assert_eq!(fits(10, 90, 100), Ok(()));
        assert_eq!(fits(10, 90, 0), Ok(()));
        let why = "11 connections do not fit into the connection tracking of this host: 90 of 100 entries are taken";
        assert_eq!(fits(11, 90, 100), Err(why.into()));
    }
}
