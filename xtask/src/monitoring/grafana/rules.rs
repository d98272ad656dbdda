//! The alerts as Grafana-managed rules: the same expressions with the recordings written out.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::monitoring::alerts::{Alert, GROUPS};
use crate::monitoring::dashboard::{MAIN, panel_id};
use crate::monitoring::prometheus::{self, AlertRule, expression};
use crate::monitoring::promql::inline;
use crate::monitoring::thresholds::Thresholds;

/// Seconds between evaluations.
const INTERVAL_SECONDS: u64 = 60;

/// A group of rules.
#[derive(Debug, Clone)]
pub(crate) struct GrafanaGroup {
    pub(crate) name: &'static str,
    pub(crate) interval_seconds: u64,
    pub(crate) rules: Vec<GrafanaRule>,
}

/// A rule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrafanaRule {
    /// At most 40 characters.
    pub(crate) uid: String,
    pub(crate) title: String,
    /// The `refId` that decides.
    pub(crate) condition: &'static str,
    pub(crate) data: Vec<GrafanaQuery>,
    /// The panel that shows the figure; in the API these are the annotations
    /// `__dashboardUid__` and `__panelId__`.
    pub(crate) dashboard_uid: &'static str,
    pub(crate) panel_id: u64,
    pub(crate) no_data_state: &'static str,
    pub(crate) exec_err_state: &'static str,
    #[serde(rename = "for")]
    pub(crate) pending: String,
    /// Known to Grafana 11.6 and later; earlier versions refuse or ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_firing_for: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) is_paused: bool,
}

/// A node of a rule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrafanaQuery {
    pub(crate) ref_id: &'static str,
    pub(crate) relative_time_range: TimeRange,
    pub(crate) datasource_uid: String,
    pub(crate) model: Value,
}

/// Seconds before now.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct TimeRange {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The alerts by group, asking the datasource with this uid.
pub(crate) fn rule_groups(
    thresholds: &Thresholds,
    datasource_uid: &str,
) -> Result<Vec<GrafanaGroup>> {
    let recorded = prometheus::recorded(thresholds)?;
    let filled = prometheus::alert_groups(thresholds)?;
    let groups = GROUPS.iter().zip(filled).map(|(group, (name, rules))| {
        let rules = group.alerts.iter().zip(rules).map(|(alert, rule)| {
            let expr = expression(alert.expr, thresholds).with_context(|| alert.name)?;
            let expr = inline(&expr, &recorded).prettify();
            self::rule(alert, rule, expr, datasource_uid)
        });
        Ok(GrafanaGroup {
            name,
            interval_seconds: INTERVAL_SECONDS,
            rules: rules.collect::<Result<_>>()?,
        })
    });
    groups.collect()
}

fn rule(alert: &Alert, rule: AlertRule, expr: String, datasource: &str) -> Result<GrafanaRule> {
    // A rule's value is there by the name of its query.
    let annotations = rule.annotations.into_iter();
    let annotations = annotations
        .map(|(name, text)| (name, text.replace(".Value ", ".Values.query.Value ")))
        .collect();
    Ok(GrafanaRule {
        uid: format!("forewarm-{}", alert.name),
        title: alert.name.to_owned(),
        condition: "fires",
        data: nodes(expr, datasource),
        dashboard_uid: MAIN,
        panel_id: panel_id(alert.panel)?,
        // No series is at fault: the expressions return nothing then.
        no_data_state: "OK",
        exec_err_state: "Error",
        pending: alert.pending.to_owned(),
        keep_firing_for: rule.keep_firing_for,
        annotations,
        labels: rule.labels,
        is_paused: false,
    })
}

/// The query; then 1 for every series that it returns, whatever its value (0 is a fault, too:
/// `up == 0`); then whether that is above 0.
fn nodes(expr: String, datasource: &str) -> Vec<GrafanaQuery> {
    let expression_node = |ref_id: &'static str, model: Value| GrafanaQuery {
        ref_id,
        relative_time_range: TimeRange { from: 0, to: 0 },
        datasource_uid: "__expr__".to_owned(),
        model,
    };
    let expressions = json!({ "type": "__expr__", "uid": "__expr__" });
    vec![
        GrafanaQuery {
            ref_id: "query",
            relative_time_range: TimeRange { from: 600, to: 0 },
            datasource_uid: datasource.to_owned(),
            model: json!({
                "refId": "query",
                "datasource": { "type": "prometheus", "uid": datasource },
                "editorMode": "code",
                "expr": expr,
                "instant": true,
                "range": false,
                "intervalMs": 1000,
                "maxDataPoints": 43200,
            }),
        },
        expression_node(
            "any",
            json!({
                "refId": "any",
                "datasource": expressions,
                "type": "math",
                "expression": "is_number($query) || is_nan($query) || is_inf($query)",
            }),
        ),
        expression_node(
            "fires",
            json!({
                "refId": "fires",
                "datasource": expressions,
                "type": "threshold",
                "expression": "any",
                "conditions": [{
                    "type": "query",
                    "evaluator": { "type": "gt", "params": [0] },
                    "operator": { "type": "and" },
                    "query": { "params": ["any"] },
                    "reducer": { "type": "last", "params": [] },
                }],
            }),
        ),
    ]
}
