//! The answer as JSON or as a table.

use std::fmt::Write;
use std::path::Path;

use forewarm_application::replay::{Report, RunReport};
use serde::Serialize;

use crate::figures::Figures;

#[derive(Serialize)]
struct Json<'a> {
    trace: Trace,
    l1_entries: usize,
    runs: Vec<Figures>,
    recommended: &'a str,
}

#[derive(Serialize)]
struct Trace {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    events: usize,
    reads: usize,
    updates: usize,
    distinct_keys: usize,
    span_ms: u64,
}

/// One object on one line; with several recordings each has its path.
pub(super) fn json(report: &Report, path: Option<&Path>) -> String {
    let whole = Json {
        trace: Trace {
            path: path.map(|path| path.display().to_string()),
            events: report.trace.events,
            reads: report.trace.reads,
            updates: report.trace.updates,
            distinct_keys: report.trace.distinct_keys,
            span_ms: report.trace.span_ms,
        },
        l1_entries: report.l1_entries,
        runs: report.runs.iter().map(Figures::from).collect(),
        recommended: report.recommended,
    };
    let text = serde_json::to_string(&whole).expect("numbers and texts are always JSON");
    format!("{text}\n")
}

const HEADER: [&str; 11] = [
    "strategy",
    "L1 hits",
    "misses -",
    "precision",
    "warmed",
    "useful",
    "late",
    "wasted",
    "harmful",
    "L2 reads",
    "extra",
];

/// For people: one row per contender.
pub(super) fn table(report: &Report, path: Option<&Path>) -> String {
    let trace = &report.trace;
    let mut out = String::new();
    if let Some(path) = path {
        let _ = writeln!(out, "{}", path.display());
    }
    let _ = writeln!(
        out,
        "{} events ({} reads, {} updates) of {} keys over {:.1} s; L1 holds {} entries\n",
        trace.events,
        trace.reads,
        trace.updates,
        trace.distinct_keys,
        trace.span_ms as f64 / 1e3,
        report.l1_entries
    );
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(report.runs.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    for row in &rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out, "\nrecommended: {}\n", report.recommended);
    out
}

fn row(run: &RunReport) -> [String; HEADER.len()] {
    let percent = |ratio: f64| format!("{:.1}%", ratio * 100.0);
    let outcomes = &run.outcomes;
    [
        run.strategy.to_owned(),
        percent(run.l1_hit_ratio),
        percent(run.misses_removed_ratio),
        percent(outcomes.precision()),
        outcomes.warmed.to_string(),
        outcomes.useful.to_string(),
        outcomes.late.to_string(),
        outcomes.wasted.to_string(),
        outcomes.harmful.to_string(),
        run.l2_reads.to_string(),
        percent(run.extra_l2_reads_ratio),
    ]
}
