//! The configuration file that was found, and why.

use std::fmt::Write;

use serde_json::Value;

use super::{Figures, Half, Point};
use crate::config::Strategy;

/// What is told.
pub(super) struct Told<'a> {
    pub(super) name: String,
    pub(super) events: usize,
    pub(super) keys: usize,
    pub(super) l1_entries: usize,
    pub(super) runs: usize,
    pub(super) off: [Half; 2],
    pub(super) defaults: (&'a Point, &'a Figures),
    pub(super) found: (&'a Point, &'a Figures),
    /// Whether what was found holds on the half that judges.
    pub(super) holds: bool,
}

/// The file.
pub(super) fn toml(told: &Told<'_>) -> String {
    let mut out = String::new();
    let name = told.name.replace(char::is_control, " ");
    let _ = writeln!(
        out,
        "# Found by `forewarm replay --tune` on {name}:\n\
         # {} events of {} keys, L1 of {} entries, {} runs.\n\
         # Chosen by the first half of the recording, judged by the second.\n#",
        told.events, told.keys, told.l1_entries, told.runs
    );
    let rows = [
        ("without warming", told.off, None),
        (
            "as configured",
            told.defaults.1.halves,
            Some(told.defaults.1),
        ),
        ("found", told.found.1.halves, Some(told.found.1)),
    ];
    let _ = writeln!(
        out,
        "# {:<16} {:>10} {:>11} {:>11} {:>10} {:>10}",
        "", "hits, 1st", "hits, 2nd", "misses -", "precision", "extra L2"
    );
    let percent = |ratio: f64| format!("{:.2} %", ratio * 100.0);
    for (name, halves, figures) in rows {
        let _ = write!(
            out,
            "# {name:<16} {:>10} {:>11}",
            percent(halves[0].ratio()),
            percent(halves[1].ratio())
        );
        if let Some(Figures { run, .. }) = figures {
            let _ = write!(
                out,
                " {:>11} {:>10} {:>10}",
                percent(run.misses_removed_ratio),
                percent(run.outcomes.precision()),
                percent(run.extra_l2_reads_ratio)
            );
        }
        out.push('\n');
    }
    let point = if told.holds {
        told.found.0
    } else {
        told.defaults.0
    };
    let _ = writeln!(
        out,
        "#\n# {}\n",
        match (told.holds, told.found.0 == told.defaults.0) {
            (true, _) => "What was found holds on the second half; it is below.",
            (false, true) => "Nothing better was found than what was configured; it is below.",
            (false, false) => {
                "What was found gains nothing on the second half: what was configured is below."
            }
        }
    );
    settings(&mut out, point);
    out
}

// Not the mode: a file is read over a preset, so `--preset shadow` would fetch ahead.
fn settings(out: &mut String, point: &Point) {
    let name = point.strategy.name();
    let _ = write!(
        out,
        "[tracking]\nwindow = \"{}\"\nwindow_events = {}\n\n\
         [warming]\nstrategy = \"{name}\"\nmax_pairs_per_warm = {}\n\n\
         [warming.budget]\nl1_share = {:?}\n\n[warming.{name}]\n",
        point.window,
        point.window_events,
        most(point),
        point.l1_share
    );
    for (key, value) in &point.parameters {
        let _ = writeln!(out, "{key} = {value}");
    }
}

/// The strategy's own maximum, which the warm cap must reach.
fn most(point: &Point) -> u64 {
    let name = match point.strategy {
        Strategy::TopN | Strategy::TimeBased => "top_n",
        _ => "max_pairs",
    };
    point
        .parameters
        .get(name)
        .and_then(Value::as_u64)
        .unwrap_or(1)
}
