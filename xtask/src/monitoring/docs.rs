//! Docs that are made of the tables.

pub(crate) mod metrics;
pub(crate) mod runbooks;
pub(crate) mod thresholds;

/// The first line of a page that nobody edits.
const HEADER: &str = "<!-- Written by `cargo xtask gen`: change xtask/src/monitoring or the metric catalogue, and run it. -->\n\n";

/// A row of a Markdown table.
fn row<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let cells = cells.into_iter();
    let cells = cells.map(|cell| format!(" {} |", cell.as_ref().replace('|', "\\|")));
    format!("|{}\n", cells.collect::<String>())
}

/// A table's head and the line below it.
fn head(cells: &[&str]) -> String {
    row(cells) + &format!("|{}\n", "---|".repeat(cells.len()))
}
