//! Whether a dashboard is one that Grafana draws as it was meant.

use std::collections::HashSet;

use serde_json::Value;

use super::Fault;
use super::query::{self, Place};

/// Columns of a dashboard.
const COLUMNS: u64 = 24;
/// The longest uid that Grafana takes.
const LONGEST_UID: usize = 40;
/// Units that our panels use, as Grafana writes them; `µs` with U+00B5.
const UNITS: [&str; 8] = [
    "short",
    "percentunit",
    "ops",
    "ms",
    "s",
    "bytes",
    "\u{b5}s",
    "none",
];
const DATASOURCE: &str = "${DS_PROMETHEUS}";

/// What is wrong with these dashboards, by path; `page` tells whether a runbook page exists.
pub(crate) fn dashboards(files: &[(String, Value)], page: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut uids = HashSet::new();
    for (path, json) in files {
        let uid = json["uid"].as_str().unwrap_or_default();
        if uid.is_empty() || uid.len() > LONGEST_UID {
            faults.push(Fault::new(
                path,
                format!("the uid {uid:?} has not 1 to 40 characters"),
            ));
        }
        if !uids.insert(uid) {
            faults.push(Fault::new(
                path,
                format!("the uid {uid:?} is another dashboard's"),
            ));
        }
        faults.extend(frame(path, json));
        faults.extend(panels(path, json, page));
    }
    faults
}

fn frame(path: &str, json: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !json["refresh"].is_string() {
        faults.push(Fault::new(path, "refresh is no string"));
    }
    let variables = json["templating"]["list"].as_array();
    let named = |kind: &str| {
        let variables = variables.into_iter().flatten();
        let named = variables.filter(|it| it["type"] == kind);
        named
            .filter_map(|it| it["name"].as_str())
            .collect::<Vec<_>>()
    };
    if named("datasource") != ["DS_PROMETHEUS"] {
        faults.push(Fault::new(
            path,
            "has not one datasource variable, DS_PROMETHEUS",
        ));
    }
    for wanted in ["chain", "instance"] {
        if !named("query").contains(&wanted) {
            faults.push(Fault::new(path, format!("has no variable {wanted}")));
        }
    }
    for annotation in list(&json["annotations"]["list"]) {
        let place = format!("{path}: annotation {}", annotation["name"]);
        faults.extend(target(&place, annotation));
    }
    faults
}

fn panels(path: &str, json: &Value, page: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut ids = HashSet::new();
    let mut taken: Vec<(&Value, [u64; 4])> = Vec::new();
    for panel in list(&json["panels"]) {
        let place = format!("{path}: panel {}", panel["title"]);
        if !panel["id"].as_u64().is_some_and(|id| ids.insert(id)) {
            faults.push(Fault::new(
                &place,
                format!("the id {} is another panel's", panel["id"]),
            ));
        }
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|end| panel["gridPos"][end].as_u64().unwrap_or(0));
        if w == 0 || h == 0 || x + w > COLUMNS {
            faults.push(Fault::new(
                &place,
                format!("does not fit the grid: {}", panel["gridPos"]),
            ));
        }
        let overlaps = |other: &&(&Value, [u64; 4])| {
            let [ox, oy, ow, oh] = other.1;
            x < ox + ow && ox < x + w && y < oy + oh && oy < y + h
        };
        if let Some((other, _)) = taken.iter().find(overlaps) {
            faults.push(Fault::new(
                &place,
                format!("overlaps panel {}", other["title"]),
            ));
        }
        taken.push((panel, [x, y, w, h]));
        if panel["type"] != "row" {
            faults.extend(content(&place, panel, page));
        }
    }
    faults
}

fn content(place: &str, panel: &Value, page: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(Fault::new(place, what));
    let text = |name: &str| panel[name].as_str().unwrap_or_default();
    if text("title").is_empty() {
        fault("has no title".to_owned());
    }
    if !text("description").contains("Good:") {
        fault("has no description that says what is good (\"Good: …\")".to_owned());
    }
    for link in list(&panel["links"]) {
        let name = link["title"]
            .as_str()
            .and_then(|title| title.strip_prefix("Runbook: "));
        if let Some(name) = name.filter(|name| !page(name)) {
            fault(format!("links to the runbook {name}, which has no page"));
        }
    }
    if panel["type"] == "alertlist" {
        return faults;
    }
    let defaults = &panel["fieldConfig"]["defaults"];
    if !defaults["unit"]
        .as_str()
        .is_some_and(|unit| UNITS.contains(&unit))
    {
        fault(format!(
            "the unit {} is none of {}",
            defaults["unit"],
            UNITS.join(", ")
        ));
    }
    let steps = list(&defaults["thresholds"]["steps"]);
    if !steps.first().is_some_and(|step| step["value"].is_null()) {
        fault("its first threshold has a value: it must be null".to_owned());
    }
    let figures = steps.iter().filter_map(|step| step["value"].as_f64());
    if !figures.is_sorted() {
        fault("its thresholds do not rise".to_owned());
    }
    let targets = list(&panel["targets"]);
    if targets.is_empty() {
        fault("has no query".to_owned());
    }
    let mut letters = HashSet::new();
    for query in targets {
        let place = format!("{place}, query {}", query["refId"]);
        if !letters.insert(query["refId"].as_str()) {
            faults.push(Fault::new(&place, "its refId is another query's"));
        }
        faults.extend(target(&place, query));
    }
    faults
}

fn target(place: &str, query: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    if query["datasource"]["uid"] != DATASOURCE {
        let what = format!(
            "asks {} instead of {DATASOURCE}",
            query["datasource"]["uid"]
        );
        faults.push(Fault::new(place, what));
    }
    let Some(expr) = query["expr"].as_str().filter(|expr| !expr.is_empty()) else {
        faults.push(Fault::new(place, "has no expression"));
        return faults;
    };
    let wrong = query::check(expr, Place::Dashboard).into_iter();
    faults.extend(wrong.map(|what| Fault::new(place, what)));
    faults
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
