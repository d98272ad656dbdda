//! Nanoseconds and bytes, by the number of pairs: what the machine makes of the instructions.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command::captured;
use crate::workspace::Workspace;

const PAIRS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Each number of pairs is measured so often, in turn; the run with the median p50 is shown.
const ROUNDS: usize = 3;

/// What `learning_speed` prints.
#[derive(Debug, Clone, Deserialize)]
struct Speed {
    pairs: u64,
    learn_p50_ns: u64,
    learn_p95_ns: u64,
    select_p50_ns: u64,
    select_p95_ns: u64,
    candidates: f64,
    clock_ns: u64,
    miss_ns: f64,
    resident_bytes_per_pair: u64,
}

/// Runs the example and writes the table.
pub(super) fn measured(workspace: &Workspace) -> Result<String> {
    let program = super::build(workspace, "forewarm-application", "learning_speed")?;
    let mut runs = vec![Vec::new(); PAIRS.len()];
    for round in 0..ROUNDS {
        for (runs, pairs) in runs.iter_mut().zip(PAIRS) {
            let output = captured(&mut workspace.command(&program, &[&pairs.to_string()]))?;
            let line = String::from_utf8_lossy(&output.stdout);
            let speed: Speed = serde_json::from_str(line.trim())
                .with_context(|| format!("learning_speed printed {line}"))?;
            runs.push(speed);
            eprintln!("round {}: {pairs} pairs measured", round + 1);
        }
    }
    Ok(table(runs))
}

fn table(runs: Vec<Vec<Speed>>) -> String {
    let mut text = String::from(
        "| pairs | learn p50 | learn p95 | select p50 | select p95 | candidates | resident bytes a pair |\n\
         |---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut clocks = (0, 0.0);
    for mut runs in runs {
        runs.sort_by_key(|speed| speed.learn_p50_ns);
        let Some(speed) = runs.get(runs.len() / 2) else {
            continue;
        };
        clocks = (speed.clock_ns, speed.miss_ns);
        writeln!(
            text,
            "| {} | {} ns | {} ns | {} ns | {} ns | {:.1} | {} |",
            speed.pairs,
            speed.learn_p50_ns,
            speed.learn_p95_ns,
            speed.select_p50_ns,
            speed.select_p95_ns,
            speed.candidates,
            speed.resident_bytes_per_pair
        )
        .expect("a String takes every write");
    }
    let (clock, miss) = clocks;
    text + &format!(
        "\nThe median of {ROUNDS} interleaved rounds. {clock} ns of each figure are the clock's. One read that no \
         cache answers, each waiting for the one before it, took {miss:.0} ns in the same run."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(learn_p50_ns: u64) -> Speed {
        let line = format!(
            r#"{{"pairs":1000,"events":9,"learn_p50_ns":{learn_p50_ns},"learn_p95_ns":900,"select_p50_ns":5,
            "select_p95_ns":6,"clock_ns":20,"miss_ns":99.6,"candidates":8.04,"chosen":1.0,
            "resident_bytes_per_pair":468,"counted_bytes_per_pair":400}}"#
        );
        serde_json::from_str(&line).expect("as the example prints it")
    }

    #[test]
    fn the_median_round_is_shown_with_what_the_clock_and_a_miss_cost() {
        let text = table(vec![vec![speed(900), speed(100), speed(500)]]);
        assert!(
            text.contains("| 1000 | 500 ns | 900 ns | 5 ns | 6 ns | 8.0 | 468 |\n"),
            "{text}"
        );
        assert!(
            text.contains("20 ns of each") && text.contains("took 100 ns"),
            "{text}"
        );
    }
}
