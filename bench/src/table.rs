//! A run as tables: as text for the terminal, and as Markdown for the documentation.

use crate::{
    peers::Peer,
    results::{Row, Run, Table},
};

/// Each line's cells; the first line has the titles.
type Cells = Vec<Vec<String>>;

/// One load's table for the terminal.
pub(crate) fn text(table: &Table) -> String {
    let cells = cells(table);
    let widths: Vec<usize> =
        (0..cells[0].len()).map(|at| cells.iter().map(|line| line[at].chars().count()).max().unwrap_or(0)).collect();
    let mut text = format!("{}\n", table.title);
    for line in &cells {
        let padded = line.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text += &format!("  {}\n", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    for note in notes(table) {
        text += &format!("  {note}\n");
    }
    text
}

/// The whole run for the documentation.
pub(crate) fn markdown(run: &Run) -> String {
    let mut text = format!("{}. {}\n", run.machine, run.made);
    for table in &run.tables {
        text += &format!("\n### {}\n\n", table.title);
        for (at, line) in cells(table).iter().enumerate() {
            text += &format!("| {} |\n", line.join(" | "));
            if at == 0 {
                text += &format!("| --- |{}\n", " ---: |".repeat(line.len() - 1));
            }
        }
        for note in notes(table) {
            text += &format!("\n{note}\n");
        }
    }
    text += "\n### Versions and differences\n\n";
    for (peer, version) in &run.versions {
        let differences = match run.differences.get(peer).map(Vec::as_slice) {
            None | Some([]) => "no difference".to_owned(),
            Some(differences) => format!("differs by `{}`", differences.join("`, `")),
        };
        text += &format!("- {peer}: {version}; {differences}\n");
    }
    text
}

fn cells(table: &Table) -> Cells {
    let mut titles = vec!["server".to_owned()];
    for (at, column) in table.columns.iter().enumerate() {
        titles.push(column.title.clone());
        if at == 0 {
            titles.extend(["min–max", "÷ ours", "÷ floor"].map(str::to_owned));
        }
    }
    let mut cells = vec![titles];
    cells.extend(table.rows.iter().filter(|it| it.not_run.is_none()).map(|row| line(table, row)));
    cells
}

fn line(table: &Table, row: &Row) -> Vec<String> {
    let mark = if row.marks.is_empty() { "" } else { " *" };
    let mut line = vec![format!("{}{mark}", row.peer)];
    let missing = || "-".to_owned();
    for (at, column) in table.columns.iter().enumerate() {
        line.push(row.median(at).map_or_else(missing, |it| number(it, column.decimals)));
        if at == 0 {
            let written = |it| number(it, column.decimals);
            line.push(row.spread(0).map_or_else(missing, |(min, max)| format!("{}–{}", written(min), written(max))));
            for peer in [Peer::Ours, Peer::Floor] {
                line.push(table.ratio(row, peer).map_or_else(missing, |it| number(it, 2)));
            }
        }
    }
    line
}

fn notes(table: &Table) -> Vec<String> {
    let mut notes = Vec::new();
    for row in &table.rows {
        notes.extend(row.marks.iter().map(|it| format!("\\* {}: {it}", row.peer)));
        notes.extend(row.not_run.iter().map(|why| format!("{}: not run: {why}", row.peer)));
    }
    notes
}

/// With a comma between thousands.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let written = format!("{value:.decimals$}");
    let (whole, rest) = written.split_at(written.find('.').unwrap_or(written.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn numbers_have_commas_between_thousands() {
        for (value, decimals, expected) in [
            (0.0, 2, "0.00"),
            (999.0, 0, "999"),
            (1_000.0, 0, "1,000"),
            (1_234_567.89, 1, "1,234,567.9"),
            (-999.0, 0, "-999"),
        ] {
            assert_eq!(number(value, decimals), expected);
        }
    }

    #[test]
    fn the_terminals_table_has_a_line_a_peer_and_names_those_not_run() {
        let mut run = example();
        run.tables[0].rows[1].marks.push("busy".to_owned());
        let expected = "\
64 connections kept alive
  server   CPU s / 100,000    min–max  ÷ ours  ÷ floor  requests/s
  ours                2.00  1.00–3.00    1.00     2.00      51,000
  floor *             1.00  1.00–1.00    0.50     1.00      61,000
  \\* floor: busy
  nginx: not run: nginx is not on PATH
";
        assert_eq!(text(&run.tables[0]), expected);
    }

    #[test]
    fn the_documentations_tables_are_markdown() {
        let written = markdown(&example());
        assert!(
            written.contains("\n### 64 connections kept alive\n\n| server | CPU s / 100,000 | min–max |"),
            "{written}"
        );
        assert!(written.contains("\n| --- | ---: |"), "{written}");
        assert!(written.contains("\n| ours | 2.00 | 1.00–3.00 | 1.00 | 2.00 | 51,000 |\n"), "{written}");
        assert!(written.contains("- ours: 1; no difference\n"), "{written}");
    }
}
