//! One planted fault a test: the sound dashboards and rules, with one thing wrong.

use serde_json::{Value, json};

use super::alerts::SECTIONS;
use super::query::{self, Place};
use super::{dashboards, rules};
use crate::monitoring::dashboard;
use crate::monitoring::prometheus::{AlertRule, Rule, rule_file};
use crate::monitoring::thresholds::Thresholds;

fn sound() -> Vec<(String, Value)> {
    let dashboards = dashboard::dashboards(&Thresholds::default()).expect("they are generated");
    let dashboards = dashboards.into_iter();
    dashboards
        .map(|it| (format!("{}.json", it.uid), it.json))
        .collect()
}

fn page(_: &str) -> Option<String> {
    Some(SECTIONS.map(|section| format!("## {section}\n")).concat())
}

/// The faults of the main dashboard after `plant` changed its panel "L1 Cache Hit Rate".
fn planted(plant: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut files = sound();
    let panels = files[0].1["panels"].as_array_mut().expect("panels");
    let panel = panels
        .iter_mut()
        .find(|it| it["title"] == "L1 Cache Hit Rate");
    plant(panel.expect("the panel is there"));
    let faults = dashboards(&files, &|_| true);
    faults.iter().map(ToString::to_string).collect()
}

/// The faults after the query of that panel was replaced.
fn with_query(expr: &str) -> Vec<String> {
    planted(|panel| panel["targets"][0]["expr"] = json!(expr))
}

/// The faults of the rules after `plant` changed CorrelationTrackingSlow.
fn with_rule(
    plant: impl FnOnce(&mut AlertRule),
    page: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut file = rule_file(&Thresholds::default()).expect("it is generated");
    let mut all = file.groups.iter_mut().flat_map(|group| &mut group.rules);
    let alert = all.find_map(|rule| match rule {
        Rule::Alerting(alert) if alert.alert == "CorrelationTrackingSlow" => Some(alert),
        _ => None,
    });
    plant(alert.expect("the alert is there"));
    let faults = rules(&file, page, &sound()[0].1);
    faults.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(faults: &[String], place: &str, parts: &[&str]) {
    let [fault] = faults else {
        panic!("one fault was planted: {faults:#?}")
    };
    assert!(fault.starts_with(place), "{fault}");
    for part in parts {
        assert!(fault.contains(part), "{part:?} is missing in {fault:?}");
    }
}

const PANEL: &str = "warming-infrastructure.json: panel \"L1 Cache Hit Rate\"";
const MATCHERS: &str = r#"job="forewarm", instance=~"$instance", chain=~"$chain""#;

#[test]
fn what_is_generated_has_no_fault() {
    let faults: Vec<_> = dashboards(&sound(), &|_| true)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(faults, [""; 0]);
    assert_eq!(with_rule(|_| {}, &page), [""; 0]);
}

#[test]
fn an_unknown_metric_is_found() {
    let faults = with_query(&format!(
        "sum(rate(arbitrage_cache_hit_total{{{MATCHERS}}}[$__rate_interval]))"
    ));
    check(
        &faults,
        PANEL,
        &["query \"A\"", "arbitrage_cache_hit_total", "catalogue"],
    );
}

#[test]
fn an_unknown_label_is_found() {
    let faults = with_query(&format!(
        r#"sum(rate(arbitrage_cache_hits_total{{{MATCHERS}, level="L1"}}[$__rate_interval]))"#
    ));
    check(&faults, PANEL, &["\"level\"", "cache_level"]);
}

#[test]
fn a_label_value_outside_the_catalogue_is_found() {
    for matcher in [r#"cache_level="l1""#, r#"cache_level=~"L2|l1""#] {
        let faults = with_query(&format!(
            "sum(rate(arbitrage_cache_hits_total{{{MATCHERS}, {matcher}}}[$__rate_interval]))"
        ));
        check(&faults, PANEL, &["\"l1\"", "L1, L2"]);
    }
}

#[test]
fn a_quantile_without_le_is_found() {
    for by in ["(chain)", "()"] {
        let faults = with_query(&format!(
            "histogram_quantile(0.95, sum by {by} (rate(arbitrage_warming_duration_ms_bucket{{{MATCHERS}}}[$__rate_interval])))"
        ));
        check(&faults, PANEL, &["histogram_quantile", "le"]);
    }
}

#[test]
fn overlapping_panels_are_found() {
    let faults = planted(|panel| panel["gridPos"]["w"] = json!(7));
    let [fault] = &faults[..] else {
        panic!("{faults:#?}")
    };
    assert!(
        fault.contains("overlaps panel \"L1 Cache Hit Rate\""),
        "{fault}"
    );
    let faults = planted(|panel| panel["gridPos"] = json!({ "x": 20, "y": 900, "w": 6, "h": 7 }));
    check(&faults, PANEL, &["grid"]);
}

#[test]
fn an_alert_without_a_runbook_page_is_found() {
    let gone = |name: &str| {
        if name == "CorrelationTrackingSlow" {
            None
        } else {
            page(name)
        }
    };
    let faults = with_rule(|_| {}, &gone);
    check(
        &faults,
        "rule CorrelationTrackingSlow",
        &["docs/runbooks/CorrelationTrackingSlow.md"],
    );
    let short = |name: &str| {
        page(name).map(|text| match name {
            "CorrelationTrackingSlow" => text.replace("## Impact", "## Something"),
            _ => text,
        })
    };
    check(
        &with_rule(|_| {}, &short),
        "rule CorrelationTrackingSlow",
        &["\"Impact\""],
    );
    let elsewhere = |alert: &mut AlertRule| {
        alert.annotations.insert(
            "runbook_url".to_owned(),
            "https://x.example/y.md".to_owned(),
        );
    };
    check(
        &with_rule(elsewhere, &page),
        "rule CorrelationTrackingSlow",
        &["runbook_url"],
    );
    let mut files = sound();
    files.truncate(1);
    let faults = dashboards(&files, &|name| name != "WarmingOperationsSlow");
    assert!(
        faults[0]
            .to_string()
            .contains("WarmingOperationsSlow, which has no page")
    );
}

#[test]
fn a_query_that_ignores_a_variable_is_found() {
    let faults = with_query(
        r#"sum(rate(arbitrage_cache_hits_total{job="forewarm", instance=~"$instance"}[$__rate_interval]))"#,
    );
    check(
        &faults,
        PANEL,
        &["arbitrage_cache_hits_total ignores $chain"],
    );
    let faults = with_query(r#"arbitrage_l2_up{job="forewarm"}"#);
    check(&faults, PANEL, &["ignores $instance"]);
    let faults = with_query(r#"arbitrage_l2_up{instance=~"$instance"}"#);
    check(&faults, PANEL, &["job=\"forewarm\""]);
}

#[test]
fn a_duplicate_uid_is_found() {
    let mut files = sound();
    files[1].1["uid"] = json!("warming-infrastructure");
    let faults: Vec<_> = dashboards(&files, &|_| true)
        .iter()
        .map(ToString::to_string)
        .collect();
    check(
        &faults,
        "warming-chain.json",
        &["\"warming-infrastructure\"", "another dashboard's"],
    );
    let faults = planted(|panel| panel["id"] = json!(1));
    check(&faults, PANEL, &["the id 1"]);
}

#[test]
fn what_a_panel_must_have_is_missed() {
    check(
        &planted(|panel| panel["title"] = json!("")),
        "warming-infrastructure.json",
        &["no title"],
    );
    check(
        &planted(|panel| panel["description"] = json!("x")),
        PANEL,
        &["description"],
    );
    check(
        &planted(|panel| panel["targets"] = json!([])),
        PANEL,
        &["no query"],
    );
    check(
        &planted(|panel| panel["targets"][0]["expr"] = json!("")),
        PANEL,
        &["no expression"],
    );
    let unit = |panel: &mut Value| panel["fieldConfig"]["defaults"]["unit"] = json!("\u{3bc}s");
    check(&planted(unit), PANEL, &["the unit"]);
    let source = |panel: &mut Value| panel["targets"][0]["datasource"]["uid"] = json!("abc");
    check(&planted(source), PANEL, &["abc", "DS_PROMETHEUS"]);
    let step = |panel: &mut Value| {
        panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] = json!(0)
    };
    check(&planted(step), PANEL, &["null"]);
}

#[test]
fn what_an_expression_must_not_do_is_found() {
    let rule = |expr: &str| query::check(expr, Place::Rule);
    let ops = r#"arbitrage_warming_operations_total{job="forewarm""#;
    for (expr, part) in [
        ("sum(", "PromQL"),
        (
            r#"rate(process_resident_memory_bytes{job="forewarm"}[5m])"#,
            "gauge",
        ),
        (&format!("deriv({ops}}}[5m])"), "counter"),
        (&format!("sum by (chain) ({ops}}})"), "outside rate"),
        (&format!("sum by (pair) (rate({ops}}}[5m]))"), "\"pair\""),
        (
            &format!(r#"rate({ops},status="error"}}[5m]) / rate({ops}}}[5m])"#),
            "both sides",
        ),
        (
            &format!(
                "sum by (chain) (rate({ops}}}[5m])) / sum by (job, chain) (rate({ops}}}[5m]))"
            ),
            "summed by (chain) and by (job, chain)",
        ),
        (
            r#"arbitrage_l2_up{job="forewarm"} and on (chain) arbitrage_l2_up{job="forewarm"}"#,
            "\"chain\"",
        ),
        ("arbitrage_l2_up", "lacks job"),
    ] {
        let faults = rule(expr);
        assert!(
            faults.iter().any(|fault| fault.contains(part)),
            "{expr}: {faults:?}"
        );
    }
    let panel = query::check(
        &format!("sum(rate(arbitrage_cache_hits_total{{{MATCHERS}}}[5m]))"),
        Place::Dashboard,
    );
    assert!(panel[0].contains("$__rate_interval"), "{panel:?}");
    let panel = query::check(
        &format!(
            "sum(rate(arbitrage_cache_hits_total{{{MATCHERS}}}[$__rate_interval])) / sum(rate(arbitrage_cache_misses_total{{{MATCHERS}}}[$__rate_interval]))"
        ),
        Place::Dashboard,
    );
    assert!(panel[0].contains("> 0"), "{panel:?}");
}

#[test]
fn what_an_alert_must_have_is_missed() {
    type Plant = fn(&mut AlertRule);
    let plants: [(Plant, &str); 6] = [
        (|it| it.pending = None, "lacks for"),
        (|it| drop(it.labels.remove("layer")), "layer"),
        (|it| drop(it.annotations.remove("summary")), "summary"),
        (
            |it| {
                drop(
                    it.annotations
                        .insert("summary".to_owned(), "{{ $value }}".to_owned()),
                )
            },
            "$",
        ),
        (
            |it| {
                drop(
                    it.annotations
                        .insert("dashboard_url".to_owned(), "/d/x?viewPanel=999".to_owned()),
                )
            },
            "opens no panel",
        ),
        (|it| it.expr = it.expr.replace("100", "110"), "no threshold"),
    ];
    for (plant, part) in plants {
        let faults = with_rule(plant, &page);
        check(&faults, "rule CorrelationTrackingSlow", &[part]);
    }
}
