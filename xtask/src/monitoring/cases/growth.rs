//! `CacheCapacityWarning`: L1 fills up, or is full and steady.

use super::encoding::{Sample, Series};
use super::inputs::INSTANCES;
use super::{Case, Check, Labels, case, elsewhere, fires_at, silent};

const A: &str = INSTANCES[0];
const B: &str = INSTANCES[1];
const CAPACITY: f64 = 1e9;
const LONG: usize = 300;

pub(super) fn suites() -> Vec<(&'static str, Vec<Case>)> {
    vec![("CacheCapacityWarning", cases())]
}

/// An L1 filled to `share` of its capacity that grows by `per_four_hours` of it from minute `kink`
/// on, in a process that started `age` minutes before.
fn l1(instance: &str, share: f64, kink: usize, per_four_hours: f64, age: f64) -> Vec<Series> {
    let series = |metric: &str, more: &str, value: &dyn Fn(usize) -> f64| {
        let name = format!(r#"{metric}{{job="forewarm",instance="{instance}"{more}}}"#);
        Series::of(name, (0..LONG).map(value))
    };
    let size = |minute: usize| {
        let growing = minute.saturating_sub(kink) as f64;
        CAPACITY * (share + per_four_hours * growing / 240.0)
    };
    let level = ",cache_level=\"L1\"";
    vec![
        series("arbitrage_cache_size_bytes", level, &size),
        series("arbitrage_cache_capacity_bytes", level, &|_| CAPACITY),
        series("process_start_time_seconds", "", &|_| -60.0 * age),
    ]
}

fn who(instance: &str) -> Labels {
    vec![
        ("job", "forewarm".to_owned()),
        ("instance", instance.to_owned()),
        ("cache_level", "L1".to_owned()),
    ]
}

fn cases() -> Vec<Case> {
    let old = 300.0;
    let fires = |minute| Check::Fires {
        minute,
        who: vec![who(A)],
    };
    let mut filling = l1(A, 0.6, 120, 0.4, old);
    filling.extend(l1(B, 0.4, 0, 0.12, old));
    let mut jitter = l1(A, 0.97, 0, 0.0, old);
    for (minute, sample) in jitter[0].samples.iter_mut().enumerate() {
        // A slow wave of a thousandth of the capacity: its slope is above 0 for half an hour.
        let wave = (minute as f64 / 10.0).sin() * 0.001 * CAPACITY;
        *sample = Sample::Is(0.97 * CAPACITY + wave);
    }
    let failed = |index: usize, count: usize| {
        let mut series = l1(A, 0.85, 0, 0.1, old);
        let failing = series.remove(index).failing(10, count);
        series.insert(index, failing);
        series
    };
    // L2 may grow: it is not ours.
    let l2 = l1(A, 0.85, 0, 0.1, old).into_iter().take(2);
    let l2 = l2.map(|it| Series {
        name: it.name.replace("L1", "L2"),
        ..it
    });
    let l2: Vec<Series> = l2.collect();
    let mut restarted = l1(A, 0.85, 0, 0.1, old);
    for sample in restarted[2].samples.iter_mut().skip(60) {
        *sample = Sample::Is(3600.0);
    }
    let after_gap = |minute| {
        let mut checks = silent(&[16]);
        checks.extend(fires_at(minute, &[who(A)]));
        checks
    };
    let mut all = vec![
        case(
            "fires for the one of two instances that fills up, after its time",
            filling,
            {
                let mut checks = fires_at(FILLING, &[who(A)]);
                checks.push(Check::Says {
                    minute: 199,
                    who: who(A),
                    value: "113.2%",
                });
                checks
            },
        ),
        case(
            "is silent just short of its threshold, for other jobs, and for L2",
            [
                l1(A, 0.56, 0, 0.1, old),
                elsewhere(l1(A, 0.85, 0, 0.1, old)),
                l2,
            ]
            .concat(),
            silent(&[20, 100, 299]),
        ),
        case(
            "fires just past its threshold",
            l1(A, 0.66, 0, 0.15, old),
            vec![fires(40)],
        ),
        case(
            "is silent on a full and steady cache",
            jitter,
            silent(&[40, 80, 120, 160, 200, 240, 299]),
        ),
        case(
            "is silent on growth of less than a hundredth in four hours",
            l1(A, 0.9, 0, 0.008, old),
            silent(&[100, 299]),
        ),
        case(
            "counts from the time on when the growth is one",
            l1(A, 0.9, 120, 0.012, old),
            fires_at(GROWING, &[who(A)]),
        ),
        case(
            "is silent on a young process, and counts from its second hour on",
            l1(A, 0.85, 0, 0.1, 0.0),
            fires_at(121 + 15, &[who(A)]),
        ),
        case("is silent without series", Vec::new(), silent(&[299])),
        case("a restart makes the process young", restarted, {
            let mut checks = vec![fires(59)];
            checks.extend(silent(&[61, 170]));
            checks
        }),
    ];
    for (index, what) in ["size", "capacity", "start time"].into_iter().enumerate() {
        all.push(case(
            &format!("four failed scrapes of its {what} do not start its clock again"),
            failed(index, 4),
            vec![fires(16)],
        ));
    }
    for (index, what) in [(1, "capacity"), (2, "start time")] {
        all.push(case(
            &format!("a {what} that is not seen for 8 minutes is not known"),
            failed(index, 8),
            after_gap(18 + 15),
        ));
    }
    all
}

/// When the slope of the last hour leads past four fifths, and when it is a hundredth in four
/// hours: a least-squares line follows a kink by its own law, so that these were read off once.
const FILLING: usize = 120 + 27 + 15;
const GROWING: usize = 120 + 45 + 15;
