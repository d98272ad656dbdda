//! The breaker between warming and L2: warming rests first, and demand never does.

use std::time::Duration;

use super::World;
use super::warming::taught;
use crate::metrics::BreakerState;
use crate::testing::{Fault, key};

#[tokio::test(start_paused = true)]
async fn an_operation_that_the_open_breaker_refuses_is_an_error_and_reads_nothing() {
    let world = taught(3, |_| {});
    world.l2.script([Fault::Refused; 3]);
    for _ in 0..10 {
        world.trigger(&key(1));
        world.warm().await;
    }
    assert_eq!(world.l2.calls().len(), 3, "then the breaker is open");
    let operations = world.engine.status(world.now()).operations;
    assert_eq!((operations.error, operations.skipped), (10, 0));
    assert!(world.engine.flights.is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_three_failures_warming_rests_and_demand_does_not() {
    let mut world = taught(1, |_| {});
    world.l2.script([Fault::Refused; 3]);
    for _ in 0..5 {
        world.trigger(&key(1));
        world.warm().await;
    }
    assert_eq!(world.l2.take_calls().len(), 3);
    world.l2.script([Fault::Refused]);
    assert!(world.engine.get(&key(40), world.now()).await.is_err());
    assert_eq!(world.l2.take_calls().len(), 1);
    world.pass(Duration::from_millis(500));
    world.trigger(&key(1));
    assert_eq!(
        world.warm().await.warmed,
        1,
        "after the pause it tries again"
    );
}

#[tokio::test(start_paused = true)]
async fn demand_that_is_answered_too_late_for_a_warm_does_not_let_warming_go_on() {
    let mut world = taught(1, |config| {
        config.warm_timeout = Duration::from_millis(50);
        config.demand_timeout = Duration::from_millis(500);
    });
    let demand_takes = async |world: &World, n: u32, ms: u64| {
        world.l2.hold();
        let (k, now) = (key(n), world.now());
        let (answer, ()) = tokio::join!(world.engine.get(&k, now), async {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            world.l2.release_all();
            world.l2.shut();
        });
        assert!(answer.is_ok());
    };
    for n in 0..3 {
        world.l2.script([Fault::Silent]);
        world.trigger(&key(1));
        world.warm().await;
        demand_takes(&world, 40 + n, 51).await;
        world.pass(Duration::from_millis(1));
    }
    assert_eq!(world.engine.status(world.now()).breaker, BreakerState::Open);
    demand_takes(&world, 50, 50).await;
    assert_eq!(
        world.engine.status(world.now()).breaker,
        BreakerState::Closed
    );
}

#[tokio::test(start_paused = true)]
async fn the_breakers_pause_begins_when_a_call_has_failed_and_not_when_it_was_made() {
    let mut world = taught(1, |config| {
        config.demand_timeout = Duration::from_secs(2);
    });
    world.l2.script([Fault::Silent; 3]);
    let (a, b, c, now) = (key(40), key(41), key(42), world.now());
    let engine = &world.engine;
    let _ = tokio::join!(
        engine.get(&a, now),
        engine.get(&b, now),
        engine.get(&c, now)
    );
    world.pass(Duration::from_secs(2));
    assert_eq!(world.engine.status(world.now()).breaker, BreakerState::Open);
    world.pass(Duration::from_millis(500));
    let half_open = world.engine.status(world.now()).breaker;
    assert_eq!(half_open, BreakerState::HalfOpen);
}
