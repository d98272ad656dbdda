//! Listeners: everything is heard or counted, and nobody waits for them.

use std::time::Duration;

use forewarm_domain::Op;

use super::super::{Observed, Origin, Told};
use super::world::{update, valued, world};
use crate::testing::{key, stored};

fn heard(listening: &super::super::Listening) -> Vec<(Op, Origin, bool)> {
    let told = std::iter::from_fn(|| listening.next_event());
    told.map(
        |Told {
             op, origin, valued, ..
         }| (op, origin, valued),
    )
    .collect()
}

#[tokio::test]
async fn reads_updates_and_writes_are_heard_with_how_they_came_to_be_known() {
    let world = world(8, |_| {});
    let listening = world.engine.listen(16, 8).expect("room for one");
    let (now, engine) = (world.now(), &world.engine);
    engine
        .observe_update(&key(1), update(now), now)
        .expect("timely");
    engine
        .observe_update(&key(1), valued(now, "v", None), now)
        .expect("timely");
    engine.observe_read(&key(2), now, now).expect("timely");
    assert_eq!(world.get(&key(3)).await, None);
    engine
        .put(&key(3), stored("v", None), now)
        .await
        .expect("L2 answers");
    // A hit that the learner is too busy for is heard all the same.
    assert!(engine.get_local_unlearned(&key(3), now).is_some());
    engine.invalidate(&key(3));
    let expected = [
        (Op::Update, Origin::Feed, false),
        (Op::Update, Origin::Feed, true),
        (Op::Read, Origin::Feed, false),
        (Op::Read, Origin::Demand, false),
        (Op::Update, Origin::Write, true),
        (Op::Read, Origin::Demand, false),
        (Op::Update, Origin::Invalidation, false),
    ];
    assert_eq!(heard(&listening), expected);
    assert_eq!(listening.dropped(), 0);
}

#[tokio::test]
async fn a_write_is_heard_as_one_though_l2_tells_of_it_before_it_has_ended() {
    let world = world(8, |_| {});
    let listening = world.engine.listen(16, 8).expect("room for one");
    let (k, now) = (key(1), world.now());
    world.l2.hold();
    let (written, ()) = tokio::join!(world.put(&k, "mine"), async {
        world.l2.called(1).await;
        world.engine.changed(k.bytes(), Some(0), now);
        world.l2.release_all();
    });
    written.expect("L2 answers");
    // Its end is never heard of, nor whether L2 took it.
    drop(world.engine.announce_write(k));
    let expected = [
        (Op::Update, Origin::Invalidation, false),
        (Op::Update, Origin::Write, false),
        (Op::Update, Origin::Write, false),
    ];
    assert_eq!(heard(&listening), expected);
}

#[test]
fn every_change_that_l2_tells_of_is_heard_with_its_time_in_the_ghosts_sample_or_not() {
    let mut world = world(8, |_| {});
    world.engine.ghost_sample.one_in = 1_000_000;
    let listening = world.engine.listen(64, 8).expect("room for one");
    let mut expected = Vec::new();
    for n in 0..20 {
        world.pass(Duration::from_millis(1));
        world.engine.changed(key(n).bytes(), Some(0), world.now());
        expected.push((key(n), world.now()));
    }
    let told = std::iter::from_fn(|| listening.next_event());
    let told: Vec<_> = told.map(|told| (told.key, told.at)).collect();
    assert_eq!(told, expected);
}

#[test]
fn what_finds_no_room_is_counted_whether_here_or_before_the_learner() {
    let world = world(8, |config| config.event_queue_size = 4);
    let listening = world.engine.listen(2, 8).expect("room for one");
    let now = world.now();
    let mut lost = 0;
    for n in 0..10 {
        let observed = world
            .engine
            .observe_read(&key(n), now, now)
            .expect("timely");
        lost += u64::from(observed == Observed::Dropped);
    }
    assert_eq!(lost, 6, "the learner had room for four");
    assert_eq!(heard(&listening).len(), 2);
    assert_eq!(listening.dropped(), 8);
}

#[test]
fn listeners_are_bounded_and_leave_by_being_dropped() {
    let world = world(8, |_| {});
    let now = world.now();
    let first = world.engine.listen(4, 2).expect("room for one");
    let second = world.engine.listen(4, 2).expect("room for two");
    assert!(world.engine.listen(4, 2).is_none());
    drop(first);
    world
        .engine
        .observe_read(&key(1), now, now)
        .expect("timely");
    assert_eq!(heard(&second).len(), 1);
    drop(second);
    assert!(!world.engine.listeners.any());
    assert!(world.engine.listen(4, 2).is_some());
}
