//! Alerts that compare the hit ratio with what it was: an hour ago, on the days before.

use super::encoding::Series;
use super::inputs::{CHAINS, INSTANCES, Place, lookups, operations};
use super::timeline::{Minute, growing, minutes, missing, resetting};
use super::{Case, Check, Labels, case, fires_at, silent};

const BEFORE: usize = 120;

pub(super) fn suites() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("CacheHitRateUnseasonal", unseasonal()),
        ("HitRateFallsDespiteWarming", despite_warming()),
    ]
}

fn who(chain: &str) -> Labels {
    vec![("job", "forewarm".to_owned()), ("chain", chain.to_owned())]
}

/// Both instances of the first chain.
fn both(input: fn(Place, &[Minute]) -> Vec<Series>, timeline: &[Minute]) -> Vec<Series> {
    let chain = CHAINS[0];
    let series = INSTANCES.map(|instance| input(Place { instance, chain }, timeline));
    series.concat()
}

/// The other chain, at both instances.
fn beside(input: fn(Place, &[Minute]) -> Vec<Series>, timeline: &[Minute]) -> Vec<Series> {
    let chain = CHAINS[1];
    let series = INSTANCES.map(|instance| input(Place { instance, chain }, timeline));
    series.concat()
}

/// `before` until [`BEFORE`], then `after`.
fn step(before: f64, after: f64, traffic: f64) -> Vec<Minute> {
    let mut timeline = minutes(BEFORE, before, traffic);
    timeline.extend(minutes(120, after, traffic));
    timeline
}

fn unseasonal() -> Vec<Case> {
    // Recorded a week long before; here it is given.
    let edge = |chain: &str| {
        let name =
            format!("job_chain:l1_hit_ratio:seasonal_floor{{job=\"forewarm\",chain=\"{chain}\"}}");
        Series::of(name, vec![0.90; 300])
    };
    let [ethereum, bsc] = CHAINS;
    let with_edge = |series: Vec<Series>| [series, vec![edge(ethereum), edge(bsc)]].concat();
    let fires = |minute| Check::Fires {
        minute,
        who: vec![who(ethereum)],
    };
    let fallen = with_edge(
        [
            both(lookups, &step(0.95, 0.885, 10.0)),
            beside(lookups, &step(0.95, 0.91, 10.0)),
        ]
        .concat(),
    );
    let mut fault = fires_at(UNSEASONAL, &[who(ethereum)]);
    fault.push(Check::Says {
        minute: 230,
        who: who(ethereum),
        value: "88.5%",
    });
    let low = |traffic| minutes(100, 0.885, traffic);
    let mut late = minutes(BEFORE, 0.885, 0.0);
    late.extend(minutes(60, 0.885, 0.6));
    vec![
        case(
            "on one of two chains, fires below the edge of its band, after its time",
            fallen,
            fault,
        ),
        case(
            "is silent without a band, whatever the ratio",
            both(lookups, &low(10.0)),
            silent(&[60, 99]),
        ),
        case(
            "is silent with little traffic, and without series",
            with_edge(both(lookups, &low(0.4))),
            silent(&[60, 99]),
        ),
        case(
            "counts from the least traffic on",
            with_edge(both(lookups, &late)),
            fires_at(BEFORE + 5 + 30, &[who(ethereum)]),
        ),
        case(
            "neither a missed scrape nor a restart misleads it",
            with_edge(
                [
                    both(lookups, &resetting(missing(low(10.0), 25), 20)),
                    beside(lookups, &resetting(minutes(100, 0.91, 10.0), 20)),
                ]
                .concat(),
            ),
            vec![fires(36)],
        ),
        case(
            "on growing traffic, fires below its band only",
            with_edge(
                [
                    both(lookups, &growing(50, 0.885, 10.0)),
                    beside(lookups, &growing(50, 0.91, 10.0)),
                ]
                .concat(),
            ),
            vec![fires(45)],
        ),
    ]
}

fn despite_warming() -> Vec<Case> {
    let [ethereum, _] = CHAINS;
    let works = |traffic| minutes(BEFORE + 120, 0.0, traffic);
    let situation =
        |hits: &[Minute], warms: &[Minute]| [both(lookups, hits), both(operations, warms)].concat();
    let falls = |after, traffic| step(0.95, after, traffic);
    let mut fault = fires_at(FALLEN, &[who(ethereum)]);
    fault.push(Check::Says {
        minute: 165,
        who: who(ethereum),
        value: "5.7%",
    });
    // An hour later the lower ratio is what it is compared with.
    fault.push(Check::Fires {
        minute: BEFORE + 63,
        who: vec![who(ethereum)],
    });
    fault.extend(silent(&[BEFORE + 64, BEFORE + 85]));
    let mut blip = minutes(60, 0.9, 10.0);
    blip.extend(minutes(3, 0.99, 10.0));
    blip.extend(minutes(BEFORE + 57, 0.9, 10.0));
    let mut series = situation(&falls(0.893, 10.0), &works(10.0));
    series.extend(beside(lookups, &falls(0.91, 10.0)));
    series.extend(beside(operations, &works(10.0)));
    let silent_with = |name: &str, hits: &[Minute], warms: &[Minute]| {
        case(name, situation(hits, warms), silent(&[150, 165, 180]))
    };
    let late = |input: f64| {
        let mut timeline = minutes(BEFORE + 20, 0.0, 0.0);
        timeline.extend(minutes(60, 0.0, input));
        timeline
    };
    let mut heals = minutes(BEFORE + 20, 0.05, 10.0);
    heals.extend(minutes(60, 0.009, 10.0));
    vec![
        case(
            "on one of two chains, fires when the ratio falls while warming succeeds",
            series,
            fault,
        ),
        silent_with(
            "is silent when warming fails, which is another alert's",
            &falls(0.85, 10.0),
            &minutes(BEFORE + 120, 0.011, 10.0),
        ),
        silent_with(
            "is silent when little is warmed",
            &falls(0.85, 10.0),
            &works(0.04),
        ),
        silent_with(
            "is silent when little is looked up",
            &falls(0.85, 0.4),
            &works(10.0),
        ),
        case(
            "counts from the least warming on",
            situation(&falls(0.85, 10.0), &late(0.06)),
            fires_at(BEFORE + 20 + 5 + 15, &[who(ethereum)]),
        ),
        case(
            "counts from the time on when fewer warms fail",
            situation(&falls(0.85, 10.0), &heals),
            fires_at(BEFORE + 20 + 5 + 15, &[who(ethereum)]),
        ),
        case(
            "fires from the least look-ups on",
            situation(&falls(0.85, 0.6), &works(10.0)),
            vec![Check::Fires {
                minute: 165,
                who: vec![who(ethereum)],
            }],
        ),
        case(
            "is silent when the hour before had a few better minutes",
            situation(&blip, &works(10.0)),
            silent(&[137, 141, 145]),
        ),
        case("is silent without series", Vec::new(), silent(&[100])),
    ]
}

/// When the average of a quarter of an hour has crossed, read off once, and the alert's time is
/// over.
const UNSEASONAL: usize = BEFORE + 15 + 30;
const FALLEN: usize = BEFORE + 17 + 15;
