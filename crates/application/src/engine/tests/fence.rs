//! Nothing outdated stays in L1, whatever the order of things.

use std::time::Duration;

use super::super::*;
use super::world::{text, update, valued};
use super::{World, world};
use crate::testing::{Call, Fault, key};

/// What may be heard of a key while a read of it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Update,
    UpdateWithValue,
    UpdateWithVersion,
    Refused,
    Invalidation,
    Flush,
    Put,
    /// Writes that somebody else carries out: with the value told, without, and with no end heard.
    WrittenValue,
    Written,
    WrittenPerhaps,
}

const NEWS: [News; 10] = [
    News::Update,
    News::UpdateWithValue,
    News::UpdateWithVersion,
    News::Refused,
    News::Invalidation,
    News::Flush,
    News::Put,
    News::WrittenValue,
    News::Written,
    News::WrittenPerhaps,
];

/// The key changes in L2 to `new`, and the engine hears of it.
async fn happen(world: &World, news: News) {
    let (engine, now, k) = (&world.engine, world.now(), key(2));
    world.l2.ungate();
    world.l2.set(&k, "new", Some(2));
    match news {
        News::Update => assert!(engine.observe_update(&k, update(now), now).is_ok()),
        News::UpdateWithValue => assert!(
            engine
                .observe_update(&k, valued(now, "new", None), now)
                .is_ok()
        ),
        News::UpdateWithVersion => {
            let versioned = valued(now, "new", Some(2));
            assert!(engine.observe_update(&k, versioned, now).is_ok());
        }
        News::Refused => {
            let yesterday = update(now - Duration::from_secs(48 * 3600));
            assert!(engine.observe_update(&k, yesterday, now).is_err());
        }
        News::Invalidation => engine.invalidate(&k),
        News::Flush => engine.flush(),
        News::Put => {
            world.put(&k, "new").await.expect("L2 answers");
        }
        News::WrittenValue => {
            let written = Written::Value(crate::testing::stored("new", None));
            engine.announce_write(k).end(written, now);
        }
        News::Written => engine.announce_write(k).end(Written::Changed, now),
        News::WrittenPerhaps => drop(engine.announce_write(k)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_does_not_survive_news_that_came_after_it_began() {
    for news in NEWS {
        let mut world = world(10, |_| {});
        world.teach(&key(1), &[key(2)]);
        world.l2.set(&key(2), "old", None);
        world.trigger(&key(1));
        world.l2.hold();
        let (report, ()) = tokio::join!(world.warm(), async {
            world.l2.called(1).await;
            happen(&world, news).await;
            world.l2.release_all();
        });
        assert_eq!(report.keys, 1, "{news:?}");
        assert_ne!(world.held(&key(2)).as_deref(), Some("old"), "{news:?}");
        assert_eq!(world.get(&key(2)).await.as_deref(), Some("new"), "{news:?}");
        assert_eq!(world.outcomes().warmed, 0, "{news:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_demand_read_answers_who_asked_before_the_news_and_fills_nothing() {
    for news in NEWS {
        let (world, k) = (world(10, |_| {}), key(2));
        world.l2.set(&k, "old", None);
        world.l2.hold();
        let (answer, ()) = tokio::join!(world.get(&k), async {
            world.l2.called(1).await;
            happen(&world, news).await;
            world.l2.release_all();
        });
        assert_eq!(answer.as_deref(), Some("old"), "{news:?}");
        assert_ne!(world.held(&key(2)).as_deref(), Some("old"), "{news:?}");
        assert_eq!(world.get(&key(2)).await.as_deref(), Some("new"), "{news:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_after_the_news_does_not_join_a_read_from_before() {
    let world = world(10, |_| {});
    world.l2.set(&key(2), "old", None);
    world.l2.hold();
    let k = key(2);
    let (early, late) = tokio::join!(world.get(&k), async {
        world.l2.called(1).await;
        happen(&world, News::Update).await;
        world.l2.hold();
        let late = world.get(&k);
        let release = async {
            world.l2.called(2).await;
            world.l2.release_all();
        };
        tokio::join!(late, release).0
    });
    assert_eq!(early.as_deref(), Some("old"));
    assert_eq!(late.as_deref(), Some("new"));
    assert_eq!(world.held(&key(2)).as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_warm_never_replaces_newer_data_and_never_writes_l2() {
    let mut world = world(10, |_| {});
    world.teach(&key(1), &[key(2)]);
    // L2 lags behind the stream: it still has version 4 when version 5 is announced.
    world.l2.set(&key(2), "v4", Some(4));
    world
        .engine
        .observe_update(&key(2), valued(world.now(), "v3", Some(3)), world.now())
        .expect("it is timely");
    let announced = Update {
        version: Some(Version(5)),
        ..update(world.now())
    };
    let observed = world.engine.observe_update(&key(2), announced, world.now());
    observed.expect("it is timely");
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 0);
    assert_eq!(
        world.held(&key(2)),
        None,
        "version 4 is known to be outdated"
    );
    let reads = |call: &Call| matches!(call, Call::GetMany(_));
    assert!(world.l2.calls().iter().all(reads) && !world.l2.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_two_writes_at_once_l1_serves_neither_until_l2_says_which_won() {
    let world = world(10, |_| {});
    world.l2.hold();
    let k = key(2);
    let (first, second, ()) = tokio::join!(world.put(&k, "a"), world.put(&k, "b"), async {
        world.l2.called(2).await;
        // L2's answers may cross; what it holds is what was applied last.
        world.l2.set(&key(2), "a", None);
        world.l2.release_all();
    });
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(world.held(&key(2)), None);
    assert_eq!(world.get(&key(2)).await.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_news_overtook_is_not_placed() {
    for news in NEWS {
        let world = world(10, |_| {});
        world.l2.hold();
        let k = key(2);
        let (written, ()) = tokio::join!(world.put(&k, "mine"), async {
            world.l2.called(1).await;
            happen(&world, news).await;
            world.l2.release_all();
        });
        assert!(written.is_ok());
        assert_eq!(world.get(&key(2)).await.as_deref(), Some("new"), "{news:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_write_without_a_known_end_l1_does_not_serve_what_it_had() {
    for fault in [Fault::Refused, Fault::Silent] {
        let world = world(10, |_| {});
        world.l2.set(&key(2), "old", None);
        assert_eq!(world.get(&key(2)).await.as_deref(), Some("old"));
        world.l2.script([fault]);
        let written = world.put(&key(2), "mine").await;
        assert!(written.is_err(), "{fault:?}");
        assert_eq!(world.held(&key(2)), None, "{fault:?}");
        assert_eq!(world.get(&key(2)).await, world.l2.text(&key(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_goes_away_leaves_no_outdated_copy() {
    let world = world(10, |_| {});
    world.l2.set(&key(2), "old", None);
    assert_eq!(world.get(&key(2)).await.as_deref(), Some("old"));
    world.l2.hold();
    let k = key(2);
    tokio::select! {
        biased;
        _ = world.put(&k, "mine") => panic!("the gate is shut"),
        () = world.l2.called(2) => {}
    }
    world.l2.release_all();
    assert_eq!(world.held(&key(2)), None);
    assert_eq!(world.get(&key(2)).await.as_deref(), Some("mine"));
    assert!(world.engine.flights.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_is_read_back_from_l1() {
    let world = world(10, |_| {});
    world.put(&key(2), "mine").await.expect("L2 answers");
    let found = world.engine.get_local(&key(2), world.now());
    assert_eq!(text(found).as_deref(), Some("mine"));
}
