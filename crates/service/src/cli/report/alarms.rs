//! Which alerts fired, how often, for how long, and how many of the times were likely false.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Failure;
use super::super::prometheus::{Prometheus, Series};
use super::bands::{Band, HIT_RATIO};

/// Prometheus gives at most 11,000 points a series.
const POINTS: f64 = 10_000.0;
const FINEST: f64 = 30.0;
/// What was over so soon, in seconds, may have been nothing.
const SHORT: f64 = 900.0;
/// Trouble that an alert announced comes within this.
const AFTER: f64 = 1_800.0;

pub(super) const RULE: &str = "Likely false: over within 15 minutes, no other alert fired meanwhile or in \
the half hour after, and L1's hit ratio did not fall below its 5 % quantile. An alert of which most \
times were so wants a longer `for` or a further level; one that fired only so may not be needed.";

/// One time that an alert fired.
#[derive(Debug, Clone, PartialEq)]
struct Episode {
    from: f64,
    to: f64,
    labels: String,
    likely_false: bool,
}

/// One alert with all its times.
#[derive(Debug)]
pub(super) struct Alarm {
    name: String,
    severity: String,
    episodes: Vec<Episode>,
}

/// Asks Prometheus, whose own series `ALERTS` tells what fired.
pub(super) fn alarms(
    prometheus: &Prometheus,
    (start, end): (f64, f64),
    bands: &[Band],
) -> Result<Vec<Alarm>, Failure> {
    let step = ((end - start) / POINTS).max(FINEST);
    let query = r#"ALERTS{job="forewarm",alertstate="firing"}"#;
    let fired = prometheus.range(query, (start, end, step))?;
    let mut by_name: BTreeMap<String, Alarm> = BTreeMap::new();
    for series in &fired {
        let alarm = by_name
            .entry(series.label("alertname").to_owned())
            .or_insert_with(|| Alarm {
                name: series.label("alertname").to_owned(),
                severity: series.label("severity").to_owned(),
                episodes: Vec::new(),
            });
        alarm.episodes.extend(episodes(series, step));
    }
    let mut alarms: Vec<Alarm> = by_name.into_values().collect();
    judge(&mut alarms, bands, end);
    alarms.sort_by(|a, b| {
        b.episodes
            .len()
            .cmp(&a.episodes.len())
            .then(a.name.cmp(&b.name))
    });
    Ok(alarms)
}

/// Points that follow each other belong together; one may be missing between them.
fn episodes(series: &Series, step: f64) -> Vec<Episode> {
    let told = [
        "alertname",
        "alertstate",
        "severity",
        "job",
        "component",
        "layer",
        "__name__",
    ];
    let labels = series
        .labels
        .iter()
        .filter(|(name, _)| !told.contains(&name.as_str()));
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut found: Vec<Episode> = Vec::new();
    for (at, _) in &series.points {
        match found.last_mut().filter(|last| at - last.to <= 2.5 * step) {
            Some(last) => last.to = *at,
            None => found.push(Episode {
                from: *at,
                to: *at,
                labels: labels.join(","),
                likely_false: false,
            }),
        }
    }
    found
}

/// Marks the times that were likely false; one that goes on at the end is not judged.
fn judge(alarms: &mut [Alarm], bands: &[Band], end: f64) {
    let all: Vec<(usize, f64, f64)> = alarms
        .iter()
        .enumerate()
        .flat_map(|(at, alarm)| alarm.episodes.iter().map(move |one| (at, one.from, one.to)))
        .collect();
    let hits = bands.iter().find(|band| band.figure.id == HIT_RATIO);
    for (at, alarm) in alarms.iter_mut().enumerate() {
        for episode in &mut alarm.episodes {
            let until = episode.to + AFTER;
            let in_time = |time: f64| (episode.from..=until).contains(&time);
            let brief = episode.to - episode.from <= SHORT && end - episode.to > SHORT;
            let alone = all
                .iter()
                .all(|(other, from, to)| *other == at || *from > until || *to < episode.from);
            let fell = hits.is_some_and(|band| {
                let low = band.quantiles[1];
                let mut points = band.course.iter();
                points.any(|(time, value)| in_time(*time) && *value < low)
            });
            episode.likely_false = brief && alone && !fell;
        }
    }
}

impl Alarm {
    fn falses(&self) -> usize {
        self.episodes.iter().filter(|one| one.likely_false).count()
    }

    fn seconds(&self) -> f64 {
        self.episodes.iter().map(|one| one.to - one.from).sum()
    }

    fn advice(&self) -> &'static str {
        let (fired, falses) = (self.episodes.len(), self.falses());
        if falses == fired && fired >= 3 {
            "never confirmed: a further level, or do without it"
        } else if falses * 2 > fired {
            "mostly brief: a longer `for`"
        } else {
            ""
        }
    }

    /// A row of the table.
    pub(super) fn cells(&self) -> [String; 6] {
        let seconds = self.seconds();
        let total = if seconds >= 5_400.0 {
            format!("{:.1} h", seconds / 3_600.0)
        } else {
            format!("{:.0} min", seconds / 60.0)
        };
        [
            self.name.clone(),
            self.severity.clone(),
            self.episodes.len().to_string(),
            total,
            self.falses().to_string(),
            self.advice().to_owned(),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let episodes = self.episodes.iter().map(|one| {
            json!({
                "from": one.from,
                "to": one.to,
                "labels": one.labels,
                "likely_false": one.likely_false,
            })
        });
        let episodes: Vec<Value> = episodes.collect();
        json!({
            "alert": self.name,
            "severity": self.severity,
            "fired": self.episodes.len(),
            "firing_seconds": self.seconds(),
            "likely_false": self.falses(),
            "advice": self.advice(),
            "episodes": episodes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(name: &str, episodes: &[(f64, f64)]) -> Alarm {
        let episodes = episodes.iter().map(|(from, to)| Episode {
            from: *from,
            to: *to,
            labels: String::new(),
            likely_false: false,
        });
        Alarm {
            name: name.to_owned(),
            severity: "warning".to_owned(),
            episodes: episodes.collect(),
        }
    }

    #[test]
    fn points_that_follow_each_other_are_one_time_and_a_pause_parts_them() {
        let series = Series {
            labels: vec![("chain".to_owned(), "bsc".to_owned())],
            points: [0.0, 60.0, 180.0, 600.0, 660.0].map(|at| (at, 1.0)).into(),
        };
        let found = episodes(&series, 60.0);
        let spans: Vec<_> = found.iter().map(|one| (one.from, one.to)).collect();
        assert_eq!(spans, [(0.0, 180.0), (600.0, 660.0)]);
        assert_eq!(found[0].labels, "chain=bsc");
    }

    #[test]
    fn brief_and_alone_is_likely_false_and_long_accompanied_or_unfinished_is_not() {
        let mut alarms = [
            alarm(
                "Lonely",
                &[(0.0, 300.0), (50_000.0, 52_000.0), (99_000.0, 99_900.0)],
            ),
            alarm("Herald", &[(20_000.0, 20_300.0)]),
            alarm("Trouble", &[(21_500.0, 30_000.0)]),
        ];
        judge(&mut alarms, &[], 100_000.0);
        let marks = |alarm: &Alarm| -> Vec<bool> {
            alarm.episodes.iter().map(|one| one.likely_false).collect()
        };
        assert_eq!(marks(&alarms[0]), [true, false, false]);
        assert_eq!(
            marks(&alarms[1]),
            [false],
            "trouble came within half an hour"
        );
        assert_eq!(marks(&alarms[2]), [false]);
    }
}
