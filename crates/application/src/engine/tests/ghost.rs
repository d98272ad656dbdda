//! The ghost is L1's twin: whatever happens, reads that warming did not change cost the budget
//! nothing and are held against nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;

use super::{World, world};
use crate::ports::Stored;
use crate::testing::{Fault, key, stored};

/// L2 reads beyond those of `off`, and look-ups on which the two disagreed.
fn difference(world: &World) -> (f64, u64) {
    world.learn_all();
    let governor = world.engine.governor.lock();
    (
        governor.reads() as f64 - governor.off_reads(),
        governor.differing(),
    )
}

#[tokio::test(start_paused = true)]
async fn reads_that_wait_together_miss_together() {
    let world = world(10, |_| {});
    world.l2.set(&key(1), "value", None);
    world.l2.hold();
    let k = key(1);
    let readers = join_all((0..10).map(|_| world.get(&k)));
    let release = async {
        world.l2.called(1).await;
        world.learn_all();
        world.l2.release_all();
    };
    tokio::join!(readers, release);
    assert_eq!(difference(&world), (0.0, 0));
}

#[tokio::test(start_paused = true)]
async fn keys_that_l2_does_not_have_and_outages_are_no_difference() {
    let world = world(10, |_| {});
    for _ in 0..100 {
        world.get(&key(1)).await;
    }
    assert_eq!(difference(&world), (0.0, 0));
    world.l2.set(&key(2), "value", None);
    world.l2.script([Fault::Refused; 200]);
    for _ in 0..200 {
        let read = world.engine.get(&key(2), world.now()).await;
        assert!(read.is_err());
    }
    assert_eq!(difference(&world), (0.0, 0));
    world.get(&key(2)).await;
    world.get(&key(2)).await;
    assert_eq!(difference(&world), (0.0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_costs_the_budget_nothing() {
    let world = world(10, |_| {});
    world.l2.script([Fault::Silent]);
    let k = key(1);
    tokio::select! {
        biased;
        _ = world.get(&k) => panic!("nobody answers"),
        () = world.l2.called(1) => {}
    }
    assert_eq!(difference(&world), (0.0, 0));
}

#[tokio::test(start_paused = true)]
async fn expiry_is_no_difference() {
    let mut world = world(10, |config| {
        config.default_ttl = Some(Duration::from_secs(300))
    });
    world.l2.set(&key(1), "default", None);
    for _ in 0..20 {
        let own = Stored {
            ttl: Some(Duration::from_secs(90)),
            ..stored("own", None)
        };
        world.l2.set_stored(&key(2), own);
        for n in [1, 2] {
            world.get(&key(n)).await;
            world.learn_all();
        }
        world.pass(Duration::from_secs(100));
    }
    let status = world.engine.status(world.now());
    assert_eq!(status.demand, (13, 27), "the keys do expire");
    assert_eq!(difference(&world), (0.0, 0));
}

#[tokio::test(start_paused = true)]
async fn writes_updates_invalidations_and_flushes_are_no_difference() {
    let mut world = world(10, |_| {});
    for round in 0..40_u32 {
        world.pass(Duration::from_secs(1));
        let now = world.now();
        world.l2.set(&key(2), "value", Some(u64::from(round)));
        match round % 8 {
            6 => world.engine.changed(key(1).bytes(), None, world.now()),
            7 => {
                world.engine.link_lapsed();
                world.get(&key(1)).await;
                world.engine.without_link();
            }
            0 => world.put(&key(1), "written").await.unwrap(),
            1 => world.engine.invalidate(&key(1)),
            2 => world.engine.flush(),
            3 => {
                let update = world::valued(now, "valued", Some(u64::from(round)));
                world.engine.observe_update(&key(2), update, now).unwrap();
            }
            4 => {
                let update = world::update(now);
                world.engine.observe_update(&key(2), update, now).unwrap();
            }
            _ => {
                let outdated = super::Update {
                    version: Some(super::Version(1)),
                    ..world::update(now)
                };
                let observed = world.engine.observe_update(&key(2), outdated, now);
                observed.unwrap();
            }
        }
        for n in [1, 2, 1, 2] {
            world.get(&key(n)).await;
        }
        assert_eq!(difference(&world), (0.0, 0), "round {round}");
    }
    let (hits, misses) = world.engine.status(world.now()).demand;
    assert!(hits > 60 && misses > 15, "{hits} hits, {misses} misses");
}

#[tokio::test(start_paused = true)]
async fn a_warm_that_is_read_stands_in_for_a_miss_and_one_in_vain_is_paid_for() {
    let mut world = world(40, |_| {});
    world.teach(&key(1), &[key(2), key(3)]);
    world.l2.set(&key(2), "read", None);
    world.l2.set(&key(3), "in vain", None);
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 2);
    assert_eq!(difference(&world), (2.0, 0));
    world.get(&key(2)).await;
    assert_eq!(difference(&world), (1.0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_learner_is_woken_for_what_l2_answered() {
    let mut world = world(10, |_| {});
    let woken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&woken);
    world.engine.wake_learner = Box::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    world.l2.set(&key(1), "value", None);
    world.l2.hold();
    let k = key(1);
    let answered = async {
        world.l2.called(1).await;
        world.learn_all();
        let before = woken.load(Ordering::Relaxed);
        world.l2.release_all();
        before
    };
    let (_, before) = tokio::join!(world.get(&k), answered);
    assert!(
        woken.load(Ordering::Relaxed) > before,
        "the books lack what the unwarmed cache has read, until somebody else wakes it"
    );
}
