//! What `forewarm replay --format json` answered.

use anyhow::{Context, Result};
use serde_json::Value;

/// One contender's figures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) strategy: String,
    pub(super) reads: f64,
    pub(super) hit_ratio: f64,
    pub(super) removed: f64,
    pub(super) warmed: f64,
    pub(super) precision: f64,
    pub(super) l2_reads: f64,
    pub(super) extra: f64,
}

impl Row {
    pub(super) fn miss_ratio(&self) -> f64 {
        1.0 - self.hit_ratio
    }

    /// Keys fetched by warming for each demand read.
    pub(super) fn fetches(&self) -> f64 {
        self.warmed / self.reads.max(1.0)
    }
}

/// One replay.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) events: u64,
    pub(super) keys: u64,
    pub(super) entries: u64,
    rows: Vec<Row>,
}

impl Answer {
    /// # Errors
    /// When a field of the contract is missing.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(text).context("replay printed no JSON")?;
        let runs = json["runs"].as_array().context("no runs in the answer")?;
        Ok(Self {
            events: count(&json["trace"], "events")?,
            keys: count(&json["trace"], "distinct_keys")?,
            entries: count(&json, "l1_entries")?,
            rows: runs.iter().map(row).collect::<Result<_>>()?,
        })
    }

    pub(super) fn row(&self, strategy: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.strategy == strategy)
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

fn count(json: &Value, name: &str) -> Result<u64> {
    json[name]
        .as_u64()
        .with_context(|| format!("no count {name:?} in the answer"))
}

fn row(json: &Value) -> Result<Row> {
    let number = |name: &str| {
        json[name]
            .as_f64()
            .with_context(|| format!("no number {name:?} in a run"))
    };
    Ok(Row {
        strategy: json["strategy"].as_str().context("no strategy")?.to_owned(),
        reads: number("reads")?,
        hit_ratio: number("l1_hit_ratio")?,
        removed: number("misses_removed_ratio")?,
        warmed: number("warmed")?,
        precision: number("precision")?,
        l2_reads: number("l2_reads")?,
        extra: number("extra_l2_reads_ratio")?,
    })
}

#[cfg(test)]
pub(super) fn answer(rows: &[(&str, f64, f64)]) -> Answer {
    let row = |&(strategy, miss, fetches): &(&str, f64, f64)| Row {
        strategy: strategy.to_owned(),
        reads: 1_000.0,
        hit_ratio: 1.0 - miss,
        removed: 0.0,
        warmed: fetches * 1_000.0,
        precision: 0.5,
        l2_reads: 1_000.0,
        extra: 0.0,
    };
    Answer {
        events: 1_000,
        keys: 100,
        entries: 10,
        rows: rows.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_and_a_missing_one_is_named() {
        let run = r#"{"strategy":"off","reads":40,"l1_hits":10,"l1_hit_ratio":0.25,
            "misses_removed_ratio":0.0,"warmed":8,"precision":0.5,"l2_reads":30,
            "extra_l2_reads_ratio":0.1}"#;
        let text = format!(
            r#"{{"trace":{{"events":50,"distinct_keys":7}},"l1_entries":3,"runs":[{run}]}}"#
        );
        let answer = Answer::parse(&text).expect("all is there");
        assert_eq!((answer.events, answer.keys, answer.entries), (50, 7, 3));
        let off = answer.row("off").expect("it played");
        assert_eq!((off.miss_ratio(), off.fetches()), (0.75, 0.2));
        let error = Answer::parse(&text.replace("warmed", "heated")).expect_err("one is gone");
        assert!(error.to_string().contains("warmed"), "{error}");
    }
}
