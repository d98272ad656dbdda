//! Warming: one read, only where it may, within its bounds, every outcome in the books.

use std::sync::Arc;
use std::time::Duration;

use forewarm_domain::{ChainId, ChainMode, Key, Mode, Outcome, Trigger};
use mockall::mock;

use super::super::observation::What;
use super::super::*;
use super::world::{engine_over, update};
use super::{World, world};
use crate::governor::Risk;
use crate::metrics::Metric;
use crate::ports::{Kept, Stored};
use crate::testing::{Call, Fault, at, key, on_chain, stored};

mock! {
    L2 {}
    #[async_trait::async_trait]
    impl SharedCache for L2 {
        async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, SharedCacheError>;
        async fn put(&self, key: &Key, stored: &Stored) -> Result<Kept, SharedCacheError>;
        async fn remove(&self, key: &Key) -> Result<bool, SharedCacheError>;
        async fn ping(&self) -> Result<(), SharedCacheError>;
        fn backend(&self) -> &'static str;
    }
}

/// Keys 11 … 10 + n are read after key 1, and key 30 after key 2; all are in L2.
pub(super) fn taught(n: u32, adapt: impl FnOnce(&mut EngineConfig)) -> World {
    let mut world = world(100, adapt);
    let targets: Vec<Key> = (11..11 + n).map(key).collect();
    world.teach(&key(1), &targets);
    world.teach(&key(2), &[key(30)]);
    for n in 1..50 {
        world.l2.set(&key(n), "value", None);
    }
    world
}

#[test]
fn the_last_update_of_a_block_is_asked_for_before_the_block_is_learned() {
    let mut world = world(100, |_| {});
    world.teach(&key(1), &[key(11), key(12)]);
    while world.engine.learner.lock().next_request().is_some() {}
    for n in 0..400 {
        let observed =
            world
                .engine
                .observe_update(&key(1_000 + n), update(world.now()), world.now());
        assert_eq!(observed, Ok(Observed::Queued));
    }
    let _ = world
        .engine
        .observe_update(&key(1), update(world.now()), world.now());
    let learned = world.engine.learn(world.now());
    assert!(
        learned < 401 && world.engine.has_news(),
        "{learned} learned"
    );
    let request = world.engine.learner.lock().next_request();
    let asked = request.and_then(|request| {
        let learner = world.engine.learner.lock();
        learner.key(request.pair).cloned()
    });
    assert_eq!(asked, Some(key(1)));
    world.learn_all();
    assert!(!world.engine.has_news());
    let again = world.engine.learner.lock().next_request();
    assert_eq!(again, None, "what was asked for is not asked for twice");
}

#[tokio::test(start_paused = true)]
async fn all_waiting_operations_share_one_read() {
    let mut l2 = MockL2::new();
    l2.expect_get_many()
        .times(1)
        .withf(|keys| {
            let mut keys = keys.to_vec();
            keys.sort();
            keys == [key(11), key(12), key(30)]
        })
        .returning(|keys| Ok(vec![Some(stored("value", None)); keys.len()]));
    l2.expect_put().never();
    l2.expect_remove().never();
    let mut world = World {
        engine: engine_over(Arc::new(l2), 100, |_| {}),
        l2: Arc::default(),
        now: 1_000_000_000,
    };
    world.teach(&key(1), &[key(11), key(12)]);
    world.teach(&key(2), &[key(30)]);
    world.trigger(&key(1));
    world.trigger(&key(2));
    let report = world.warm().await;
    assert_eq!((report.operations, report.keys, report.warmed), (2, 3, 3));
    assert_eq!(report.sent.len(), 2);
    assert_eq!(world.engine.status(world.now()).operations.success, 2);
    assert_eq!(
        world.warm().await,
        WarmReport::default(),
        "the queue is empty"
    );
}

#[tokio::test(start_paused = true)]
async fn shadow_and_off_read_and_place_nothing() {
    for mode in [Mode::Shadow, Mode::Off] {
        let world = taught(2, |_| {});
        world.engine.set_mode(None, ChainMode::everywhere(mode));
        world.trigger(&key(1));
        world.engine.request_warm(&key(1), world.now());
        let report = world.warm().await;
        assert_eq!((report.operations, report.keys), (1, 0), "{mode}");
        assert_eq!(world.l2.calls(), [], "{mode}");
        assert_eq!(world.held(&key(11)), None, "{mode}");
        assert_eq!(world.engine.status(world.now()).operations.skipped, 1);
        world.get(&key(11)).await;
        let hits = world.counted(Metric::ShadowHits, "topn");
        let selected = world.counted(Metric::PairsSelected, "topn");
        let expected = if mode == Mode::Shadow { (1, 2) } else { (0, 0) };
        assert_eq!((hits, selected), expected, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn off_learns_nothing() {
    let mut world = world(10, |config| {
        config.rollout = Rollout::everywhere(Mode::Off);
    });
    world.teach(&key(1), &[key(2)]);
    let status = world.engine.status(world.now());
    assert_eq!((status.pairs, status.events.1), (0, 0));
    assert_eq!(status.events.0, 40, "but it hears everything");
}

#[tokio::test(start_paused = true)]
async fn each_key_is_on_its_own_side_of_the_roll_out() {
    let (on, off) = (ChainId(5), ChainId(6));
    for percent in [0, 30, 100] {
        let mut world = world(100, |_| {});
        let targets: Vec<Key> = (11..21).map(|n| on_chain(n, on)).collect();
        let others: Vec<Key> = (21..24).map(|n| on_chain(n, off)).collect();
        let both: Vec<Key> = targets.iter().chain(&others).cloned().collect();
        world.teach(&on_chain(1, on), &both);
        for k in &both {
            world.l2.set(k, "value", None);
        }
        let setting = |mode, percent| ChainMode { mode, percent };
        world.engine.set_mode(Some(on), setting(Mode::On, percent));
        world.engine.set_mode(Some(off), setting(Mode::Off, 100));
        world.trigger(&on_chain(1, on));
        world.warm().await;
        let rollout = world.engine.rollout();
        for k in &both {
            let warmed = world.held(k).is_some();
            assert_eq!(warmed, rollout.mode(k) == Mode::On, "{k:?} at {percent} %");
        }
        // The other way round: nothing is fetched for a source whose chain is in shadow.
        world.engine.flush();
        world.engine.set_mode(Some(on), setting(Mode::Shadow, 100));
        world.engine.set_mode(Some(off), setting(Mode::On, 100));
        world.trigger(&on_chain(1, on));
        assert_eq!(world.warm().await.keys, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_l1_has_is_not_read_again_and_a_stale_copy_is() {
    let mut world = taught(3, |_| {});
    world.get(&key(11)).await;
    world.get(&key(12)).await;
    let observed = world
        .engine
        .observe_update(&key(12), update(world.now()), world.now());
    observed.unwrap();
    world.pass(Duration::from_secs(1));
    world.l2.take_calls();
    world.engine.request_warm(&key(1), world.now());
    assert_eq!(world.warm().await.warmed, 2);
    let Call::GetMany(mut keys) = world.l2.take_calls().remove(0) else {
        panic!("a warm reads")
    };
    keys.sort();
    assert_eq!(keys, [key(12), key(13)]);
}

#[tokio::test(start_paused = true)]
async fn the_budget_cuts_a_warm_short_and_says_so() {
    let mut world = world(100, |config| config.extra_l2_reads = Some(0.0));
    for n in 0..3_u32 {
        let targets: Vec<Key> = (0..10).map(|t| key(100 + 10 * n + t)).collect();
        world.teach(&key(n), &targets);
    }
    assert_eq!(world.engine.governor.lock().grant(40, Risk::NONE), 40);
    (0..3).for_each(|n| world.trigger(&key(n)));
    assert_eq!(world.warm().await.keys, 24, "64 are free");
    assert_eq!(world.counted(Metric::WarmingDropped, "over_budget"), 6);
    assert_eq!(world.engine.status(world.now()).budget_left, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_warm_that_failed_has_cost_l2_a_read() {
    for (fault, label) in [(Fault::Refused, "error"), (Fault::Silent, "timeout")] {
        let world = taught(3, |_| {});
        world.l2.script([fault]);
        world.trigger(&key(1));
        let report = world.warm().await;
        assert_eq!((report.keys, report.warmed), (3, 0));
        assert_eq!(world.engine.governor.lock().reads(), 3, "{fault:?}");
        assert_eq!(world.counted(Metric::WarmingOperations, label), 1);
        assert_eq!(world.outcomes().warmed, 0);
        assert!(world.engine.flights.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_with_something_to_fetch_is_an_error_while_changes_go_unheard() {
    let world = taught(3, |_| {});
    world.engine.link_lost();
    world.trigger(&key(1));
    world.warm().await;
    let operations = world.engine.status(world.now()).operations;
    assert_eq!((operations.error, operations.skipped), (1, 0));
    assert_eq!(world.l2.calls(), [], "it would be read and thrown away");
    // With nothing to fetch nothing has failed.
    world.engine.request_warm(&key(99), world.now());
    world.warm().await;
    let operations = world.engine.status(world.now()).operations;
    assert_eq!(operations.error, 1);
}

#[tokio::test(start_paused = true)]
async fn a_warm_whose_task_is_stopped_leaves_nothing_on_its_way() {
    let world = taught(3, |_| {});
    world.l2.hold();
    world.trigger(&key(1));
    tokio::select! {
        biased;
        _ = world.warm() => panic!("the gate is shut"),
        () = world.l2.called(1) => {}
    }
    assert!(world.engine.flights.is_empty());
    world.l2.release_all();
    assert_eq!(world.get(&key(11)).await.as_deref(), Some("value"));
}

#[tokio::test(start_paused = true)]
async fn what_warms_took_in_an_overload_is_not_believed_for_ever() {
    let mut world = taught(1, |_| {});
    world.engine.tick(world.now());
    world.engine.warm_took(Duration::from_millis(80));
    // While warms go out they say themselves what they take.
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 1);
    world.engine.tick(world.now());
    assert_eq!(world.engine.warms_take(), Duration::from_millis(80));
    for _ in 0..10 {
        world.pass(Duration::from_secs(1));
        world.engine.tick(world.now());
    }
    let believed = world.engine.warms_take();
    assert!(believed < Duration::from_millis(5), "{believed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_warm_takes_as_long_as_its_request_waits_and_more() {
    let mut world = taught(1, |_| {});
    world.trigger(&key(1));
    world.pass(Duration::from_millis(3));
    let report = world.warm().await;
    let waited: Vec<Duration> = report.sent.iter().map(|sent| sent.waited).collect();
    assert_eq!(waited, [Duration::from_millis(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_too_long_is_dropped() {
    let mut world = taught(1, |config| config.request_deadline = Duration::from_secs(1));
    world.trigger(&key(1));
    world.pass(Duration::from_millis(1_001));
    let report = world.warm().await;
    assert_eq!((report.operations, world.l2.calls().len()), (1, 0));
    assert_eq!(world.counted(Metric::WarmingDropped, "deadline"), 1);
    assert_eq!(world.engine.status(world.now()).operations.skipped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pair_waits_once_and_the_queue_is_bounded() {
    let world = taught(1, |config| config.queue_size = 1);
    world.trigger(&key(1));
    world.trigger(&key(1));
    assert_eq!(world.counted(Metric::WarmingDropped, "queue_full"), 0);
    world.trigger(&key(2));
    assert_eq!(world.engine.status(world.now()).queue_depth, 1);
    assert_eq!(world.counted(Metric::WarmingDropped, "queue_full"), 1);
    assert!(!world.engine.request_warm(&key(2), world.now()));
}

#[tokio::test(start_paused = true)]
async fn unread_warms_fill_half_their_share_of_l1_before_they_win_and_the_oldest_goes() {
    let mut world = world(100, |config| {
        config.l1_share = 0.12;
        config.max_pairs_per_warm = 3;
        config.extra_l2_reads = None;
    });
    for n in 0..5_u32 {
        let targets: Vec<Key> = (0..3).map(|t| key(100 + 10 * n + t)).collect();
        world.teach(&key(n), &targets);
        for target in &targets {
            world.l2.set(target, "value", None);
        }
    }
    for n in 0..5 {
        world.trigger(&key(n));
        world.warm().await;
        assert!(world.engine.ledger.lock().unread() <= 6);
    }
    let outcomes = world.outcomes();
    assert_eq!((outcomes.warmed, outcomes.wasted), (15, 9));
    assert_eq!(world.held(&key(100)), None);
    assert!(world.held(&key(142)).is_some());
}

#[tokio::test(start_paused = true)]
async fn warms_end_useful_wasted_or_harmful() {
    let mut world = world(4, |config| config.l1_share = 1.0);
    world.teach(&key(1), &[key(11), key(12)]);
    for n in 1..50 {
        world.l2.set(&key(n), "value", None);
    }
    for n in [21, 22, 23, 24] {
        world.get(&key(n)).await;
    }
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 2);
    // 21 and 22 had to leave. 11 is read; 12 never is, and one of its victims comes back.
    world.get(&key(11)).await;
    world.get(&key(21)).await;
    world.get(&key(22)).await;
    world.engine.invalidate(&key(12));
    world.engine.tick(world.now());
    let outcomes = world.outcomes();
    assert_eq!(
        (outcomes.useful, outcomes.harmful, outcomes.wasted),
        (1, 1, 0)
    );
    for outcome in Outcome::ALL {
        let counted = world.engine.metrics().outcome_total(outcome);
        let expected = u64::from(matches!(outcome, Outcome::Useful | Outcome::Harmful));
        assert_eq!(counted, expected, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_that_expires_unread_has_ended() {
    let mut world = taught(1, |config| {
        config.default_ttl = Some(Duration::from_secs(20))
    });
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 1);
    world.pass(Duration::from_secs(20));
    world.get(&key(11)).await;
    let status = world.engine.status(world.now());
    assert_eq!((status.outcomes.wasted, status.still_live), (1, 0));
    assert_eq!(status.demand, (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_warm_has_pushed_out_is_kept_in_reserve_until_it_is_back() {
    let mut world = world(3, |_| {});
    world.teach(&key(1), &[key(11)]);
    for n in 1..50 {
        world.l2.set(&key(n), "value", None);
    }
    let risk = |world: &World| {
        let Risk { open, room } = world.engine.risk(0);
        (open, room)
    };
    assert_eq!(risk(&world), (0, 3));
    for n in [21, 22, 23] {
        world.get(&key(n)).await;
    }
    assert_eq!(risk(&world), (0, 0));
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 1);
    assert_eq!(risk(&world), (1, 0), "21 may be read again");
    world.get(&key(21)).await;
    assert_eq!(risk(&world), (0, 0), "and now it has been");
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_warm_is_told_to_the_learner() {
    let world = taught(2, |_| {});
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 2);
    world.get(&key(11)).await;
    let seen = world.engine.events.pop().expect("a read is told");
    let read = What::Demand {
        trigger: Trigger::Warmed,
    };
    assert_eq!((seen.key, seen.what), (key(11), read));
    world.engine.invalidate(&key(12));
    assert_eq!(world.engine.crowded_out.pop(), Some(key(12)));
    assert_eq!(world.engine.crowded_out.pop(), None, "one was read in time");
}

#[tokio::test(start_paused = true)]
async fn a_watch_closes_though_every_look_up_hits() {
    let mut world = world(3, |_| {});
    world.teach(&key(1), &[key(11)]);
    for n in 1..50 {
        world.l2.set(&key(n), "value", None);
    }
    for n in [21, 22, 23] {
        world.get(&key(n)).await;
    }
    world.trigger(&key(1));
    world.warm().await;
    world.engine.invalidate(&key(11));
    assert_eq!(
        world.engine.status(world.now()).still_live,
        1,
        "21 may yet return"
    );
    for _ in 0..4 {
        assert!(world.engine.get_local(&key(23), world.now()).is_some());
    }
    world.engine.tick(world.now());
    assert_eq!(world.outcomes().wasted, 1);
}

#[tokio::test(start_paused = true)]
async fn warming_that_loses_reads_is_turned_down_and_says_why() {
    let world = taught(3, |_| {});
    {
        let mut governor = world.engine.governor.lock();
        (0..512).for_each(|n| {
            let trigger = if n % 2 == 0 {
                Trigger::Hit
            } else {
                Trigger::Miss
            };
            governor.judge(trigger, true, 1.0);
        });
    }
    world.trigger(&key(1));
    assert_eq!(world.warm().await.keys, 0);
    let why = world.engine.status(world.now()).turned_down.unwrap();
    assert!(why.to_string().contains("256"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_event_outside_of_its_time_is_refused_and_not_learned() {
    let world = world(10, |_| {});
    let now = world.now();
    let late = now - Duration::from_secs(25 * 3_600);
    let ahead = now + Duration::from_secs(61);
    for time in [late, ahead] {
        let valued = world::valued(time, "value", None);
        assert!(world.engine.observe_update(&key(1), valued, now).is_err());
        assert!(world.engine.observe_read(&key(1), time, now).is_err());
    }
    world.learn_all();
    assert_eq!(world.engine.status(now).pairs, 0);
    assert_eq!(world.held(&key(1)), None, "nor is its value taken");
    assert!(
        world
            .engine
            .observe_read(&key(1), at(world.now), now)
            .is_ok()
    );
}
