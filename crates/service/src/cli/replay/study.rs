//! What the HTML report is about: the recording played with every strategy, with every preset, and
//! at several sizes of L1.

use std::path::Path;

use forewarm_application::replay::{Contender, L1Size, Report, RunReport};

use super::super::{Failure, Overrides};
use super::player::{Course, Player};
use super::progress::Progress;
use crate::config::{Effective, ModeName, PRESETS, Sources, load};

/// L1's sizes, in per cent of the recording's keys.
const SIZES: [f64; 6] = [1.0, 2.0, 5.0, 10.0, 20.0, 40.0];
/// A preset that removes less than this share of the misses removes nothing but noise.
const WORTH: f64 = 0.01;

/// One recording, studied.
#[derive(Debug)]
pub(super) struct Study {
    /// The file's name.
    pub(super) name: String,
    /// Every strategy and baseline.
    pub(super) report: Report,
    /// The presets that warm, in the order of their names' list.
    pub(super) presets: Vec<Preset>,
    /// The one to use, if any is worth it.
    pub(super) best: Option<usize>,
    /// Hit ratios at several sizes of L1, smallest first.
    pub(super) sizes: Vec<SizePoint>,
    /// `off`, minute by minute.
    pub(super) off: Course,
    /// Mean bytes of a value, where the recording has them.
    pub(super) value_bytes: Option<u64>,
}

/// One preset's run.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: RunReport,
    pub(super) course: Course,
    /// The model's bytes at the end.
    pub(super) model_bytes: usize,
}

/// Hit ratios at one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct SizePoint {
    pub(super) percent: f64,
    pub(super) entries: usize,
    pub(super) off: f64,
    pub(super) refresh: f64,
    pub(super) warmed: f64,
}

/// Plays it all; some forty runs.
pub(super) fn study(
    player: &Player<'_>,
    path: &Path,
    contenders: Vec<Contender>,
    (effective, overrides): (&Effective, &Overrides),
) -> Result<Study, Failure> {
    let warming: Vec<_> = PRESETS
        .iter()
        .map(|(name, about, _)| preset(name, overrides).map(|config| (*name, *about, config)))
        .collect::<Result<_, _>>()?;
    let warming: Vec<_> = warming
        .into_iter()
        .filter(|(name, _, preset)| {
            preset.config.warming.mode == ModeName::On && *name != "development"
        })
        .collect();
    let steps = contenders.len() + warming.len() + SIZES.len();
    let progress = Progress::steps(steps);
    progress.step("strategies", 0);
    let played = contenders.len();
    let (report, courses) = player.courses(contenders, &player.config(effective));
    let mut presets = Vec::new();
    for (at, (name, about, config)) in warming.iter().enumerate() {
        progress.step(name, played + at);
        presets.push(play_preset(player, name, about, config)?);
    }
    let best = best(&presets);
    let config = match best {
        Some(best) => &warming[best].2,
        None => effective,
    };
    let mut sizes = Vec::new();
    for (at, percent) in SIZES.into_iter().enumerate() {
        progress.step("sizes of L1", played + warming.len() + at);
        let entries = L1Size::Percent(percent).entries(player.keys);
        if sizes
            .last()
            .is_none_or(|last: &SizePoint| last.entries < entries)
        {
            sizes.push(at_size(player, config, percent)?);
        }
    }
    progress.end();
    let (sum, sized) = player
        .events()
        .iter()
        .filter_map(|event| event.size)
        .fold((0, 0), |(sum, count), size| {
            (sum + u64::from(size), count + 1)
        });
    Ok(Study {
        name: path.file_name().map_or_else(
            || path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        ),
        report,
        presets,
        best,
        sizes,
        off: courses
            .into_iter()
            .next()
            .map(|(_, course)| course)
            .unwrap_or_default(),
        value_bytes: (sized > 0).then(|| sum / sized.max(1)),
    })
}

/// A preset with the settings of the command line over it.
fn preset(name: &str, overrides: &Overrides) -> Result<Effective, Failure> {
    // What the command line says of the warming itself would make all presets one.
    let of_the_stream = |setting: &&String| !setting.trim_start().starts_with("warming.");
    let sources = Sources {
        preset: Some(name.to_owned()),
        set: overrides
            .set
            .iter()
            .filter(of_the_stream)
            .cloned()
            .collect(),
        ..Sources::default()
    };
    Ok(load(&sources.with_process_env())?)
}

fn play_preset(
    player: &Player<'_>,
    name: &'static str,
    about: &'static str,
    effective: &Effective,
) -> Result<Preset, Failure> {
    let (report, courses) = player.courses(vec![rule(effective)?], &player.config(effective));
    let (run, course) = report
        .runs
        .into_iter()
        .zip(courses)
        .nth(1)
        .map(|(run, (_, course))| (run, course))
        .expect("`off` plays first, then the rule");
    Ok(Preset {
        name,
        about,
        model_bytes: course.last().map_or(0, |mark| mark.model_bytes),
        run,
        course,
    })
}

fn rule(effective: &Effective) -> Result<Contender, Failure> {
    let built = effective.config.warming.strategy();
    built
        .map(Contender::Strategy)
        .map_err(|error| Failure::Usage(error.into()))
}

/// The most hits; among equals the fewest L2 reads, then the first.
fn best(presets: &[Preset]) -> Option<usize> {
    let worth = |preset: &Preset| preset.run.misses_removed_ratio >= WORTH;
    let candidates = presets
        .iter()
        .enumerate()
        .filter(|(_, preset)| worth(preset));
    let ranked = candidates.max_by_key(|(at, preset)| {
        let (hits, reads) = (preset.run.l1_hits, preset.run.l2_reads);
        (hits, std::cmp::Reverse(reads), std::cmp::Reverse(*at))
    });
    ranked.map(|(at, _)| at)
}

fn at_size(player: &Player<'_>, effective: &Effective, percent: f64) -> Result<SizePoint, Failure> {
    let mut config = player.config(effective);
    config.l1 = L1Size::Percent(percent);
    let contenders = vec![Contender::Refresh, rule(effective)?];
    let (report, _) = player.courses(contenders, &config);
    let ratio = |at: usize| report.runs.get(at).map_or(0.0, |run| run.l1_hit_ratio);
    Ok(SizePoint {
        percent,
        entries: report.l1_entries,
        off: ratio(0),
        refresh: ratio(1),
        warmed: ratio(2),
    })
}
