//! Whether anybody is there.

use super::{fires, flat, gauge, who};
use crate::monitoring::cases::encoding::Series;
use crate::monitoring::cases::inputs::INSTANCES;
use crate::monitoring::cases::{Case, Check, case, elsewhere, fires_at, silent};

const MINUTES: usize = 30;

/// Up or down by minute, and the build that is exported while it is up.
fn instance(name: &str, up: &[f64]) -> Vec<Series> {
    let build = ",version=\"0.1.0\",commit=\"abc\"";
    let build = gauge("arbitrage_build_info", name, build, flat(1.0, up.len()));
    let up = gauge("up", name, "", up.iter().copied());
    let mut build = build;
    for (minute, value) in up.samples.iter().enumerate() {
        if *value == crate::monitoring::cases::encoding::Sample::Is(0.0) {
            build = build.failing(minute, 1);
        }
    }
    vec![up, build]
}

pub(super) fn cases() -> Vec<Case> {
    let [a, b] = INSTANCES;
    let job = vec![("job", "forewarm".to_owned())];
    let mut goes_down = flat(1.0, 10);
    goes_down.extend(flat(0.0, 10));
    goes_down.extend(flat(1.0, 10));
    let mut one_goes_down = instance(a, &goes_down);
    one_goes_down.extend(instance(b, &flat(1.0, MINUTES)));
    let mut down = fires_at(12, &[who(a)]);
    down.push(Check::Says {
        minute: 12,
        who: who(a),
        value: "0",
    });
    down.push(fires(24, who(a)));
    down.extend(silent(&[26]));

    let mut flapping = flat(1.0, MINUTES);
    flapping[10] = 0.0;
    flapping[12] = 0.0;
    let mut blips = instance(a, &flapping);
    blips.extend(instance(b, &flat(1.0, MINUTES)));

    let strangers = INSTANCES.map(|name| gauge("up", name, "", flat(1.0, MINUTES)));
    let [stranger, _] = strangers;
    let mut one_stranger = vec![stranger];
    one_stranger.extend(instance(b, &flat(1.0, MINUTES)));

    vec![
        case(
            "fires for the one of two instances that is down, after its time, and ends",
            one_goes_down,
            down,
        ),
        case(
            "is silent on two single missed scrapes",
            blips,
            silent(&[11, 13, 15, 29]),
        ),
        case(
            "fires when no target of the job is known",
            elsewhere(instance(a, &flat(1.0, MINUTES))),
            vec![silent(&[1]).remove(0), fires(2, job)],
        ),
        case(
            "fires when what answers does not export Forewarm's metrics",
            one_stranger,
            fires_at(2, &[who(a)]),
        ),
        case(
            "is silent while two instances are up and idle, whatever another job does",
            [
                instance(a, &flat(1.0, MINUTES)),
                instance(b, &flat(1.0, MINUTES)),
                elsewhere(instance("c:9464", &flat(0.0, MINUTES))),
            ]
            .concat(),
            silent(&[5, 29]),
        ),
    ]
}
