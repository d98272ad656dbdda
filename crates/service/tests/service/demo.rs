//! `forewarm demo`.

use crate::process::{command, run};

#[test]
fn the_demo_ends_by_itself_and_compares_with_and_without_warming() {
    let output = run(&["demo", "--for", "3s"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{error}");
    assert!(
        error.contains("status page on http://127.0.0.1:"),
        "{error}"
    );
    for part in [
        "with warming",
        "without",
        "misses removed",
        "precision",
        "L2 reads",
    ] {
        assert!(summary.contains(part), "{summary}");
    }
    let events = summary
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<u64>().ok());
    assert!(events.is_some_and(|events| events > 1_000), "{summary}");
}

#[test]
fn two_demos_at_once_find_ports_and_a_recording_ends_with_its_last_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("t.csv");
    let path = trace.to_str().expect("UTF-8");
    assert!(
        run(&["generate", "--events", "1500", "--out", path])
            .status
            .success()
    );
    let demo = || {
        let mut demo = command(&["demo", "--trace", path]);
        demo.stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        demo.spawn().expect("it starts")
    };
    for demo in [demo(), demo()] {
        let output = demo.wait_with_output().expect("it ends");
        let summary = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && summary.contains("1500 events"),
            "{summary}"
        );
    }
    let missing = run(&["demo", "--trace", "/nonexistent.csv"]);
    assert_eq!(missing.status.code(), Some(66));
}
