//! Demand reads: one L2 read however many ask, nobody stranded, errors clear.

use std::time::Duration;

use futures::future::join_all;

use super::super::*;
use super::{World, world};
use crate::metrics::Metric;
use crate::ports::Stored;
use crate::testing::{Call, Fault, key};

#[tokio::test(start_paused = true)]
async fn readers_of_one_key_share_one_read() {
    let world = world(10, |_| {});
    world.l2.set(&key(1), "value", None);
    world.l2.hold();
    let k = key(1);
    let readers = join_all((0..10).map(|_| world.get(&k)));
    let (answers, ()) = tokio::join!(readers, async {
        world.l2.called(1).await;
        world.l2.release_all();
    });
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_deref() == Some("value"))
    );
    assert_eq!(world.l2.calls().len(), 1);
    assert_eq!(world.engine.status(world.now()).demand, (0, 10));
}

#[tokio::test(start_paused = true)]
async fn many_keys_travel_together_and_a_repeated_one_once() {
    let world = world(10, |_| {});
    for n in [1, 2, 4] {
        world.l2.set(&key(n), &n.to_string(), None);
    }
    world.get(&key(1)).await;
    world.l2.take_calls();
    let asked = [key(2), key(1), key(3), key(2), key(4)];
    let found = world.engine.get_many(&asked, world.now()).await.unwrap();
    let texts: Vec<_> = found.into_iter().map(world::text).collect();
    let expected = [Some("2"), Some("1"), None, Some("2"), Some("4")];
    assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
    let once = Call::GetMany(vec![key(2), key(3), key(4)]);
    assert_eq!(world.l2.calls(), [once]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_leader_goes_away_reads_for_itself() {
    let world = world(10, |_| {});
    world.l2.set(&key(1), "value", None);
    world.l2.hold();
    let k = key(1);
    let mut leader = Box::pin(world.get(&k));
    tokio::select! {
        biased;
        _ = &mut leader => panic!("the gate is shut"),
        () = world.l2.called(1) => {}
    }
    let followers = join_all((0..5).map(|_| world.get(&k)));
    let (answers, ()) = tokio::join!(followers, async {
        tokio::task::yield_now().await;
        drop(leader);
        world.l2.called(2).await;
        world.l2.release_all();
    });
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_deref() == Some("value"))
    );
    assert_eq!(world.l2.calls().len(), 2, "the five share one read");
    assert_eq!(world.held(&key(1)).as_deref(), Some("value"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_leaders_go_away_one_after_the_other_ends_in_time() {
    let world = world(10, |config| {
        config.demand_timeout = Duration::from_millis(500)
    });
    world.l2.hold();
    let k = key(1);
    let began = tokio::time::Instant::now();
    // Each comes while the one before flies, and goes away after 400 ms, as clients do.
    let leader = async |n: u64| {
        tokio::time::sleep(Duration::from_millis(300 * n)).await;
        let read = world.engine.get(&k, world.now());
        let _ = tokio::time::timeout(Duration::from_millis(400), read).await;
    };
    let reader = async {
        tokio::time::sleep(Duration::from_millis(350)).await;
        let begun = tokio::time::Instant::now();
        let answer = world.engine.get(&k, world.now()).await;
        (answer, begun.elapsed())
    };
    let leaders = join_all((0..4).map(leader));
    let ((answer, took), _) = tokio::join!(reader, leaders);
    assert!(answer.is_err_and(|error| error.to_string().contains("500ms")));
    assert_eq!(took, Duration::from_millis(500), "{:?}", began.elapsed());
}

/// A warm of key 2 is under way, and `readers` wait for it.
async fn wait_for_a_warm(fault: Fault, readers: usize) -> (World, Vec<Option<String>>) {
    let mut world = world(10, |_| {});
    world.teach(&key(1), &[key(2)]);
    world.l2.set(&key(2), "value", None);
    world.trigger(&key(1));
    world.l2.script([fault]);
    world.l2.hold();
    let k = key(2);
    let (_, answers) = tokio::join!(world.warm(), async {
        world.l2.called(1).await;
        let readers = join_all((0..readers).map(|_| world.get(&k)));
        let release = async {
            tokio::task::yield_now().await;
            world.l2.release_all();
        };
        tokio::join!(readers, release).0
    });
    (world, answers)
}

#[tokio::test(start_paused = true)]
async fn a_read_joins_a_warm_which_is_then_late() {
    let (world, answers) = wait_for_a_warm(Fault::None, 3).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_deref() == Some("value"))
    );
    assert_eq!(world.l2.calls().len(), 1);
    let outcomes = world.outcomes();
    assert_eq!((outcomes.warmed, outcomes.late), (1, 1));
    assert_eq!(world.get(&key(2)).await.as_deref(), Some("value"));
    assert_eq!(world.outcomes().useful, 0, "it has ended as late");
}

#[tokio::test(start_paused = true)]
async fn readers_who_waited_for_a_warm_that_failed_share_one_read_that_fills_l1() {
    for fault in [Fault::Refused, Fault::Silent, Fault::Short] {
        let (world, answers) = wait_for_a_warm(fault, 8).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_deref() == Some("value"))
        );
        assert_eq!(world.l2.calls().len(), 2, "{fault:?}");
        assert_eq!(world.held(&key(2)).as_deref(), Some("value"), "{fault:?}");
        assert_eq!(world.outcomes().warmed, 0, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_everybody_who_waits_and_fills_nothing() {
    let world = world(10, |_| {});
    world.l2.set(&key(1), "value", None);
    world.l2.script([Fault::Refused]);
    let k = key(1);
    let read = || world.engine.get(&k, world.now());
    world.l2.hold();
    let (answers, ()) = tokio::join!(join_all([read(), read(), read()]), async {
        world.l2.called(1).await;
        world.l2.release_all();
    });
    for answer in answers {
        assert!(answer.unwrap_err().to_string().contains("by script"));
    }
    assert_eq!(world.l2.calls().len(), 1);
    assert_eq!(world.get(&key(1)).await.as_deref(), Some("value"));
}

#[tokio::test(start_paused = true)]
async fn a_read_ends_in_time_and_a_cut_call_is_counted_once() {
    let world = world(10, |config| {
        config.demand_timeout = Duration::from_millis(500)
    });
    world.l2.script([Fault::Silent]);
    let began = tokio::time::Instant::now();
    let error = world.engine.get(&key(1), world.now()).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    assert!(error.to_string().contains("500ms"), "{error}");
    assert_eq!(world.counted(Metric::CacheErrors, "get"), 1);
    world.l2.script([Fault::Refused]);
    assert!(world.engine.get(&key(1), world.now()).await.is_err());
    let counted = world.counted(Metric::CacheErrors, "get");
    assert_eq!(counted, 1, "the adapter counts its own errors");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_wrong_length_is_an_error_and_not_an_absence() {
    let world = world(10, |_| {});
    world.l2.set(&key(1), "value", None);
    world.l2.script([Fault::Short]);
    let error = world.engine.get(&key(1), world.now()).await.unwrap_err();
    assert!(error.to_string().contains("0 answers to 1 keys"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_failed_read_fails_the_call_and_the_hits_stay_readable() {
    let world = world(10, |_| {});
    world.l2.set(&key(1), "value", None);
    world.get(&key(1)).await;
    world.l2.script([Fault::Refused]);
    let asked = [key(1), key(2)];
    assert!(world.engine.get_many(&asked, world.now()).await.is_err());
    assert!(world.engine.get_local(&key(1), world.now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_source_s_own_time_to_live_is_kept_and_the_default_is_for_those_without() {
    let mut world = world(10, |config| {
        config.default_ttl = Some(Duration::from_secs(300))
    });
    let hour = Stored {
        ttl: Some(Duration::from_secs(3_600)),
        ..crate::testing::stored("hour", None)
    };
    world.l2.set_stored(&key(1), hour);
    world.l2.set(&key(2), "default", None);
    let update = Update {
        ttl: Some(Duration::from_secs(3_600)),
        ..world::valued(world.now(), "update", None)
    };
    let observed = world.engine.observe_update(&key(3), update, world.now());
    observed.unwrap();
    let asked = [key(1), key(2), key(3)];
    world.engine.get_many(&asked, world.now()).await.unwrap();
    world.pass(Duration::from_secs(299));
    assert!(asked.iter().all(|k| world.held(k).is_some()));
    world.pass(Duration::from_secs(1));
    let held: Vec<bool> = asked.iter().map(|k| world.held(k).is_some()).collect();
    assert_eq!(held, [true, false, true]);
    let found = world.engine.get_local(&key(1), world.now()).unwrap();
    assert_eq!(found.ttl, Some(Duration::from_secs(3_300)));
    assert_eq!(found.age, Some(Duration::from_secs(300)));
}

#[tokio::test(start_paused = true)]
async fn a_peek_leaves_no_trace() {
    let mut world = world(2, |_| {});
    world.teach(&key(1), &[key(2)]);
    world.l2.set(&key(2), "warm", None);
    world.l2.set(&key(3), "in L2 alone", None);
    world.trigger(&key(1));
    assert_eq!(world.warm().await.warmed, 1);
    let before = world.engine.status(world.now());
    for n in [2, 3, 4] {
        let found = world.engine.peek(&key(n), world.now()).await.unwrap();
        assert_eq!(
            found.map(|found| found.level),
            match n {
                2 => Some(Level::L1),
                3 => Some(Level::L2),
                _ => None,
            }
        );
    }
    world.learn_all();
    assert_eq!(world.engine.status(world.now()), before);
    assert_eq!(world.held(&key(3)), None);
    world.get(&key(2)).await;
    assert_eq!(world.outcomes().useful, 1, "the first read is yet to come");
}

#[tokio::test(start_paused = true)]
async fn an_older_value_is_not_written_over_one_that_l1_knows_to_be_newer() {
    let world = world(10, |_| {});
    let one = key(1);
    let put = |text, version| {
        let value = crate::testing::stored(text, Some(version));
        world.engine.put(&one, value, world.now())
    };
    put("five", 5).await.unwrap();
    put("four", 4).await.unwrap();
    assert_eq!(world.l2.text(&one).as_deref(), Some("five"));
    put("six", 6).await.unwrap();
    assert_eq!(world.l2.text(&one).as_deref(), Some("six"));
}
