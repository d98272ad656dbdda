//! Explanations: what is told is what would be done, and telling changes nothing.

use forewarm_domain::{Mode, Rollout, SourceKind, Standing};

use super::super::{Fate, Obstacle};
use super::world::{World, world};
use crate::testing::key;

#[tokio::test]
async fn what_is_told_to_be_warmed_is_what_the_next_warm_fetches() {
    let mut world = world(64, |_| {});
    let (source, one, two) = (key(1), key(2), key(3));
    for target in [&one, &two] {
        world.l2.set(target, "v", None);
    }
    world.teach(&source, &[one.clone(), two.clone()]);
    world.get(&two).await;
    let explained = world.engine.explain(&source, world.now());
    assert!(explained.known);
    let fate = |wanted: &forewarm_domain::Key| {
        let mut found = explained
            .partners
            .iter()
            .filter(|partner| partner.key == *wanted && partner.after == SourceKind::Update);
        found.next().map(|partner| partner.fate)
    };
    assert_eq!(fate(&one), Some(Fate::Warmed));
    assert_eq!(fate(&two), Some(Fate::InL1));
    world.trigger(&source);
    assert_eq!(world.warm().await.warmed, 1);
    assert!(world.held(&one).is_some());
}

#[tokio::test]
async fn asking_changes_nothing_that_is_learned() {
    let mut asked = world(64, |_| {});
    let mut silent = world(64, |_| {});
    for world in [&mut asked, &mut silent] {
        world.teach(&key(1), &[key(2), key(3), key(4)]);
        practise(world).await;
    }
    for _ in 0..100 {
        asked.engine.explain(&key(1), asked.now());
        asked.engine.explain(&key(3), asked.now());
    }
    let judged = |world: &World| world.engine.explain(&key(1), world.now());
    assert_eq!(judged(&asked), judged(&silent));
    assert_eq!(
        asked.engine.save_model(asked.now()),
        silent.engine.save_model(silent.now())
    );
}

#[tokio::test]
async fn what_stands_against_it_is_named_and_an_unknown_pair_is_an_answer() {
    let mut world = world(64, |config| {
        config.rollout = Rollout::everywhere(Mode::Shadow)
    });
    world.teach(&key(1), &[key(2)]);
    let explained = world.engine.explain(&key(1), world.now());
    assert_eq!(explained.obstacles, [Obstacle::Mode(Mode::Shadow)]);
    assert!(
        explained
            .partners
            .iter()
            .any(|partner| partner.fate == Fate::HeldBack)
    );
    let pointed = world.engine.explain(&key(2), world.now());
    assert!(
        pointed
            .sources
            .iter()
            .any(|source| source.key == key(1) && source.after == SourceKind::Update),
        "{:?}",
        pointed.sources
    );
    world
        .engine
        .set_mode(None, forewarm_domain::ChainMode::everywhere(Mode::On));
    world.engine.link_lost();
    let unknown = world.engine.explain(&key(9), world.now());
    assert!(!unknown.known && unknown.standing == Standing::Absent);
    assert!(
        unknown.obstacles.contains(&Obstacle::NothingKnown),
        "{:?}",
        unknown.obstacles
    );
    assert!(unknown.partners.is_empty() && unknown.sources.is_empty());
}

/// Without it a restored model would weigh its partners as on the first day.
#[tokio::test]
async fn what_the_estimator_has_learned_is_saved_and_restored_with_the_model() {
    let learned = |bytes: &[u8]| bytes[bytes.len() - 8 - 11_280..bytes.len() - 8].to_vec();
    let mut taught = world(64, |_| {});
    taught.teach(&key(1), &[key(2), key(3)]);
    practise(&mut taught).await;
    let saved = taught.engine.save_model(taught.now());
    let fresh = world(64, |_| {});
    let before = learned(&fresh.engine.save_model(fresh.now()));
    assert_ne!(before, learned(&saved), "nothing was learned");
    assert_eq!(fresh.engine.restore_model(&saved, taught.now()), Ok(3));
    assert_eq!(
        learned(&fresh.engine.save_model(taught.now())),
        learned(&saved)
    );
}

/// Warms of which some come true, so that every clue has its weight.
async fn practise(world: &mut World) {
    for round in 0..50 {
        world.trigger(&key(1));
        world.warm().await;
        world.now += 5;
        let now = world.now();
        let read = key(2 + round % 2);
        world.engine.observe_read(&read, now, now).expect("timely");
        world.now += 5_000;
        world.learn_all();
    }
}
