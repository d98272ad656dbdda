//! One Redis, broken in every way: what the reader sees, what warming does, and how all is well
//! again.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use forewarm_infrastructure::testing::RedisServer;
use tokio::time::Instant;

use crate::load::{Load, Log, Served, fresh, fresh_within};
use crate::proxy::Proxy;
use crate::raw::Raw;
use crate::scene::{DEMAND, GROUPS, MARGIN, PARTNERS, Scene, eventually};

/// A Redis that keeps every write that it has acknowledged across its death.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
/// How long all is well before something breaks, and after.
pub(crate) const CALM: Duration = Duration::from_millis(800);
/// How long warming is watched resting.
const REST: Duration = Duration::from_millis(1_500);
/// "Within seconds of recovery", on a machine that compiles beside the tests.
const SECONDS: Duration = Duration::from_secs(15);

/// A scene under load that warms. What is read is put there, at `port`.
pub(crate) async fn at_work(
    url: &str,
    port: u16,
    replicas: usize,
    settings: &[&str],
) -> (Scene, Load) {
    stock(port, GROUPS);
    under_load(url, port, replicas, settings).await
}

/// The same where it is there already.
pub(crate) async fn under_load(
    url: &str,
    port: u16,
    replicas: usize,
    settings: &[&str],
) -> (Scene, Load) {
    let scene = Scene::before(url, settings).await;
    scene.teach();
    let load = Load::start(&scene, port, replicas);
    scene.until_it_warms();
    sleep(CALM);
    (scene, load)
}

/// The partners of so many groups are there.
pub(crate) fn stock(port: u16, groups: usize) {
    let mut raw = Raw::to(&format!("127.0.0.1:{port}"));
    for group in 0..groups {
        for n in 0..PARTNERS {
            let reply = raw.line(&format!("SET price:t:s{group}p{n} 1"));
            assert_eq!(reply, "+OK\r\n");
        }
    }
}

/// Warming stops first: the breaker opens, then next to nothing is sent, and it says so.
fn warming_rests(scene: &Scene) {
    eventually("the breaker opens", || scene.breaker() != "closed");
    eventually("the breaker's gauge says so", || {
        scene.metric("arbitrage_l2_breaker_state", &[]) > 0
    });
    let before = scene.warms();
    sleep(REST);
    let after = scene.warms();
    let (sent, dropped) = (after.sent - before.sent, after.dropped - before.dropped);
    // One operation every half second tries, with its keys; some 50 a second are asked for.
    let tries = REST.as_millis() as u64 / 500 + 2;
    assert!(
        sent <= tries * PARTNERS as u64,
        "{sent} keys were sent and {dropped} were not"
    );
    assert!(
        dropped >= 20,
        "{sent} keys were sent and {dropped} were not"
    );
}

/// What a client of either port is told of a key that L1 does not have.
fn told_why(scene: &Scene, log: &Log) {
    let begun = Instant::now();
    let answer = scene.http("GET", "/v1/pairs/t/nowhere", "");
    let detail = answer.problem(answer.status);
    assert!((502..=504).contains(&answer.status), "{detail}");
    assert!(detail.contains("shared cache"), "{detail}");
    let mut client = scene.redis_client();
    let reply = client.line("GET price:t:nowhere");
    assert!(reply.starts_with("-ERR "), "{reply}");
    let reply = client.line("SET price:t:nowhere 1");
    assert!(reply.starts_with('-'), "{reply}");
    assert!(
        begun.elapsed() < DEMAND * 3 + MARGIN,
        "{:?}",
        begun.elapsed()
    );
    log.looked_up(2);
}

/// Everybody is served again and warming goes on by itself; how long that took.
pub(crate) fn well_again(scene: &Scene, since: Instant) -> Duration {
    eventually("the breaker closes", || scene.breaker() == "closed");
    scene.until_it_warms();
    let took = since.elapsed();
    assert!(took < SECONDS, "{took:?}");
    took
}

/// Ends the load and asks what is asked of every fault.
pub(crate) async fn judged(
    (scene, load): (Scene, Load),
    kept: impl FnMut(&str) -> String,
) -> Arc<Log> {
    sleep(CALM);
    let (log, history) = load.stop().await;
    log.ended_in_time();
    log.nothing_is_lost(Instant::now(), kept);
    fresh(&history);
    scene.audit(log.lookups());
    scene.end().await;
    log
}

pub(crate) fn held_by(redis: &RedisServer) -> impl FnMut(&str) -> String {
    let mut raw = Raw::to_redis(redis);
    move |key| raw.call(&["GET", key])
}

pub(crate) fn figure(fault: &str, during: &Served, recovery: Duration) {
    println!("figure: {fault}: {during:?}, well again after {recovery:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_stays_down_and_comes_back() {
    let Some(mut redis) = RedisServer::start_with(&DURABLE) else {
        return;
    };
    let (scene, load) = at_work(&redis.url(), redis.port(), 0, &[]).await;
    redis.kill();
    let broken = Instant::now();
    warming_rests(&scene);
    told_why(&scene, &load.log);
    let during = load.log.served(broken, Instant::now());
    assert!(during.calls > 20, "{during:?}");
    redis.restart();
    let recovery = well_again(&scene, Instant::now());
    figure("killed", &during, recovery);
    judged((scene, load), held_by(&redis)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_freezes_and_thaws() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (scene, load) = at_work(&redis.url(), redis.port(), 0, &[]).await;
    redis.pause();
    let broken = Instant::now();
    warming_rests(&scene);
    told_why(&scene, &load.log);
    let during = load.log.served(broken, Instant::now());
    assert!(during.failed > 0, "{during:?}");
    redis.resume();
    let recovery = well_again(&scene, Instant::now());
    figure("frozen", &during, recovery);
    judged((scene, load), held_by(&redis)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_slow_demand_is_served_and_warming_rests() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let proxy = Proxy::before(redis.port()).await;
    // Reads in time for demand, too late for a warm.
    let settings = ["l2.demand_timeout=1s", "invalidation.max_staleness=2s"];
    let bound = Duration::from_secs(2);
    let (scene, load) = at_work(&proxy.url(), redis.port(), 0, &settings).await;
    proxy.delay(Duration::from_millis(250));
    let broken = Instant::now();
    warming_rests(&scene);
    let during = load.log.served(broken, Instant::now());
    assert_eq!(during.failed, 0, "{during:?}");
    proxy.delay(Duration::ZERO);
    let recovery = well_again(&scene, Instant::now());
    figure("slow by 250 ms", &during, recovery);
    sleep(bound);
    let (log, history) = load.stop().await;
    fresh_within(bound, &history);
    log.nothing_is_lost(Instant::now(), held_by(&redis));
    scene.audit(log.lookups());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_takes_no_more_clients() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (scene, load) = at_work(&redis.url(), redis.port(), 0, &[]).await;
    let mut admin = Raw::to_redis(&redis);
    assert_eq!(admin.line("CONFIG SET maxclients 1"), "+OK\r\n");
    let killed = admin.line("CLIENT KILL TYPE normal SKIPME yes");
    assert!(killed.starts_with(':') && killed != ":0\r\n", "{killed}");
    let broken = Instant::now();
    warming_rests(&scene);
    told_why(&scene, &load.log);
    eventually("Redis' own reason is told", || {
        let answer = scene.http("GET", "/v1/pairs/t/nowhere", "");
        load.log.looked_up(1);
        answer
            .problem(answer.status)
            .contains("max number of clients")
            && answer.status == 503
    });
    let link = scene.http("GET", "/readyz", "").json();
    assert_eq!(link["invalidation"], "tracking", "{link}");
    let during = load.log.served(broken, Instant::now());
    assert_eq!(admin.line("CONFIG SET maxclients 10000"), "+OK\r\n");
    let recovery = well_again(&scene, Instant::now());
    figure("refusing", &during, recovery);
    judged((scene, load), held_by(&redis)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_out_of_memory_writes_are_refused_aloud_and_reads_and_warms_go_on() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (scene, load) = at_work(&redis.url(), redis.port(), 0, &[]).await;
    let set = |limit| redis.command(&["CONFIG", "SET", "maxmemory", limit]);
    assert_eq!(set("1").expect("it answers"), "+OK\r\n");
    let broken = Instant::now();
    let refused = load.log.refused_writes();
    writes_are_refused(&scene, "OOM command not allowed");
    scene.until_it_warms();
    sleep(CALM);
    let during = load.log.served(broken, Instant::now());
    assert_eq!(during.failed, 0, "{during:?}");
    assert_eq!(scene.breaker(), "closed");
    assert!(load.log.refused_writes() > refused + 5);
    assert_eq!(set("0").expect("it answers"), "+OK\r\n");
    let recovered = Instant::now();
    eventually("writes are taken", || {
        scene.redis_client().line("SET price:t:x 1") == "+OK\r\n"
    });
    figure("out of memory", &during, recovered.elapsed());
    judged((scene, load), held_by(&redis)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_a_replica_writes_are_refused_aloud_and_reads_and_warms_go_on() {
    let Some(master) = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]) else {
        return;
    };
    let port = master.port().to_string();
    let Some(replica) = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]) else {
        return;
    };
    eventually("the replica is in step", || {
        let info = master.command(&["INFO", "replication"]);
        info.is_ok_and(|info| info.contains("state=online"))
    });
    let (scene, load) = at_work(&replica.url(), master.port(), 1, &[]).await;
    let began = Instant::now();
    writes_are_refused(&scene, "READONLY");
    scene.until_it_warms();
    sleep(CALM);
    let during = load.log.served(began, Instant::now());
    assert_eq!(during.failed, 0, "{during:?}");
    assert_eq!(scene.breaker(), "closed");
    figure("read-only replica", &during, Duration::ZERO);
    let (log, history) = load.stop().await;
    log.ended_in_time();
    assert!(log.refused_writes() > 20, "nothing was written through it");
    fresh(&history);
    scene.audit(log.lookups());
    scene.end().await;
}

/// Both ports say it in Redis' own words.
fn writes_are_refused(scene: &Scene, words: &str) {
    let answer = scene.http("PUT", "/v1/pairs/t/x", r#"{"value":"1"}"#);
    let detail = answer.problem(502);
    assert!(detail.contains(words), "{detail}");
    let reply = scene.redis_client().line("SET price:t:x 1");
    assert!(reply.starts_with(&format!("-{words}")), "{reply}");
}
