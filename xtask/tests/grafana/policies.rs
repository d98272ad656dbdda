//! The policy tree belongs to everybody.

use std::fs;

use serde_json::{Value, json};

use crate::stand_in::StandIn;

fn foreign() -> Value {
    json!({
        "receiver": "grafana-default-email",
        "group_by": ["grafana_folder", "alertname"],
        "group_wait": "45s",
        "routes": [
            {"receiver": "grafana-default-email", "object_matchers": [["team", "=", "payments"]], "continue": true,
             "routes": [{"object_matchers": [["severity", "=~", "critical|page"]], "group_by": ["..."]}]},
            {"receiver": "grafana-default-email", "object_matchers": [["severity", "=", "critical"]],
             "repeat_interval": "3h"},
        ],
    })
}

#[test]
fn the_routes_of_other_teams_are_kept_byte_for_byte_in_every_run() {
    let server = StandIn::start("13.0.0");
    server.state().policies = foreign();
    server.provision(&[]).succeeded();
    let tree = server.state().policies.clone();
    let routes = tree["routes"].as_array().expect("a list");
    assert_eq!(
        routes[1..],
        foreign()["routes"].as_array().expect("a list")[..]
    );
    for field in ["receiver", "group_by", "group_wait"] {
        assert_eq!(tree[field], foreign()[field], "{field}");
    }
    assert!(
        routes[0]["object_matchers"]
            .to_string()
            .contains("forewarm"),
        "{}",
        routes[0]
    );

    // Somebody moves our branch to the end and another's in front: it stays where they want it.
    let mut moved = tree.clone();
    moved["routes"]
        .as_array_mut()
        .expect("a list")
        .rotate_left(1);
    moved["routes"][2]["group_wait"] = json!("7s");
    server.state().policies = moved.clone();
    server.provision(&[]).succeeded();
    let again = server.state().policies.clone();
    assert_eq!(again["routes"][2], tree["routes"][0]);
    let others = |tree: &Value| tree["routes"].as_array().expect("a list")[..2].to_vec();
    assert_eq!(others(&again), others(&moved), "in place");
}

#[test]
fn the_tree_is_kept_before_it_is_changed() {
    let server = StandIn::start("13.0.0");
    server.state().policies = foreign();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("backups").to_string_lossy().into_owned();
    let run = server.provision(&["--backup-dir", &path]).succeeded();
    let files: Vec<_> = fs::read_dir(&path)
        .expect("made")
        .map(|file| file.expect("read").path())
        .collect();
    assert_eq!(files.len(), 1);
    assert!(
        run.out.contains(&files[0].display().to_string()),
        "{}",
        run.out
    );
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(&files[0]).expect("read")).expect("JSON");
    assert_eq!(kept, foreign());
    server.provision(&["--backup-dir", &path]).succeeded();
    assert_eq!(
        fs::read_dir(&path).expect("there").count(),
        1,
        "nothing changed, nothing to keep"
    );
}

#[test]
fn a_tree_that_cannot_be_kept_is_not_changed() {
    let server = StandIn::start("13.0.0");
    server.state().policies = foreign();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_string_lossy().into_owned();
    server
        .provision(&["--backup-dir", &path])
        .failed_saying(&["for the backup"]);
    assert_eq!(server.state().policies, foreign());
}

#[test]
fn the_whole_tree_goes_only_when_that_is_asked_for() {
    let server = StandIn::start("13.0.0");
    server.state().policies = foreign();
    server.provision(&["--own-policy-tree"]).succeeded();
    let tree = server.state().policies.clone();
    assert_eq!(tree["routes"].as_array().map(Vec::len), Some(1));
    assert_eq!(tree["receiver"], "grafana-default-email");
    server.take_writes();
    server.provision(&["--own-policy-tree"]).succeeded();
    assert_eq!(server.take_writes().len(), 0);
}

#[test]
fn each_severity_has_its_receiver_and_its_times() {
    let server = StandIn::start("13.0.0");
    server.provision(&[]).succeeded();
    let ours = server.state().policies["routes"][0].clone();
    let branches = ours["routes"].as_array().expect("a list").clone();
    for (severity, receiver, times) in [
        ("critical", "pagerduty-critical", ["30s", "5m", "4h"]),
        ("warning", "slack-warnings", ["1m", "10m", "12h"]),
        ("info", "slack-info", ["5m", "30m", "1d"]),
    ] {
        let matcher = json!([["severity", "=", severity]]);
        let branch = branches
            .iter()
            .find(|branch| branch["object_matchers"] == matcher);
        let branch = branch.unwrap_or_else(|| panic!("no branch for {severity}: {ours}"));
        assert_eq!(branch["receiver"], receiver);
        let found =
            ["group_wait", "group_interval", "repeat_interval"].map(|name| branch[name].clone());
        assert_eq!(found, times.map(Value::from), "{severity}");
    }
}
