//! What a run has found, as it is kept in a file: a table for each load.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::peers::Peer;

/// One run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Run {
    /// The machine: its CPU, how many it has, its kernel.
    pub(crate) machine: String,
    /// How the run was made, in words.
    pub(crate) made: String,
    /// By the peer's name, its own words.
    pub(crate) versions: BTreeMap<String, String>,
    /// By the peer's name, how its answer differs from ours in what does not matter.
    pub(crate) differences: BTreeMap<String, Vec<String>>,
    pub(crate) tables: Vec<Table>,
}

/// What one load has shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Table {
    /// The load's name.
    pub(crate) name: String,
    pub(crate) title: String,
    /// The first is the one by which peers are compared; less of it is better.
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Column {
    /// With the unit.
    pub(crate) title: String,
    pub(crate) decimals: usize,
}

/// One peer's part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) peer: String,
    /// Why there is none, else nothing.
    pub(crate) not_run: Option<String>,
    /// What a reader must know of it.
    pub(crate) marks: Vec<String>,
    /// A list for each column, with a value for each round.
    pub(crate) values: Vec<Vec<f64>>,
}

impl Run {
    /// Where a run is kept.
    pub(crate) fn file() -> PathBuf {
        Path::new("target/bench/speed.json").to_owned()
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, serde_json::to_string_pretty(self)? + "\n").with_context(|| file.display().to_string())
    }

    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("{}: there is no run yet", file.display()))?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }
}

impl Table {
    pub(crate) fn row(&self, peer: Peer) -> Option<&Row> {
        self.rows.iter().find(|it| it.peer == peer.name())
    }

    /// How often the peer's first figure contains the other's; of the medians.
    pub(crate) fn ratio(&self, row: &Row, to: Peer) -> Option<f64> {
        Some(row.median(0)? / self.row(to)?.median(0)?)
    }
}

impl Row {
    pub(crate) fn not_run(peer: Peer, why: String) -> Self {
        Self { peer: peer.name().to_owned(), not_run: Some(why), marks: Vec::new(), values: Vec::new() }
    }

    /// The median of a column, if there are values.
    pub(crate) fn median(&self, column: usize) -> Option<f64> {
        median(self.values.get(column)?)
    }

    /// The least and the greatest value of a column.
    pub(crate) fn spread(&self, column: usize) -> Option<(f64, f64)> {
        let sorted = sorted(self.values.get(column)?);
        Some((*sorted.first()?, *sorted.last()?))
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[sorted.len() / 2 - 1], upper) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three peers, one of which has not run.
    pub(crate) fn example() -> Run {
        let columns = vec![
            Column { title: "CPU s / 100,000".to_owned(), decimals: 2 },
            Column { title: "requests/s".to_owned(), decimals: 0 },
        ];
        let row = |peer: Peer, values: Vec<Vec<f64>>| Row {
            peer: peer.name().to_owned(),
            not_run: None,
            marks: Vec::new(),
            values,
        };
        let rows = vec![
            row(Peer::Ours, vec![vec![1.0, 3.0, 2.0], vec![50_000.0, 51_000.0, 52_000.0]]),
            row(Peer::Floor, vec![vec![1.0, 1.0, 1.0], vec![60_000.0, 61_000.0, 1_234_567.0]]),
            Row::not_run(Peer::Nginx, "nginx is not on PATH".to_owned()),
        ];
        let table =
            Table { name: "kept-alive".to_owned(), title: "64 connections kept alive".to_owned(), columns, rows };
        Run {
            machine: "a machine".to_owned(),
            made: "3 rounds".to_owned(),
            versions: [("ours".to_owned(), "1".to_owned())].into(),
            differences: [("nginx".to_owned(), vec!["server: nginx".to_owned()])].into(),
            tables: vec![table],
        }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn ratios_are_those_of_the_medians() {
        let table = &example().tables[0];
        let ours = table.row(Peer::Ours).unwrap();
        assert_eq!(table.ratio(ours, Peer::Floor), Some(2.0));
        assert_eq!(table.ratio(ours, Peer::Nginx), None);
        assert_eq!(ours.spread(0), Some((1.0, 3.0)));
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/run.json");
        example().write(&file).unwrap();
        assert_eq!(Run::read(&file).unwrap(), example());
        assert!(Run::read(&folder.path().join("none")).unwrap_err().to_string().contains("no run yet"));
    }
}
