//! `generate` and `replay`.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::process::{command, run};

fn generated(folder: &Path, name: &str, seed: &str) -> String {
    let path = folder.join(name).to_str().expect("UTF-8").to_owned();
    let arguments = [
        "--events", "4000", "--pairs", "200", "--seed", seed, "--out", &path,
    ];
    let output = run(&[&["generate"][..], &arguments].concat());
    assert!(output.status.success(), "{output:?}");
    path
}

fn lines(arguments: &[&str]) -> Vec<Value> {
    let output = run(&[&["replay"][..], arguments, &["--format", "json"]].concat());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn without_timing(mut report: Value) -> Value {
    for run in report["runs"].as_array_mut().expect("runs") {
        let run = run.as_object_mut().expect("an object");
        run.remove("ns_per_event").expect("it is there");
    }
    report
}

#[test]
fn the_json_has_exactly_the_documented_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = generated(folder.path(), "a.csv.gz", "1");
    let reports = lines(&[&trace, "--strategies", "topn,adaptive"]);
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<_> = value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(report), ["l1_entries", "recommended", "runs", "trace"]);
    assert_eq!(
        keys(&report["trace"]),
        ["distinct_keys", "events", "reads", "span_ms", "updates"]
    );
    assert_eq!(report["trace"]["events"], 4000);
    let runs = report["runs"].as_array().expect("runs");
    let names: Vec<_> = runs
        .iter()
        .map(|run| run["strategy"].as_str().expect("a name"))
        .collect();
    let baselines = [
        "off",
        "lru",
        "refresh",
        "markov",
        "oracle",
        "oracle-unlimited",
        "popularity",
    ];
    assert_eq!(names, [&baselines[..], &["topn", "adaptive"]].concat());
    for run in runs {
        assert_eq!(
            keys(run),
            [
                "extra_l2_reads_ratio",
                "harmful",
                "l1_hit_ratio",
                "l1_hits",
                "l2_reads",
                "late",
                "misses_removed_ratio",
                "ns_per_event",
                "precision",
                "reads",
                "strategy",
                "useful",
                "warmed",
                "wasted",
            ]
        );
    }
    let adaptive = &runs[8];
    assert!(
        adaptive["useful"].as_u64().expect("a count") > 0,
        "{adaptive}"
    );
}

#[test]
fn the_same_input_gives_the_same_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = generated(folder.path(), "one.csv", "7");
    let two = generated(folder.path(), "two.csv.zst", "7");
    let first = without_timing(lines(&[&one]).remove(0));
    assert_eq!(first, without_timing(lines(&[&one]).remove(0)));
    assert_eq!(
        first,
        without_timing(lines(&[&two]).remove(0)),
        "the seed decides, not the suffix"
    );
    let other = generated(folder.path(), "other.csv", "8");
    assert_ne!(first, without_timing(lines(&[&other]).remove(0)));
}

#[test]
fn several_traces_give_one_object_a_line_with_their_paths() {
    let folder = tempfile::tempdir().expect("a folder");
    let traces = [
        generated(folder.path(), "a.csv", "1"),
        generated(folder.path(), "b.csv", "2"),
    ];
    let reports = lines(&[
        &traces[0],
        &traces[1],
        "--strategies",
        "topn",
        "--l1-entries",
        "7",
    ]);
    let paths: Vec<_> = reports
        .iter()
        .map(|r| r["trace"]["path"].as_str().expect("a path"))
        .collect();
    assert_eq!(paths, traces);
    assert!(reports.iter().all(|report| report["l1_entries"] == 7));
}

#[test]
fn the_answer_can_be_written_to_a_file_and_the_trace_read_from_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = generated(folder.path(), "a.csv", "1");
    let out = folder.path().join("answer.txt");
    let out_text = out.to_str().expect("UTF-8");
    let mut child = command(&["replay", "-", "--strategies", "topn", "--out", out_text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let bytes = std::fs::read(&trace).expect("readable");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(&bytes)
        .expect("taken");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stdout.is_empty());
    let table = std::fs::read_to_string(&out).expect("written");
    assert!(
        table.contains("oracle-unlimited") && table.contains("recommended:"),
        "{table}"
    );
}

#[test]
fn a_bad_line_stops_with_file_and_line_unless_it_may_be_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.csv");
    std::fs::write(&path, "ts_ms,pair\n1,a\nx,b\n3,c\n").expect("written");
    let path = path.to_str().expect("UTF-8");
    let output = run(&["replay", path]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(66), "{error}");
    assert!(error.contains(path) && error.contains("line 3"), "{error}");
    let output = run(&["replay", path, "--skip-bad-lines", "--format", "json"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 malformed"));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["trace"]["events"], 2);
    assert_eq!(run(&["replay", "/nonexistent.csv"]).status.code(), Some(66));
}

#[test]
fn only_the_baselines_asked_for_play_beside_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = generated(folder.path(), "a.csv", "1");
    let arguments = [&trace, "--strategies", "topn", "--baselines"];
    for (asked, expected) in [
        ("off", vec!["off", "topn"]),
        ("popularity,lru", vec!["off", "lru", "popularity", "topn"]),
    ] {
        let report = lines(&[&arguments[..], &[asked]].concat()).remove(0);
        let runs = report["runs"].as_array().expect("runs");
        let names: Vec<_> = runs.iter().map(|run| &run["strategy"]).collect();
        assert_eq!(names, expected, "{asked}");
    }
}

#[test]
fn settings_reach_the_replay() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = generated(folder.path(), "a.csv", "1");
    let usual = without_timing(lines(&[&trace, "--strategies", "topn"]).remove(0));
    for extra in [
        ["--set", "warming.topn.top_n=1"],
        ["--set", "tracking.window_events=2"],
        ["--set", "l1.default_ttl=1s"],
        ["--set", "warming.budget.extra_l2_reads=0"],
        ["--l2-latency", "50ms"],
    ] {
        let changed = lines(&[&trace, "--strategies", "topn", extra[0], extra[1]]).remove(0);
        assert_ne!(usual, without_timing(changed), "{extra:?} changed nothing");
    }
}

#[test]
fn an_l1_larger_than_any_memory_costs_no_more_than_what_it_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = generated(folder.path(), "a.csv", "1");
    let largest = u64::MAX.to_string();
    let report = lines(&[&trace, "--strategies", "topn", "--l1-entries", &largest]).remove(0);
    assert_eq!(report["l1_entries"], u64::MAX);
    let distinct = &report["trace"]["distinct_keys"];
    for run in report["runs"].as_array().expect("runs") {
        assert!(
            run["l2_reads"].as_u64() >= Some(1) && run["reads"].as_u64() > distinct.as_u64(),
            "{run}"
        );
    }
}

#[test]
fn where_there_is_nothing_to_learn_no_strategy_is_half_a_point_worse_than_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("null.csv");
    let path = path.to_str().expect("UTF-8");
    for seed in ["1", "2"] {
        let arguments = [
            "generate",
            "--profile",
            "null",
            "--events",
            "40000",
            "--pairs",
            "600",
            "--seed",
            seed,
            "--out",
            path,
        ];
        assert!(run(&arguments).status.success());
        let report = lines(&[path, "--strategies", "all"]).remove(0);
        let runs = report["runs"].as_array().expect("runs");
        let ratio = |run: &Value| run["l1_hit_ratio"].as_f64().expect("a number");
        let off = ratio(&runs[0]);
        // The seven baselines come first.
        assert_eq!(runs.len(), 13);
        for run in &runs[7..] {
            assert!(ratio(run) >= off - 0.005, "seed {seed}, off {off}: {run}");
        }
    }
}
