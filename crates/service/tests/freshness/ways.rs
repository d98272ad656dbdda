//! The ways of hearing of changes, and which is taken.

use std::sync::Arc;
use std::time::Duration;

use forewarm_application::engine::Level;
use forewarm_application::ports::Stored;
use forewarm_domain::{ChainId, Key};
use forewarm_infrastructure::testing::RedisServer;
use forewarm_service::Forewarm;
use tokio::time::{Instant, sleep};

use crate::rig::{BOUND, Traffic, forewarm, link, report, until};

/// Commands that a server without client tracking lacks.
const OLD: [&str; 3] = ["--rename-command", "HELLO", ""];

/// Far below the 300 s after which a value ends by itself.
const LONG: Duration = Duration::from_secs(15);

/// Where it is not the bound that is tested, a busy machine is to make no difference.
const PATIENT: [&str; 2] = ["invalidation.max_staleness=60s", "l2.demand_timeout=10s"];

async fn patient(url: &str, settings: &[&str]) -> Arc<Forewarm> {
    forewarm(url, &[&PATIENT[..], settings].concat()).await
}

async fn held(forewarm: &Forewarm, pair: &str) -> Option<Level> {
    let key = forewarm.key("t", pair).expect("a name");
    let found = forewarm.get(&key).await.expect("L2 answers");
    found.map(|found| found.level)
}

/// Reads until L1 has it.
async fn hold(forewarm: &Forewarm, pair: &str) {
    let began = Instant::now();
    let key = forewarm.key("t", pair).expect("a name");
    let by_l1 = async || {
        // The client of a cluster may have to look around first.
        let found = forewarm.get(&key).await.unwrap_or_default();
        found.is_some_and(|found| found.level == Level::L1)
    };
    while !by_l1().await {
        assert!(began.elapsed() < LONG, "never in L1");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tracking_is_heard_by_its_keyspace_notifications() {
    let arguments = [&OLD[..], &["--notify-keyspace-events", "AE"]].concat();
    let Some(redis) = RedisServer::start_with(&arguments) else {
        return;
    };
    let forewarm = forewarm(&redis.url(), &[]).await;
    let traffic = Traffic::start(&forewarm, redis.port(), 0);
    until("the link", || {
        link(&forewarm) == ("keyspace".to_owned(), true)
    })
    .await;
    sleep(BOUND * 3).await;
    // Of these there is no notification.
    traffic.flush(|| {
        redis.command(&["FLUSHALL"]).expect("it answers");
    });
    sleep(BOUND * 3).await;
    let judged = traffic.stop().await.judge(BOUND);
    assert_eq!(judged.violations, [""; 0], "of {} reads", judged.reads);
    assert!(judged.from_l1 > 100, "{} hits", judged.from_l1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_tells_nothing_leaves_time_to_live_and_says_why() {
    let Some(redis) = RedisServer::start_with(&OLD) else {
        return;
    };
    redis.command(&["SET", "price:t:a", "1"]).expect("answers");
    let auto = patient(&redis.url(), &[]).await;
    until("the fall-back", || link(&auto) == ("ttl".to_owned(), true)).await;
    hold(&auto, "a").await;
    let trouble = report(&auto)["trouble"].to_string();
    for part in ["HELLO 3", "notify-keyspace-events"] {
        assert!(trouble.contains(part), "{trouble}");
    }
    let reply = redis.command(&["CONFIG", "GET", "notify-keyspace-events"]);
    let reply = reply.expect("it answers");
    assert!(reply.ends_with("$0\r\n\r\n"), "reconfigured: {reply:?}");
    // Who wants tracking or nothing gets nothing from L1.
    let strict = patient(&redis.url(), &["invalidation.mode=tracking"]).await;
    until("the refusal", || !report(&strict)["trouble"].is_null()).await;
    for _ in 0..3 {
        assert_eq!(held(&strict, "a").await, Some(Level::L2));
    }
    assert_eq!(link(&strict), ("tracking".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_expires_or_is_evicted_in_redis_leaves_l1_and_others_stay() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let forewarm = patient(&redis.url(), &[]).await;
    let set = |pair: &str| {
        let key = format!("price:t:{pair}");
        redis.command(&["SET", &key, "1"]).expect("it answers");
    };
    for pair in ["a", "b"] {
        set(pair);
        hold(&forewarm, pair).await;
    }
    let expiry = redis.command(&["PEXPIRE", "price:t:a", "300"]);
    expiry.expect("it answers");
    until("the expiry", || {
        redis.command(&["EXISTS", "price:t:a"]).expect("answers") == ":0\r\n"
    })
    .await;
    assert_eq!(held(&forewarm, "a").await, None);
    assert_eq!(held(&forewarm, "b").await, Some(Level::L1));
    redis
        .command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"])
        .expect("it answers");
    redis
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .expect("it answers");
    until("the eviction", || {
        let _ = redis.command(&["GET", "price:t:b"]);
        redis.command(&["DBSIZE"]).expect("it answers") == ":0\r\n"
    })
    .await;
    let began = Instant::now();
    while held(&forewarm, "b").await.is_some() {
        assert!(began.elapsed() < LONG, "still there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_never_served_beyond_the_time_to_live_it_has_in_redis() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    // Nobody tells of the expiry: the value's own time must do.
    let forewarm = patient(&redis.url(), &["invalidation.mode=ttl"]).await;
    let key = forewarm.key("t", "a").expect("a name");
    let mut hits = 0;
    for _ in 0..5 {
        redis
            .command(&["SET", "price:t:a", "1", "PX", "150"])
            .expect("it answers");
        let written = Instant::now();
        while let Some(found) = {
            let began = Instant::now();
            let found = forewarm.get(&key).await.expect("L2 answers");
            let over = began >= written + Duration::from_millis(151);
            assert!(found.is_none() || !over, "{:?} after", began - written);
            found
        } {
            hits += usize::from(found.level == Level::L1);
            let left = found.ttl.expect("Redis has one");
            assert!(left <= Duration::from_millis(150), "{left:?}");
        }
    }
    assert!(hits > 100, "{hits} hits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_write_is_what_we_read_though_redis_tells_us_of_it_as_of_any_other_change() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let forewarm = patient(&redis.url(), &[]).await;
    until("the link", || link(&forewarm).1).await;
    let key = forewarm.key("t", "a").expect("a name");
    for round in 0..300 {
        let value = Stored {
            value: round.to_string().into(),
            version: None,
            ttl: None,
        };
        forewarm.put(&key, value).await.expect("L2 takes it");
        let found = forewarm.get(&key).await.expect("L2 answers");
        assert_eq!(found.expect("it was written").value, round.to_string());
    }
    hold(&forewarm, "a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_configured_prefixes_are_asked_for_and_cached() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let prefixes = [r#"keys.prefixes=["price:t:", "price:", "other:"]"#];
    let forewarm = patient(&redis.url(), &prefixes).await;
    until("the link", || link(&forewarm).1).await;
    redis.command(&["SET", "price:t:a", "1"]).expect("answers");
    hold(&forewarm, "a").await;
    for _ in 0..20 {
        redis.command(&["SET", "elsewhere", "1"]).expect("answers");
    }
    redis.command(&["SET", "price:t:a", "2"]).expect("answers");
    let key = forewarm.key("t", "a").expect("a name");
    let began = Instant::now();
    while forewarm.get(&key).await.expect("L2").expect("there").value != "2" {
        assert!(began.elapsed() < LONG, "the invalidation did not come");
    }
    let text = forewarm.core().telemetry.render().expect("it renders");
    let name = "arbitrage_invalidations_total ";
    let told = text.lines().find_map(|line| line.strip_prefix(name));
    let told: f64 = told.and_then(|told| told.parse().ok()).expect("a count");
    assert!(
        (1.0..=2.0).contains(&told),
        "told of {told} changes, 2 have the prefix"
    );
    let elsewhere = Key::new("elsewhere", 0, ChainId::DEFAULT);
    for _ in 0..3 {
        let found = forewarm.get(&elsewhere).await.expect("L2 answers");
        assert_eq!(found.expect("it is there").level, Level::L2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_links_of_a_cluster_cover_every_primary_and_follow_a_new_one() {
    let arguments = [
        "--cluster-enabled",
        "yes",
        "--cluster-announce-ip",
        "127.0.0.1",
    ];
    let (Some(first), Some(second)) = (
        RedisServer::start_with(&arguments),
        RedisServer::start_with(&arguments),
    ) else {
        return;
    };
    let give = |node: &RedisServer, from: &str, to: &str| {
        let given = node.command(&["CLUSTER", "ADDSLOTSRANGE", from, to]);
        assert_eq!(given.expect("it answers"), "+OK\r\n");
    };
    // One node first: a lone key of the other half is `unassigned` there.
    give(&first, "0", "8191");
    let met = first.command(&["CLUSTER", "MEET", "127.0.0.1", &second.port().to_string()]);
    assert_eq!(met.expect("it answers"), "+OK\r\n");
    let url = first.url().replace("redis://", "redis-cluster://");
    let forewarm = patient(&url, &["invalidation.mode=tracking"]).await;
    until("the link to the first", || link(&forewarm).1).await;
    give(&second, "8192", "16383");
    let up = |node: &RedisServer| {
        let info = node.command(&["CLUSTER", "INFO"]).unwrap_or_default();
        info.contains("cluster_state:ok")
    };
    until("the cluster is up", || up(&first) && up(&second)).await;
    let linked = |node: &RedisServer| {
        let list = node.command(&["CLIENT", "LIST"]).unwrap_or_default();
        list.contains("name=forewarm-invalidation") && list.contains("resp=3")
    };
    until("links to both", || linked(&first) && linked(&second)).await;
    // `t:a` and `t:b` hash to different halves.
    let (mut lower, mut upper) = (None, None);
    for pair in ["a", "b", "c", "d", "e", "f"] {
        let key = format!("price:t:{pair}");
        let slot = first
            .command(&["CLUSTER", "KEYSLOT", &key])
            .expect("answers");
        let slot: u32 = slot.trim_start_matches(':').trim().parse().expect("a slot");
        let half = if slot < 8192 { &mut lower } else { &mut upper };
        half.get_or_insert(pair);
    }
    for (node, pair) in [(&first, lower), (&second, upper)] {
        let pair = pair.expect("six keys hit both halves");
        let key = format!("price:t:{pair}");
        assert_eq!(
            node.command(&["SET", &key, "1"]).expect("answers"),
            "+OK\r\n"
        );
        hold(&forewarm, pair).await;
        assert_eq!(
            node.command(&["SET", &key, "2"]).expect("answers"),
            "+OK\r\n"
        );
        let name = forewarm.key("t", pair).expect("a name");
        let began = Instant::now();
        while forewarm.get(&name).await.expect("L2").expect("there").value != "2" {
            assert!(
                began.elapsed() < LONG,
                "its node's invalidation did not come"
            );
        }
    }
}
