//! Draws the memory under each mix of heads against the chart's limit, from the report of `memory`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::report::{self, mb};

const WIDTH: f64 = 820.0;
/// Where the bars begin and how long the longest may be.
const LEFT: f64 = 190.0;
const ROOM: f64 = 520.0;
const TOP: f64 = 96.0;
const ROW: f64 = 34.0;

/// The colours of light and, below them, of dark readers; an image's page cannot give it any.
const STYLE: &str = "
text{font:14px system-ui,sans-serif;fill:#1f2328;stroke:#fff;stroke-width:4px;paint-order:stroke}.title{font-size:18px;font-weight:600}.small{font-size:12px;fill:#59636e}
.back{fill:#fff;stroke:#d1d9e0}.peak{fill:#2f6fb3}.idle{fill:#7fb2e5}.limit{stroke:#b3261e;stroke-width:2;stroke-dasharray:5 4}
.bound{stroke:#8a6100;stroke-width:2;stroke-dasharray:2 3}.red{fill:#b3261e}.amber{fill:#7a5600}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc;stroke:#0d1117}.small{fill:#9198a1}.back{fill:#0d1117;stroke:#3d444d}.peak{fill:#4d94db}
.idle{fill:#2d5f91}.limit{stroke:#ff8f87}.bound{stroke:#e3b341}.red{fill:#ff8f87}.amber{fill:#e3b341}}
";

/// # Errors
/// There is no report of `memory`.
pub(crate) fn draw(reports: &Path, picture: &Path) -> Outcome<()> {
    let reports = report::read(reports)?;
    let report = reports.iter().find(|it| it["name"] == "memory").ok_or("memory has no report: run it first")?;
    let figures = report["figures"].as_object().ok_or("the report of memory has no figures")?;
    let limit = report["figures"]["limit"].as_u64().ok_or("the report of memory has no limit")?;
    let bound = report["figures"]["bound"].as_u64().ok_or("the report of memory has no bound")?;
    let mut bars = Vec::new();
    for mix in crate::attacks::memory_mixes() {
        for (kind, class) in [("peak", "peak"), ("idle", "idle")] {
            if let Some(bytes) = figures.get(&format!("{mix}: {kind}")) {
                bars.push((mix, kind, class, bytes.as_u64().ok_or("a figure is no number")?));
            }
        }
    }
    let most = bars.iter().map(|it| it.3).max().unwrap_or_default().max(limit);
    let at = |bytes: u64| LEFT + ROOM * bytes as f64 / most as f64;
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 52.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">Memory of the server with 4,096 connections, under each \
         mix of heads</title>\n<style>{STYLE}</style>\n<rect class=\"back\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" \
         rx=\"8\"/>\n<text class=\"title\" x=\"20\" y=\"34\">Memory with 4,096 connections</text>\n<text class=\"small\" \
         x=\"20\" y=\"54\">the most at any time; then idle: what is left 5 s after the last answer</text>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    // The figures stand above the lines.
    let mut labels = String::new();
    for (row, (mix, kind, class, bytes)) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let name = if *kind == "peak" { mix.trim_end_matches(", then idle") } else { "then idle" };
        let style = if *kind == "peak" { "" } else { " class=\"small\"" };
        writeln!(
            svg,
            "<text{style} x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text><rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" \
             width=\"{:.1}\" height=\"22\" rx=\"3\"/>",
            LEFT - 12.0,
            y + 16.0,
            at(*bytes) - LEFT
        )?;
        writeln!(labels, "<text x=\"{:.1}\" y=\"{}\">{}</text>", at(*bytes) + 8.0, y + 16.0, mb(*bytes))?;
    }
    for (class, colour, bytes, what, anchor, y) in [
        ("bound", "amber", bound, &format!("what must hold: at most {}", mb(bound)), "end", bottom + 20.0),
        ("limit", "red", limit, &format!("the pod's limit: {} MiB", limit >> 20), "start", bottom + 20.0),
    ] {
        let x = at(bytes);
        let offset = if anchor == "end" { -6.0 } else { -20.0 };
        writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/><text class=\"small {colour}\" \
             x=\"{:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{what}</text>",
            TOP - 12.0,
            bottom + 4.0,
            x + offset
        )?;
    }
    svg.push_str(&labels);
    svg.push_str("</svg>\n");
    Ok(fs::write(picture, svg)?)
}
