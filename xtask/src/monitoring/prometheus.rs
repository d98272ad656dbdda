//! `deploy/prometheus/rules.yml`: the recording and alerting rules as Prometheus reads them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use promql_parser::parser::Expr;
use serde::Serialize;

use super::alerts::{Alert, GROUPS};
use super::dashboard::panel_url;
use super::promql::parse;
use super::recording::RECORDINGS;
use super::thresholds::Thresholds;
use super::{SERVICE, yaml};

/// The group of the recording rules.
pub(crate) const RECORDING_GROUP: &str = "forewarm-recording";

/// A rule file.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RuleFile {
    pub(crate) groups: Vec<RuleGroup>,
}

/// Rules that are evaluated together, in order.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RuleGroup {
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Rule {
    Recording(RecordingRule),
    Alerting(AlertRule),
}

impl Rule {
    /// The name of what it records or of its alert.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Recording(rule) => &rule.record,
            Self::Alerting(rule) => &rule.alert,
        }
    }

    /// Its expression.
    pub(crate) fn expr(&self) -> &str {
        match self {
            Self::Recording(rule) => &rule.expr,
            Self::Alerting(rule) => &rule.expr,
        }
    }

    /// The same rule with another expression.
    pub(crate) fn with_expr(&self, expr: String) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Recording(rule) => rule.expr = expr,
            Self::Alerting(rule) => rule.expr = expr,
        }
        other
    }
}

/// A series to be recorded.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RecordingRule {
    pub(crate) record: String,
    pub(crate) expr: String,
}

/// An alert with its figures filled in.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AlertRule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_firing_for: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// All rules, the recordings first.
pub(crate) fn rule_file(thresholds: &Thresholds) -> Result<RuleFile> {
    let recordings = RuleGroup {
        name: RECORDING_GROUP.to_owned(),
        rules: recording_rules(thresholds)?
            .into_iter()
            .map(Rule::Recording)
            .collect(),
    };
    let mut groups = vec![recordings];
    for group in alert_groups(thresholds)? {
        let rules = group.1.into_iter().map(Rule::Alerting).collect();
        groups.push(RuleGroup {
            name: group.0.to_owned(),
            rules,
        });
    }
    Ok(RuleFile { groups })
}

/// The alerts by group, with their figures filled in.
pub(crate) fn alert_groups(thresholds: &Thresholds) -> Result<Vec<(&'static str, Vec<AlertRule>)>> {
    let groups = GROUPS.iter().map(|group| {
        let rules = group.alerts.iter().map(|alert| rule(alert, thresholds));
        Ok((group.name, rules.collect::<Result<_>>()?))
    });
    groups.collect()
}

/// The recordings with their figures filled in.
pub(crate) fn recording_rules(thresholds: &Thresholds) -> Result<Vec<RecordingRule>> {
    let rules = RECORDINGS.iter().map(|recording| {
        Ok(RecordingRule {
            record: recording.record.to_owned(),
            expr: expression(recording.expr, thresholds)
                .with_context(|| recording.record.to_owned())?
                .prettify(),
        })
    });
    rules.collect()
}

/// The parsed expressions of the recordings by their names.
pub(crate) fn recorded(thresholds: &Thresholds) -> Result<BTreeMap<&'static str, Expr>> {
    let rules = RECORDINGS.iter().map(|recording| {
        let expr = expression(recording.expr, thresholds);
        Ok((recording.record, expr.with_context(|| recording.record)?))
    });
    rules.collect()
}

/// A template with its figures filled in, parsed.
pub(crate) fn expression(template: &str, thresholds: &Thresholds) -> Result<Expr> {
    parse(&thresholds.in_expression(template)?)
}

fn rule(alert: &Alert, thresholds: &Thresholds) -> Result<AlertRule> {
    let text = |template: &str| thresholds.in_text(template);
    let labels = [
        ("severity", alert.severity.name()),
        ("component", alert.component),
        ("layer", alert.layer),
        ("family", alert.family),
        ("service", SERVICE),
    ];
    let annotations = [
        ("summary", text(alert.summary)?),
        ("description", text(alert.description)?),
        ("runbook_url", runbook_url(alert, thresholds)),
        ("dashboard_url", panel_url(alert, thresholds)?),
    ];
    Ok(AlertRule {
        alert: alert.name.to_owned(),
        expr: expression(alert.expr, thresholds)
            .with_context(|| alert.name)?
            .prettify(),
        pending: Some(alert.pending.to_owned()),
        keep_firing_for: alert.severity.keep_firing_for().map(str::to_owned),
        labels: owned(labels),
        annotations: owned(annotations),
    })
}

fn owned<V: Into<String>, const N: usize>(pairs: [(&str, V); N]) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}

/// `deploy/prometheus/prometheus.yml`: a configuration to start from. A scrape every 5 s, because
/// the dashboard is drawn as often.
pub(crate) fn config() -> Result<String> {
    let document = serde_json::json!({
        "global": { "scrape_interval": "5s", "scrape_timeout": "4s", "evaluation_interval": "15s" },
        "rule_files": ["rules.yml"],
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": ["127.0.0.1:9093"] }] }] },
        "scrape_configs": [{
            "job_name": SERVICE,
            "static_configs": [{ "targets": ["127.0.0.1:9464"] }],
        }],
    });
    yaml::document(
        "For one machine; put your own addresses in the place of these. The rules ask for job=\"forewarm\".",
        &document,
    )
}

/// The page of an alert.
fn runbook_url(alert: &Alert, thresholds: &Thresholds) -> String {
    format!("{}/{}.md", thresholds.site.runbook_base_url, alert.name)
}
