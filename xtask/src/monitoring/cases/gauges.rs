//! Alerts about gauges of one process: levels, links, and whether it is there at all.

mod down;
mod levels;
mod memory;

use super::encoding::{Sample, Series};
use super::{Case, Check, Labels};

pub(super) fn suites() -> Vec<(&'static str, Vec<Case>)> {
    let mut suites = levels::suites();
    suites.extend(memory::suites());
    suites.push(("ForewarmDown", down::cases()));
    suites
}

/// A gauge of one instance.
fn gauge(
    metric: &str,
    instance: &str,
    more: &str,
    values: impl IntoIterator<Item = f64>,
) -> Series {
    let name = format!(r#"{metric}{{job="forewarm",instance="{instance}"{more}}}"#);
    Series::of(name, values)
}

/// The same value for so many minutes.
fn flat(value: f64, minutes: usize) -> Vec<f64> {
    vec![value; minutes]
}

fn who(instance: &str) -> Labels {
    vec![
        ("job", "forewarm".to_owned()),
        ("instance", instance.to_owned()),
    ]
}

fn fires(minute: usize, who: Labels) -> Check {
    Check::Fires {
        minute,
        who: vec![who],
    }
}

/// Scrapes fail for so many minutes, all series of the target.
fn failing(series: Vec<Series>, minute: usize, count: usize) -> Vec<Series> {
    let series = series.into_iter();
    series.map(|it| it.failing(minute, count)).collect()
}

/// Late scrapes: nothing comes, nothing is marked.
fn late(mut series: Series, minute: usize, count: usize) -> Series {
    for sample in series.samples.iter_mut().skip(minute).take(count) {
        *sample = Sample::Missing;
    }
    series
}
