//! A gauge on the wrong side of a level.

use super::{fires, flat, gauge, who};
use crate::monitoring::cases::encoding::Series;
use crate::monitoring::cases::inputs::INSTANCES;
use crate::monitoring::cases::{Case, Check, case, elsewhere, fires_at, silent};

struct Level {
    alert: &'static str,
    metric: &'static str,
    /// Labels and shares of the figure: what of it each series has.
    parts: &'static [(&'static str, f64)],
    /// A second gauge that the first is divided by.
    limit: Option<&'static str>,
    healthy: f64,
    near: f64,
    fault: f64,
    shown: &'static str,
    pending: usize,
    keeps: bool,
}

const WHOLE: &[(&str, f64)] = &[("", 1.0)];

const LEVELS: [Level; 6] = [
    Level {
        alert: "TooManyPairsTracked",
        metric: "arbitrage_correlation_pairs_tracked",
        parts: &[(",chain=\"ethereum\"", 0.5), (",chain=\"bsc\"", 0.5)],
        limit: None,
        healthy: 5_000.0,
        near: 7_900.0,
        fault: 8_100.0,
        shown: "8100",
        pending: 15,
        keeps: false,
    },
    Level {
        alert: "HighMemoryUsage",
        metric: "process_resident_memory_bytes",
        parts: WHOLE,
        limit: Some("arbitrage_process_memory_limit_bytes"),
        healthy: 0.5,
        near: 0.79,
        fault: 0.81,
        shown: "81%",
        pending: 10,
        keeps: false,
    },
    Level {
        alert: "InvalidationLinkDown",
        metric: "arbitrage_invalidation_link_up",
        parts: WHOLE,
        limit: None,
        healthy: 1.0,
        near: 1.0,
        fault: 0.0,
        shown: "0",
        pending: 2,
        keeps: true,
    },
    Level {
        alert: "L2Unavailable",
        metric: "arbitrage_l2_up",
        parts: WHOLE,
        limit: None,
        healthy: 1.0,
        near: 1.0,
        fault: 0.0,
        shown: "0",
        pending: 2,
        keeps: true,
    },
    Level {
        alert: "FeedLagging",
        metric: "arbitrage_feed_lag_seconds",
        parts: WHOLE,
        limit: None,
        healthy: 0.2,
        near: 29.0,
        fault: 31.0,
        shown: "31",
        pending: 5,
        keeps: false,
    },
    Level {
        alert: "AssociationsDrift",
        metric: "arbitrage_correlation_drift_ratio",
        parts: WHOLE,
        limit: None,
        healthy: 0.1,
        near: 0.49,
        fault: 0.51,
        shown: "51%",
        pending: 30,
        keeps: false,
    },
];

/// The limit that `limit` gives.
const LIMIT: f64 = 1e9;
const BEFORE: usize = 10;
const A: &str = INSTANCES[0];
const B: &str = INSTANCES[1];

pub(super) fn suites() -> Vec<(&'static str, Vec<Case>)> {
    let suites = LEVELS.iter();
    suites.map(|level| (level.alert, level.cases())).collect()
}

impl Level {
    fn series(&self, instance: &str, figures: &[f64]) -> Vec<Series> {
        let scale = if self.limit.is_some() { LIMIT } else { 1.0 };
        let parts = self.parts.iter().map(|(labels, share)| {
            let values = figures.iter().map(|figure| figure * scale * share);
            gauge(self.metric, instance, labels, values)
        });
        let limit = self
            .limit
            .map(|metric| gauge(metric, instance, "", flat(LIMIT, figures.len())));
        parts.chain(limit).collect()
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = vec![self.fault(), self.near(), self.absent(), self.two_at_once()];
        cases.push(self.missed(1));
        cases.push(self.missed(4));
        let all = self.series(A, &[]).len();
        cases.extend((0..all).map(|index| self.gone(index)));
        if self.limit.is_some() {
            cases.push(self.without_limit());
        }
        if self.keeps {
            cases.push(self.forgotten());
        }
        cases
    }

    fn fault(&self) -> Case {
        let firing = BEFORE + self.pending;
        let recovery = firing + 10;
        let mut figures = flat(self.healthy, BEFORE);
        figures.extend(flat(self.fault, recovery - BEFORE));
        figures.extend(flat(self.healthy, 10));
        let mut series = self.series(A, &figures);
        series.extend(self.series(B, &flat(self.near, figures.len())));
        let mut checks = fires_at(firing, &[who(A)]);
        checks.push(Check::Says {
            minute: firing,
            who: who(A),
            value: self.shown,
        });
        checks.push(if self.keeps {
            fires(recovery + 4, who(A))
        } else {
            silent(&[recovery + 1]).remove(0)
        });
        checks.extend(silent(&[recovery + 7]));
        case(
            "fires on the one of two instances that is at fault, after its time, and ends",
            series,
            checks,
        )
    }

    fn near(&self) -> Case {
        let mut series = self.series(A, &flat(self.near, 60));
        series.extend(self.series(B, &flat(self.near, 60)));
        series.extend(elsewhere(self.series(A, &flat(self.fault, 60))));
        case(
            "is silent just short of its threshold, on two instances, and for other jobs",
            series,
            silent(&[self.pending + 1, 59]),
        )
    }

    fn absent(&self) -> Case {
        case("is silent without series", Vec::new(), silent(&[59]))
    }

    fn two_at_once(&self) -> Case {
        let mut series = self.series(A, &flat(self.fault, 60));
        series.extend(self.series(B, &flat(self.fault, 60)));
        let who = vec![who(A), who(B)];
        case(
            "fires for each of two instances",
            series,
            vec![Check::Fires { minute: 59, who }],
        )
    }

    /// The clock must be running when the scrapes fail: its time ends just after them.
    fn missed(&self, scrapes: usize) -> Case {
        let length = self.pending + 20;
        // At the earliest minute at which the alert is pending.
        let series = super::failing(self.series(A, &flat(self.fault, length)), 1, scrapes);
        let mut checks = vec![fires(self.pending.max(scrapes + 1), who(A))];
        if self.pending > scrapes {
            checks.extend(silent(&[self.pending - 1]));
        }
        case(
            &format!("{scrapes} failed scrapes do not start its clock again"),
            series,
            checks,
        )
    }

    /// One of its series is not there for longer than it looks back.
    fn gone(&self, index: usize) -> Case {
        let mut series = self.series(A, &flat(self.fault, 60));
        let missing = series.remove(index).failing(10, 8);
        series.insert(index, missing);
        // Scraped again at minute 18.
        let mut checks = silent(&[17]);
        checks.extend(fires_at(18 + self.pending, &[who(A)]));
        if self.keeps {
            // Would still be kept from before.
            checks = vec![fires(18 + self.pending, who(A))];
        }
        if self.parts.len() > 1 {
            checks = silent(&[17]);
            checks.push(fires(18 + self.pending, who(A)));
        }
        case(
            &format!("what was not seen for 8 minutes is not known (series {index})"),
            series,
            checks,
        )
    }

    /// Known for five minutes after the last scrape, and kept for five more.
    fn forgotten(&self) -> Case {
        let series = super::failing(self.series(A, &flat(self.fault, 40)), 11, 29);
        let mut checks = vec![fires(20, who(A))];
        checks.extend(silent(&[22]));
        case("ends ten minutes after the last scrape", series, checks)
    }

    fn without_limit(&self) -> Case {
        let mut series = self.series(A, &flat(self.fault, 60));
        let unknown = series
            .pop()
            .map(|limit| Series::of(limit.name, flat(0.0, 60)));
        series.extend(unknown);
        case(
            "is silent when the limit is 0, which is no limit",
            series,
            silent(&[59]),
        )
    }
}
