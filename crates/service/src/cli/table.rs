//! Columns for people.

use std::fmt::Write;

/// Rows with their columns under each other: the first to the left, numbers to the right, the
/// last as it is.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let length = |text: &String| text.chars().count();
    let width = |column: usize| {
        rows.iter()
            .map(|row| length(&row[column]))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let numeric: Vec<bool> = (0..N).map(|column| is_numeric(rows, column)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = if column > 0 { "  " } else { "" };
            let width = widths[column];
            let _ = match (numeric[column], column + 1 == N) {
                (true, _) => write!(line, "{gap}{cell:>width$}"),
                (false, true) => write!(line, "{gap}{cell}"),
                (false, false) => write!(line, "{gap}{cell:<width$}"),
            };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn is_numeric<const N: usize>(rows: &[[String; N]], column: usize) -> bool {
    let mut cells = rows.iter().skip(1).map(|row| row[column].as_str());
    column > 0
        && cells.all(|cell| {
            cell.is_empty()
                || cell == "–"
                || cell.starts_with(|c: char| {
                    c.is_ascii_digit() || c == '-' && cell.len() > 1 && !cell.contains('+')
                })
        })
}
