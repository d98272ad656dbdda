//! Forewarm's own commands; the port's traffic as what is learned from.

use std::thread::sleep;
use std::time::Duration;

use crate::raw::{Raw, pair};

/// Longer than the window that is configured below.
const PAUSE: Duration = Duration::from_millis(60);

#[test]
fn traffic_teaches_what_is_read_after_a_write_and_brings_it_into_l1() {
    let settings = ["tracking.window=40ms", "warming.timeout_ms=10000"];
    let Some((redis, service)) = pair(&settings) else {
        return;
    };
    let groups = [["a", "a1", "a2"], ["b", "b1", "b2"], ["c", "c1", "c2"]];
    let mut raw = Raw::to(&service.resp);
    for key in groups.iter().flatten() {
        raw.call(&["SET", key, "1"]);
    }
    sleep(PAUSE);
    let explained = |raw: &mut Raw| raw.line("FOREWARM.EXPLAIN a");
    let mut rounds = 0;
    loop {
        let [source, one, two] = groups[rounds % groups.len()];
        raw.call(&["SET", source, "2"]);
        raw.call(&["MGET", one, two]);
        sleep(PAUSE);
        let known = raw.line("FOREWARM.CORRELATIONS a 5");
        if known.contains("$2\r\na1\r\n") && known.contains("$2\r\na2\r\n") && rounds > 30 {
            assert!(!known.contains("$2\r\nb1\r\n"), "{known}");
            break;
        }
        rounds += 1;
        assert!(rounds < 300, "nothing learned: {known}");
    }
    let text = explained(&mut raw);
    for part in [
        "$8\r\nstrategy\r\n",
        "$4\r\nmode\r\n$2\r\non\r\n",
        "$2\r\na1\r\n",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    // Its partners changed elsewhere: gone from L1, and back with the next write of `a`.
    for key in ["a1", "a2"] {
        raw.call(&["EXPIRE", key, "100000"]);
    }
    let warmed = |raw: &mut Raw| {
        let stats = raw.line("FOREWARM.STATS");
        let (_, rest) = stats
            .split_once("forewarm_pairs_warmed\r\n$")
            .expect("the figure");
        let figure = rest.split("\r\n").nth(1).expect("its value");
        figure.parse::<u64>().expect("a number")
    };
    let before = warmed(&mut raw);
    raw.line("SET a 3");
    crate::process::wait_for("a partner to be warmed", &mut raw, |raw| {
        warmed(raw) > before
    });
    crate::process::wait_for("it to be in L1", &mut raw, |raw| {
        explained(raw).contains("in L1")
    });
    let asked = redis.calls("mget");
    let partners = raw.line("MGET a1 a2");
    assert_eq!(partners, "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    assert_eq!(redis.calls("mget"), asked, "they were in L1");
}

#[test]
fn the_mode_is_told_and_switched_and_warming_can_be_asked_for() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    assert_eq!(raw.line("FOREWARM.MODE"), "$2\r\non\r\n");
    assert_eq!(raw.line("FOREWARM.MODE shadow"), "+OK\r\n");
    assert_eq!(raw.line("FOREWARM.MODE"), "$6\r\nshadow\r\n");
    let refused = raw.line("FOREWARM.MODE loud");
    assert_eq!(
        refused,
        "-ERR unknown mode \"loud\", expected off, shadow or on\r\n"
    );
    assert!(
        raw.line("FOREWARM.EXPLAIN k")
            .contains("the mode is shadow")
    );
    assert_eq!(raw.line("FOREWARM.WARM nobody knows"), ":0\r\n");
    assert!(
        raw.line("FOREWARM.WARM")
            .starts_with("-ERR wrong number of arguments")
    );
    assert!(
        raw.line("FOREWARM.CORRELATIONS k -1")
            .starts_with("-ERR value is not")
    );
    assert_eq!(raw.line("FOREWARM.CORRELATIONS k"), "*0\r\n");
    assert!(service.get("/v1/mode").text().contains("shadow"));
}

#[test]
fn a_reorganisation_takes_back_what_was_told_of_its_blocks() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let body = r#"{"value": "1", "block": 7}"#;
    assert_eq!(service.send("PUT", "/v1/pairs/eth/a", body).status, 204);
    let mut raw = Raw::to(&service.resp);
    assert_eq!(raw.line("FOREWARM.INVALIDATEFROM eth 8"), ":0\r\n");
    assert_eq!(raw.line("FOREWARM.INVALIDATEFROM eth 7"), ":1\r\n");
    assert_eq!(raw.line("FOREWARM.INVALIDATEFROM eth 7"), ":0\r\n");
    for wrong in ["eth -1", "eth x"] {
        let answer = raw.line(&format!("FOREWARM.INVALIDATEFROM {wrong}"));
        assert!(answer.starts_with("-ERR value is not"), "{answer}");
    }
    let nameless = raw.call(&["FOREWARM.INVALIDATEFROM", "", "7"]);
    assert_eq!(nameless, "-ERR the chain has no name\r\n");
    assert!(
        raw.line("FOREWARM.INVALIDATEFROM eth")
            .starts_with("-ERR wrong number of arguments")
    );
}

#[test]
fn info_has_l2s_sections_and_one_of_ours_in_both_protocols() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    for kind in ["$", "="] {
        let info = raw.line("INFO");
        assert!(info.starts_with(kind), "{info}");
        for part in [
            "# Server",
            "redis_version:",
            "# Keyspace",
            "# Forewarm",
            "forewarm_l1_hits:",
        ] {
            assert!(info.contains(part), "{part}");
        }
        let ours = raw.line("INFO forewarm");
        assert!(ours.contains("forewarm_mode:on") && !ours.contains("# Server"));
        let theirs = raw.line("INFO clients");
        assert!(theirs.contains("# Clients") && !theirs.contains("# Forewarm"));
        raw.line("HELLO 3");
    }
    let stats = raw.line("FOREWARM.STATS");
    assert!(stats.starts_with('%') && stats.contains("$11\r\nforewarm_l2\r\n$5\r\nredis\r\n"));
}
