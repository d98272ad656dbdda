//! Why a criterion has no value, and how long to wait for one.

use std::collections::BTreeSet;

use super::super::Failure;
use super::super::prometheus::Prometheus;

/// How long ago the job was first scraped, in seconds: coarse for a long time, fine for a short one. A
/// Prometheus looks at whole hours alone where it is asked for hours.
const AGES: [&str; 2] = [
    r#"time() - min(min_over_time(timestamp(up{job="forewarm"})[15d:1h]))"#,
    r#"time() - min(min_over_time(timestamp(up{job="forewarm"})[90m:10s]))"#,
];
const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

/// What a Prometheus knows of the job.
#[derive(Debug)]
pub(super) struct Known {
    /// Seconds since its first scrape; `None`: there was none.
    age: Option<f64>,
    absent: BTreeSet<&'static str>,
}

impl Known {
    pub(super) fn ask(prometheus: &Prometheus, queries: &[&'static str]) -> Result<Self, Failure> {
        let mut age: Option<f64> = None;
        for query in AGES {
            let found = prometheus.instant(query)?;
            let value = found.first().and_then(|series| series.points.first());
            let value = value.map(|(_, value)| *value);
            // No age is less than any.
            let value = value.filter(|value| value.is_finite());
            if value > age {
                age = value;
            }
        }
        let mut absent = BTreeSet::new();
        for name in queries.iter().flat_map(|query| metrics(query)) {
            let present = format!(r#"count(last_over_time({name}{{job="forewarm"}}[1d]))"#);
            if prometheus.instant(&present)?.is_empty() {
                absent.insert(name);
            }
        }
        Ok(Self { age, absent })
    }

    /// Why the query has no value.
    pub(super) fn why(&self, query: &'static str) -> String {
        let Some(age) = self.age else {
            return r#"nothing is scraped as job "forewarm" (docs/monitoring-setup.md)"#.to_owned();
        };
        if let Some(name) = metrics(query).find(|name| self.absent.contains(name)) {
            return format!(
                "there is no {name} of the last day: nothing that it counts has happened"
            );
        }
        if query.contains("offset 2w") && age < 15.0 * DAY {
            let wait = span(15.0 * DAY - age);
            return format!(
                "compares with two weeks ago: scraped for {}, {wait} to go",
                span(age)
            );
        }
        if query.contains(":1h]") && age < HOUR {
            return format!(
                "looks at whole hours: scraped for {}, wait for the next",
                span(age)
            );
        }
        format!(
            "scraped for {}: of what it measures nothing has happened between two scrapes",
            span(age)
        )
    }
}

/// The names of the metrics in a query.
fn metrics(query: &'static str) -> impl Iterator<Item = &'static str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("arbitrage_") || word.starts_with("process_"))
}

fn span(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{seconds:.0} s"),
        90.0..5_400.0 => format!("{:.0} minutes", seconds / 60.0),
        5_400.0..172_800.0 => format!("{:.0} hours", seconds / HOUR),
        _ => format!("{:.1} days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forewarm_application::rollout::{ADAPTIVE, CONSERVATIVE, SHADOW};

    fn query(id: &str) -> &'static str {
        let all = SHADOW.iter().chain(&CONSERVATIVE).chain(&ADAPTIVE);
        let found = all.into_iter().find(|one| one.id == id);
        found.unwrap_or_else(|| panic!("no criterion {id}")).query
    }

    #[test]
    fn what_is_missing_is_said_with_how_long_to_wait() {
        let check = |age: Option<f64>, absent: &[&'static str], id: &str, expected: &str| {
            let known = Known {
                age,
                absent: absent.iter().copied().collect(),
            };
            assert_eq!(known.why(query(id)), expected);
        };
        check(
            None,
            &["arbitrage_correlation_updates_received_total"],
            "events",
            r#"nothing is scraped as job "forewarm" (docs/monitoring-setup.md)"#,
        );
        check(
            Some(240.0),
            &["arbitrage_warming_shadow_hits_total"],
            "would-pay",
            "there is no arbitrage_warming_shadow_hits_total of the last day: nothing that it counts has happened",
        );
        check(
            Some(80.0),
            &[],
            "a-week",
            "looks at whole hours: scraped for 80 s, wait for the next",
        );
        check(
            Some(2.0 * DAY),
            &[],
            "hit-ratio",
            "compares with two weeks ago: scraped for 2.0 days, 13.0 days to go",
        );
        check(
            Some(240.0),
            &[],
            "tracking",
            "scraped for 4 minutes: of what it measures nothing has happened between two scrapes",
        );
    }
}
