//! Which replays are needed: all contenders at the default budget, adaptive alone at the others.

use std::fmt;
use std::path::PathBuf;

use super::inputs::Inputs;

/// Sizes of L1, in percent of the distinct keys.
pub(super) const SIZES: [u32; 5] = [1, 5, 10, 20, 50];
const QUICK_SIZES: [u32; 1] = [10];

/// `warming.budget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Budget {
    /// Thousandths of the reads without warming.
    Permille(u32),
    Unlimited,
    /// Sixteen reads more for each that `off` would make, all of L1 for what has not been read yet, and the
    /// nearest partners alone.
    Near,
    /// Eight reads more, nearly all of L1, and four times the partners, the window and the fetches for an
    /// event: as wide as published prefetchers fetch at their best.
    Wide,
}

pub(super) const DEFAULT: Budget = Budget::Permille(250);
pub(super) const BUDGETS: [Budget; 11] = [
    Budget::Permille(0),
    Budget::Permille(35),
    Budget::Permille(50),
    Budget::Permille(100),
    DEFAULT,
    Budget::Permille(500),
    Budget::Permille(1_000),
    Budget::Permille(2_000),
    Budget::Unlimited,
    Budget::Near,
    Budget::Wide,
];
const QUICK_BUDGETS: [Budget; 3] = [Budget::Permille(0), DEFAULT, Budget::Unlimited];

impl Budget {
    /// As the setting `extra_l2_reads` takes it.
    pub(super) fn extra_l2_reads(self) -> String {
        match self {
            Self::Permille(permille) => (f64::from(permille) / 1_000.0).to_string(),
            Self::Near => "16".to_owned(),
            Self::Wide => "8".to_owned(),
            Self::Unlimited => "unlimited".to_owned(),
        }
    }

    /// What else is set, as `--set` takes it.
    pub(super) fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Permille(_) | Self::Unlimited => &[],
            Self::Near => &[
                "warming.budget.l1_share=1.0",
                "tracking.window_events=12",
                "warming.adaptive.max_pairs=6",
            ],
            Self::Wide => &[
                "warming.budget.l1_share=0.95",
                "tracking.max_partners=128",
                "tracking.window_events=80",
                "warming.max_pairs_per_warm=64",
                "warming.adaptive.max_pairs=40",
            ],
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permille(permille) => write!(f, "{} %", f64::from(*permille) / 10.0),
            Self::Unlimited => f.write_str("unlimited"),
            Self::Near => f.write_str("1600 %, near"),
            Self::Wide => f.write_str("800 %, wide"),
        }
    }
}

/// Who plays beside `off`; in the order in which they are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Cast {
    /// Adaptive beside the baselines.
    Baselines,
    /// Adaptive beside prefetch by popularity.
    Popularity,
    /// Adaptive alone.
    Adaptive,
    /// Adaptive beside refresh, with an L2 that takes a millisecond to answer.
    Slow,
    /// The other strategies, and the oracle without a budget.
    Others,
}

impl Cast {
    /// Arguments of `forewarm replay`.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Baselines => &[
                "--strategies=adaptive",
                "--baselines=lru,refresh,markov,oracle,popularity",
            ],
            Self::Others => &[
                "--strategies=topn,threshold,aggressive,conservative,timebased",
                "--baselines=oracle-unlimited",
            ],
            Self::Adaptive => &["--strategies=adaptive", "--baselines=off"],
            Self::Popularity => &["--strategies=adaptive", "--baselines=popularity"],
            Self::Slow => &[
                "--strategies=adaptive",
                "--baselines=refresh",
                "--l2-latency=1ms",
            ],
        }
    }

    /// Contenders, for a guess at the time it takes.
    fn contenders(self) -> u64 {
        match self {
            Self::Baselines => 4,
            Self::Others => 7,
            Self::Adaptive => 1,
            Self::Popularity | Self::Slow => 2,
        }
    }
}

/// What an answer is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell {
    pub(super) input: String,
    pub(super) shuffled: bool,
    /// L1 in percent of the distinct keys.
    pub(super) size: u32,
    pub(super) budget: Budget,
    pub(super) cast: Cast,
}

/// One replay.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) cell: Cell,
    pub(super) path: PathBuf,
}

/// Every replay that the tables need: what most of them need first, so that an interrupted run is of
/// use, and among equals the longest first, so that the cores end together.
pub(super) fn jobs(inputs: &Inputs, quick: bool) -> Vec<Job> {
    let sizes: &[u32] = if quick { &QUICK_SIZES } else { &SIZES };
    let budgets: &[Budget] = if quick { &QUICK_BUDGETS } else { &BUDGETS };
    let mut jobs = Vec::new();
    let mut add = |name: &str, path: &PathBuf, shuffled, size, budget, cast| {
        let cell = Cell {
            input: name.to_owned(),
            shuffled,
            size,
            budget,
            cast,
        };
        let path = path.clone();
        jobs.push(Job { cell, path });
    };
    for &size in sizes {
        for input in &inputs.recordings {
            let (name, path) = (&input.name, &input.path);
            add(name, path, false, size, DEFAULT, Cast::Baselines);
            add(name, path, false, size, DEFAULT, Cast::Others);
            for &budget in budgets.iter().filter(|&&budget| budget != DEFAULT) {
                add(name, path, false, size, budget, Cast::Adaptive);
            }
            if let Some(shuffled) = &input.shuffled {
                add(name, shuffled, true, size, DEFAULT, Cast::Popularity);
            }
            if input.has_ops {
                add(name, path, false, size, DEFAULT, Cast::Slow);
            }
        }
        for input in &inputs.hostile {
            let (name, path) = (&input.name, &input.path);
            add(name, path, false, size, DEFAULT, Cast::Popularity);
        }
    }
    let bytes = |job: &Job| job.path.metadata().map_or(0, |data| data.len());
    let cost = |job: &Job| std::cmp::Reverse(bytes(job) * job.cell.cast.contenders());
    jobs.sort_by_cached_key(|job| (job.cell.cast, cost(job)));
    jobs
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::inputs::Input;
    use super::*;

    #[test]
    fn each_cell_is_replayed_once_and_all_play_at_the_default_budget() {
        let input = |name: &str, shuffled: Option<PathBuf>| Input {
            name: name.to_owned(),
            path: PathBuf::from(name),
            has_ops: shuffled.is_some(),
            shuffled,
        };
        let inputs = Inputs {
            recordings: vec![input("a", Some(PathBuf::from("b")))],
            hostile: vec![input("c", None)],
            recorded: true,
        };
        let planned = jobs(&inputs, false);
        let cells: HashSet<_> = planned.iter().map(|job| &job.cell).collect();
        assert_eq!(cells.len(), planned.len());
        assert_eq!(planned.len(), SIZES.len() * (2 + 10 + 1 + 1 + 1));
        for cast in [Cast::Baselines, Cast::Others] {
            let mut played = planned.iter().filter(|job| job.cell.cast == cast);
            assert!(played.clone().all(|job| job.cell.budget == DEFAULT));
            assert_eq!(played.by_ref().count(), SIZES.len());
        }
        assert!(planned.is_sorted_by_key(|job| job.cell.cast));
        assert!(jobs(&inputs, true).len() < 8);
    }

    #[test]
    fn a_budget_is_written_as_the_setting_takes_it() {
        let written = BUDGETS.map(Budget::extra_l2_reads);
        assert_eq!(
            written,
            [
                "0",
                "0.035",
                "0.05",
                "0.1",
                "0.25",
                "0.5",
                "1",
                "2",
                "unlimited",
                "16",
                "8"
            ]
        );
        let shown = [Budget::Permille(35), DEFAULT, Budget::Wide].map(|budget| budget.to_string());
        assert_eq!(shown, ["3.5 %", "25 %", "800 %, wide"]);
    }
}
