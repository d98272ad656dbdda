//! Contact points and the policies that lead to them.

use serde::Serialize;
use serde_json::{Value, json};

use super::WEEKENDS;
use crate::monitoring::SERVICE;
use crate::monitoring::alerts::Severity;
use crate::monitoring::routing::{CHANNELS, PAGERDUTY, ROUTES, Route};

/// Where alerts are sent to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ContactPoint {
    pub(crate) uid: String,
    pub(crate) name: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Secrets are `${NAME}`: the environment's value, which Grafana itself puts into files.
    pub(crate) settings: Value,
    #[serde(rename = "disableResolveMessage")]
    pub(crate) disable_resolve_message: bool,
}

/// A node of the policy tree.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Policy {
    pub(crate) receiver: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) object_matchers: Vec<[String; 3]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) group_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_wait: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repeat_interval: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mute_time_intervals: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) routes: Vec<Policy>,
}

/// The contact points, in the order of the routes.
pub(crate) fn contact_points() -> Vec<ContactPoint> {
    let point = |name: &'static str, kind, settings| ContactPoint {
        uid: format!("forewarm-{name}"),
        name,
        kind,
        settings,
        disable_resolve_message: false,
    };
    let summary = "{{ .CommonLabels.alertname }}: {{ .CommonAnnotations.summary }}";
    let pagerduty = json!({
        "integrationKey": "${PAGERDUTY_SERVICE_KEY}",
        "severity": "critical",
        "component": "{{ .CommonLabels.component }}",
        "group": "{{ .CommonLabels.family }}",
        "summary": summary,
    });
    let mut points = vec![point(PAGERDUTY, "pagerduty", pagerduty)];
    for (name, channel) in CHANNELS {
        let settings = json!({
            "url": "${SLACK_WEBHOOK_URL}",
            "recipient": channel,
            "title": summary,
            "text": "{{ range .Alerts }}{{ .Annotations.description }}\n{{ .Annotations.runbook_url }} {{ .Annotations.dashboard_url }}\n{{ end }}",
        });
        points.push(point(name, "slack", settings));
    }
    points
}

/// Our sub-tree: everything of this service, then by severity.
pub(crate) fn policy_tree() -> Policy {
    let [_, warning, _] = ROUTES;
    Policy {
        receiver: warning.receiver.to_owned(),
        object_matchers: vec![equals("service", SERVICE)],
        routes: ROUTES.iter().map(policy).collect(),
        ..Policy::default()
    }
}

fn policy(route: &Route) -> Policy {
    let quiet = route.severity == Severity::Info;
    Policy {
        receiver: route.receiver.to_owned(),
        object_matchers: vec![equals("severity", route.severity.name())],
        group_by: route.group_by.iter().map(|&label| label.into()).collect(),
        group_wait: Some(route.group_wait.to_owned()),
        group_interval: Some(route.group_interval.to_owned()),
        repeat_interval: Some(route.repeat_interval.to_owned()),
        mute_time_intervals: quiet.then(|| WEEKENDS.to_owned()).into_iter().collect(),
        routes: Vec::new(),
    }
}

fn equals(label: &str, value: &str) -> [String; 3] {
    [label, "=", value].map(str::to_owned)
}
