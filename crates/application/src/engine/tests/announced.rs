//! Writes that somebody else carries out on L2, told from before they leave until they are answered.

use super::super::*;
use super::world;
use super::world::valued;
use crate::ports::Ending;
use crate::testing::{key, stored};

fn value(text: &str) -> Written {
    Written::Value(stored(text, None))
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_written_alone_is_what_l1_answers() {
    let (world, k) = (world(10, |_| {}), key(1));
    world.l2.set(&k, "old", None);
    world.get(&k).await;
    world
        .engine
        .announce_write(k.clone())
        .end(value("new"), world.now());
    assert_eq!(world.held(&k).as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn after_a_change_that_nobody_can_name_l1_answers_nothing() {
    for written in [Some(Written::Changed), None] {
        let (world, k) = (world(10, |_| {}), key(1));
        world.l2.set(&k, "old", None);
        world.get(&k).await;
        let announced = world.engine.announce_write(k.clone());
        assert_eq!(
            world.held(&k).as_deref(),
            Some("old"),
            "nothing has happened yet"
        );
        match written {
            Some(written) => announced.end(written, world.now()),
            None => drop(announced),
        }
        assert_eq!(world.held(&k), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_changed_nothing_leaves_the_copy_and_teaches_nothing() {
    let (world, k) = (world(10, |_| {}), key(1));
    world.l2.set(&k, "old", None);
    world.get(&k).await;
    world.learn_all();
    let before = world.engine.status(world.now()).events;
    world
        .engine
        .announce_write(k.clone())
        .end(Written::Nothing, world.now());
    world.learn_all();
    assert_eq!(world.held(&k).as_deref(), Some("old"));
    assert_eq!(world.engine.status(world.now()).events, before);
}

#[tokio::test(start_paused = true)]
async fn of_two_writes_under_way_at_once_nobody_knows_which_was_last() {
    let (world, k) = (world(10, |_| {}), key(1));
    let one = world.engine.announce_write(k.clone());
    let other = world.engine.announce_write(k.clone());
    one.end(value("one"), world.now());
    other.end(value("other"), world.now());
    assert_eq!(world.held(&k), None);
    world
        .engine
        .announce_write(k.clone())
        .end(value("alone"), world.now());
    assert_eq!(world.held(&k).as_deref(), Some("alone"));
}

#[tokio::test(start_paused = true)]
async fn a_write_is_learned_from_as_an_update_of_its_key() {
    let mut world = world(10, |_| {});
    for _ in 0..20 {
        let announced = world.engine.announce_write(key(1));
        announced.end(Written::Changed, world.now());
        world.now += 2;
        let read = world.engine.observe_read(&key(2), world.now(), world.now());
        read.expect("it is timely");
        world.now += 5_000;
        world.learn_all();
        world.engine.tick(world.now());
    }
    let known = world.engine.correlations(&key(1), 5, world.now());
    let partner = known.first().expect("a partner");
    assert_eq!((&partner.key, partner.source), (&key(2), "update"));
}

#[tokio::test(start_paused = true)]
async fn who_has_set_the_end_of_a_value_is_told_with_it() {
    let (world, k) = (world(10, |_| {}), key(1));
    let mut with_end = stored("v", None);
    with_end.ttl = Some(Duration::from_secs(9));
    for (written, expected) in [
        (with_end, Ending::Source),
        (stored("v", None), Ending::Default),
    ] {
        let announced = world.engine.announce_write(k.clone());
        announced.end(Written::Value(written), world.now());
        let found = world.engine.get_local(&k, world.now()).expect("L1 has it");
        assert_eq!(found.ending, expected);
    }
    let news = valued(world.now(), "v", None);
    world
        .engine
        .observe_update(&k, news, world.now())
        .expect("it is timely");
    let found = world.engine.get_local(&k, world.now()).expect("L1 has it");
    assert_eq!(
        found.ending,
        Ending::Unknown,
        "a feed does not say what L2 does"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hit_that_is_not_learned_from_counts_and_keeps_the_books() {
    let (world, k) = (world(10, |_| {}), key(1));
    world.l2.set(&k, "v", None);
    world.get(&k).await;
    world.learn_all();
    let before = world.engine.status(world.now());
    for _ in 0..5 {
        assert!(world.engine.get_local_unlearned(&k, world.now()).is_some());
    }
    world.learn_all();
    let after = world.engine.status(world.now());
    assert_eq!(after.demand.0 - before.demand.0, 5, "hits");
    assert_eq!(after.events.0 - before.events.0, 5, "received");
    assert_eq!(after.events.1, before.events.1, "tracked");
    assert!(
        world
            .engine
            .get_local_unlearned(&key(2), world.now())
            .is_none()
    );
    world.learn_all();
    let missed = world.engine.status(world.now());
    assert_eq!(
        missed.events.1 - after.events.1,
        1,
        "a miss is always learned from"
    );
}
