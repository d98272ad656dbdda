//! Drift: seen where what is read together changes, and nowhere else.

use super::super::drift::EVERY;
use super::world::{World, update, world};
use crate::metrics::{Metric, SampleValue};
use crate::testing::key;

const SOURCES: u32 = 30;

/// Each source's update is followed by reads of three targets of its own.
fn teach(world: &mut World, first_target: u32) {
    for _ in 0..40 {
        for source in 0..SOURCES {
            let engine = &world.engine;
            let now = world.now();
            engine
                .observe_update(&key(source), update(now), now)
                .expect("timely");
            for target in 0..3 {
                world.now += 2;
                let now = world.now();
                let target = key(first_target + 3 * source + target);
                world
                    .engine
                    .observe_read(&target, now, now)
                    .expect("timely");
            }
            world.now += 1_100;
            world.learn_all();
        }
    }
}

fn drift(world: &World) -> Option<f64> {
    let mut seen = None;
    let names = |_: forewarm_domain::ChainId| "chain".to_owned();
    world
        .engine
        .metrics()
        .visit_one(Metric::Drift, &names, &mut |sample| {
            if let SampleValue::Gauge(value) = sample.value {
                seen = Some(value);
            }
        });
    seen
}

#[test]
fn what_stays_as_it_was_does_not_drift_and_what_is_replaced_does() {
    let mut world = world(64, |_| {});
    // 22 minutes each: lists are made every ten.
    for cycle in 0..4 {
        teach(&mut world, 1_000);
        world.engine.tick(world.now());
        if cycle < 3 {
            assert_eq!(drift(&world), Some(0.0), "an hour has not passed");
        }
        world.pass(EVERY);
        world.engine.tick(world.now());
    }
    teach(&mut world, 1_000);
    world.engine.tick(world.now());
    let same = drift(&world).expect("an hour has passed");
    assert!(same < 0.15, "nothing has changed, and yet {same}");
    teach(&mut world, 2_000);
    teach(&mut world, 2_000);
    world.engine.tick(world.now());
    let other = drift(&world).expect("it is known");
    assert!(other > 0.6, "everything has changed, and yet {other}");
}
