//! Memory that grows, and who is old enough to be blamed.

use super::{fires, flat, gauge, late, who};
use crate::monitoring::cases::encoding::Series;
use crate::monitoring::cases::inputs::INSTANCES;
use crate::monitoring::cases::{Case, Check, case, elsewhere, fires_at, silent};

const A: &str = INSTANCES[0];
const B: &str = INSTANCES[1];
const MB: f64 = 1e6;
/// Minutes that an old process has been running when the case begins.
const OLD: f64 = 300.0;

pub(super) fn suites() -> Vec<(&'static str, Vec<Case>)> {
    vec![("MemoryGrowthHigh", cases())]
}

/// Flat for `before` minutes, then growing by so many MB an hour.
fn memory(instance: &str, before: usize, per_hour: f64, minutes: usize) -> Series {
    let values = (0..minutes).map(|minute| {
        let growing = minute.saturating_sub(before) as f64;
        500.0 * MB + per_hour * MB / 60.0 * growing
    });
    gauge("process_resident_memory_bytes", instance, "", values)
}

/// A process that started so many minutes before the case.
fn started(instance: &str, before: f64, minutes: usize) -> Series {
    let at = flat(-60.0 * before, minutes);
    gauge("process_start_time_seconds", instance, "", at)
}

fn cases() -> Vec<Case> {
    let long = 240;
    let growing = |per_hour| vec![memory(A, 90, per_hour, long), started(A, OLD, long)];
    let mut fault = growing(110.0);
    fault.extend([memory(B, 0, 90.0, long), started(B, OLD, long)]);
    // The slope of a least-squares line over an hour passes 100 of 110 MB 50 minutes after the
    // kink.
    let firing = 90 + 50 + 30;
    let mut checks = fires_at(firing, &[who(A)]);
    checks.push(Check::Says {
        minute: 200,
        who: who(A),
        value: "110M",
    });
    let mut young = fires_at(121 + 30, &[who(A)]);
    young.extend(silent(&[119]));
    let steady = |gap: fn(Series) -> Series| {
        let memory = memory(A, 0, 110.0, long);
        vec![memory, gap(started(A, OLD, long))]
    };
    let restarted = {
        let mut values = flat(-60.0 * OLD, 60);
        values.extend(flat(3600.0, 60));
        gauge("process_start_time_seconds", A, "", values)
    };
    vec![
        case(
            "fires for the one of two instances that grows too fast, after its time",
            fault,
            checks,
        ),
        case(
            "is silent just short of its threshold, on steady memory, and for other jobs",
            [
                growing(95.0),
                vec![memory(B, 0, 0.0, long), started(B, OLD, long)],
                elsewhere(growing(500.0)),
            ]
            .concat(),
            silent(&[180, 239]),
        ),
        case(
            "is silent on a young process, and counts from its second hour on",
            vec![memory(A, 0, 500.0, long), started(A, 0.0, long)],
            young,
        ),
        case("is silent without series", Vec::new(), silent(&[239])),
        case(
            "failed scrapes do not start its clock again",
            super::failing(steady(|it| it), 20, 4),
            // A slope needs two samples; the process is old from the start.
            vec![fires(31, who(A))],
        ),
        case(
            "a start time that is not seen for 8 minutes is not known",
            steady(|it| late(it, 20, 8)),
            {
                let mut checks = silent(&[31, 57]);
                checks.push(fires(58, who(A)));
                checks
            },
        ),
        case(
            "a restart makes the process young",
            vec![memory(A, 0, 110.0, 120), restarted],
            {
                let mut checks = vec![fires(59, who(A))];
                checks.extend(silent(&[61, 119]));
                checks
            },
        ),
    ]
}
