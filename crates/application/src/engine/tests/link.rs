//! What the link to L2 tells, and what L1 may do with and without it.

use std::time::Duration;

use bytes::Bytes;
use forewarm_domain::ChainId;

use super::super::*;
use super::{World, world};
use crate::testing::{Call, at, key, stored};

const BOUND: Duration = Duration::from_secs(5);

fn prove(world: &World) {
    world.engine.proven(|| world.now() + BOUND);
}

/// A world whose link stands and has been proven now.
fn linked() -> World {
    let world = world(10, |_| {});
    world.engine.link_lapsed();
    world.engine.link_opened();
    prove(&world);
    world
}

/// From which level the key is answered.
async fn level(world: &World, key: &Key) -> Option<Level> {
    let found = world.engine.get(key, world.now()).await;
    found.expect("L2 answers").map(|found| found.level)
}

async fn hold(world: &World, key: &Key, value: &str) {
    world.l2.set(key, value, None);
    level(world, key).await;
    assert_eq!(level(world, key).await, Some(Level::L1));
}

#[tokio::test(start_paused = true)]
async fn a_change_without_a_database_is_one_in_all_of_them_and_with_it_in_that_alone() {
    let world = linked();
    let of = |database| Key::new("k1", database, ChainId::DEFAULT);
    let (zero, three, other) = (of(0), of(3), key(2));
    for k in [&zero, &three, &other] {
        hold(&world, k, "old").await;
        world.l2.set(k, "new", None);
    }
    let name = Bytes::from_static(b"k1");
    world.engine.changed(&name, Some(3), world.now());
    assert_eq!(level(&world, &zero).await, Some(Level::L1));
    assert_eq!(world.get(&three).await.as_deref(), Some("new"));
    assert_eq!(level(&world, &three).await, Some(Level::L1));
    world.engine.changed(&name, None, world.now());
    assert_eq!(world.get(&zero).await.as_deref(), Some("new"));
    assert_eq!(level(&world, &three).await, Some(Level::L2));
    assert_eq!(level(&world, &other).await, Some(Level::L1));
}

#[tokio::test(start_paused = true)]
async fn l1_answers_until_the_bound_after_the_last_proof() {
    let mut world = linked();
    hold(&world, &key(1), "value").await;
    world.pass(Duration::from_secs(4));
    prove(&world);
    world.pass(BOUND - Duration::from_millis(1));
    assert_eq!(level(&world, &key(1)).await, Some(Level::L1));
    assert!(
        world
            .engine
            .peek(&key(1), world.now())
            .await
            .unwrap()
            .unwrap()
            .level
            == Level::L1
    );
    world.pass(Duration::from_millis(1));
    assert_eq!(level(&world, &key(1)).await, Some(Level::L2));
    let peeked = world.engine.peek(&key(1), world.now()).await.unwrap();
    assert_eq!(peeked.expect("L2 has it").level, Level::L2);
}

#[tokio::test(start_paused = true)]
async fn without_a_link_l1_answers_for_ever() {
    let mut world = world(10, |config| config.default_ttl = None);
    hold(&world, &key(1), "value").await;
    world.pass(Duration::from_secs(86_400 * 365));
    assert_eq!(level(&world, &key(1)).await, Some(Level::L1));
    world.engine.link_lapsed();
    assert_eq!(level(&world, &key(1)).await, Some(Level::L2));
    world.engine.without_link();
    hold(&world, &key(1), "value").await;
    world.pass(Duration::from_secs(86_400 * 365));
    assert_eq!(level(&world, &key(1)).await, Some(Level::L1));
}

#[tokio::test(start_paused = true)]
async fn with_the_link_lost_l1_goes_on_takes_nothing_in_and_forgets_what_we_write() {
    let mut world = linked();
    hold(&world, &key(1), "one").await;
    hold(&world, &key(2), "two").await;
    world.teach(&key(1), &[key(4)]);
    prove(&world);
    hold(&world, &key(1), "one").await;
    world.engine.link_lost();
    assert_eq!(level(&world, &key(1)).await, Some(Level::L1));
    world.l2.set(&key(3), "three", None);
    for _ in 0..3 {
        assert_eq!(level(&world, &key(3)).await, Some(Level::L2));
    }
    world.put(&key(2), "ours").await.expect("L2 takes it");
    assert_eq!(world.get(&key(2)).await.as_deref(), Some("ours"));
    assert_eq!(world.held(&key(2)), None);
    // A warm would be thrown away.
    world.l2.set(&key(4), "four", None);
    world.trigger(&key(1));
    let calls = world.l2.calls().len();
    assert_eq!(world.warm().await.keys, 0);
    assert_eq!(world.l2.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_the_link_opened_is_not_placed_after() {
    let world = linked();
    world.engine.link_lost();
    let k = key(1);
    world.l2.set(&k, "old", None);
    world.l2.hold();
    let (answer, ()) = tokio::join!(world.get(&k), async {
        world.l2.called(1).await;
        // Nobody tells of this one.
        world.l2.set(&k, "new", None);
        world.engine.link_opened();
        prove(&world);
        world.l2.ungate();
        world.l2.release_all();
    });
    assert_eq!(answer.as_deref(), Some("old"), "it began before");
    assert_eq!(world.held(&k), None);
    assert_eq!(world.get(&k).await.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_opens_again_begins_with_an_empty_l1() {
    let world = linked();
    hold(&world, &key(1), "old").await;
    world.engine.link_lost();
    world.l2.set(&key(1), "new", None);
    world.engine.link_opened();
    prove(&world);
    assert_eq!(world.get(&key(1)).await.as_deref(), Some("new"));
    assert_eq!(level(&world, &key(1)).await, Some(Level::L1));
}

#[tokio::test(start_paused = true)]
async fn after_the_bound_nothing_is_left_and_reads_cost_the_budget_nothing() {
    let mut world = linked();
    world.teach(&key(1), &[key(2)]);
    for n in 1..4 {
        world.l2.set(&key(n), "value", None);
    }
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 1);
    world.engine.link_lost();
    world.engine.link_lapsed();
    assert_eq!(
        world.outcomes().wasted,
        1,
        "the unread warm is accounted for"
    );
    assert_eq!(world.engine.status(world.now()).l1.entries, 0);
    let before = world.l2.calls().len();
    for _ in 0..50 {
        level(&world, &key(3)).await;
        world.learn_all();
    }
    assert_eq!(world.l2.calls().len() - before, 50);
    let governor = world.engine.governor.lock();
    let extra = governor.reads() as f64 - governor.off_reads();
    assert_eq!(extra, 1.0, "the warm; without warming L1 would be as blind");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_lets_nothing_live_longer() {
    let mut world = linked();
    hold(&world, &key(1), "value").await;
    let hour = Duration::from_secs(3_600);
    let mut stepped = false;
    world.engine.clock_set(true, || stepped = true);
    world.now -= hour.as_millis() as u64;
    assert!(stepped);
    assert_eq!(world.held(&key(1)), None, "it would live an hour too long");
    for _ in 0..2 {
        assert_eq!(level(&world, &key(1)).await, Some(Level::L2));
    }
    prove(&world);
    hold(&world, &key(1), "value").await;
    // Forward, L1 keeps what it has and waits for a proof by the new clock.
    world.engine.clock_set(false, || {});
    assert!(!world.engine.answers_locally(world.now()));
    prove(&world);
    assert_eq!(level(&world, &key(1)).await, Some(Level::L1));
}

#[tokio::test(start_paused = true)]
async fn a_change_while_we_write_leaves_the_question_to_l2() {
    let world = linked();
    let k = key(1);
    world.l2.hold();
    let value = stored("ours", None);
    let (put, ()) = tokio::join!(world.engine.put(&k, value, at(world.now)), async {
        world.l2.called(1).await;
        world.engine.changed(k.bytes(), None, world.now());
        world.l2.release_all();
    });
    put.expect("L2 takes it");
    assert_eq!(world.held(&k), None, "ours or theirs: nobody knows");
    assert!(matches!(world.l2.calls()[0], Call::Put(_)));
}
