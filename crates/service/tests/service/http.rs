//! Reads, writes and events over HTTP.

use std::collections::{BTreeMap, BTreeSet};

use forewarm_application::metrics::{CATALOGUE, LabelValues, MetricKind, PREFIX, STRATEGIES};
use serde_json::{Value, json};

use crate::process::{Service, now_ms};

#[test]
fn what_is_written_is_read_back_with_level_version_and_time_to_live() {
    let service = Service::start(&[]);
    let path = "/v1/pairs/Ethereum/0xAB%2FCD";
    assert_eq!(
        service.get(path).problem(404),
        "neither L1 nor L2 has ethereum/0xab/cd"
    );
    let put = service.send("PUT", path, r#"{"value":"1.5","version":7,"ttl_ms":60000}"#);
    assert_eq!((put.status, put.body.len()), (204, 0));
    let answer = service.get(path).json();
    assert_eq!(answer["chain"], "ethereum");
    assert_eq!(answer["pair"], "0xab/cd");
    assert_eq!(answer["level"], "L1");
    assert_eq!(answer["value"], "1.5");
    assert_eq!(answer["encoding"], "utf8");
    assert_eq!(answer["version"], 7);
    assert!(answer["age_ms"].is_u64());
    assert!(
        (1..=60_000).contains(&answer["ttl_ms"].as_u64().expect("a number")),
        "{answer}"
    );
}

#[test]
fn values_that_are_no_text_travel_as_base64() {
    let service = Service::start(&[]);
    let put = service.send(
        "PUT",
        "/v1/pairs/eth/bin",
        r#"{"value":"/wA=","encoding":"base64"}"#,
    );
    assert_eq!(put.status, 204);
    let answer = service.get("/v1/pairs/eth/bin").json();
    assert_eq!(
        (&answer["value"], &answer["encoding"]),
        (&json!("/wA="), &json!("base64"))
    );
    let refused = service.send(
        "PUT",
        "/v1/pairs/eth/bin",
        r#"{"value":"?","encoding":"base64"}"#,
    );
    assert!(refused.problem(400).contains("base64"));
}

#[test]
fn a_lookup_answers_in_order_and_a_peek_leaves_no_trace() {
    let service = Service::start(&[]);
    for pair in ["a", "b"] {
        let body = json!({ "value": pair }).to_string();
        assert_eq!(
            service
                .send("PUT", &format!("/v1/pairs/eth/{pair}"), &body)
                .status,
            204
        );
    }
    let keys = json!({"keys": [
        {"chain": "eth", "pair": "b"}, {"chain": "eth", "pair": "none"}, {"chain": "eth", "pair": "a"},
        {"chain": "eth", "pair": "b"},
    ]});
    let results = service.send("POST", "/v1/lookup", &keys.to_string()).json()["results"].clone();
    let values: Vec<_> = (0..4).map(|at| results[at]["value"].as_str()).collect();
    assert_eq!(values, [Some("b"), None, Some("a"), Some("b")]);
    assert!(results[1].is_null());
    // Out of L1: a peek sees L2 and fills nothing, a read fills.
    let body = json!({"keys": [{"chain": "eth", "pair": "a"}]}).to_string();
    assert_eq!(service.send("POST", "/v1/invalidate", &body).status, 202);
    let level = |path: &str| service.get(path).json()["level"].clone();
    let misses = || service.metric("arbitrage_cache_misses_total", &["cache_level=\"L1\""]);
    let before = misses();
    assert_eq!(level("/v1/pairs/eth/a?peek=true"), "L2");
    assert_eq!(level("/v1/pairs/eth/a?peek=true"), "L2");
    assert_eq!(misses(), before, "a peek was counted");
    assert_eq!(level("/v1/pairs/eth/a"), "L2");
    assert_eq!(level("/v1/pairs/eth/a"), "L1");
    assert_eq!(misses(), before + 1.0);
}

#[test]
fn what_changed_in_blocks_that_are_no_more_leaves_l1_and_the_rest_stays() {
    let service = Service::start(&[]);
    let put = |pair: &str, body: Value| {
        let path = format!("/v1/pairs/eth/{pair}");
        let answer = service.send("PUT", &path, &body.to_string());
        assert_eq!(answer.status, 204, "{}", answer.text());
    };
    put("stands", json!({"value": "1", "block": 99}));
    put("orphan", json!({"value": "1", "block": 100}));
    put("blockless", json!({"value": "1"}));
    put("told", json!({"value": "1"}));
    let told =
        json!({"ts_ms": now_ms(), "chain": "eth", "pair": "told", "block": 101, "value": "2"});
    let answer = service.send("POST", "/v1/updates", &json!([told]).to_string());
    assert_eq!(answer.json()["accepted"], 1);
    let level = |pair: &str| {
        let path = format!("/v1/pairs/eth/{pair}?peek=true");
        service.get(&path).json()["level"].clone()
    };
    assert_eq!(level("told"), "L1");
    let from = |body: &str| service.send("POST", "/v1/invalidate-from", body);
    let elsewhere = from(r#"{"chain": "bsc", "block": 1}"#).json();
    assert_eq!(elsewhere, json!({"invalidated": 0, "whole_chain": false}));
    let answer = from(r#"{"chain": "ETH", "block": 100}"#);
    assert_eq!(answer.status, 202);
    let expected = json!({"invalidated": 2, "whole_chain": false});
    assert_eq!(answer.json(), expected);
    let levels = ["stands", "orphan", "blockless", "told"].map(level);
    assert_eq!(levels, ["L1", "L2", "L1", "L2"]);
    for wrong in [
        "{}",
        r#"{"chain": "eth"}"#,
        r#"{"chain": "eth", "block": -1}"#,
        r#"{"chain": "", "block": 1}"#,
    ] {
        from(wrong).problem(400);
    }
}

#[test]
fn updates_are_taken_as_array_or_lines_and_each_bad_one_is_named() {
    let service = Service::start(&[]);
    let now = now_ms();
    let good = json!({"ts_ms": now, "chain": "eth", "pair": "a"}).to_string();
    let ahead = json!({"ts_ms": now + 120_000, "chain": "eth", "pair": "a"}).to_string();
    let old = json!({"ts_ms": 1000, "chain": "eth", "pair": "a"}).to_string();
    let array = format!("[{good},{ahead},{old},{{\"pair\":1}},{good}]");
    let answer = service.send("POST", "/v1/updates", &array);
    assert_eq!(answer.status, 202);
    let answer = answer.json();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(answer["dropped"], 0);
    let errors = answer["errors"].as_array().expect("a list");
    let indices: Vec<_> = errors.iter().map(|error| error["index"].as_u64()).collect();
    assert_eq!(indices, [Some(1), Some(2), Some(3)]);
    assert!(
        errors[0]["message"]
            .as_str()
            .expect("text")
            .contains("future"),
        "{answer}"
    );
    assert!(
        errors[1]["message"].as_str().expect("text").contains("old"),
        "{answer}"
    );
    let lines = format!("{good}\n{ahead}\n{good}\n");
    let ndjson = ["content-type: application/x-ndjson"];
    let answer = service
        .request("POST", "/v1/updates", &ndjson, &lines)
        .json();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"]),
        (&json!(2), &json!(1))
    );
    let tracked = "arbitrage_correlation_updates_tracked_total";
    service.wait_for("four tracked updates", |it| {
        it.metric(tracked, &["chain=\"eth\""]) == 4.0
    });
}

#[test]
fn an_update_makes_l1_stale_and_one_with_a_value_refreshes_it() {
    let service = Service::start(&[]);
    service.send("PUT", "/v1/pairs/eth/a", r#"{"value":"1"}"#);
    let level = || service.get("/v1/pairs/eth/a?peek=true").json();
    assert_eq!(level()["level"], "L1");
    let update = |extra: &str| {
        let body = format!(
            "[{{\"ts_ms\":{},\"chain\":\"eth\",\"pair\":\"a\"{extra}}}]",
            now_ms()
        );
        assert_eq!(
            service.send("POST", "/v1/updates", &body).json()["accepted"],
            1
        );
    };
    update("");
    assert_eq!(level()["level"], "L2");
    update(",\"value\":\"2\"");
    assert_eq!(
        (&level()["level"], &level()["value"]),
        (&json!("L1"), &json!("2"))
    );
}

#[test]
fn broken_requests_are_answered_with_a_problem_that_says_what_is_wrong() {
    let service = Service::start(&[]);
    let check = |answer: crate::client::Answer, status: u16, said: &str| {
        let detail = answer.problem(status);
        assert!(detail.contains(said), "{detail:?} lacks {said:?}");
    };
    check(service.get("/nowhere"), 404, "/nowhere");
    check(service.send("DELETE", "/v1/mode", ""), 405, "DELETE");
    check(
        service.send("POST", "/v1/updates", "certainly not"),
        400,
        "JSON",
    );
    check(service.send("POST", "/v1/updates", ""), 400, "empty");
    check(service.send("POST", "/v1/lookup", "{}"), 400, "keys");
    check(
        service.send("POST", "/v1/lookup", r#"{"keys":[{"pair":""}]}"#),
        400,
        "keys[0]",
    );
    check(
        service.send("PUT", "/v1/pairs/eth/a", r#"{"valeu":"1"}"#),
        400,
        "valeu",
    );
    check(
        service.send("PUT", "/v1/pairs/eth/a", r#"{"value":"1","ttl_ms":0}"#),
        400,
        "ttl_ms",
    );
    check(service.get("/v1/pairs/eth/a?peek=perhaps"), 400, "peek");
    check(service.get("/v1/pairs/%FF/a"), 400, "UTF-8");
    let plain = service.request("POST", "/v1/updates", &["content-type: text/plain"], "[]");
    check(plain, 415, "application/json");
    let foreign = [
        "content-type: application/json",
        "origin: https://elsewhere.example",
    ];
    check(
        service.request("POST", "/v1/warm", &foreign, "{}"),
        403,
        "elsewhere.example",
    );
}

#[test]
fn the_names_and_labels_on_metrics_are_those_of_the_catalogue() {
    let service = Service::start(&[]);
    service.send("PUT", "/v1/pairs/eth/a", r#"{"value":"1"}"#);
    service.get("/v1/pairs/eth/a");
    let names = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .map(str::to_owned)
            .collect()
    };
    let catalogue: BTreeSet<String> = CATALOGUE
        .iter()
        .map(|spec| spec.name_with_prefix(PREFIX))
        .collect();
    // Gauges of what this service does not have: a stream, a tracking link.
    let absent = [
        "arbitrage_feed_lag_seconds",
        "arbitrage_invalidation_link_up",
    ];
    let expected: BTreeSet<String> = catalogue
        .iter()
        .filter(|name| !absent.contains(&name.as_str()))
        .cloned()
        .collect();
    service.wait_for("every metric", |it| {
        names(&it.get("/metrics").text()).is_superset(&expected)
    });
    let answer = service.get("/metrics");
    assert!(
        answer
            .header("content-type")
            .is_some_and(|text| text.starts_with("text/plain"))
    );
    let strangers: Vec<_> = names(&answer.text())
        .difference(&catalogue)
        .cloned()
        .collect();
    assert_eq!(strangers, [""; 0]);
    assert_labels(&answer.text());
}

/// Every sample has exactly the catalogue's labels, with values that the catalogue knows; what is
/// counted has all of them from the start, zeros included.
fn assert_labels(text: &str) {
    let mut seen: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let spec = CATALOGUE.iter().find(|spec| {
            let suffix = name.strip_prefix(spec.name);
            match spec.kind {
                MetricKind::Histogram => {
                    suffix.is_some_and(|it| ["_bucket", "_sum", "_count"].contains(&it))
                }
                MetricKind::Counter | MetricKind::Gauge => suffix == Some(""),
            }
        });
        let spec = spec.unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        let labels = labels.trim_end_matches('}').split(',');
        let labels = labels.filter_map(|label| label.split_once('='));
        let labels: Vec<_> = labels
            .map(|(label, value)| (label, value.trim_matches('"')))
            .filter(|(label, _)| *label != "le")
            .collect();
        let names: BTreeSet<&str> = labels.iter().map(|(label, _)| *label).collect();
        let wanted: BTreeSet<&str> = spec.labels.iter().map(|label| label.name).collect();
        assert_eq!(names, wanted, "{line}");
        for (label, value) in labels {
            seen.entry((spec.name, label)).or_default().insert(value);
        }
    }
    for spec in CATALOGUE {
        for label in spec.labels {
            let known: BTreeSet<&str> = match label.values {
                LabelValues::Fixed(values) => values.iter().copied().collect(),
                LabelValues::Strategy => STRATEGIES.into(),
                LabelValues::Chain => ["eth"].into(),
                LabelValues::Free => continue,
            };
            let seen = seen.get(&(spec.name, label.name)).cloned();
            let seen = seen.unwrap_or_default();
            if spec.kind == MetricKind::Gauge {
                assert!(
                    seen.is_subset(&known),
                    "{} {}: {seen:?}",
                    spec.name,
                    label.name
                );
            } else {
                assert_eq!(seen, known, "{} {}", spec.name, label.name);
            }
        }
    }
}

#[test]
fn the_probes_and_the_page_answer() {
    let service = Service::start(&[]);
    assert_eq!(service.get("/healthz").json()["status"], "ok");
    assert_eq!(service.get("/startupz").json()["status"], "started");
    let ready = service.readiness();
    assert_eq!(ready["status"], "ready", "{ready}");
    let warming = service.get("/health/warming").json();
    assert_eq!(
        (&warming["mode"], &warming["strategy"]),
        (&json!("on"), &json!("adaptive"))
    );
    for (part, field) in [
        ("tracker", "pairs"),
        ("tracker", "updates"),
        ("tracker", "model_age_seconds"),
        ("warmer", "operations"),
        ("warmer", "pairs_warmed"),
        ("warmer", "queue_depth"),
        ("warmer", "success_rate"),
        ("governor", "budget_used_ratio"),
    ] {
        assert!(
            warming[part][field].is_number(),
            "{part}.{field} in {warming}"
        );
    }
    for end in [
        "warmed",
        "already_cached",
        "not_found",
        "stale",
        "timed_out",
        "failed",
        "dropped",
        "over_budget",
    ] {
        assert_eq!(warming["attempts"][end], 0, "{end} in {warming}");
    }
    assert_eq!(warming["breaker"], "closed");
    assert!(service.get("/").text().contains("/health/warming"));
}
