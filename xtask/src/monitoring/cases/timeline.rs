//! What happens at one place, minute by minute.

use super::encoding::{Sample, Series, rounded};

/// One minute of a figure and of the traffic that it is measured on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minute {
    /// The latency, the ratio, whatever is judged.
    pub(super) figure: f64,
    /// Events a second.
    pub(super) traffic: f64,
    /// Whether the scrape at its end failed.
    pub(super) missed: bool,
    /// Whether the process restarted at its end.
    pub(super) reset: bool,
}

/// `count` minutes alike.
pub(super) fn minutes(count: usize, figure: f64, traffic: f64) -> Vec<Minute> {
    let minute = Minute {
        figure,
        traffic,
        missed: false,
        reset: false,
    };
    vec![minute; count]
}

/// `count` minutes of traffic that becomes a quarter more each minute.
pub(super) fn growing(count: usize, figure: f64, traffic: f64) -> Vec<Minute> {
    let mut grown = minutes(count, figure, traffic);
    for (index, minute) in grown.iter_mut().enumerate() {
        minute.traffic *= 1.25_f64.powi(index as i32);
    }
    grown
}

/// The same, with a failed scrape.
pub(super) fn missing(mut timeline: Vec<Minute>, at: usize) -> Vec<Minute> {
    timeline[at].missed = true;
    timeline
}

/// The same, with a restart.
pub(super) fn resetting(mut timeline: Vec<Minute>, at: usize) -> Vec<Minute> {
    timeline[at].reset = true;
    timeline
}

/// A counter that grows by `per_second` in each minute, from 0 on.
pub(super) fn counter(
    name: String,
    timeline: &[Minute],
    per_second: impl Fn(&Minute) -> f64,
) -> Series {
    let mut total = 0.0;
    let mut samples = vec![Sample::Is(total)];
    for minute in timeline {
        total += rounded(60.0 * per_second(minute));
        if minute.reset {
            total = 0.0;
        }
        samples.push(if minute.missed {
            Sample::Stale
        } else {
            Sample::Is(total)
        });
    }
    Series { name, samples }
}
