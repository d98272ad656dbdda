//! The front of misses and fetches over the budgets, and all contenders at the default budget.

use super::super::answer::{Answer, Row};
use super::super::inputs::Inputs;
use super::super::jobs::Answers;
use super::super::plan::{BUDGETS, SIZES};
use super::{ADAPTIVE, Table, percent, ratio};

/// Adaptive at every budget: one folded table a recording.
pub(super) fn budgets(inputs: &Inputs, answers: &Answers) -> String {
    let mut text = "### Over the budgets\n\nAdaptive at each budget of extra L2 reads.".to_owned();
    for input in &inputs.recordings {
        let mut table = Table::new(&[
            "L1",
            "budget",
            "hit ratio",
            "miss ratio",
            "misses removed",
            "precision",
            "extra L2 reads",
            "fetches per read",
        ]);
        for size in SIZES {
            for budget in BUDGETS {
                let answer = answers.at(&input.name, size, budget);
                let Some(row) = answer.and_then(|answer| answer.row(ADAPTIVE)) else {
                    continue;
                };
                table.row([
                    format!("{size} %"),
                    budget.to_string(),
                    ratio(row.hit_ratio),
                    ratio(row.miss_ratio()),
                    percent(row.removed),
                    ratio(row.precision),
                    percent(row.extra),
                    ratio(row.fetches()),
                ]);
            }
        }
        text += &folded(&input.name, table);
    }
    text
}

/// Every baseline and strategy at the default budget: one folded table a recording.
pub(super) fn contenders(inputs: &Inputs, answers: &Answers) -> String {
    let mut text = "### All contenders at the default budget\n\n\
        Misses removed, and in brackets precision and fetches per read."
        .to_owned();
    for input in &inputs.recordings {
        let sizes: Vec<_> = SIZES
            .into_iter()
            .filter(|&size| answers.usual(&input.name, size).is_some())
            .collect();
        let heads: Vec<_> = sizes.iter().map(|size| format!("{size} %")).collect();
        let columns: Vec<&str> = std::iter::once("contender")
            .chain(heads.iter().map(String::as_str))
            .collect();
        let mut table = Table::new(&columns);
        let played = |size| {
            let answers = [
                answers.usual(&input.name, size),
                answers.others(&input.name, size),
            ];
            answers.into_iter().flatten().flat_map(Answer::rows)
        };
        let Some(&first) = sizes.first() else {
            continue;
        };
        let mut names: Vec<&str> = Vec::new();
        for row in played(first).filter(|row| row.strategy != "off") {
            names.push(&row.strategy);
        }
        for name in names {
            let cells = sizes.iter().map(|&size| {
                let mut rows = played(size).filter(|row| row.strategy == name);
                rows.next().map_or("–".into(), shown)
            });
            table.row(std::iter::once(format!("`{name}`")).chain(cells));
        }
        text += &folded(&input.name, table);
    }
    text
}

fn shown(row: &Row) -> String {
    if row.warmed == 0.0 {
        return percent(row.removed);
    }
    let (precision, fetches) = (row.precision, row.fetches());
    format!("{} ({precision:.2}, {fetches:.3})", percent(row.removed))
}

fn folded(name: &str, table: Table) -> String {
    if table.is_empty() {
        return String::new();
    }
    let table = table.text();
    format!("\n\n<details><summary><code>{name}</code></summary>\n\n{table}\n\n</details>")
}
