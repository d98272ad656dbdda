//! `deploy/grafana/provisioning`: the files that Grafana reads when it starts.

use anyhow::Result;
use serde_json::json;

use super::{FOLDER, WEEKENDS};
use crate::monitoring::thresholds::Thresholds;
use crate::monitoring::{contact_points, grafana_rule_groups, policy_tree, yaml};

/// The datasource that the files declare and the rules ask.
const DATASOURCE: &str = "forewarm-prometheus";

const POLICIES: &str = "\
This file replaces the WHOLE notification policy of organisation 1: use it only where Grafana
serves nobody but Forewarm. `cargo xtask provision-grafana` merges into an existing policy.";
const POINTS: &str = "\
Secrets come from Grafana's environment: PAGERDUTY_SERVICE_KEY, SLACK_WEBHOOK_URL.";
const RULES: &str = "\
Grafana-managed copies of deploy/prometheus/rules.yml, recordings written out: load one of the
two, or every alert is sent twice.";

/// Paths below `deploy/grafana/provisioning`, and texts.
pub(crate) fn files(thresholds: &Thresholds) -> Result<Vec<(&'static str, String)>> {
    let datasources = json!({
        "apiVersion": 1,
        "datasources": [{
            "uid": DATASOURCE,
            "name": "Forewarm Prometheus",
            "type": "prometheus",
            "access": "proxy",
            "url": "http://127.0.0.1:9090",
            "isDefault": true,
            "editable": false,
            "jsonData": { "timeInterval": "5s", "httpMethod": "POST" },
        }],
    });
    let dashboards = json!({
        "apiVersion": 1,
        "providers": [{
            "name": "forewarm",
            "orgId": 1,
            "folder": FOLDER,
            "type": "file",
            "allowUiUpdates": false,
            "updateIntervalSeconds": 30,
            "options": { "path": "/var/lib/grafana/dashboards/forewarm" },
        }],
    });
    let groups = grafana_rule_groups(thresholds, DATASOURCE)?;
    let groups = groups.into_iter().map(|group| {
        json!({
            "orgId": 1,
            "name": group.name,
            "folder": FOLDER,
            "interval": format!("{}s", group.interval_seconds),
            "rules": group.rules,
        })
    });
    let rules = json!({ "apiVersion": 1, "groups": groups.collect::<Vec<_>>() });
    let points = contact_points().into_iter().map(|point| {
        json!({
            "orgId": 1,
            "name": point.name,
            "receivers": [{
                "uid": point.uid,
                "type": point.kind,
                "settings": point.settings,
                "disableResolveMessage": point.disable_resolve_message,
            }],
        })
    });
    let points = json!({ "apiVersion": 1, "contactPoints": points.collect::<Vec<_>>() });
    let policies = json!({
        "apiVersion": 1,
        "policies": [{
            "orgId": 1,
            "receiver": "grafana-default-email",
            "group_by": ["grafana_folder", "alertname"],
            "routes": [policy_tree()],
        }],
    });
    let mutes = json!({
        "apiVersion": 1,
        "muteTimes": [{
            "orgId": 1,
            "name": WEEKENDS,
            "time_intervals": [{ "weekdays": ["saturday", "sunday"] }],
        }],
    });
    Ok(vec![
        (
            "datasources/forewarm.yaml",
            yaml::document("", &datasources)?,
        ),
        ("dashboards/forewarm.yaml", yaml::document("", &dashboards)?),
        ("alerting/rules.yaml", yaml::document(RULES, &rules)?),
        (
            "alerting/contact-points.yaml",
            yaml::document(POINTS, &points)?,
        ),
        (
            "alerting/policies.yaml",
            yaml::document(POLICIES, &policies)?,
        ),
        ("alerting/mute-timings.yaml", yaml::document("", &mutes)?),
    ])
}
