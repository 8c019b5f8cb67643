//! A run as a bar chart: the CPU seconds of each server, a panel for each load.

use crate::{
    peers::Peer,
    results::{Row, Run, Table},
    table::number,
};

const WIDTH: usize = 760;
const PANELS_A_LINE: usize = 2;
const PANEL: usize = WIDTH / PANELS_A_LINE;
const MARGIN: usize = 16;
/// From a panel's left to where bars begin, and what is left for the value after the longest.
const NAMES: usize = 128;
const VALUES: usize = 52;
const BAR: usize = 16;
const LINE: usize = 22;
const PANEL_TITLE: usize = 28;
const HEADING: usize = 64;

/// Has a background of its own, so that it is legible wherever it is shown.
const STYLE: &str = "\
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600 }
    .heading { font-size: 16px; font-weight: 600 }
    .back { fill: #ffffff }
    .bar { fill: #8c959f }
    .ours { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .back { fill: #0d1117 }
      .bar { fill: #6e7681 }
      .ours { fill: #4493f8 }
    }
";

/// Draws all loads that are compared by CPU time.
pub(crate) fn draw(run: &Run) -> String {
    let tables: Vec<_> = run.tables.iter().filter(|it| it.columns[0].title.starts_with("CPU")).collect();
    let mut panels = String::new();
    let mut top = HEADING;
    for line in tables.chunks(PANELS_A_LINE) {
        let mut height = 0;
        for (at, table) in line.iter().enumerate() {
            let (drawn, its_height) = panel(table, at * PANEL + MARGIN, top);
            panels += &drawn;
            height = height.max(its_height);
        }
        top += height + MARGIN;
    }
    let first = "CPU seconds for 100,000 answers";
    let second = "Less is better. Each load has a scale of its own, from 0.";
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img" aria-label="{first}, by server and load">
  <style>
{STYLE}  </style>
  <rect class="back" width="{WIDTH}" height="{top}" rx="6"/>
  <text class="heading" x="{MARGIN}" y="28">{first}</text>
  <text x="{MARGIN}" y="48">{second}</text>
{panels}</svg>
"#
    )
}

/// One load's bars, and how high they are together.
fn panel(table: &Table, left: usize, top: usize) -> (String, usize) {
    let bars: Vec<_> = table.rows.iter().filter_map(|row| Some((row, row.median(0)?))).collect();
    let longest = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let room = lossless(PANEL - MARGIN - NAMES - VALUES);
    let start = left + NAMES;
    let mut drawn =
        format!("  <text class=\"title\" x=\"{left}\" y=\"{}\">{}</text>\n", top + 16, escaped(&table.title));
    for (at, (row, value)) in bars.iter().enumerate() {
        let y = top + PANEL_TITLE + at * LINE;
        let width = if longest > 0.0 { value / longest * room } else { 0.0 };
        let end = lossless(start) + width + 6.0;
        let class = class(row);
        let text = y + 13;
        let decimals = table.columns[0].decimals.min(2);
        drawn += &format!(
            "  <text x=\"{left}\" y=\"{text}\">{}</text>\n  <rect class=\"{class}\" x=\"{start}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\"/>\n  <text x=\"{end:.1}\" y=\"{text}\">{}</text>\n",
            escaped(&row.peer),
            number(*value, decimals),
        );
    }
    (drawn, PANEL_TITLE + bars.len() * LINE)
}

fn class(row: &Row) -> &'static str {
    if row.peer == Peer::Ours.name() { "bar ours" } else { "bar" }
}

fn lossless(pixels: usize) -> f64 {
    f64::from(u32::try_from(pixels).unwrap_or(u32::MAX))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn each_server_that_ran_has_a_bar_in_proportion() {
        let drawn = draw(&example());
        let room = PANEL - MARGIN - NAMES - VALUES;
        assert!(drawn.contains(&format!("class=\"bar ours\" x=\"144\" y=\"92\" width=\"{room}.0\"")), "{drawn}");
        assert!(drawn.contains(&format!("class=\"bar\" x=\"144\" y=\"114\" width=\"{}.0\"", room / 2)), "{drawn}");
        assert!(drawn.contains(">2.00</text>") && drawn.contains(">floor</text>"), "{drawn}");
        assert!(!drawn.contains("nginx"), "{drawn}");
    }
}
