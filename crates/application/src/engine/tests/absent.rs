//! Keys that L2 does not have: asked for every time, unless negative caching is on.

use std::time::Duration;

use bytes::Bytes;

use super::super::*;
use super::{World, world};
use crate::testing::key;

const TTL: Duration = Duration::from_secs(1);

fn remembering() -> World {
    world(10, |config| config.negative_ttl = Some(TTL))
}

/// How many reads of L2 a demand read of the key takes.
async fn asked(world: &World, key: &Key) -> usize {
    world.l2.take_calls();
    world.get(key).await;
    world.l2.take_calls().len()
}

#[tokio::test(start_paused = true)]
async fn unless_told_otherwise_every_read_of_a_missing_key_asks_l2() {
    let world = world(10, |_| {});
    for _ in 0..3 {
        assert_eq!(asked(&world, &key(1)).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_key_is_asked_for_once_until_its_time_is_over() {
    let mut world = remembering();
    assert_eq!(asked(&world, &key(1)).await, 1);
    assert_eq!(asked(&world, &key(1)).await, 0);
    world.l2.set(&key(2), "there", None);
    let found = world.engine.get_many(&[key(1), key(2)], world.now()).await;
    let found = found.expect("L2 answers");
    assert!(found[0].is_none());
    assert_eq!(world::text(found[1].clone()).as_deref(), Some("there"));
    world.pass(TTL);
    world.l2.set(&key(1), "late", None);
    assert_eq!(world.get(&key(1)).await.as_deref(), Some("late"));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_news_of_the_key_makes_it_asked_for_again() {
    type News = fn(&World);
    let kinds: [(&str, News); 6] = [
        ("a change in L2", |world| {
            world.engine.changed(key(1).bytes(), Some(0), world.now());
        }),
        ("an update", |world| {
            let update = world::update(world.now());
            let seen = world.engine.observe_update(&key(1), update, world.now());
            seen.expect("it is timely");
        }),
        ("an invalidation", |world| world.engine.invalidate(&key(1))),
        ("a flush", |world| world.engine.flush()),
        ("a write by somebody else", |world| {
            let write = world.engine.announce_write(key(1));
            write.end(Written::Changed, world.now());
        }),
        ("a write of which nothing is known", |world| {
            drop(world.engine.announce_write(key(1)));
        }),
    ];
    for (name, news) in kinds {
        let world = remembering();
        asked(&world, &key(1)).await;
        assert_eq!(asked(&world, &key(1)).await, 0);
        news(&world);
        assert_eq!(asked(&world, &key(1)).await, 1, "{name}");
    }
    let world = remembering();
    asked(&world, &key(1)).await;
    world.put(&key(1), "written").await.expect("L2 takes it");
    assert_eq!(world.get(&key(1)).await.as_deref(), Some("written"));
}

#[tokio::test(start_paused = true)]
async fn an_absence_that_was_read_before_a_change_is_not_remembered_after_it() {
    let world = remembering();
    world.l2.hold();
    let k = key(1);
    let (first, ()) = tokio::join!(world.get(&k), async {
        world.l2.called(1).await;
        world
            .engine
            .changed(&Bytes::copy_from_slice(k.bytes()), Some(0), world.now());
        world.l2.release_all();
    });
    assert_eq!(first, None, "its read began before");
    assert_eq!(asked(&world, &k).await, 1);
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_of_freshness_and_while_nobody_tells_of_changes_l2_is_asked() {
    let world = remembering();
    world.engine.link_opened();
    world.engine.proven(|| world.now() + TTL / 4);
    asked(&world, &key(1)).await;
    assert_eq!(asked(&world, &key(1)).await, 0);
    let mut world = world;
    world.pass(TTL / 2);
    assert_eq!(asked(&world, &key(1)).await, 1, "the bound is over");
    world.engine.proven(|| Timestamp::MAX);
    world.engine.link_lost();
    asked(&world, &key(2)).await;
    assert_eq!(asked(&world, &key(2)).await, 1, "a change may go unheard");
}
