//! What the user asked for, in the JSON that Grafana gets.

use serde_json::{Value, json};

use super::{dashboards, panel_id};
use crate::monitoring::alerts;
use crate::monitoring::promql::{parse, series};
use crate::monitoring::recording::RECORDINGS;
use crate::monitoring::thresholds::Thresholds;

fn main() -> Value {
    let dashboards = dashboards(&Thresholds::default()).expect("they are generated");
    dashboards.into_iter().next().expect("the first").json
}

fn panel(title: &str) -> Value {
    let main = main();
    let panels = main["panels"].as_array().expect("panels");
    let found = panels.iter().find(|it| it["title"] == title);
    found.unwrap_or_else(|| panic!("no panel {title}")).clone()
}

#[test]
fn the_users_rows_and_panels_come_first_with_their_titles_and_types() {
    let main = main();
    let panels = main["panels"].as_array().expect("panels");
    let first: Vec<_> = panels
        .iter()
        .take(16)
        .map(|it| (it["title"].as_str().unwrap(), it["type"].as_str().unwrap()))
        .collect();
    let expected = [
        ("Overview", "row"),
        ("L1 Cache Hit Rate", "gauge"),
        ("Correlation Tracking P95 Latency", "gauge"),
        ("Warming Operations P95 Latency", "gauge"),
        ("Warming Operations Rate", "timeseries"),
        ("Cache Performance", "row"),
        ("Cache Hit Rate (L1 vs L2)", "timeseries"),
        ("Cache Operations (Hits vs Misses)", "timeseries"),
        ("Warming Performance", "row"),
        ("Correlation Tracking Latency Distribution", "timeseries"),
        ("Warming Operation Duration", "timeseries"),
        ("Pairs Warmed per Operation", "timeseries"),
        ("Correlation Pairs Tracked", "timeseries"),
        ("Error Rates & Alerts", "row"),
        ("Warming Error Rate", "gauge"),
        ("Warming Operations (Success vs Errors)", "timeseries"),
    ];
    assert_eq!(first, expected);
}

#[test]
fn the_frame_is_the_users() {
    let main = main();
    assert_eq!(main["uid"], "warming-infrastructure");
    assert_eq!(main["refresh"], "5s");
    assert_eq!(main["time"], json!({ "from": "now-1h", "to": "now" }));
    assert_eq!(main["tags"], json!(["warming", "cache", "performance"]));
    assert_eq!(
        main["timepicker"]["refresh_intervals"],
        json!(["5s", "10s", "30s", "1m"])
    );
    let links = main["links"].as_array().expect("links").iter();
    let times: Vec<_> = links.filter(|it| it["keepTime"] == false).collect();
    let titles: Vec<_> = times.iter().map(|it| &it["title"]).collect();
    assert_eq!(
        titles,
        ["Last 5m", "Last 15m", "Last 1h", "Last 6h", "Last 24h"]
    );
    assert!(times.iter().all(|it| it["includeVars"] == true));
    let chain = &main["templating"]["list"][1];
    assert_eq!(
        (&chain["name"], &chain["multi"], &chain["includeAll"]),
        (&json!("chain"), &json!(true), &json!(true))
    );
}

#[test]
fn gauges_change_colour_where_the_user_said() {
    let check = |title: &str, unit: &str, steps: [(Option<f64>, &str); 3]| {
        let defaults = &panel(title)["fieldConfig"]["defaults"];
        assert_eq!(defaults["unit"], unit, "{title}");
        let steps = steps.map(|(value, color)| json!({ "value": value, "color": color }));
        assert_eq!(defaults["thresholds"]["steps"], json!(steps), "{title}");
    };
    let low = |yellow, red| {
        [
            (None, "green"),
            (Some(yellow), "yellow"),
            (Some(red), "red"),
        ]
    };
    check(
        "L1 Cache Hit Rate",
        "percentunit",
        [(None, "red"), (Some(0.85), "yellow"), (Some(0.92), "green")],
    );
    check(
        "Correlation Tracking P95 Latency",
        "\u{b5}s",
        low(75.0, 100.0),
    );
    check("Warming Operations P95 Latency", "ms", low(15.0, 20.0));
    check("Warming Error Rate", "percentunit", low(0.01, 0.05));
    let lines = |title: &str| {
        let steps = panel(title)["fieldConfig"]["defaults"]["thresholds"]["steps"].clone();
        let steps = steps.as_array().cloned().unwrap_or_default().into_iter();
        steps
            .filter_map(|it| it["value"].as_f64())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines("Correlation Tracking Latency Distribution"),
        [50.0, 75.0, 100.0]
    );
    assert_eq!(lines("Warming Operation Duration"), [10.0, 15.0, 20.0]);
    assert_eq!(lines("Tracking throughput"), [15_000.0, 20_000.0]);
    assert_eq!(lines("Warming throughput"), [50.0, 100.0]);
}

#[test]
fn legends_scales_and_yesterday_are_as_asked_for() {
    let legends = |title: &str| {
        let targets = panel(title)["targets"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let legends = targets
            .iter()
            .map(|it| it["legendFormat"].as_str().unwrap().to_owned());
        legends.collect::<Vec<_>>()
    };
    assert_eq!(
        legends("Cache Hit Rate (L1 vs L2)"),
        [
            "L1 Cache",
            "L2 Cache",
            "yesterday: L1 Cache",
            "yesterday: L2 Cache"
        ]
    );
    for title in [
        "Correlation Tracking Latency Distribution",
        "Warming Operation Duration",
    ] {
        let legends = legends(title);
        for legend in ["P50", "P95", "P99"] {
            assert!(
                legends.iter().any(|it| it == legend),
                "{title}: {legends:?}"
            );
        }
        let last = panel(title)["targets"][3]["expr"].to_string();
        assert!(last.contains("offset 1d"), "{last}");
    }
    let defaults = panel("Cache Hit Rate (L1 vs L2)")["fieldConfig"]["defaults"].clone();
    assert_eq!(
        (&defaults["min"], &defaults["max"]),
        (&json!(0.0), &json!(1.0))
    );
    for title in ["Cache Operations (Hits vs Misses)", "Outcomes"] {
        let stacking = &panel(title)["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"];
        assert_eq!(stacking, "normal", "{title}");
    }
}

#[test]
fn every_alert_opens_a_panel_that_reads_what_it_judges() {
    for alert in alerts::all() {
        panel_id(alert.panel).expect(alert.name);
        let mut raw = Vec::new();
        let mut open: Vec<String> = vec![alert.expr.to_owned()];
        while let Some(text) = open.pop() {
            let text = Thresholds::default().in_expression(&text).expect("figures");
            for name in series(&parse(&text).expect("PromQL")) {
                match RECORDINGS.iter().find(|it| it.record == name) {
                    Some(recording) => open.push(recording.expr.to_owned()),
                    None => raw.push(name.trim_end_matches("_count").to_owned()),
                }
            }
        }
        let shown = panel(alert.panel)["targets"].to_string();
        let recorded = shown.contains("seasonal_floor") || shown.contains("shadow_hits");
        let reads = raw.iter().any(|name| shown.contains(name.as_str()));
        assert!(reads || recorded, "{}: {raw:?}", alert.name);
    }
}
