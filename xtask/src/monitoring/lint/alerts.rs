//! Whether rules are right, routed and explained.

use std::collections::HashSet;

use serde_json::Value;

use super::Fault;
use super::query::{self, Place};
use crate::monitoring::prometheus::{AlertRule, Rule, RuleFile};

/// Labels that every alert has.
const LABELS: [&str; 5] = ["severity", "component", "layer", "family", "service"];
/// Annotations that every alert has.
const ANNOTATIONS: [&str; 4] = ["summary", "description", "runbook_url", "dashboard_url"];
/// Grafana's longest uid, less `forewarm-`.
const LONGEST_NAME: usize = 40 - "forewarm-".len();
/// The sections of a runbook page.
pub(crate) const SECTIONS: [&str; 6] = [
    "Meaning",
    "Impact",
    "First checks",
    "Likely causes",
    "Fix",
    "Query",
];

/// What is wrong with these rules; `page` is the text of a runbook page, `main` the dashboard that
/// they lead to.
pub(crate) fn rules(
    file: &RuleFile,
    page: &dyn Fn(&str) -> Option<String>,
    main: &Value,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    for rule in file.groups.iter().flat_map(|group| &group.rules) {
        let place = format!("rule {}", rule.name());
        if !names.insert(rule.name()) {
            faults.push(Fault::new(&place, "its name is another rule's"));
        }
        let wrong = query::check(rule.expr(), Place::Rule).into_iter();
        faults.extend(wrong.map(|what| Fault::new(&place, what)));
        if let Rule::Alerting(alert) = rule {
            let wrong = described(alert).into_iter();
            let wrong = wrong.chain(runbook(alert, page)).chain(panel(alert, main));
            faults.extend(wrong.map(|what| Fault::new(&place, what)));
        }
    }
    faults
}

fn described(alert: &AlertRule) -> Vec<String> {
    let mut faults = Vec::new();
    if alert.alert.len() > LONGEST_NAME {
        faults.push(format!("its name has more than {LONGEST_NAME} characters"));
    }
    for label in LABELS {
        if alert.labels.get(label).is_none_or(String::is_empty) {
            faults.push(format!("lacks the label {label}"));
        }
    }
    for name in ANNOTATIONS {
        match alert.annotations.get(name) {
            None => faults.push(format!("lacks the annotation {name}")),
            Some(text) if text.contains('$') => {
                faults.push(format!("{name} has a $, which Grafana's files expand"));
            }
            Some(_) => {}
        }
    }
    if alert.pending.is_none() {
        faults.push("fires at once: it lacks for".to_owned());
    }
    faults
}

fn runbook(alert: &AlertRule, page: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let name = &alert.alert;
    let url = alert.annotations.get("runbook_url");
    if !url.is_some_and(|url| url.ends_with(&format!("/{name}.md"))) {
        return vec![format!(
            "its runbook_url does not lead to docs/runbooks/{name}.md"
        )];
    }
    let Some(text) = page(name) else {
        return vec![format!(
            "has no page: docs/runbooks/{name}.md does not exist"
        )];
    };
    let has = |section: &str| text.lines().any(|line| line == format!("## {section}"));
    let missing = SECTIONS.iter().filter(|section| !has(section));
    missing
        .map(|section| format!("docs/runbooks/{name}.md has no section {section:?}"))
        .collect()
}

/// The panel that the alert opens must exist, and its lines be at the alert's figure.
fn panel(alert: &AlertRule, main: &Value) -> Vec<String> {
    let url = alert.annotations.get("dashboard_url").map_or("", |url| url);
    let id = url.split("viewPanel=").nth(1).unwrap_or_default();
    let digits = id.chars().take_while(char::is_ascii_digit);
    let id = digits.collect::<String>().parse().ok();
    let panels = main["panels"].as_array().map_or(&[][..], Vec::as_slice);
    let found = panels
        .iter()
        .find(|it| id.is_some() && it["id"].as_u64() == id);
    let Some(panel) = found else {
        return vec![format!("its dashboard_url opens no panel: {url}")];
    };
    let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array();
    let figures: Vec<f64> = steps
        .into_iter()
        .flatten()
        .filter_map(|step| step["value"].as_f64())
        .collect();
    // A state has names instead of lines.
    let drawn = panel["type"] == "state-timeline"
        || figures.is_empty()
        || figures.iter().any(|figure| names(&alert.expr, *figure));
    if drawn {
        return Vec::new();
    }
    vec![format!(
        "panel {} has no threshold that the alert compares with: {figures:?}",
        panel["title"]
    )]
}

/// Whether the expression has this number in it.
fn names(expr: &str, figure: f64) -> bool {
    let in_number = |c: char| c.is_ascii_digit() || c == '.';
    let words = expr.split(|c: char| !in_number(c));
    words
        .filter_map(|word| word.parse::<f64>().ok())
        .any(|it| it == figure)
}
