//! What people are shown of the whole.

use super::world::*;
use crate::testing::key;

#[tokio::test]
async fn the_strongest_associations_are_those_that_foretell_the_most_reads() {
    let mut world = world(8, |_| {});
    world.teach(&key(1), &[key(11), key(12)]);
    for _ in 0..3 {
        world.teach(&key(2), &[key(21)]);
    }
    let all = world.engine.strongest_associations(100, world.now());
    assert_eq!(all.pairs, 5);
    assert!(all.associations.len() >= 3, "{all:?}");
    let first = &all.associations[0];
    assert_eq!((&first.from, &first.to.key), (&key(2), &key(21)), "{all:?}");
    let known = world.engine.correlations(&key(2), 8, world.now());
    assert_eq!(
        first.to, known[0],
        "the same figures as the pair's own list"
    );
    let worths: Vec<f32> = all
        .associations
        .iter()
        .map(|one| one.to.score * one.to.support)
        .collect();
    assert!(worths.is_sorted_by(|a, b| a >= b), "{worths:?}");
    let two = world.engine.strongest_associations(2, world.now());
    assert_eq!(two.associations[..], all.associations[..2]);
}

#[tokio::test]
async fn the_misses_that_warming_spares_are_counted_against_the_unwarmed_cache() {
    let mut world = world(2, |_| {});
    world.l2.set(&key(11), "a", None);
    world.teach(&key(1), &[key(11)]);
    assert_eq!(world.engine.status(world.now()).spared_misses, 0.0);
    for round in 1..=3 {
        world.trigger(&key(11));
        world.trigger(&key(1));
        while world.warm().await.operations > 0 {}
        assert!(world.get(&key(11)).await.is_some());
        world.learn_all();
        let status = world.engine.status(world.now());
        assert_eq!(status.spared_misses, f64::from(round), "{status:?}");
        world.now += 5_000;
    }
    assert_eq!(world.engine.status(world.now()).demand, (3, 0));
}
