//! Replay on real recordings: what is promised of them holds on those in `FOREWARM_TRACES`.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The recording's report, by the strategies that the promises are about; `None`, said aloud, where
/// there are no recordings.
fn report(recording: &str) -> Option<Value> {
    let Some(folder) = std::env::var_os("FOREWARM_TRACES") else {
        eprintln!("SKIPPED: FOREWARM_TRACES names no folder of recordings ({recording})");
        return None;
    };
    let path = PathBuf::from(folder).join(recording);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_forewarm"))
        .args([
            "replay",
            "--format",
            "json",
            "--strategies",
            "topn,threshold,adaptive",
        ])
        .arg(&path)
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{recording}: {errors}");
    Some(serde_json::from_slice(&output.stdout).expect("one JSON object"))
}

fn figure(report: &Value, strategy: &str, name: &str) -> f64 {
    let runs = report["runs"].as_array().expect("runs");
    let run = runs.iter().find(|run| run["strategy"] == strategy);
    run.expect("it ran")[name].as_f64().expect("a number")
}

fn best(report: &Value, name: &str) -> f64 {
    let strategies = ["topn", "threshold", "adaptive"];
    strategies
        .map(|s| figure(report, s, name))
        .into_iter()
        .fold(f64::MIN, f64::max)
}

#[test]
fn on_the_job_itself_half_of_the_misses_go_and_refresh_is_beaten() {
    let Some(report) = report("dex_arb_dev.csv.gz") else {
        return;
    };
    let removed = best(&report, "misses_removed_ratio");
    let refresh = figure(&report, "refresh", "misses_removed_ratio");
    assert!(
        removed >= 0.5 && removed > refresh,
        "{removed}, refresh {refresh}"
    );
    for strategy in ["topn", "threshold", "adaptive"] {
        let extra = figure(&report, strategy, "extra_l2_reads_ratio");
        assert!(extra <= 0.25, "{strategy} read {extra} more");
    }
}

#[test]
fn where_keys_are_read_together_the_best_strategy_beats_off() {
    for recording in [
        "dex_eth_20220420_dev.csv.gz",
        "cloudphysics_dev.csv.gz",
        "arc_p3_dev.csv.gz",
        "arc_oltp_dev.csv.gz",
    ] {
        let Some(report) = report(recording) else {
            return;
        };
        let (best, off) = (
            best(&report, "l1_hit_ratio"),
            figure(&report, "off", "l1_hit_ratio"),
        );
        assert!(best > off, "{recording}: {best}, off {off}");
    }
}
