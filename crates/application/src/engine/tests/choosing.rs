//! What is chosen, and where it waits until it is fetched.

use forewarm_domain::Key;

use super::super::*;
use super::{World, world};
use crate::testing::key;

/// Sixteen pairs, each with one partner that L2 holds, and no request.
fn sixteen(change: impl FnOnce(&mut EngineConfig)) -> (World, Vec<Key>) {
    let mut world = world(100, change);
    let sources: Vec<Key> = (101..117).map(key).collect();
    for (source, target) in sources.iter().zip(11..) {
        world.teach(source, &[key(target)]);
        world.l2.set(&key(target), "value", None);
    }
    while world.engine.learner.lock().next_request().is_some() {}
    assert!(world.engine.is_idle());
    (world, sources)
}

#[tokio::test(start_paused = true)]
async fn what_was_chosen_is_not_idle_and_is_fetched_with_one_read() {
    let (world, sources) = sixteen(|_| {});
    sources.iter().for_each(|source| world.trigger(source));
    let engine = &world.engine;
    let lots: Vec<usize> = (0..3).map(|_| engine.choose(world.now())).collect();
    assert_eq!(lots, [8, 8, 0]);
    assert_eq!(engine.status(world.now()).queue_depth, 0);
    assert!(!engine.is_idle(), "sixteen keys wait to be fetched");
    assert!(!engine.has_work(), "but nothing to choose");
    let report = engine.serve(world.now()).await;
    assert_eq!((report.operations, report.warmed), (16, 16));
    assert_eq!(world.l2.calls().len(), 1, "one read for all of them");
    assert!(world.engine.is_idle());
    let nothing = world.engine.serve(world.now()).await;
    assert_eq!(nothing, WarmReport::default());
}

#[tokio::test(start_paused = true)]
async fn requests_wait_while_what_was_chosen_fills_a_read() {
    let (world, sources) = sixteen(|config| config.max_keys_per_read = 4);
    sources.iter().for_each(|source| world.trigger(source));
    let engine = &world.engine;
    assert_eq!(
        (engine.choose(world.now()), engine.choose(world.now())),
        (8, 0)
    );
    assert_eq!(engine.status(world.now()).queue_depth, 8);
    assert!(!engine.has_work(), "no room");
    assert_eq!(engine.serve(world.now()).await.keys, 4);
    assert!(!engine.has_work(), "four more fill the next read");
    assert_eq!(engine.serve(world.now()).await.keys, 4);
    assert!(engine.has_work());
    assert_eq!(engine.choose(world.now()), 8);
}
