//! All strategies side by side on the live stream.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Service, now_ms, run};

const STRATEGIES: [&str; 6] = [
    "topn",
    "threshold",
    "aggressive",
    "conservative",
    "adaptive",
    "timebased",
];

/// A generated market whose last event happens now, as a trace and as events.
fn market(folder: &Path, events: &str) -> (String, Vec<Value>) {
    let arguments = ["--events", events, "--pairs", "200", "--seed", "11"];
    let output = run(&[&["generate"][..], &arguments].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    let names: Vec<&str> = header.split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let column = |name: &str| {
        let found = names.iter().position(|known| *known == name);
        found.unwrap_or_else(|| panic!("{name} in {header}"))
    };
    let time = |row: &Vec<&str>| row[column("ts_ms")].parse::<u64>().expect("a time");
    let shift = now_ms() - rows.iter().map(time).max().expect("events");
    let mut trace = "ts_ms,chain,pair,op\n".to_owned();
    let mut events = Vec::new();
    for row in &rows {
        let [chain, pair, op] = ["chain", "pair", "op"].map(|name| row[column(name)]);
        let at = time(row) + shift;
        trace.push_str(&format!("{at},{chain},{pair},{op}\n"));
        events.push(json!({"ts_ms": at, "chain": chain, "pair": pair, "op": op}));
    }
    let path = folder.join("market.csv");
    std::fs::write(&path, trace).expect("written");
    (path.to_str().expect("UTF-8").to_owned(), events)
}

fn post(service: &Service, events: &[Value]) {
    for batch in events.chunks(500) {
        let body = Value::from(batch.to_vec()).to_string();
        let answer = service.send("POST", "/v1/updates", &body).json();
        assert_eq!(answer["accepted"], batch.len(), "{answer}");
    }
}

/// The report once the contest has played so many reads and updates.
fn played(service: &Service, events: usize) -> Value {
    let mut report = Value::Null;
    service.wait_for("the contest", |service| {
        report = service.get("/v1/shadow").json();
        report["trace"]["events"].as_u64() >= Some(events as u64)
    });
    report
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_figures_of_a_stream_in_shadow_are_those_of_its_replay() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trace, events) = market(folder.path(), "3000");
    let service = Service::start(&[
        "warming.mode=shadow",
        "shadow.l1_entries=20",
        "shadow.l2_latency=0s",
        "l1.default_ttl=0s",
    ]);
    post(&service, &events);
    let live = played(&service, events.len());
    // As much room in the model as in service.
    let arguments = ["--l1-entries", "20", "--set", "tracking.max_pairs=10000"];
    let arguments = [&["replay", &trace, "--format", "json"][..], &arguments[..]];
    let output = run(&arguments.concat());
    let replayed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let row = |report: &Value, name: &str| {
        let runs = report["runs"].as_array().expect("runs");
        let found = runs.iter().find(|run| run["strategy"] == name);
        found
            .unwrap_or_else(|| panic!("{name} in {report}"))
            .clone()
    };
    let mut useful = 0;
    for name in [&["off"][..], &STRATEGIES].concat() {
        let (mut live, mut replayed) = (row(&live, name), row(&replayed, name));
        let mut names = keys(&replayed);
        names.push("timeliness");
        names.sort_unstable();
        assert_eq!(keys(&live), names);
        for timing in ["ns_per_event", "timeliness"] {
            for row in [&mut live, &mut replayed] {
                row.as_object_mut().expect("an object").remove(timing);
            }
        }
        assert_eq!(live, replayed);
        useful += live["useful"].as_u64().expect("a count");
    }
    assert!(useful > 100, "{useful} useful warms prove little");
    for same in ["recommended", "trace", "l1_entries"] {
        assert_eq!(live[same], replayed[same]);
    }
}

#[test]
fn all_six_are_reported_in_shadow_and_l1_and_l2_stay_as_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, events) = market(folder.path(), "3000");
    let service = Service::start(&["warming.mode=shadow", "shadow.l1_entries=20"]);
    let (updates, reads): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| event["op"] == "update");
    // Updates from a feed, reads through Forewarm, of keys that L2 does not have.
    let mut reads = reads.chunks(20);
    for some in updates.chunks(updates.len() / 100 + 1) {
        post(&service, some);
        for keys in reads.by_ref().take(3) {
            let name = |event: &Value| json!({"chain": event["chain"], "pair": event["pair"]});
            let body = json!({"keys": keys.iter().map(name).collect::<Vec<_>>()});
            let answer = service.send("POST", "/v1/lookup", &body.to_string());
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let asked = service.metric("arbitrage_cache_misses_total", &["cache_level=\"L1\""]) as usize;
    let report = played(&service, updates.len() + asked);
    assert_eq!(
        keys(&report),
        [
            "begun_anew",
            "events",
            "for_seconds",
            "idle",
            "keys",
            "l1_entries",
            "l1_entries_from",
            "l2_latency_ms",
            "max_pairs_per_warm",
            "recommended",
            "running",
            "runs",
            "since_ms",
            "trace",
            "why"
        ]
    );
    let runs = report["runs"].as_array().expect("runs");
    let names: Vec<_> = runs.iter().map(|run| run["strategy"].clone()).collect();
    assert_eq!(names, [&["off"][..], &STRATEGIES].concat());
    assert_eq!(report["running"], true);
    assert_eq!(report["idle"], Value::Null);
    assert_eq!(report["trace"]["reads"], asked);
    assert_eq!(report["trace"]["updates"], updates.len());
    assert_eq!(report["events"]["dropped"], 0);
    assert_eq!(report["events"]["sampled_one_in"], 1);
    assert_eq!(
        (&report["l1_entries"], &report["l1_entries_from"]),
        (&json!(20), &json!("configured"))
    );
    assert!(
        report["why"].as_str().is_some_and(|why| why.len() > 20),
        "{report}"
    );
    for run in &runs[1..] {
        let name = run["strategy"].as_str().expect("a name");
        assert!(run["warmed"].as_u64() > Some(0), "{run}");
        let label = format!("strategy=\"{name}\"");
        let hits = service.metric("arbitrage_warming_shadow_hits_total", &[&label]);
        assert!(hits > 0.0, "{name} would have hit");
    }
    // Nobody has warmed anything.
    let status = service.get("/health/warming").json();
    assert_eq!(status["warmer"]["pairs_warmed"], 0, "{status}");
    assert_eq!(status["l1"]["entries"], 0, "L2 had nothing to fill it with");
    assert_eq!(status["governor"]["turned_down"], Value::Null);
    assert_eq!(service.metric("arbitrage_warming_turned_down", &[]), 0.0);
}

#[test]
fn nobody_plays_unasked_and_the_contest_follows_the_mode() {
    let service = Service::start(&[]);
    let report = service.get("/v1/shadow").json();
    assert_eq!(
        (&report["running"], &report["runs"], &report["recommended"]),
        (&json!(false), &json!([]), &Value::Null)
    );
    let why = report["why"].as_str().expect("a reason");
    assert!(why.contains("auto") && why.contains("`on`"), "{why}");
    let read = |service: &Service| {
        let body = json!({"keys": [{"chain": "eth", "pair": "a"}]}).to_string();
        assert_eq!(service.send("POST", "/v1/lookup", &body).status, 200);
    };
    read(&service);
    for (times, because) in [(0, Value::Null), (1, json!("it was switched on again"))] {
        service.send("PUT", "/v1/mode", r#"{"mode":"shadow"}"#);
        service.wait_for("somebody who plays", |service| {
            service.get("/v1/shadow").json()["running"] == true
        });
        read(&service);
        let report = played(&service, 1);
        assert_eq!(
            report["trace"]["reads"], 1,
            "what came before is not its own"
        );
        assert_eq!(
            report["begun_anew"],
            json!({"times": times, "because": because})
        );
        service.send("PUT", "/v1/mode", r#"{"mode":"on"}"#);
        let report = service.get("/v1/shadow").json();
        assert_eq!(report["running"], false);
        assert_eq!(
            report["runs"].as_array().map(Vec::len),
            Some(7),
            "the last word stands"
        );
        service.wait_for("the end of the contest", |service| {
            read(service);
            let seen =
                |service: &Service| service.get("/v1/shadow").json()["events"]["seen"].clone();
            let before = seen(service);
            read(service);
            seen(service) == before
        });
    }
}

#[test]
fn a_list_plays_in_every_mode_and_an_empty_one_in_none() {
    let service = Service::start(&["shadow.strategies=adaptive,topn", "warming.mode=off"]);
    let report = service.get("/v1/shadow").json();
    let names: Vec<_> = report["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| run["strategy"].clone())
        .collect();
    assert_eq!(names, ["off", "adaptive", "topn"]);
    assert_eq!(report["running"], true);
    assert_eq!(report["why"], "no read has been seen yet");
    let nobody = Service::start(&["shadow.strategies=[]", "warming.mode=shadow"]);
    let report = nobody.get("/v1/shadow").json();
    assert_eq!(report["running"], false);
    assert!(
        report["why"]
            .as_str()
            .is_some_and(|why| why.contains("empty"))
    );
}

#[test]
fn it_begins_anew_when_l1_has_another_size_than_assumed() {
    let service = Service::start(&["warming.mode=shadow", "l1.capacity_bytes=1MiB"]);
    let report = service.get("/v1/shadow").json();
    assert_eq!(
        (&report["l1_entries"], &report["l1_entries_from"]),
        (&json!(4096), &json!("assumed"))
    );
    let body = json!({"value": "x".repeat(4_000)}).to_string();
    for n in 0..80 {
        let answer = service.send("PUT", &format!("/v1/pairs/eth/p{n}"), &body);
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    let mut report = Value::Null;
    service.wait_for("another size", |service| {
        report = service.get("/v1/shadow").json();
        report["l1_entries_from"] == "measured"
    });
    let entries = report["l1_entries"].as_u64().expect("a size");
    assert!((200..262).contains(&entries), "{entries} of 4 KB in 1 MiB");
    assert_eq!(report["begun_anew"]["times"], 1);
    let because = report["begun_anew"]["because"].as_str().expect("a reason");
    assert!(because.contains("L1 holds about"), "{because}");
}
