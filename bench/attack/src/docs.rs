//! Writes the table of `docs/reliability.md` from the reports of a run.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
use crate::attacks::ATTACKS;
use crate::report;

const BEGIN: &str = "<!-- attacks:begin -->\n";
const END: &str = "<!-- attacks:end -->\n";

/// # Errors
/// An attack has no report, or the page has no place for the table.
pub(crate) fn write(reports: &Path, page: &Path) -> Outcome<()> {
    let reports = report::read(reports)?;
    let mut table =
        String::from("| attack | what is sent | what must hold | what was seen |\n| --- | --- | --- | --- |\n");
    for attack in ATTACKS {
        let report = reports.iter().find(|it| it["name"] == attack.name);
        let report = report.ok_or_else(|| format!("{} has no report: run `make attack` first", attack.name))?;
        let mut start = format!("`{}` | {}", attack.name, cell(&report["sent"]));
        for finding in report["findings"].as_array().ok_or("a report has no findings")? {
            let (must, seen) = (cell(&finding["must"]), cell(&finding["seen"]));
            // What holds needs no word.
            let verdict = if finding["verdict"] == "BROKEN" { "**BROKEN**: " } else { "" };
            writeln!(table, "| {start} | {must} | {verdict}{seen} |")?;
            " | ".clone_into(&mut start);
        }
    }
    let text = fs::read_to_string(page)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the page has no attacks:begin")?;
    let (_, after) = rest.split_once(END).ok_or("the page has no attacks:end")?;
    Ok(fs::write(page, format!("{before}{BEGIN}{table}{END}{after}"))?)
}

/// A text as Markdown writes it in a cell of a table.
fn cell(text: &Value) -> String {
    let mut cell = String::new();
    for character in text.as_str().unwrap_or_default().chars() {
        if matches!(character, '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' | '~') {
            cell.push('\\');
        }
        cell.push(if character.is_control() { ' ' } else { character });
    }
    cell
}
