//! `forewarm replay --tune`: a search of the strategies' parameters, bounded and repeatable.
//!
//! It chooses by the hits of the recording's first half and judges by those of the second, which
//! the choice has not seen; what does not hold there is not recommended.

mod answer;
mod space;

use std::collections::HashMap;
use std::path::Path;

use forewarm_application::replay::{Contender, RunReport};

use super::super::Failure;
use super::player::{Course, Player};
use super::progress::Progress;
use crate::config::{Effective, Strategy, Warming};
use space::Point;

/// A step must gain this share of the reads, or the simpler setting stays.
const WORTH_A_STEP: f64 = 0.000_5;

/// Hits and L2 reads of one half.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Half {
    reads: u64,
    hits: u64,
    l2_reads: u64,
}

impl Half {
    fn ratio(self) -> f64 {
        if self.reads == 0 {
            0.0
        } else {
            self.hits as f64 / self.reads as f64
        }
    }
}

/// One run's figures.
#[derive(Debug, Clone)]
struct Figures {
    /// The half that is chosen by, and the half that judges.
    halves: [Half; 2],
    run: RunReport,
}

/// The whole search.
struct Search<'a, 'p> {
    player: &'a Player<'p>,
    effective: &'a Effective,
    known: HashMap<String, Option<Figures>>,
    off: [Half; 2],
    runs: usize,
    most: usize,
    progress: Progress,
}

/// Searches, and writes the best settings as TOML.
pub(super) fn tune(
    player: &Player<'_>,
    path: &Path,
    effective: &Effective,
    most: usize,
) -> Result<String, Failure> {
    let mut search = Search {
        player,
        effective,
        known: HashMap::new(),
        off: [Half::default(); 2],
        runs: 0,
        most,
        progress: Progress::steps(most),
    };
    let start = Point::of(effective, effective.config.warming.strategy);
    let defaults = search.figures(&start).ok_or_else(|| {
        Failure::Usage(anyhow::anyhow!("the configured strategy cannot be built"))
    })?;
    let mut first: Vec<(Point, Figures)> = Vec::new();
    for name in Strategy::NAMES {
        let strategy = Strategy::from_name(name).expect("it is one of the names");
        let point = Point::of(effective, strategy);
        if let Some(figures) = search.figures(&point) {
            first.push((point, figures));
        }
    }
    first.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.halves[0].hits));
    // The second of them may have been far from its own best.
    first.truncate(2);
    let mut found = (start.clone(), defaults.clone());
    let half = (search.most - search.runs) / 2;
    for (at, (point, figures)) in first.into_iter().enumerate() {
        let until = if at == 0 {
            search.runs + half
        } else {
            search.most
        };
        let climbed = search.climb((point, figures), until);
        if search.is_better(&climbed.1, &found.1) {
            found = climbed;
        }
    }
    search.progress.end();
    let reads = defaults.halves[1].reads;
    let gained = found.1.halves[1].hits as f64 - defaults.halves[1].hits as f64;
    let holds = found.0 != start && gained > reads as f64 * WORTH_A_STEP;
    let told = answer::Told {
        name: path.display().to_string(),
        events: player.events().len(),
        keys: player.keys,
        l1_entries: player.l1_entries(),
        runs: search.runs,
        off: search.off,
        defaults: (&start, &defaults),
        found: (&found.0, &found.1),
        holds,
    };
    Ok(answer::toml(&told))
}

impl Search<'_, '_> {
    /// Plays a point unless it was played before; `None` for settings that contradict each other,
    /// and past the limit of runs.
    fn figures(&mut self, point: &Point) -> Option<Figures> {
        let name = point.to_string();
        if let Some(known) = self.known.get(&name) {
            return known.clone();
        }
        if self.runs >= self.most {
            return None;
        }
        let figures = point
            .warming(self.effective)
            .and_then(|warming| self.play(point, &warming));
        if figures.is_some() {
            self.runs += 1;
            self.progress.step(point.strategy.name(), self.runs);
        }
        self.known.insert(name, figures.clone());
        figures
    }

    fn play(&mut self, point: &Point, warming: &Warming) -> Option<Figures> {
        let rule = warming.strategy().ok()?;
        let mut config = self.player.config(self.effective);
        config.max_pairs_per_warm = warming.max_pairs_per_warm;
        config.l1_share = point.l1_share;
        config.model.window.events = point.window_events;
        config.model.window.span = point.window.0;
        let (report, courses) = self
            .player
            .courses(vec![Contender::Strategy(rule)], &config);
        self.off = halves(&courses.first()?.1);
        Some(Figures {
            halves: halves(&courses.get(1)?.1),
            run: report.runs.into_iter().nth(1)?,
        })
    }

    /// One setting at a time, as long as a step is worth it and runs are left.
    fn climb(&mut self, mut best: (Point, Figures), until: usize) -> (Point, Figures) {
        loop {
            let before = best.0.clone();
            for steps in before.neighbourhoods() {
                for change in steps {
                    if self.runs >= until {
                        return best;
                    }
                    let Some(point) = best.0.with(&change) else {
                        continue;
                    };
                    let Some(figures) = self.figures(&point) else {
                        continue;
                    };
                    if self.is_better(&figures, &best.1) {
                        best = (point, figures);
                    }
                }
            }
            if best.0 == before {
                return best;
            }
        }
    }

    /// More hits in the first half, by more than a step must gain; or as many for fewer L2 reads.
    fn is_better(&self, one: &Figures, other: &Figures) -> bool {
        let (one, other) = (one.halves[0], other.halves[0]);
        let worth = one.reads as f64 * WORTH_A_STEP;
        let gained = one.hits as f64 - other.hits as f64;
        let saved = other.l2_reads as f64 - one.l2_reads as f64;
        gained > worth || (gained >= 0.0 && saved > one.reads as f64 * WORTH_A_STEP * 4.0)
    }
}

/// What was done in the first half of the lines, and in the second.
fn halves(course: &Course) -> [Half; 2] {
    let Some(last) = course.last() else {
        return [Half::default(); 2];
    };
    let middle = course
        .iter()
        .find(|mark| mark.lines * 2 >= last.lines)
        .unwrap_or(last);
    let first = Half {
        reads: middle.reads,
        hits: middle.l1_hits,
        l2_reads: middle.l2_reads,
    };
    let second = Half {
        reads: last.reads - middle.reads,
        hits: last.l1_hits - middle.l1_hits,
        l2_reads: last.l2_reads - middle.l2_reads,
    };
    [first, second]
}
