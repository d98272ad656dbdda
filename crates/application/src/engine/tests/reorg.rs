//! Reorganised chains and streams with gaps.

use forewarm_domain::{ChainId, Key};
use proptest::prelude::*;

use super::super::*;
use super::world;
use super::world::{World, update, valued};
use crate::testing::{on_chain, stored};

const CHAIN: ChainId = ChainId(3);
const OTHER: ChainId = ChainId(4);

fn key(n: u32) -> Key {
    on_chain(n, CHAIN)
}

fn changed(world: &World, n: u32, block: u64, text: &str) {
    world.l2.set(&key(n), text, None);
    let news = valued(world.now(), text, None);
    let observed = world
        .engine
        .observe_update_in(block, &key(n), news, world.now());
    observed.expect("it is timely");
}

#[tokio::test]
async fn what_changed_at_or_above_the_block_leaves_l1_and_the_rest_stays() {
    let world = world(10, |_| {});
    for (n, block) in [(1, 9), (2, 10), (3, 11)] {
        changed(&world, n, block, "orphan");
    }
    let elsewhere = on_chain(4, OTHER);
    let told =
        world
            .engine
            .observe_update_in(99, &elsewhere, valued(world.now(), "x", None), world.now());
    told.expect("it is timely");
    let reorg = world.engine.invalidate_from(CHAIN, 10);
    assert_eq!((reorg.keys, reorg.whole_chain), (2, false));
    let held = [1, 2, 3].map(|n| world.held(&key(n)));
    assert_eq!(held, [Some("orphan".to_owned()), None, None]);
    assert!(
        world.held(&elsewhere).is_some(),
        "another chain is another matter"
    );
}

#[tokio::test]
async fn the_version_of_an_orphan_is_no_bound_for_the_value_that_stands() {
    let world = world(10, |_| {});
    let at = world.now();
    let orphan = valued(at, "orphan", Some(12));
    world
        .engine
        .observe_update_in(12, &key(1), orphan, at)
        .expect("timely");
    world.engine.invalidate_from(CHAIN, 11);
    let stands = valued(at, "stands", Some(11));
    world
        .engine
        .observe_update_in(11, &key(1), stands, at)
        .expect("timely");
    assert_eq!(world.held(&key(1)).as_deref(), Some("stands"));
}

#[tokio::test(start_paused = true)]
async fn fetches_and_writes_of_the_chain_that_are_under_way_are_not_placed() {
    let mut world = world(10, |_| {});
    world.teach(&key(1), &[key(2)]);
    world.l2.set(&key(2), "orphan", None);
    world.l2.set(&key(3), "orphan", None);
    world.trigger(&key(1));
    world.l2.hold();
    let (third, fourth) = (key(3), key(4));
    let write = world
        .engine
        .put_in(11, &fourth, stored("orphan", None), world.now());
    let (report, read, written, ()) = tokio::join!(world.warm(), world.get(&third), write, async {
        world.l2.called(3).await;
        world.engine.invalidate_from(CHAIN, 11);
        world.l2.release_all();
    });
    assert_eq!((report.keys, written), (1, Ok(())));
    assert_eq!(
        read.as_deref(),
        Some("orphan"),
        "who asked before is answered"
    );
    for n in [2, 3, 4] {
        assert_eq!(world.held(&key(n)), None, "key {n}");
    }
    assert_eq!(world.outcomes().warmed, 0);
}

#[tokio::test]
async fn a_gap_empties_a_chain_or_everything() {
    let world = world(10, |config| {
        config.negative_ttl = Some(Duration::from_secs(60))
    });
    let (mine, other) = (key(1), on_chain(7, OTHER));
    for key in [&mine, &other] {
        world.l2.set(key, "v", None);
        assert!(world.get(key).await.is_some());
    }
    assert_eq!(world.get(&key(2)).await, None);
    world.l2.set(&key(2), "came in the gap", None);
    assert_eq!(world.get(&key(2)).await, None, "its absence is remembered");
    assert_eq!(world.engine.gap(Some(CHAIN)), 2);
    assert_eq!(
        (world.held(&mine), world.held(&other).is_some()),
        (None, true)
    );
    assert!(
        world.get(&key(2)).await.is_some(),
        "its absence was unsure too"
    );
    assert_eq!(world.engine.gap(None), 2);
    assert_eq!(world.held(&other), None);
}

#[tokio::test(start_paused = true)]
async fn a_warm_does_not_survive_a_gap_that_came_after_it_began() {
    for chain in [Some(CHAIN), None] {
        let mut world = world(10, |_| {});
        world.teach(&key(1), &[key(2)]);
        world.l2.set(&key(2), "old", None);
        world.trigger(&key(1));
        world.l2.hold();
        let ((), ()) = tokio::join!(
            async {
                world.warm().await;
            },
            async {
                world.l2.called(1).await;
                world.engine.gap(chain);
                world.l2.release_all();
            }
        );
        assert_eq!(world.held(&key(2)), None, "{chain:?}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// A block in which these keys change; each is told with its value or without.
    Block {
        changes: Vec<(u32, bool)>,
    },
    /// A block in which this process writes a key.
    Put {
        key: u32,
    },
    Get {
        key: u32,
    },
    /// So many of the last blocks are replaced by nothing.
    Reorg {
        depth: u64,
    },
}

const KEYS: u32 = 8;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..KEYS;
    let changes = prop::collection::vec((key(), any::<bool>()), 1..4);
    let step = prop_oneof![
        4 => changes.prop_map(|changes| Step::Block { changes }),
        1 => key().prop_map(|key| Step::Put { key }),
        6 => key().prop_map(|key| Step::Get { key }),
        2 => (1_u64..6).prop_map(|depth| Step::Reorg { depth }),
    ];
    prop::collection::vec(step, 1..60)
}

/// The chain as it stands: for each key the values it had, by block.
#[derive(Default)]
struct Truth {
    values: Vec<Vec<(u64, String)>>,
    height: u64,
    stamp: u64,
}

impl Truth {
    fn change(&mut self, n: u32) -> String {
        self.stamp += 1;
        let text = format!("{} of {}", self.stamp, self.height);
        self.values[n as usize].push((self.height, text.clone()));
        text
    }

    fn value(&self, n: u32) -> Option<&str> {
        let (_, text) = self.values[n as usize].last()?;
        Some(text)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_value_of_a_block_that_is_no_more_is_ever_held(
        steps in steps(),
        entries in 2_usize..9,
        most_tagged in 1_usize..10,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut world = world(entries, |config| config.most_tagged = most_tagged);
            let mut truth = Truth {
                values: vec![Vec::new(); KEYS as usize],
                ..Truth::default()
            };
            for step in steps {
                play(&world, &mut truth, &step).await;
                world.now += 10;
                prop_assert!(world.engine.blocks.lock().len() <= most_tagged);
                for n in 0..KEYS {
                    if let Some(held) = world.held(&key(n)) {
                        prop_assert_eq!(Some(held.as_str()), truth.value(n), "key {} after {:?}", n, step);
                    }
                }
            }
            Ok(())
        })?;
    }
}

async fn play(world: &World, truth: &mut Truth, step: &Step) {
    match step {
        Step::Block { changes } => {
            truth.height += 1;
            for (n, with_value) in changes {
                let text = truth.change(*n);
                world.l2.set(&key(*n), &text, None);
                let news = if *with_value {
                    valued(world.now(), &text, None)
                } else {
                    update(world.now())
                };
                let told =
                    world
                        .engine
                        .observe_update_in(truth.height, &key(*n), news, world.now());
                told.expect("it is timely");
            }
        }
        Step::Put { key: n } => {
            truth.height += 1;
            let text = truth.change(*n);
            let (key, value) = (key(*n), stored(&text, None));
            let put = world.engine.put_in(truth.height, &key, value, world.now());
            put.await.expect("L2 takes it");
        }
        Step::Get { key: n } => {
            world.get(&key(*n)).await;
        }
        Step::Reorg { depth } => {
            let from = (truth.height + 1).saturating_sub(*depth).max(1);
            for (n, values) in truth.values.iter_mut().enumerate() {
                values.retain(|(block, _)| *block < from);
                // L2 is put right first; a key that had no value before is gone.
                match values.last() {
                    Some((_, text)) => world.l2.set(&key(n as u32), text, None),
                    None => drop(world.l2.remove(&key(n as u32)).await),
                }
            }
            truth.height = from - 1;
            world.engine.invalidate_from(CHAIN, from);
        }
    }
}
