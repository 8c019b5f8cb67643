//! The settings of a run, which come from the environment, as `make bench NAME=value` gives them.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use anyhow::{Result, bail};

use crate::{load::Load, peers::Peer};

/// What `bench` without arguments prints of them.
pub(crate) const HELP: &str =
    "  PEERS               which servers beside ours: default, all, or some of floor,nginx,nginx-one,haproxy,
                      static-web-server,caddy,error-pages; default: floor,nginx,nginx-one,haproxy
  LOADS               all, or some of kept-alive,one-connection,new-connection,browser,gzip,json-log,idle,startup
  ROUNDS              rounds of each load, 1 to 100; default 5
  SECONDS_PER_ROUND   seconds of load in each, 1 to 60; default 5
  STARTS              starts of each server, 1 to 100; default 10
  PIN                 none: the servers and the load generator share all CPUs; apart: the servers on one half of them
                      and the load generator on the other; default: none
";

/// How a run is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) peers: Vec<Peer>,
    pub(crate) loads: Vec<Load>,
    pub(crate) rounds: usize,
    /// Seconds of load in a round.
    pub(crate) seconds: u32,
    pub(crate) starts: usize,
    /// Whether the servers and the load generator have CPUs of their own.
    pub(crate) apart: bool,
}

impl Settings {
    /// Reads them; `variable` gives a variable's value, and an empty one is as good as none.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>, cpus: usize) -> Result<Self> {
        let variable = |name: &str| variable(name).filter(|it| !it.is_empty());
        let pin = variable("PIN");
        let apart = match pin.as_deref() {
            None | Some("none") => false,
            Some("apart") if cpus > 1 => true,
            Some("apart") => bail!("invalid PIN \"apart\": expected none, as there is one CPU"),
            Some(other) => bail!("invalid PIN {other:?}: expected apart or none"),
        };
        Ok(Self {
            peers: peers(variable("PEERS").as_deref().unwrap_or("default"))?,
            loads: loads(variable("LOADS").as_deref().unwrap_or("all"))?,
            rounds: number("ROUNDS", variable("ROUNDS"), 1..=100, 5)?,
            seconds: number("SECONDS_PER_ROUND", variable("SECONDS_PER_ROUND"), 1..=60, 5)?,
            starts: number("STARTS", variable("STARTS"), 1..=100, 10)?,
            apart,
        })
    }
}

/// Ours is always among them, and first: the others are measured against it.
fn peers(value: &str) -> Result<Vec<Peer>> {
    let mut peers = vec![Peer::Ours];
    match value {
        "all" => peers = Peer::ALL.to_vec(),
        "default" => peers.extend([Peer::Floor, Peer::Nginx, Peer::NginxOne, Peer::Haproxy]),
        names => {
            for name in names.split(',') {
                match Peer::ALL.into_iter().find(|it| it.name() == name) {
                    Some(peer) if !peers.contains(&peer) => peers.push(peer),
                    Some(_) => {}
                    None => bail!(
                        "invalid PEERS {value:?}: expected default, all, or some of {}",
                        listed(&Peer::ALL, Peer::name)
                    ),
                }
            }
        }
    }
    Ok(peers)
}

fn loads(value: &str) -> Result<Vec<Load>> {
    if value == "all" {
        return Ok(Load::ALL.to_vec());
    }
    let named = |name: &str| Load::ALL.into_iter().find(|it| it.name() == name);
    match value.split(',').map(named).collect() {
        Some(loads) => Ok(loads),
        None => bail!("invalid LOADS {value:?}: expected all, or some of {}", listed(&Load::ALL, Load::name)),
    }
}

fn listed<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    all.iter().map(|it| name(*it)).collect::<Vec<_>>().join(",")
}

fn number<T>(name: &str, value: Option<String>, range: RangeInclusive<T>, default: T) -> Result<T>
where
    T: Display + FromStr + PartialOrd,
{
    let Some(value) = value else { return Ok(default) };
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => bail!("invalid {name} {value:?}: expected a whole number from {} to {}", range.start(), range.end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Settings> {
        Settings::read(|it| (it == name).then(|| value.to_owned()), 2)
    }

    #[test]
    fn all_have_defaults_and_an_empty_value_is_none() {
        let settings = read("ROUNDS", "").unwrap();
        assert_eq!((settings.rounds, settings.seconds, settings.starts, settings.apart), (5, 5, 10, false));
        assert_eq!(settings.peers, [Peer::Ours, Peer::Floor, Peer::Nginx, Peer::NginxOne, Peer::Haproxy]);
        assert_eq!(settings.loads, Load::ALL);
    }

    #[test]
    fn a_value_is_taken_and_ours_is_always_a_peer() {
        assert_eq!(read("ROUNDS", "1").unwrap().rounds, 1);
        assert_eq!(read("PEERS", "haproxy,ours,haproxy").unwrap().peers, [Peer::Ours, Peer::Haproxy]);
        assert_eq!(read("PEERS", "all").unwrap().peers, Peer::ALL);
        assert_eq!(read("LOADS", "idle,gzip").unwrap().loads, [Load::Idle, Load::Gzip]);
        assert!(!read("PIN", "none").unwrap().apart);
        assert!(read("PIN", "apart").unwrap().apart);
        assert!(Settings::read(|name| (name == "PIN").then(|| "apart".to_owned()), 1).is_err());
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_what_it_may_be() {
        for (name, value, expected) in [
            ("ROUNDS", "0", "invalid ROUNDS \"0\": expected a whole number from 1 to 100"),
            ("SECONDS_PER_ROUND", "soon", "invalid SECONDS_PER_ROUND \"soon\": expected a whole number from 1 to 60"),
            ("PIN", "x", "invalid PIN \"x\": expected apart or none"),
        ] {
            assert_eq!(read(name, value).unwrap_err().to_string(), expected);
        }
        assert!(read("PEERS", "apache").unwrap_err().to_string().contains("static-web-server"));
        assert!(read("LOADS", "").is_ok());
        assert!(read("LOADS", "x").unwrap_err().to_string().contains("kept-alive"));
    }
}
