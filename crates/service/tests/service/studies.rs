//! What replay writes for people: the HTML report and the configuration that a search has found.

use std::path::Path;
use std::process::Command;

use crate::process::run;

fn generated(folder: &Path, profile: &str) -> String {
    let path = folder.join(format!("{profile}.csv.gz"));
    let path = path.to_str().expect("UTF-8").to_owned();
    let arguments = [
        "--events",
        "12000",
        "--pairs",
        "150",
        "--profile",
        profile,
        "--out",
        &path,
    ];
    let output = run(&[&["generate"][..], &arguments].concat());
    assert!(output.status.success(), "{output:?}");
    path
}

fn html(trace: &str) -> String {
    let output = run(&["replay", trace, "--format", "html"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_report_is_one_file_of_its_own_with_three_charts_and_a_recommendation() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = generated(folder.path(), "market");
    let page = html(&trace);
    for outside in [
        "http://", "https://", "src=", "@import", "url(", "<script", "<link",
    ] {
        assert!(!page.contains(outside), "{outside} reaches outside");
    }
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(
        !page.contains("NaN") && !page.contains("inf"),
        "a figure that is none"
    );
    let said = [
        "market.csv.gz",
        "With the preset <b>",
        "more reads of L2",
        "more memory",
        "oracle-unlimited",
        "prefers-color-scheme: dark",
        "--preset shadow",
    ];
    for part in said {
        assert!(page.contains(part), "{part:?} is missing");
    }
    assert!(
        !page.contains(&folder.path().display().to_string()),
        "paths are nobody's business"
    );
    assert_eq!(page, html(&trace), "the same input gives the same page");
    as_a_browser_sees_it(&page, folder.path());
}

/// Headless Chromium, where it is installed, finds the page well-formed and no wider than its window.
fn as_a_browser_sees_it(page: &str, folder: &Path) {
    let path = folder.join("page.html");
    let probe = "<script>document.title = document.querySelectorAll('svg path').length + ' paths, ' + \
                 (document.documentElement.scrollWidth - document.documentElement.clientWidth) + ' too wide'</script></body>";
    std::fs::write(&path, page.replace("</body>", probe)).expect("written");
    let printed = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=800,900",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("file://{}", path.display()))
        .output();
    let Ok(printed) = printed else {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(
            !in_ci,
            "chromium is not installed, and CI must not skip tests"
        );
        eprintln!("SKIPPED: chromium is not installed");
        return;
    };
    let dom = String::from_utf8_lossy(&printed.stdout).into_owned();
    let title = dom.split("<title>").nth(1).unwrap_or_default();
    let title = title.split("</title>").next().unwrap_or_default();
    // Two lines over time, three against L1's size.
    assert_eq!(
        title,
        "5 paths, 0 too wide",
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
}

#[test]
fn where_nothing_can_be_gained_the_report_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    // Each key is read once, so nothing can be known of it before.
    let scan = folder.path().join("scan.csv");
    let lines: String = (0..3_000).map(|n| format!("{n},k{n}\n")).collect();
    std::fs::write(&scan, format!("ts_ms,pair\n{lines}")).expect("written");
    let page = html(scan.to_str().expect("UTF-8"));
    assert!(page.contains("warming does not pay"), "{page}");
    assert!(!page.contains("class=\"best\""), "no preset is recommended");
    let empty = folder.path().join("empty.csv");
    std::fs::write(&empty, "ts_ms,pair,op\n5,a,update\n").expect("written");
    let page = html(empty.to_str().expect("UTF-8"));
    assert!(
        page.contains("There is <b>no read</b>") && !page.contains("NaN"),
        "{page}"
    );
}

#[test]
fn a_search_ends_in_a_configuration_that_is_accepted_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = generated(folder.path(), "market");
    let arguments = [
        "replay",
        &trace,
        "--tune",
        "--tune-runs",
        "20",
        "--preset",
        "conservative",
    ];
    let output = run(&arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let found = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    for part in [
        "# Found by",
        "20 runs",
        "without warming",
        "as configured",
        "strategy = ",
    ] {
        assert!(found.contains(part), "{part:?} is missing in {found}");
    }
    // Three partners at a score of 0.5 are not the best that can be done with a market.
    assert!(
        found.contains("What was found holds on the second half"),
        "{found}"
    );
    assert_eq!(run(&arguments).stdout, output.stdout);
    let path = folder.path().join("found.toml");
    std::fs::write(&path, &found).expect("written");
    let checked = run(&["config", "check", "--config", path.to_str().expect("UTF-8")]);
    assert_eq!(
        checked.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    // A first try of it in shadow stays one.
    let path_text = path.to_str().expect("UTF-8");
    let shown = run(&[
        "config", "show", "--preset", "shadow", "--config", path_text,
    ]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let mode = shown
        .lines()
        .find(|line| line.contains("mode = \"shadow\""));
    assert!(mode.is_some(), "{shown}");
    // What it promises is what a replay with the file's settings gives.
    let promised = found
        .lines()
        .find(|line| line.starts_with("# found"))
        .expect("a row");
    let promised = promised
        .split_whitespace()
        .nth(6)
        .expect("misses removed")
        .to_owned();
    let report = replay_with(&trace, &path);
    assert_eq!(format!("{:.2}", report * 100.0), promised);
}

/// The share of misses removed by the strategy of a configuration file.
fn replay_with(trace: &str, path: &Path) -> f64 {
    let text = std::fs::read_to_string(path).expect("readable");
    let settings: toml::Table = toml::from_str(&text).expect("TOML");
    let mut arguments = Vec::new();
    flatten("", &toml::Value::Table(settings.clone()), &mut arguments);
    let strategy = settings["warming"]["strategy"]
        .as_str()
        .expect("a name")
        .to_owned();
    let mut command = vec!["replay", trace, "--format", "json", "--baselines", "off"];
    command.extend(["--strategies", &strategy]);
    for setting in &arguments {
        command.extend(["--set", setting]);
    }
    let output = run(&command);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    report["runs"][1]["misses_removed_ratio"]
        .as_f64()
        .expect("a ratio")
}

fn flatten(path: &str, value: &toml::Value, out: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, out);
            }
        }
        toml::Value::String(text) => out.push(format!("{path}={text}")),
        other => out.push(format!("{path}={other}")),
    }
}

#[test]
fn one_recording_is_searched_at_a_time() {
    let output = run(&["replay", "a", "b", "--tune"]);
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("--tune takes one recording"), "{told}");
}
