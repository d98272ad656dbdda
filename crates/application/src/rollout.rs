//! The criteria of the roll-out: when the next phase may begin, as queries that decide.
//!
//! The one source: `forewarm rollout check` runs them, and a test holds the files of
//! `deploy/config/` to them.

/// When a criterion is met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// More than this.
    Above(f64),
    /// Less than this.
    Below(f64),
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// From the first to the second.
    Between(f64, f64),
    /// This.
    Exactly(f64),
}

impl Wanted {
    /// Whether a value will do.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::Above(least) => value > least,
            Self::Below(most) => value < most,
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Between(least, most) => (least..=most).contains(&value),
            Self::Exactly(wanted) => value == wanted,
        }
    }

    /// As it stands behind the query: `>= 1.1`, `between 3 and 8`.
    pub fn text(self) -> String {
        match self {
            Self::Above(least) => format!("> {least}"),
            Self::Below(most) => format!("< {most}"),
            Self::AtLeast(least) => format!(">= {least}"),
            Self::AtMost(most) => format!("<= {most}"),
            Self::Between(least, most) => format!("between {least} and {most}"),
            Self::Exactly(wanted) => format!("== {wanted}"),
        }
    }
}

/// One criterion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criterion {
    /// A short name.
    pub id: &'static str,
    /// What it asks, for people.
    pub words: &'static str,
    /// An instant query with one value.
    pub query: &'static str,
    /// What the value must be.
    pub wanted: Wanted,
}

const fn criterion(
    id: &'static str,
    words: &'static str,
    query: &'static str,
    wanted: Wanted,
) -> Criterion {
    Criterion {
        id,
        words,
        query,
        wanted,
    }
}

const NO_RESTART: Criterion = criterion(
    "no-restart",
    "no crash or restart",
    r#"sum(changes(process_start_time_seconds{job="forewarm"}[7d]))"#,
    Wanted::Exactly(0.0),
);

/// Phase 1, shadow, after a week: nothing broke, everything is seen, and it would have paid.
pub const SHADOW: [Criterion; 8] = [
    criterion(
        "a-week",
        "a week was seen, in days",
        r#"(time() - min(min_over_time(timestamp(up{job="forewarm"})[7d:1h]))) / 86400"#,
        Wanted::AtLeast(6.9),
    ),
    criterion(
        "up",
        "the service answered its scrapes",
        r#"avg(avg_over_time(up{job="forewarm"}[7d]))"#,
        Wanted::AtLeast(0.99),
    ),
    NO_RESTART,
    criterion(
        "no-errors",
        "no cache errors",
        "sum(increase(arbitrage_cache_errors_total[7d])) or vector(0)",
        Wanted::Exactly(0.0),
    ),
    criterion(
        "events",
        "events arrive, a second",
        "sum(rate(arbitrage_correlation_updates_received_total[1h]))",
        Wanted::Above(0.0),
    ),
    criterion(
        "none-lost",
        "none was lost, neither dropped nor refused (what waits in a queue just now counts too)",
        "1 - sum(increase(arbitrage_correlation_updates_tracked_total[7d])) / \
         sum(increase(arbitrage_correlation_updates_received_total[7d]))",
        Wanted::AtMost(0.0001),
    ),
    criterion(
        "tracking",
        "tracking is within its target, p95 in µs",
        "histogram_quantile(0.95, sum by (le) (rate(arbitrage_correlation_tracking_duration_us_bucket[1d])))",
        Wanted::Below(50.0),
    ),
    criterion(
        "would-pay",
        "warming would have paid: reads that the best strategy would have served",
        "max(sum by (strategy) (increase(arbitrage_warming_shadow_hits_total[7d])))",
        Wanted::Above(0.0),
    ),
];

/// Phase 2, conservative, after two weeks: better than two weeks before, and nothing broke.
pub const CONSERVATIVE: [Criterion; 5] = [
    criterion(
        "hit-ratio",
        "the L1 hit ratio rose by a tenth, relative",
        r#"(sum(rate(arbitrage_cache_hits_total{cache_level="L1"}[1d])) / (sum(rate(arbitrage_cache_hits_total{cache_level="L1"}[1d])) + sum(rate(arbitrage_cache_misses_total{cache_level="L1"}[1d])))) / (sum(rate(arbitrage_cache_hits_total{cache_level="L1"}[1d] offset 2w)) / (sum(rate(arbitrage_cache_hits_total{cache_level="L1"}[1d] offset 2w)) + sum(rate(arbitrage_cache_misses_total{cache_level="L1"}[1d] offset 2w))))"#,
        Wanted::AtLeast(1.1),
    ),
    criterion(
        "lookups",
        "look-ups got faster by a fifth, p95 now over p95 then",
        "histogram_quantile(0.95, sum by (le) (rate(arbitrage_lookup_duration_us_bucket[1d]))) / \
         histogram_quantile(0.95, sum by (le) (rate(arbitrage_lookup_duration_us_bucket[1d] offset 2w)))",
        Wanted::AtMost(0.8),
    ),
    criterion(
        "errors",
        "warms fail less than once in a thousand",
        r#"(sum(increase(arbitrage_warming_operations_total{status=~"error|timeout"}[7d])) or vector(0)) / sum(increase(arbitrage_warming_operations_total[7d]))"#,
        Wanted::Below(0.001),
    ),
    NO_RESTART,
    criterion(
        "no-incident",
        "no critical alert fired",
        r#"sum(count_over_time(ALERTS{job="forewarm",alertstate="firing",severity="critical"}[7d])) or vector(0)"#,
        Wanted::Exactly(0.0),
    ),
];

/// Phase 3, adaptive: it stays as long as these hold.
pub const ADAPTIVE: [Criterion; 4] = [
    criterion(
        "hit-ratio",
        "the L1 hit ratio is above its target",
        r#"sum(rate(arbitrage_cache_hits_total{cache_level="L1"}[1d])) / (sum(rate(arbitrage_cache_hits_total{cache_level="L1"}[1d])) + sum(rate(arbitrage_cache_misses_total{cache_level="L1"}[1d])))"#,
        Wanted::Above(0.97),
    ),
    criterion(
        "width",
        "an operation that fetched something fetched 3 to 8 pairs",
        r#"sum(rate(arbitrage_warming_pairs_warmed_total[1d])) / sum(rate(arbitrage_warming_operations_total{status="success"}[1d]))"#,
        Wanted::Between(3.0, 8.0),
    ),
    criterion(
        "precision",
        "most of what is fetched is read in time",
        r#"sum(rate(arbitrage_warming_outcomes_total{outcome="useful"}[1d])) / sum(rate(arbitrage_warming_outcomes_total[1d]))"#,
        Wanted::Above(0.5),
    ),
    criterion(
        "errors",
        "warms fail less than once in a thousand",
        r#"(sum(increase(arbitrage_warming_operations_total{status=~"error|timeout"}[1d])) or vector(0)) / sum(increase(arbitrage_warming_operations_total[1d]))"#,
        Wanted::Below(0.001),
    ),
];

/// The criteria of a phase, 1 to 3.
pub fn criteria(phase: u8) -> Option<&'static [Criterion]> {
    match phase {
        1 => Some(&SHADOW),
        2 => Some(&CONSERVATIVE),
        3 => Some(&ADAPTIVE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::CATALOGUE;

    fn all() -> impl Iterator<Item = &'static Criterion> {
        (1..=3).flat_map(|phase| criteria(phase).expect("a phase"))
    }

    #[test]
    fn every_query_names_metrics_of_the_catalogue_only() {
        for criterion in all() {
            let words = criterion
                .query
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            let ours = words.filter(|word| word.starts_with("arbitrage_"));
            let mut named = 0;
            for word in ours {
                let name = word.trim_end_matches("_bucket");
                assert!(CATALOGUE.iter().any(|known| known.name == name), "{name}");
                named += 1;
            }
            let others = ["up{", "process_start", "ALERTS"];
            assert!(named > 0 || others.iter().any(|other| criterion.query.contains(other)));
        }
    }

    #[test]
    fn a_bound_says_what_it_takes() {
        let check = |wanted: Wanted, yes: f64, no: f64| {
            assert!(
                wanted.is_met(yes) && !wanted.is_met(no),
                "{}",
                wanted.text()
            );
            assert!(!wanted.is_met(f64::NAN), "{}", wanted.text());
        };
        check(Wanted::Above(1.0), 1.1, 1.0);
        check(Wanted::Below(1.0), 0.9, 1.0);
        check(Wanted::AtLeast(1.0), 1.0, 0.9);
        check(Wanted::AtMost(1.0), 1.0, 1.1);
        check(Wanted::Between(3.0, 8.0), 3.0, 2.9);
        check(Wanted::Exactly(0.0), 0.0, 1.0);
    }
}
