//! What is gained at the default budget, beside what would be gained without any association.

use super::super::inputs::Inputs;
use super::super::jobs::Answers;
use super::super::peers::NAIVE;
use super::super::plan::SIZES;
use super::{ADAPTIVE, Table, percent, ratio};

/// Below this gain of the oracle (as a ratio of the reads) a share of it says nothing.
const LEAST_GAIN: f64 = 0.001;

/// Recordings that tell updates from reads: refresh and a slow L2 matter there.
pub(super) fn job(inputs: &Inputs, answers: &Answers) -> String {
    let mut table = Table::new(&[
        "stream, L1",
        "miss ratio off",
        "refresh",
        "naive table + refresh, on LRU",
        "**adaptive**",
        "misses removed",
        "precision",
        "extra L2 reads",
        "removed at 1 ms",
        "by refresh at 1 ms",
        "precision at 1 ms",
    ]);
    for input in inputs.recordings.iter().filter(|input| input.has_ops) {
        for size in SIZES {
            let Some(answer) = answers.usual(&input.name, size) else {
                continue;
            };
            let miss = |name: &str| {
                answer
                    .row(name)
                    .map_or("–".into(), |r| ratio(r.miss_ratio()))
            };
            let Some(adaptive) = answer.row(ADAPTIVE) else {
                continue;
            };
            let naive = NAIVE.1.iter().find(|(naive, _)| *naive == size);
            let naive = naive.filter(|_| input.name == NAIVE.0);
            let slow = answers.slow(&input.name, size);
            let slow_row = |name: &str| slow.and_then(|answer| answer.row(name));
            let removed =
                |name: &str| slow_row(name).map_or("–".into(), |row| percent(row.removed));
            table.row([
                format!("`{}` {size} %", input.name),
                miss("off"),
                miss("refresh"),
                naive.map_or("–".into(), |(_, hits)| ratio(1.0 - hits)),
                format!("**{}**", ratio(adaptive.miss_ratio())),
                percent(adaptive.removed),
                ratio(adaptive.precision),
                percent(adaptive.extra),
                removed(ADAPTIVE),
                removed("refresh"),
                slow_row(ADAPTIVE).map_or("–".into(), |row| ratio(row.precision)),
            ]);
        }
    }
    if table.is_empty() {
        return String::new();
    }
    format!(
        "### The job: updates, and the reads that follow them\n\n\
         Default budget (25 %); the last three columns with an L2 that takes 1 ms to answer.\n\n{}",
        table.text()
    )
}

/// Each gain beside the shuffled copy, popularity and the oracle.
pub(super) fn gains(inputs: &Inputs, answers: &Answers) -> String {
    let mut table = Table::new(&[
        "stream, L1",
        "miss ratio off",
        "**adaptive**",
        "misses removed",
        "shuffled: removed",
        "popularity: removed",
        "popularity, shuffled",
        "precision",
        "extra L2 reads",
        "fetches per read",
        "oracle",
        "share of its gain",
    ]);
    for input in &inputs.recordings {
        for size in SIZES {
            let Some(answer) = answers.usual(&input.name, size) else {
                continue;
            };
            let (Some(off), Some(adaptive), Some(oracle)) = (
                answer.row("off"),
                answer.row(ADAPTIVE),
                answer.row("oracle"),
            ) else {
                continue;
            };
            let shuffled = answers.shuffled(&input.name, size);
            let removed = |name: &str| {
                let row = shuffled.and_then(|answer| answer.row(name));
                row.map_or("–".into(), |row| percent(row.removed))
            };
            let popularity = answer.row("popularity");
            table.row([
                format!("`{}` {size} %", input.name),
                ratio(off.miss_ratio()),
                format!("**{}**", ratio(adaptive.miss_ratio())),
                percent(adaptive.removed),
                removed(ADAPTIVE),
                popularity.map_or("–".into(), |row| percent(row.removed)),
                removed("popularity"),
                ratio(adaptive.precision),
                percent(adaptive.extra),
                ratio(adaptive.fetches()),
                ratio(oracle.miss_ratio()),
                share(
                    off.miss_ratio() - adaptive.miss_ratio(),
                    off.miss_ratio() - oracle.miss_ratio(),
                ),
            ]);
        }
    }
    format!(
        "### What is association, and what is not\n\n\
         Default budget (25 %). \"Shuffled\" is the same recording with its order taken away: what is \
         removed there is no association.\n\n{}",
        table.text()
    )
}

fn share(gain: f64, of: f64) -> String {
    if of < LEAST_GAIN {
        return "–".to_owned();
    }
    format!("{:.0} %", 100.0 * gain / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_next_to_nothing_is_not_stated() {
        assert_eq!(share(0.05, 0.1), "50 %");
        assert_eq!(share(-0.01, 0.1), "-10 %");
        assert_eq!(share(0.000_4, 0.000_5), "–");
    }
}
