//! `forewarm capacity`: what a load will take, by the figures of docs/performance.md and
//! docs/benchmarks.md. Arithmetic, not a measurement.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;

use super::Failure;

pub(super) const EXAMPLES: &str = "\
Multiplies your load by what was measured on two cores of an AMD EPYC (docs/performance.md,
docs/benchmarks.md; docs/scaling.md says how far that carries). For one instance that sees all of
the load; beside each application an instance sees its application's reads and all updates.

Examples:
  forewarm capacity --pairs 10000 --updates-per-s 5000 --reads-per-s 40000 --value-bytes 200
  forewarm capacity --pairs 1000000 --updates-per-s 35000 --reads-per-s 300000 --value-bytes 512";

/// What an entry of L1 takes beyond key and value (`crates/infrastructure/src/l1.rs`).
const ENTRY: f64 = 160.0;
/// The process with an empty L1 and model (benchmarks.md, Memory: 32.8 MB less 7,994 pairs).
const BASE: f64 = 22.0 * MIB;
/// A pair in the model with all its partners (benchmarks.md, Memory).
const PAIR: f64 = 1_496.0;
/// Partners of all pairs together: so much, or so much a pair if that is more (`crates/domain/src/model.rs`).
const PARTNERS: f64 = 128.0 * MIB;
const PARTNERS_A_PAIR: f64 = 176.0;
/// A pair without partners.
const BARE_PAIR: f64 = 200.0;
/// Microseconds of processor time, at 10,000 pairs and more (performance.md).
const UPDATE: f64 = 0.35;
const HIT: f64 = 0.33;
const LEARNING: f64 = 1.5;
const CHOICE: f64 = 4.83;
/// Choices a second beyond which requests of a pair join one that waits (benchmarks.md, flat out).
const MOST_CHOICES: f64 = 56_400.0;
/// Reads a second beyond which hits are not learned from.
const MOST_LEARNED: f64 = 200_000.0;
/// Of one core; beyond it a burst waits.
const COMFORT: f64 = 0.7;
const MIB: f64 = (1 << 20) as f64;

#[derive(Debug, Args)]
pub(super) struct CapacityArguments {
    /// Distinct pairs.
    #[arg(long, value_name = "N", value_parser = positive)]
    pairs: f64,
    /// Updates a second.
    #[arg(long, value_name = "R", value_parser = positive)]
    updates_per_s: f64,
    /// Reads a second; left out, eight for each update, as an arbitrage detector's recording has it.
    #[arg(long, value_name = "R", value_parser = positive)]
    reads_per_s: Option<f64>,
    /// Bytes of a value.
    #[arg(long, value_name = "B", value_parser = positive)]
    value_bytes: f64,
    /// Bytes of a key.
    #[arg(long, value_name = "B", default_value = "60", value_parser = positive)]
    key_bytes: f64,
    /// How many per cent of the pairs L1 holds.
    #[arg(long, value_name = "P", default_value = "20", value_parser = percent)]
    l1_percent: f64,
    /// The share of reads that L1 without warming would miss (`replay` tells it).
    #[arg(long, value_name = "SHARE", default_value = "0.15", value_parser = share)]
    miss_ratio: f64,
    /// The budget, as `warming.budget.extra_l2_reads`.
    #[arg(long, value_name = "SHARE", default_value = "0.25", value_parser = share)]
    extra_l2_reads: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e12 => Ok(number),
        _ => Err("expected a number above 0, at most 1e12".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("expected a number above 0, at most 100".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// What the load takes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Needs {
    l1: f64,
    l1_of_all: f64,
    model: f64,
    process: f64,
    /// Cores of the callers, of learning, of choosing.
    calls: f64,
    learning: f64,
    choosing: f64,
    /// L2 reads a second without warming, and the most with it.
    l2_reads: f64,
    most_l2_reads: f64,
}

impl CapacityArguments {
    fn reads(&self) -> f64 {
        self.reads_per_s.unwrap_or(8.0 * self.updates_per_s)
    }

    fn needs(&self) -> Needs {
        let entry = self.key_bytes + self.value_bytes + ENTRY;
        let (l1_of_all, reads) = (self.pairs * entry, self.reads());
        let l1 = l1_of_all * self.l1_percent / 100.0;
        let partners = PARTNERS.max(PARTNERS_A_PAIR * self.pairs);
        let model = (self.pairs * PAIR).min(self.pairs * (BARE_PAIR + self.key_bytes) + partners);
        let learned = self.updates_per_s + reads.min(MOST_LEARNED);
        let l2_reads = reads * self.miss_ratio;
        Needs {
            l1,
            l1_of_all,
            model,
            process: BASE + l1 + model,
            calls: (self.updates_per_s * UPDATE + reads * HIT) / 1e6,
            learning: learned * LEARNING / 1e6,
            choosing: learned.min(MOST_CHOICES) * CHOICE / 1e6,
            l2_reads,
            most_l2_reads: l2_reads * (1.0 + self.extra_l2_reads),
        }
    }
}

pub(super) fn run(arguments: &CapacityArguments) -> Result<(), Failure> {
    let text = report(arguments, &arguments.needs());
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).map_err(Failure::output)
}

fn report(arguments: &CapacityArguments, needs: &Needs) -> String {
    let (pairs, updates, reads) = (arguments.pairs, arguments.updates_per_s, arguments.reads());
    let mut text = format!(
        "{pairs:.0} pairs, {updates:.0} updates/s, {reads:.0} reads/s, values of {:.0} B, keys of {:.0} B\n\n",
        arguments.value_bytes, arguments.key_bytes
    );
    let mut row = |what: &str, figure: String, note: &str| {
        let line = format!("{what:<26}{figure:>14}   {note}");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / MIB);
    let setting = format!(
        "l1.capacity_bytes = \"{:.0}MiB\"",
        (needs.l1 / MIB).ceil().max(1.0)
    );
    row(
        &format!("L1, {} % of the pairs", arguments.l1_percent),
        mib(needs.l1),
        &setting,
    );
    row(
        "L1, every pair",
        mib(needs.l1_of_all),
        "then only changes can miss",
    );
    let setting = format!("tracking.max_pairs = {pairs:.0}");
    row("the model, at most", mib(needs.model), &setting);
    row(
        "the process, about",
        mib(needs.process),
        "connections and queues apart",
    );
    let cores = |cores: f64| format!("{cores:.2} cores");
    row(
        "updates and hits",
        cores(needs.calls),
        "in the callers' threads when embedded",
    );
    row("learning", cores(needs.learning), "one thread: at most 1");
    row(
        "choosing what to warm",
        cores(needs.choosing),
        "on the learner's thread",
    );
    let rate = |rate: f64| format!("{rate:.0}/s");
    row(
        "L2 reads without warming",
        rate(needs.l2_reads),
        "the miss ratio given",
    );
    row(
        "L2 reads with, at most",
        rate(needs.most_l2_reads),
        "misses and warms, by the budget",
    );
    if needs.learning + needs.choosing > COMFORT {
        let _ = writeln!(
            text,
            "\nLearning and choosing share one thread and want {:.2} of a core: past {COMFORT} bursts wait, past 1 \
             events are lost to learning (counted; L1 hears of every one). Give each instance a share of the chains.",
            needs.learning + needs.choosing
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> CapacityArguments {
        CapacityArguments {
            pairs: 10_000.0,
            updates_per_s: 1_000.0,
            reads_per_s: None,
            value_bytes: 240.0,
            key_bytes: 100.0,
            l1_percent: 20.0,
            miss_ratio: 0.1,
            extra_l2_reads: 0.25,
        }
    }

    #[test]
    fn the_arithmetic_is_that_of_the_table() {
        let needs = arguments().needs();
        assert_eq!(needs.l1_of_all, 5_000_000.0, "500 bytes an entry");
        assert_eq!(needs.l1, 1_000_000.0);
        assert_eq!(needs.model, 14_960_000.0);
        assert_eq!((needs.l2_reads, needs.most_l2_reads), (800.0, 1_000.0));
        assert!((needs.calls - (350.0 + 2_640.0) / 1e6).abs() < 1e-9);
        assert!((needs.learning - 0.0135).abs() < 1e-9);
    }

    #[test]
    fn a_million_pairs_share_the_room_for_partners_and_too_much_is_said_to_be() {
        let mut large = arguments();
        large.pairs = 1e6;
        let model = large.needs().model;
        assert!(
            model < 500e6 && model > 400e6,
            "{model}: measured were some 450 bytes a pair"
        );
        assert!(!report(&large, &large.needs()).contains("share one thread"));
        large.updates_per_s = 4e5;
        assert!(report(&large, &large.needs()).contains("lost to learning"));
    }
}
