//! The three charts.

use forewarm_application::replay::Mark;

use super::super::study::Study;
use super::plot::{Axis, RIGHT, Series, Spot, lines, spots};

/// Yardsticks that prefetch by another rule than ours.
const OTHERS: [&str; 2] = ["markov", "popularity"];
/// Points of a line over time: fewer than marks, so that chance does not draw the picture.
const POINTS: usize = 40;

/// Each stretch's own hit ratio at its end.
fn ratios(course: &[Mark]) -> Vec<(f64, f64)> {
    let every = course.len().div_ceil(POINTS).max(1);
    let mut before: Option<&Mark> = None;
    let mut points = Vec::new();
    for (at, mark) in course.iter().enumerate() {
        if (at + 1) % every != 0 && at + 1 != course.len() {
            continue;
        }
        let since = |now: u64, then: fn(&Mark) -> u64| now - before.map_or(0, then);
        let reads = since(mark.reads, |mark| mark.reads);
        let hits = since(mark.l1_hits, |mark| mark.l1_hits);
        if reads > 0 {
            points.push((mark.at.as_micros() as f64, hits as f64 / reads as f64));
        }
        before = Some(mark);
    }
    points
}

/// Hit ratio over the time of the recording.
pub(super) fn over_time(study: &Study) -> String {
    let mut series = vec![Series {
        name: "without warming".to_owned(),
        class: "off",
        points: ratios(&study.off),
        dots: false,
    }];
    if let Some(best) = study.best.map(|best| &study.presets[best]) {
        series.push(Series {
            name: format!("preset {}", best.name),
            class: "warmed",
            points: ratios(&best.course),
            dots: false,
        });
    }
    let times = series
        .iter()
        .flat_map(|one| &one.points)
        .map(|point| point.0);
    let (first, last) = bounds(times);
    let values = series
        .iter()
        .flat_map(|one| &one.points)
        .map(|point| point.1);
    let (least, most) = bounds(values);
    let y = Axis::percentages(least, most, "L1 hit ratio");
    lines(
        &time_axis(first, last),
        &y,
        &series,
        "L1 hit ratio over the recording",
    )
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    if least > most {
        (0.0, 1.0)
    } else {
        (least, most)
    }
}

/// Time since the recording began, in a unit of which there are a handful.
fn time_axis(first: f64, last: f64) -> Axis {
    const UNITS: [(f64, &str); 5] = [
        (86_400e6, "days into the recording"),
        (3_600e6, "hours into the recording"),
        (60e6, "minutes into the recording"),
        (1e6, "seconds into the recording"),
        (1e3, "milliseconds into the recording"),
    ];
    let span = (last - first).max(1.0);
    let (unit, title) = UNITS
        .into_iter()
        .find(|(unit, _)| span / unit >= 2.0)
        .unwrap_or(UNITS[4]);
    let count = span / unit;
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    let step = steps
        .into_iter()
        .find(|step| count / step <= 8.0)
        .unwrap_or(1_000.0);
    let ticks = (0..=(count / step) as u32).map(|tick| {
        let at = f64::from(tick) * step;
        (first + at * unit, format!("{at}"))
    });
    Axis {
        from: first,
        to: last.max(first + 1.0),
        ticks: ticks.collect(),
        title,
        margin: RIGHT,
    }
}

/// Hit ratio against L1's size, each size as far from the next.
pub(super) fn against_size(study: &Study) -> String {
    let points = |ratio: fn(&super::super::study::SizePoint) -> f64| {
        let ratios = study.sizes.iter().enumerate();
        ratios.map(|(at, size)| (at as f64, ratio(size))).collect()
    };
    let warmed = match study.best.map(|best| study.presets[best].name) {
        Some(name) => format!("preset {name}"),
        None => "warming as configured".to_owned(),
    };
    let line = |name: &str, class, points| Series {
        name: name.to_owned(),
        class,
        points,
        dots: true,
    };
    let series = [
        line("without warming", "off", points(|size| size.off)),
        line(
            "refreshing what L1 holds when it changes",
            "refresh",
            points(|size| size.refresh),
        ),
        line(&warmed, "warmed", points(|size| size.warmed)),
    ];
    let (least, most) = bounds(
        series
            .iter()
            .flat_map(|one| &one.points)
            .map(|point| point.1),
    );
    let ticks = study.sizes.iter().enumerate().map(|(at, size)| {
        (
            at as f64,
            format!(
                "{} % = {}",
                size.percent,
                super::grouped(size.entries as u64)
            ),
        )
    });
    let last = (study.sizes.len().max(2) - 1) as f64;
    let x = Axis {
        from: -0.35,
        to: last + 0.35,
        ticks: ticks.collect(),
        title: "size of L1, as a share of all keys and in entries",
        margin: RIGHT,
    };
    let y = Axis::percentages(least, most, "L1 hit ratio");
    lines(&x, &y, &series, "L1 hit ratio against the size of L1")
}

/// What share of what was fetched was read, against what share of the misses went away.
pub(super) fn precision(study: &Study) -> String {
    let strategies = crate::config::Strategy::NAMES;
    let shown: Vec<Spot> = study
        .report
        .runs
        .iter()
        // Of what was never fetched there is no precision.
        .filter(|run| run.outcomes.warmed > 0)
        .filter(|run| strategies.contains(&run.strategy) || OTHERS.contains(&run.strategy))
        .map(|run| Spot {
            name: run.strategy.to_owned(),
            class: if OTHERS.contains(&run.strategy) {
                "hollow"
            } else {
                "warmed"
            },
            at: (run.misses_removed_ratio, run.outcomes.precision()),
        })
        .collect();
    let (least, most) = bounds(shown.iter().map(|spot| spot.at.0));
    let x = Axis::percentages(least.min(0.0), most.max(0.05), "misses removed (coverage)");
    let (least, most) = bounds(shown.iter().map(|spot| spot.at.1));
    let y = Axis::percentages((least - 0.03).max(0.0), (most + 0.03).min(1.0), "precision");
    spots(
        x,
        &y,
        &shown,
        "Precision against the share of misses removed, for every strategy",
    )
}
