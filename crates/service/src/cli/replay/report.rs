//! The answer as JSON or as a table.

use std::fmt::Write;
use std::path::Path;

use forewarm_application::replay::{Report, RunReport};
use serde_json::{Value, json};

/// One object on one line; with several recordings each has its path.
pub(super) fn json(report: &Report, path: Option<&Path>) -> String {
    let mut trace = json!({
        "events": report.trace.events,
        "reads": report.trace.reads,
        "updates": report.trace.updates,
        "distinct_keys": report.trace.distinct_keys,
        "span_ms": report.trace.span_ms,
    });
    if let Some(path) = path {
        trace["path"] = json!(path.display().to_string());
    }
    let runs: Vec<Value> = report.runs.iter().map(run).collect();
    let whole = json!({
        "trace": trace,
        "l1_entries": report.l1_entries,
        "runs": runs,
        "recommended": report.recommended,
    });
    format!("{whole}\n")
}

fn run(run: &RunReport) -> Value {
    json!({
        "strategy": run.strategy,
        "reads": run.reads,
        "l1_hits": run.l1_hits,
        "l1_hit_ratio": run.l1_hit_ratio,
        "misses_removed_ratio": run.misses_removed_ratio,
        "warmed": run.outcomes.warmed,
        "useful": run.outcomes.useful,
        "late": run.outcomes.late,
        "wasted": run.outcomes.wasted,
        "harmful": run.outcomes.harmful,
        "precision": run.outcomes.precision(),
        "l2_reads": run.l2_reads,
        "extra_l2_reads_ratio": run.extra_l2_reads_ratio,
        "ns_per_event": run.ns_per_event,
    })
}

const HEADER: [&str; 11] = [
    "strategy", "L1 hits", "misses -", "precision", "warmed", "useful", "late", "wasted", "harmful",
    "L2 reads", "extra",
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
