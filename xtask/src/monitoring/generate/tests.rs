use super::*;

#[test]
fn a_difference_names_the_first_line_that_differs() {
    let text = difference("a\nb\nc\n", "a\nB\nC\n").expect("they differ");
    assert_eq!(text, "line 2\n  file:      b\n  generated: B");
}

#[test]
fn a_missing_file_a_shorter_one_and_a_missing_last_newline_differ() {
    for found in ["", "a\n", "a\nb"] {
        assert!(difference(found, "a\nb\n").is_some(), "{found:?}");
    }
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
}

#[test]
fn the_generated_files_are_current_and_made_the_same_way_every_time() {
    let workspace = Workspace::locate();
    let thresholds = Thresholds::default();
    let files = files(&workspace, &thresholds).expect("they are generated");
    assert_eq!(files, super::files(&workspace, &thresholds).expect("again"));
    for file in &files {
        let found = std::fs::read_to_string(workspace.path(&file.path)).unwrap_or_default();
        let difference = difference(&found, &file.text);
        assert_eq!(difference, None, "{}: run cargo xtask gen", file.path);
    }
    assert_eq!(strays(&workspace, &files).expect("listed"), [""; 0]);
    // Without the last runbook among them, its page is a stray.
    let (last, others) = files.split_last().expect("there are files");
    let strays = strays(&workspace, others).expect("listed");
    assert_eq!(strays, [last.path.as_str()]);
}

#[test]
fn a_sites_threshold_reaches_the_rule_the_colour_the_page_and_the_docs() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("site.toml");
    std::fs::write(&site, "[l1_hit_ratio]\ncritical = 0.77\n").expect("written");
    let thresholds = Thresholds::from_file(&site).expect("it is sound");
    let files = files(&Workspace::locate(), &thresholds).expect("they are generated");
    for (path, part) in [
        ("deploy/prometheus/rules.yml", "0.77"),
        (
            "deploy/grafana/dashboards/warming-infrastructure.json",
            "\"value\": 0.77",
        ),
        ("deploy/grafana/provisioning/alerting/rules.yaml", "0.77"),
        ("docs/runbooks/CacheHitRateDropped.md", "critical 77 %"),
        ("docs/thresholds.md", "77 %"),
    ] {
        let file = files.iter().find(|file| file.path == path).expect(path);
        assert!(file.text.contains(part), "{path} lacks {part}");
    }
}

#[test]
fn keys_are_sorted_whatever_order_they_come_in() {
    let value = serde_json::from_str("{\"b\": {\"d\": 1, \"c\": 2}, \"a\": []}").expect("JSON");
    let text = pretty(value).expect("it is written");
    assert_eq!(
        text,
        "{\n  \"a\": [],\n  \"b\": {\n    \"c\": 2,\n    \"d\": 1\n  }\n}\n"
    );
}
