//! Who hears of an alert, how soon and how often: one table for Alertmanager and Grafana.

use super::alerts::Severity;

/// How alerts of one severity travel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) severity: Severity,
    /// The receiver's name in Alertmanager and the contact point's in Grafana.
    pub(crate) receiver: &'static str,
    pub(crate) group_by: &'static [&'static str],
    pub(crate) group_wait: &'static str,
    pub(crate) group_interval: &'static str,
    pub(crate) repeat_interval: &'static str,
}

/// The routes, gravest first.
pub(crate) const ROUTES: [Route; 3] = [
    Route {
        severity: Severity::Critical,
        receiver: PAGERDUTY,
        group_by: &["alertname", "chain"],
        group_wait: "30s",
        group_interval: "5m",
        repeat_interval: "4h",
    },
    Route {
        severity: Severity::Warning,
        receiver: SLACK_WARNINGS,
        group_by: &["alertname"],
        group_wait: "1m",
        group_interval: "10m",
        repeat_interval: "12h",
    },
    Route {
        severity: Severity::Info,
        receiver: SLACK_INFO,
        group_by: &["alertname"],
        group_wait: "5m",
        group_interval: "30m",
        repeat_interval: "24h",
    },
];

/// The receivers.
pub(crate) const PAGERDUTY: &str = "pagerduty-critical";
pub(crate) const SLACK_WARNINGS: &str = "slack-warnings";
pub(crate) const SLACK_INFO: &str = "slack-info";

/// The channels of the two Slack receivers.
pub(crate) const CHANNELS: [(&str, &str); 2] = [
    (SLACK_WARNINGS, "#warming-alerts"),
    (SLACK_INFO, "#warming-info"),
];
