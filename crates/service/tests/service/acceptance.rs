//! The main job, end to end: prices in a real Redis, updates on a Redis Stream, reads over HTTP;
//! an update of one pair brings its partners into L1 before they are read, in one round trip.

use std::thread::sleep;
use std::time::Duration;

use forewarm_infrastructure::testing::RedisServer;
use serde_json::{Value, json};

use crate::process::{Service, now_ms};

const GROUPS: [[&str; 4]; 3] = [
    ["weth-usdc", "weth-dai", "usdc-dai", "wbtc-weth"],
    ["link-weth", "link-usdc", "aave-link", "aave-weth"],
    ["uni-weth", "uni-usdc", "uni-dai", "sushi-uni"],
];
/// Longer than the window, so that a round's reads are not the next group's company.
const PAUSE: Duration = Duration::from_millis(250);
/// Scores that a strategy certainly follows.
const KNOWN_WELL: f64 = 0.5;
/// Rounds after which a partner that is not known well is not learned.
const MOST_ROUNDS: usize = 120;

fn update(redis: &RedisServer, pair: &str) {
    let ts_ms = now_ms().to_string();
    let entry = [
        "XADD",
        "price-updates",
        "*",
        "chain",
        "ethereum",
        "pair",
        pair,
        "ts_ms",
        &ts_ms,
    ];
    let reply = redis.command(&entry).expect("it answers");
    assert!(reply.starts_with('$'), "{reply}");
}

fn keys(pairs: &[&str]) -> String {
    let keys: Vec<Value> = pairs
        .iter()
        .map(|pair| json!({"chain": "ethereum", "pair": pair}))
        .collect();
    json!({ "keys": keys }).to_string()
}

fn set_prices(redis: &RedisServer, price: &str) {
    for pair in GROUPS.iter().flatten() {
        let key = format!("price:ethereum:{pair}");
        assert_eq!(
            redis.command(&["SET", &key, price]).expect("it answers"),
            "+OK\r\n"
        );
    }
}

#[test]
fn an_update_brings_its_partners_into_l1_before_they_are_read_with_one_round_trip() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    set_prices(&redis, "1");
    let url = format!("l2.redis.url={}", redis.url());
    let service = Service::start(&[
        "l2.backend=redis",
        &url,
        "feeds=[{kind=\"redis-stream\"}]",
        "tracking.window=200ms",
        // On a busy machine the answer may be late, but it is to come.
        "warming.timeout_ms=10000",
    ]);
    service.wait_for("the consumer group", |_| {
        let groups = redis.command(&["XINFO", "GROUPS", "price-updates"]);
        groups.is_ok_and(|text| text.contains("forewarm"))
    });
    let tracked = |it: &Service| it.metric("arbitrage_correlation_updates_tracked_total", &[]);
    let warmed = |it: &Service| it.metric("arbitrage_warming_pairs_warmed_total", &[]);

    // Rounds: an update of a group's first pair, then the detector reads the whole group.
    let [source, partners @ ..] = GROUPS[0];
    let known_well = |it: &Service| {
        let known = it
            .get(&format!("/v1/correlations/ethereum/{source}"))
            .json();
        let known = known["correlations"].as_array().expect("a list").clone();
        partners.iter().all(|partner| {
            known.iter().any(|one| {
                one["pair"] == **partner
                    && one["source"] == "update"
                    && one["score"].as_f64() >= Some(KNOWN_WELL)
            })
        })
    };
    let mut rounds = 0;
    while !known_well(&service) {
        let group = GROUPS[rounds % GROUPS.len()];
        let before = tracked(&service);
        update(&redis, group[0]);
        service.wait_for("the update", |it| tracked(it) > before);
        let answer = service.send("POST", "/v1/lookup", &keys(&group));
        assert_eq!(answer.status, 200, "{}", answer.text());
        sleep(PAUSE);
        rounds += 1;
        assert!(
            rounds < MOST_ROUNDS,
            "not learned: {:?}",
            service.get("/health/warming").text()
        );
    }

    // New prices by another process; L1's copies of the partners are no longer valid.
    set_prices(&redis, "2");
    let answer = service.send("POST", "/v1/invalidate", &keys(&partners));
    assert_eq!(answer.json(), json!({"invalidated": 3}));
    for partner in partners {
        let path = format!("/v1/pairs/ethereum/{partner}?peek=true");
        assert_eq!(service.get(&path).json()["level"], "L2", "{partner}");
    }

    let (round_trips, warmed_before) = (redis.calls("mget"), warmed(&service));
    let operations = |it: &Service| {
        it.metric(
            "arbitrage_warming_operations_total",
            &["status=\"success\""],
        )
    };
    let operations_before = operations(&service);
    update(&redis, source);
    service.wait_for("the warm", |it| warmed(it) >= warmed_before + 3.0);
    assert_eq!(operations(&service), operations_before + 1.0);
    assert_eq!(
        redis.calls("mget"),
        round_trips + 1,
        "a warm is one round trip"
    );
    for partner in partners {
        let path = format!("/v1/pairs/ethereum/{partner}?peek=true");
        let answer = service.get(&path).json();
        assert_eq!(
            (&answer["level"], &answer["value"]),
            (&json!("L1"), &json!("2")),
            "{partner}"
        );
    }

    // The detector's reads now cost no round trip, and the ledger says what the warm was worth.
    let useful =
        |it: &Service| it.metric("arbitrage_warming_outcomes_total", &["outcome=\"useful\""]);
    let useful_before = useful(&service);
    let round_trips = redis.calls("mget");
    let answer = service.send("POST", "/v1/lookup", &keys(&partners)).json();
    for at in 0..partners.len() {
        assert_eq!(answer["results"][at]["level"], "L1", "{answer}");
    }
    assert_eq!(redis.calls("mget"), round_trips);
    assert_eq!(useful(&service), useful_before + 3.0);
}
