//! Writes the last run into the documentation, so that no figure there is typed by hand.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{picture, results::Run, table};

const PAGE: &str = "docs/performance.md";
const PICTURE: &str = "docs/images/performance.svg";
const BEGIN: &str = "<!-- figures: written by bench/run document -->\n";
const END: &str = "<!-- end of figures -->\n";

/// The tables go between two marks of the page, the picture into a file of its own.
pub(crate) fn write() -> Result<()> {
    let run = Run::read(&Run::file())?;
    let page = fs::read_to_string(PAGE).context(PAGE)?;
    let page = replaced(&page, &table::markdown(&run)).with_context(|| format!("{PAGE} lacks {BEGIN:?} or {END:?}"))?;
    fs::write(PAGE, page).context(PAGE)?;
    fs::create_dir_all(Path::new(PICTURE).parent().unwrap_or(Path::new("")))?;
    fs::write(PICTURE, picture::draw(&run)).context(PICTURE)?;
    println!("{PAGE} and {PICTURE} show the run in {}", Run::file().display());
    Ok(())
}

fn replaced(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_replace_what_is_between_the_marks_and_nothing_else() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        let written = replaced(&page, "new\n").unwrap();
        assert_eq!(written, format!("a\n{BEGIN}\nnew\n\n{END}b\n"));
        assert_eq!(replaced(&written, "new\n"), Some(written));
        assert_eq!(replaced("a\n", "new\n"), None);
    }
}
