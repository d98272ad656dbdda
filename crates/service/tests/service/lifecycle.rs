//! Start, stop, failure of what is needed, restart.

use std::io::Write;
use std::net::TcpListener;

use forewarm_infrastructure::testing::RedisServer;
use serde_json::json;

use crate::client::{LAST, connect, half_request, read};
use crate::process::{Service, now_ms, run};

#[test]
fn sigterm_ends_it_with_0_after_requests_under_way_are_answered() {
    let mut service = Service::start(&[]);
    let mut slow = half_request(&service.addr, "");
    service.signal("-TERM");
    service.wait_for("the end of listening", |it| connect(&it.addr).is_err());
    slow.write_all(LAST).expect("taken");
    assert_eq!(read(&mut slow).expect("an answer").status, 200);
    assert_eq!(service.ended().code(), Some(0), "{}", service.log());
}

#[test]
fn sigint_ends_it_too_and_a_second_signal_at_once() {
    let mut service = Service::start(&[]);
    service.signal("-INT");
    assert_eq!(service.ended().code(), Some(0));
    let mut service = Service::start(&["http.drain_timeout=1m"]);
    let _slow = half_request(&service.addr, "");
    service.signal("-TERM");
    service.wait_for("the first signal to be heard", |it| {
        it.log().contains("stopping")
    });
    service.signal("-TERM");
    assert_eq!(service.ended().code(), Some(70), "{}", service.log());
}

#[test]
fn a_request_that_never_ends_is_cut_off_at_the_deadline() {
    let mut service = Service::start(&["http.drain_timeout=200ms"]);
    let _slow = half_request(&service.addr, "");
    assert_eq!(service.terminate(), Some(0), "{}", service.log());
}

#[test]
fn the_model_survives_a_restart_and_a_corrupt_one_is_a_cold_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || {
        let unused = tempfile::tempdir().expect("a folder");
        Service::start_in(folder.path(), unused, &[])
    };
    let mut first = start();
    let body = json!([{"ts_ms": now_ms(), "chain": "eth", "pair": "a"}]).to_string();
    first.send("POST", "/v1/updates", &body);
    first.send("PUT", "/v1/pairs/eth/a", r#"{"value":"kept"}"#);
    let pairs = |it: &Service| it.get("/health/warming").json()["tracker"]["pairs"].as_u64();
    first.wait_for("a pair", |it| pairs(it) == Some(1));
    assert_eq!(first.terminate(), Some(0));
    let mut second = start();
    assert_eq!(pairs(&second), Some(1), "{}", second.log());
    assert_eq!(second.get("/v1/pairs/eth/a").json()["value"], "kept");
    assert_eq!(second.terminate(), Some(0));
    // Garbage, a file cut short, and one of a later version: none is taken, and none is lost.
    let file = folder.path().join("model.snapshot");
    let whole = std::fs::read(&file).expect("it was saved");
    let mut later = whole.clone();
    later[7] = 3;
    let cut = whole[..whole.len() - 1].to_vec();
    for (bytes, said) in [
        (b"garbage".to_vec(), "not a model snapshot"),
        (cut, "the checksum does not match"),
        (later, "has format version 3, this release reads up to 2"),
    ] {
        std::fs::write(&file, &bytes).expect("written");
        let mut cold = start();
        assert_eq!(pairs(&cold), Some(0));
        cold.wait_for("the log", |it| it.log().contains("put aside"));
        for part in [said, "model.snapshot.refused"] {
            assert!(cold.log().contains(part), "{part:?}: {}", cold.log());
        }
        assert_eq!(cold.terminate(), Some(0));
        let aside = folder.path().join("model.snapshot.refused");
        assert!(std::fs::read(aside).expect("it is kept") == bytes);
    }
}

#[test]
fn a_taken_port_and_a_broken_store_are_reported_with_69() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = format!("http.addr={}", taken.local_addr().expect("bound"));
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("l2.embedded.path={}", folder.path().display());
    let output = run(&["serve", "--set", &addr, "--set", &store]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{error}");
    assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");

    let file = folder.path().join("plain-file");
    std::fs::write(&file, "not a folder").expect("written");
    let store = format!("l2.embedded.path={}", file.display());
    let output = run(&["serve", "--set", "http.addr=127.0.0.1:0", "--set", &store]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{error}");
    assert!(
        error.contains("l2.embedded.path") && error.contains("plain-file"),
        "{error}"
    );
}

#[test]
fn redis_that_is_away_at_the_start_degrades_and_heals() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    redis.kill();
    let url = format!("l2.redis.url={}", redis.url());
    let service = Service::start(&["l2.backend=redis", &url]);
    let ready = service.get("/readyz");
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["status"], "degraded", "{}", ready.text());
    assert_eq!(ready.json()["l2"]["up"], false);
    let detail = service.get("/v1/pairs/eth/a").problem(503);
    assert!(detail.contains("unreachable"), "{detail}");
    service.wait_for("the gauge", |it| {
        it.get("/metrics").text().contains("arbitrage_l2_up 0")
    });
    redis.restart();
    redis
        .command(&["SET", "price:eth:a", "1"])
        .expect("it answers");
    service.wait_for("recovery", |it| it.readiness()["status"] == "ready");
    service.wait_for("a read", |it| it.get("/v1/pairs/eth/a").status == 200);
    service.wait_for("the gauge", |it| it.metric("arbitrage_l2_up", &[]) == 1.0);
}

#[test]
fn the_way_in_which_l1_hears_of_changes_shows_in_readiness_metrics_and_the_log() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    let url = format!("l2.redis.url={}", redis.url());
    let bound = "invalidation.max_staleness=1s";
    let ping = "invalidation.ping_interval=100ms";
    let service = Service::start(&["l2.backend=redis", &url, bound, ping]);
    let up = |it: &Service| it.metric("arbitrage_invalidation_link_up", &[]);
    service.wait_for("the link", |it| {
        it.readiness()["invalidation_link"]["up"] == true && up(it) == 1.0
    });
    assert_eq!(service.readiness()["invalidation"], "tracking");
    assert_eq!(service.metric("arbitrage_invalidation_mode", &[]), 2.0);
    let warming = service.get("/health/warming").json();
    assert_eq!(warming["invalidation"]["mode"], "tracking");
    assert!(service.log().contains("the invalidation link is open"));
    redis.kill();
    service.wait_for("the end of the bound", |it| {
        it.readiness()["l1"] == "waiting" && up(it) == 0.0
    });
    let ready = service.readiness();
    assert_eq!(ready["status"], "degraded", "{ready}");
    let trouble = &ready["invalidation_link"]["trouble"];
    assert!(
        trouble
            .as_str()
            .is_some_and(|text| text.contains("refused")),
        "{ready}"
    );
    // Said at the next look, and read by another thread.
    service.wait_for("the log line", |it| it.log().contains("no proof of life"));
    // The embedded store has no link and needs none.
    let embedded = Service::start(&[]).readiness();
    assert_eq!(embedded["invalidation"], "ttl");
    assert!(embedded["invalidation_link"].is_null() && embedded["l1"] == "up");
}

#[test]
fn a_file_feed_teaches_as_a_stream_would() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("t.csv");
    let path = trace.to_str().expect("UTF-8");
    assert!(
        run(&["generate", "--events", "3000", "--out", path])
            .status
            .success()
    );
    let feed = format!("feeds=[{{kind=\"file\",path=\"{path}\",speed=0}}]");
    let service = Service::start(&[&feed]);
    let tracked = "arbitrage_correlation_updates_tracked_total";
    service.wait_for("every line", |it| it.metric(tracked, &[]) == 3000.0);
    let output = run(&[
        "serve",
        "--set",
        "feeds=[{kind=\"file\",path=\"/nonexistent\"}]",
        "--set",
        "http.addr=127.0.0.1:0",
        "--set",
        &format!("l2.embedded.path={}", folder.path().display()),
    ]);
    assert_eq!(output.status.code(), Some(66), "{output:?}");
}

#[test]
fn standard_input_that_stays_open_does_not_hold_up_the_end() {
    let mut service = Service::start(&["feeds=[{kind=\"stdin\",speed=0}]"]);
    // Lines come in blocks through a pipe: enough to fill one.
    let lines: String = (0..20_000)
        .map(|n| format!("{n},a{},read\n", n % 9))
        .collect();
    service.feed(&format!("ts_ms,pair,op\n{lines}"));
    let tracked = "arbitrage_correlation_updates_tracked_total";
    service.wait_for("some lines", |it| it.metric(tracked, &[]) > 1_000.0);
    assert_eq!(service.terminate(), Some(0), "{}", service.log());
}
