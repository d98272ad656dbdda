//! Alerts about what is served of what is asked for, chains and instances added up.

use super::encoding::Series;
use super::inputs::{CHAINS, INSTANCES, Place, operations, plain};
use super::timeline::{Minute, minutes, missing, resetting};
use super::{Case, Check, Labels, case, elsewhere, fires_at, silent};

struct Throughput {
    alert: &'static str,
    /// The series of what is served, with that much a second.
    served: fn(Place, &[Minute]) -> Vec<Series>,
    asked: &'static str,
    /// What must be served while it is asked for, a second.
    threshold: f64,
    shown: &'static str,
}

const ALERTS: [Throughput; 2] = [
    Throughput {
        alert: "WarmingThroughputLow",
        // Eleven in all for one that is not skipped.
        served: |place, timeline| {
            let timeline = scaled(timeline, 1.0 / 11.0);
            operations(place, &timeline)
        },
        asked: "arbitrage_warming_requests_total",
        threshold: 50.0,
        shown: "49.0",
    },
    Throughput {
        alert: "TrackingThroughputLow",
        served: |place, timeline| {
            vec![plain(
                place,
                "arbitrage_correlation_updates_tracked_total",
                timeline,
            )]
        },
        asked: "arbitrage_correlation_updates_received_total",
        threshold: 15_000.0,
        shown: "14700",
    },
];

const BEFORE: usize = 30;
const PENDING: usize = 15;

pub(super) fn suites() -> Vec<(&'static str, Vec<Case>)> {
    let suites = ALERTS.iter();
    suites.map(|alert| (alert.alert, alert.cases())).collect()
}

fn scaled(timeline: &[Minute], by: f64) -> Vec<Minute> {
    let minutes = timeline.iter();
    minutes
        .map(|minute| Minute {
            traffic: minute.traffic * by,
            ..*minute
        })
        .collect()
}

fn who() -> Labels {
    vec![("job", "forewarm".to_owned())]
}

impl Throughput {
    /// Served and asked for, as shares of the threshold, spread over instances and chains.
    fn series(&self, served: &[Minute], asked: &[Minute]) -> Vec<Series> {
        let mut all = Vec::new();
        for instance in INSTANCES {
            for chain in CHAINS {
                let place = Place { instance, chain };
                let share = self.threshold / 4.0;
                all.extend((self.served)(place, &scaled(served, share)));
                all.push(plain(place, self.asked, &scaled(asked, share)));
            }
        }
        all
    }

    fn cases(&self) -> Vec<Case> {
        let steady = |share| minutes(BEFORE + 2 * PENDING, 0.0, share);
        let end = BEFORE + 2 * PENDING;
        let mut falling = minutes(BEFORE, 0.0, 1.1);
        falling.extend(minutes(40, 0.0, 0.98));
        let mut rising = minutes(BEFORE, 0.0, 0.0);
        rising.extend(minutes(40, 0.0, 1.2));
        let fires = |minute| {
            vec![Check::Fires {
                minute,
                who: vec![who()],
            }]
        };
        let mut fault = fires_at(BEFORE + 5 + PENDING, &[who()]);
        fault.push(Check::Says {
            minute: BEFORE + 5 + PENDING,
            who: who(),
            value: self.shown,
        });
        let mut asked_only = self.series(&steady(0.5), &steady(1.1));
        asked_only.retain(|series| series.name.starts_with(self.asked));
        let restarted = |share| resetting(steady(share), PENDING);
        vec![
            case(
                "fires when less is served than is asked for, after its time",
                self.series(&falling, &minutes(70, 0.0, 1.1)),
                fault,
            ),
            case(
                "is silent just above its threshold, where one instance or chain alone is below",
                self.series(&steady(1.03), &steady(1.1)),
                silent(&[22, end]),
            ),
            case(
                "is silent when too little is asked for, and for other jobs",
                [
                    self.series(&steady(0.5), &steady(0.9)),
                    elsewhere(self.series(&steady(0.5), &steady(1.1))),
                ]
                .concat(),
                silent(&[22, end]),
            ),
            case("is silent without series", Vec::new(), silent(&[end])),
            case(
                "counts from the time on when enough is asked for",
                self.series(&steady(0.9), &rising),
                fires_at(BEFORE + 5 + PENDING, &[who()]),
            ),
            case("fires when nothing was ever served", asked_only, fires(end)),
            case(
                "a missed scrape does not start its clock again",
                self.series(&missing(steady(0.95), 17), &missing(steady(1.1), 17)),
                fires(22),
            ),
            case(
                "a restart does not end its fault",
                self.series(&restarted(0.95), &restarted(1.4)),
                fires(22),
            ),
            case(
                "a restart is no fault",
                self.series(&restarted(1.03), &restarted(1.4)),
                silent(&[22, end]),
            ),
        ]
    }
}
