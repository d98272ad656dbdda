//! The link broken in every way.

use std::sync::Arc;
use std::time::Duration;

use forewarm_infrastructure::testing::RedisServer;
use tokio::time::{Instant, sleep};

use crate::history::History;
use crate::proxy::Proxy;
use crate::replicated::Replicated;
use crate::rig::{BOUND, Traffic, forewarm, link, until};

const MOMENT: Duration = Duration::from_millis(150);

/// No read was too old, and there was something to judge.
fn fresh(history: Arc<History>) {
    fresh_within(BOUND, &history);
}

fn fresh_within(bound: Duration, history: &History) {
    let judged = history.judge(bound);
    assert_eq!(judged.violations, [""; 0], "of {} reads", judged.reads);
    assert!(
        judged.reads > 200 && judged.from_l1 > 100,
        "only {} reads were judged, {} of them of L1",
        judged.reads,
        judged.from_l1
    );
}

async fn calm() {
    sleep(BOUND * 2).await;
}

/// The ids of the connections that carry invalidations.
fn links(redis: &RedisServer) -> Vec<String> {
    let list = redis.command(&["CLIENT", "LIST"]).unwrap_or_default();
    let ours = list
        .lines()
        .filter(|line| line.contains("name=forewarm-invalidation"));
    ours.filter_map(|line| {
        line.split("id=")
            .nth(1)?
            .split(' ')
            .next()
            .map(str::to_owned)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_too_old_while_the_link_is_killed_again_and_again() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let forewarm = forewarm(&redis.url(), &[]).await;
    let traffic = Traffic::start(&forewarm, redis.port(), 0);
    calm().await;
    for round in 0..6 {
        // After each it takes a little longer until the link is tried again.
        let mut open = Vec::new();
        until("the link stands", || {
            open = links(&redis);
            !open.is_empty()
        })
        .await;
        // By id the link alone, by type everybody: the store's connections too.
        let how = match round % 2 {
            0 => ["ID", &open[0]],
            _ => ["TYPE", "normal"],
        };
        let command = [&["CLIENT", "KILL"], &how[..]].concat();
        let killed = redis.command(&command).expect("it answers");
        assert!(killed.starts_with(':') && killed != ":0\r\n", "{killed}");
        sleep(MOMENT).await;
    }
    until("L1 answers", || link(&forewarm).1).await;
    calm().await;
    fresh(traffic.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_too_old_while_databases_are_flushed() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let forewarm = forewarm(&redis.url(), &[]).await;
    let traffic = Traffic::start(&forewarm, redis.port(), 0);
    calm().await;
    for command in ["FLUSHALL", "FLUSHDB", "FLUSHALL"] {
        traffic.flush(|| {
            redis.command(&[command]).expect("it answers");
        });
        calm().await;
    }
    fresh(traffic.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_too_old_when_redis_restarts_empty() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    let forewarm = forewarm(&redis.url(), &[]).await;
    let traffic = Traffic::start(&forewarm, redis.port(), 0);
    calm().await;
    traffic.flush(|| redis.restart());
    calm().await;
    calm().await;
    fresh(traffic.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l1_stops_within_the_bound_when_redis_freezes_and_goes_on_when_it_thaws() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let forewarm = forewarm(&redis.url(), &[]).await;
    let traffic = Traffic::start(&forewarm, redis.port(), 0);
    calm().await;
    // Shorter than the bound: a missed answer is not a lost link.
    redis.pause();
    sleep(BOUND / 3).await;
    let served = traffic.history.last_hit().expect("L1 answers");
    redis.resume();
    calm().await;
    redis.pause();
    let frozen = Instant::now();
    sleep(BOUND * 3).await;
    let last = traffic.history.last_hit().expect("L1 answered");
    assert!(last > served, "L1 did not go on after a missed answer");
    assert!(
        last < frozen + BOUND,
        "{:?} after the freeze",
        last - frozen
    );
    assert!(!link(&forewarm).1);
    redis.resume();
    until("L1 answers again", || link(&forewarm).1).await;
    calm().await;
    assert!(traffic.history.last_hit().expect("it does") > frozen + BOUND);
    fresh(traffic.stop().await);
}

/// A link that dies without a word, while Redis answers everybody else.
async fn silent_death(settings: &[&str]) -> Option<Arc<History>> {
    let redis = RedisServer::start()?;
    let proxy = Proxy::before(redis.port()).await;
    let forewarm = forewarm(&proxy.url(), settings).await;
    let traffic = Traffic::start(&forewarm, redis.port(), 0);
    calm().await;
    proxy.silence(true);
    sleep(BOUND * 5).await;
    proxy.silence(false);
    calm().await;
    calm().await;
    Some(traffic.stop().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_too_old_when_the_link_dies_without_a_word() {
    if let Some(history) = silent_death(&[]).await {
        fresh(history);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_finds_what_a_link_without_a_bound_would_do() {
    let unbounded = ["invalidation.max_staleness=1h"];
    if let Some(history) = silent_death(&unbounded).await {
        let found = history.judge(BOUND).violations.len();
        assert!(found > 20, "{found} violations");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_finds_what_time_to_live_alone_would_do() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let forewarm = forewarm(&redis.url(), &["invalidation.mode=ttl"]).await;
    let traffic = Traffic::start(&forewarm, redis.port(), 0);
    calm().await;
    calm().await;
    let history = traffic.stop().await;
    let found = history.judge(BOUND).violations.len();
    assert!(found > 20, "{found} violations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_too_old_across_a_failover() {
    let Some(mut redis) = Replicated::start().await else {
        return;
    };
    let forewarm = forewarm(&redis.sentinel.url(), &[]).await;
    let port = redis.master().port();
    let traffic = Traffic::start(&forewarm, port, 1);
    until("L1 answers", || link(&forewarm).1).await;
    calm().await;
    redis.master().kill();
    let killed = Instant::now();
    traffic.write_to(redis.successor().await);
    until("L1 answers again", || {
        traffic
            .history
            .last_hit()
            .is_some_and(|at| at > killed + BOUND)
    })
    .await;
    calm().await;
    calm().await;
    fresh(traffic.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_frozen_while_another_took_over_proves_nothing_any_more() {
    let Some(mut redis) = Replicated::start().await else {
        return;
    };
    // A bound that outlasts the freeze: the old master will answer in time.
    let patient = ["invalidation.max_staleness=20s"];
    let forewarm = forewarm(&redis.sentinel.url(), &patient).await;
    let port = redis.master().port();
    let traffic = Traffic::start(&forewarm, port, 1);
    until("L1 answers", || link(&forewarm).1).await;
    calm().await;
    redis.master().pause();
    traffic.write_to(redis.successor().await);
    redis.master().resume();
    let thawed = Instant::now();
    until("L1 answers again", || {
        traffic.history.last_hit().is_some_and(|at| at > thawed)
    })
    .await;
    // The sentinel takes some 10 s to make the old master a replica; until then it would go on.
    let stricter = Duration::from_secs(3);
    sleep(stricter * 2).await;
    let history = traffic.stop().await;
    fresh_within(stricter, &history);
}
