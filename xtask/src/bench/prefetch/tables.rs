//! The answers as Markdown.

mod against_peers;
mod front;
mod harm;
mod worth;

use std::fmt::Write as _;
use std::thread;

use super::inputs::Inputs;
use super::jobs::Answers;

const ADAPTIVE: &str = "adaptive";

/// All tables, in the order of the page.
pub(super) fn page(inputs: &Inputs, answers: &Answers) -> String {
    let parts = [
        head(inputs, answers),
        worth::job(inputs, answers),
        worth::gains(inputs, answers),
        against_peers::prefetchers(answers),
        harm::against_off(inputs, answers),
        against_peers::policies(answers),
        front::budgets(inputs, answers),
        front::contenders(inputs, answers),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// The machine and the inputs.
fn head(inputs: &Inputs, answers: &Answers) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let kind = if inputs.recorded {
        "recordings"
    } else {
        "generated streams in place of recordings"
    };
    let mut text = format!("On {cores} cores; {kind}:\n\n");
    let mut table = Table::new(&["stream", "events", "distinct keys", "L1 entries at 10 %"]);
    for input in inputs.recordings.iter().chain(&inputs.hostile) {
        if let Some(answer) = answers.usual(&input.name, 10) {
            table.row([
                format!("`{}`", input.name),
                answer.events.to_string(),
                answer.keys.to_string(),
                answer.entries.to_string(),
            ]);
        }
    }
    text += &table.text();
    text
}

/// A Markdown table: the first column left-aligned, the others right.
struct Table {
    text: String,
    rows: usize,
}

impl Table {
    fn new(columns: &[&str]) -> Self {
        let mut text = format!("| {} |\n|---|", columns.join(" | "));
        text += &"---:|".repeat(columns.len().saturating_sub(1));
        Self { text, rows: 0 }
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells.into_iter().collect();
        write!(self.text, "\n| {} |", cells.join(" | ")).expect("a String takes every write");
        self.rows += 1;
    }

    fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn text(self) -> String {
        self.text
    }
}

/// `12.3 %`
fn percent(ratio: f64) -> String {
    format!("{:.1} %", signless(100.0 * ratio, 1))
}

/// `0.123`
fn ratio(ratio: f64) -> String {
    format!("{:.3}", signless(ratio, 3))
}

/// Percentage points with their sign: `+0.12`.
fn points(difference: f64) -> String {
    format!("{:+.2}", signless(100.0 * difference, 2))
}

/// What would be printed as −0 is 0.
fn signless(value: f64, digits: i32) -> f64 {
    if value.abs() < 0.5 * 10_f64.powi(-digits) {
        0.0
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_head_and_its_rows() {
        let mut table = Table::new(&["a", "b"]);
        assert!(table.is_empty());
        table.row(["x".to_owned(), "1".to_owned()]);
        assert_eq!(table.text(), "| a | b |\n|---|---:|\n| x | 1 |");
    }

    #[test]
    fn nothing_is_printed_as_minus_nothing() {
        assert_eq!(points(-0.000_01), "+0.00");
        assert_eq!(points(-0.002), "-0.20");
        assert_eq!(
            (percent(-0.000_1), ratio(0.123_4)),
            ("0.0 %".into(), "0.123".into())
        );
    }
}
