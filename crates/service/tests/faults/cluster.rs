//! Those who have more than one Redis: a failover under Sentinel, a cluster that reshards, a
//! cluster whose primary freezes.

use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

use crate::load::{Load, fresh};
use crate::nodes::{Client, Nodes};
use crate::outages::{CALM, at_work, figure, under_load, well_again};
use crate::raw::Raw;
use crate::replicated::Replicated;
use crate::scene::{GROUPS, PARTNERS, Scene, eventually};

/// What replication, which Redis does not wait for, has certainly passed on.
const REPLICATED: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_dies_and_a_sentinel_names_another() {
    let Some(mut redis) = Replicated::start().await else {
        return;
    };
    let port = redis.master().port();
    let (scene, load) = at_work(&redis.sentinel.url(), port, 1, &[]).await;
    let broken = Instant::now();
    redis.master().kill();
    let port = redis.successor().await;
    load.traffic.write_to(port);
    let recovery = well_again(&scene, Instant::now());
    let during = load.log.served(broken, Instant::now());
    figure("failover under Sentinel", &during, recovery);
    sleep(CALM);
    let mut raw = Raw::to(&format!("127.0.0.1:{port}"));
    let kept = |key: &str| raw.call(&["GET", key]);
    judged_across(scene, load, broken, kept).await;
}

/// The keys that the load reads and writes past Forewarm.
fn keys() -> Vec<String> {
    let partners =
        (0..GROUPS).flat_map(|group| (0..PARTNERS).map(move |n| format!("price:t:s{group}p{n}")));
    let written = (0..12).map(|n| format!("price:t:k{n}"));
    partners.chain(written).collect()
}

async fn before(nodes: &Nodes) -> (Scene, Load) {
    nodes.stock();
    under_load(&nodes.url(), nodes.servers[0].port(), 1, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_six_reshards_under_its_readers() {
    let Some(nodes) = Nodes::start() else { return };
    let (scene, load) = before(&nodes).await;
    let refused = load.log.refused_writes();
    let begun = Instant::now();
    let moved = nodes.reshard(&keys());
    assert!(moved > 40, "{moved} slots moved");
    let during = load.log.served(begun, Instant::now());
    let recovery = well_again(&scene, Instant::now());
    figure(&format!("{moved} slots moved"), &during, recovery);
    assert!(during.calls > 20, "{during:?}");
    // None on a quiet machine. A read that meets a slot under way waits until it has arrived.
    assert!(during.failed * 10 <= during.calls, "{during:?}");
    let refused = load.log.refused_writes() - refused;
    assert!(refused <= 10, "{refused} writes were refused");
    sleep(CALM);
    let mut client = Client::of(&nodes);
    let kept = |key: &str| client.call(key, &["GET", key]);
    judged_across(scene, load, Instant::now(), kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_of_a_cluster_freezes_and_its_replica_takes_over() {
    let Some(nodes) = Nodes::start() else { return };
    let (scene, load) = before(&nodes).await;
    let broken = Instant::now();
    nodes.servers[1].pause();
    eventually("its replica takes over", || {
        let role = nodes.servers[4].command(&["ROLE"]).unwrap_or_default();
        role.contains("master")
    });
    let taken_over = Instant::now();
    // The frozen one keeps its connections open, and says nothing on them.
    let all: Vec<_> = (0..GROUPS)
        .flat_map(|group| scene.partners(group))
        .collect();
    loop {
        load.log.looked_up(all.len() as u64);
        if scene.forewarm.get_many(&all).await.is_ok() {
            break;
        }
        assert!(taken_over.elapsed() < Duration::from_secs(30), "in vain");
    }
    let recovery = well_again(&scene, taken_over);
    let during = load.log.served(broken, Instant::now());
    figure("a primary of a cluster frozen", &during, recovery);
    nodes.servers[1].resume();
    eventually("it has learned that it is one no more", || {
        let role = nodes.servers[1].command(&["ROLE"]).unwrap_or_default();
        role.contains("slave")
    });
    sleep(CALM);
    let mut client = Client::of(&nodes);
    let kept = |key: &str| client.call(key, &["GET", key]);
    judged_across(scene, load, broken - REPLICATED, kept).await;
}

/// Ends the load and asks what is asked of every fault; of writes those that began before `kept_until`,
/// as Redis itself may lose later ones.
async fn judged_across(
    scene: Scene,
    load: Load,
    kept_until: Instant,
    kept: impl FnMut(&str) -> String,
) {
    let (log, history) = load.stop().await;
    log.ended_in_time();
    log.nothing_is_lost(kept_until, kept);
    fresh(&history);
    scene.audit(log.lookups());
    scene.end().await;
}
