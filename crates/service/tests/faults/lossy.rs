//! A network that loses replies: connections cut in the middle, and connections that fall silent
//! without being closed.

use std::thread::sleep;
use std::time::Duration;

use forewarm_infrastructure::testing::RedisServer;
use tokio::time::Instant;

use crate::outages::{at_work, figure, held_by, judged, well_again};
use crate::proxy::Proxy;
use crate::scene::{Scene, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fortieth_reply_ends_its_connection() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let proxy = Proxy::before(redis.port()).await;
    let (scene, load) = at_work(&proxy.url(), redis.port(), 0, &[]).await;
    proxy.cut_every(40);
    let broken = Instant::now();
    sleep(Duration::from_secs(4));
    let during = load.log.served(broken, Instant::now());
    proxy.cut_every(0);
    assert!(proxy.cuts() > 5, "{} cuts", proxy.cuts());
    // Each cut costs the reads that wait on its connection and nobody else.
    assert!(during.failed < during.calls / 2, "{during:?}");
    let recovery = well_again(&scene, Instant::now());
    figure(
        &format!("every 40th reply cut ({} cuts)", proxy.cuts()),
        &during,
        recovery,
    );
    judged((scene, load), held_by(&redis)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fall_silent_are_made_anew_though_nobody_ends_the_silence() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let proxy = Proxy::before(redis.port()).await;
    let (scene, load) = at_work(&proxy.url(), redis.port(), 0, &[]).await;
    proxy.mute_present_connections();
    let broken = Instant::now();
    let answered = |scene: &Scene| {
        load.log.looked_up(1);
        scene.http("GET", "/v1/pairs/t/s0p0", "").status == 200
    };
    eventually("reads are answered again", || answered(&scene));
    let recovery = well_again(&scene, broken);
    let during = load.log.served(broken, Instant::now());
    figure("connections silent", &during, recovery);
    judged((scene, load), held_by(&redis)).await;
}
