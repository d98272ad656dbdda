//! `deploy/alertmanager/alertmanager.yml` and its check: who is told, when, how often.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::routing::{CHANNELS, PAGERDUTY, ROUTES, SLACK_WARNINGS};
use super::yaml;
use crate::command::captured;

const NOTES: &str = "\
Secrets are files beside Alertmanager, never in here: each holds one line.
An alert of an unknown severity goes to the warnings' channel rather than nowhere.";

/// Where the secrets are expected.
const SECRETS: &str = "/etc/alertmanager/secrets";
const TITLE: &str = "{{ .CommonLabels.alertname }}: {{ .CommonAnnotations.summary }}";
const TEXT: &str = "{{ range .Alerts }}{{ .Annotations.description }}\n{{ .Annotations.runbook_url }} {{ .Annotations.dashboard_url }}\n{{ end }}";

/// The file's text.
pub(crate) fn config() -> Result<String> {
    yaml::document(NOTES, &document())
}

/// The file's content.
pub(crate) fn document() -> Value {
    let routes = ROUTES.iter().map(|route| {
        json!({
            "matchers": [format!("severity={:?}", route.severity.name())],
            "receiver": route.receiver,
            "group_by": route.group_by,
            "group_wait": route.group_wait,
            "group_interval": route.group_interval,
            "repeat_interval": route.repeat_interval,
        })
    });
    json!({
        "route": {
            "receiver": SLACK_WARNINGS,
            "group_by": ["alertname"],
            "routes": routes.collect::<Vec<_>>(),
        },
        "inhibit_rules": [{
            "source_matchers": ["severity=\"critical\"", "family=~\".+\""],
            "target_matchers": ["severity=~\"warning|info\"", "family=~\".+\""],
            // Labels that neither has are equal: the matchers above ask for a family.
            "equal": ["family", "chain"],
        }],
        "receivers": receivers(),
    })
}

fn receivers() -> Vec<Value> {
    let pagerduty = json!({
        "name": PAGERDUTY,
        "pagerduty_configs": [{
            "routing_key_file": format!("{SECRETS}/pagerduty_routing_key"),
            "severity": "critical",
            "component": "{{ .CommonLabels.component }}",
            "group": "{{ .CommonLabels.family }}",
            "description": TITLE,
            "details": {
                "runbook": "{{ .CommonAnnotations.runbook_url }}",
                "dashboard": "{{ .CommonAnnotations.dashboard_url }}",
            },
            "send_resolved": true,
        }],
    });
    let slack = CHANNELS.iter().map(|(name, channel)| {
        json!({
            "name": name,
            "slack_configs": [{
                "api_url_file": format!("{SECRETS}/slack_webhook_url"),
                "channel": channel,
                "title": TITLE,
                "text": TEXT,
                "send_resolved": true,
            }],
        })
    });
    [pagerduty].into_iter().chain(slack).collect()
}

/// Asks amtool whether the file is one, and where it sends each severity.
pub(crate) fn check(file: &Path) -> Result<()> {
    let mut check = Command::new("amtool");
    captured(check.arg("check-config").arg(file))?;
    let routes = ROUTES
        .iter()
        .map(|route| (route.severity.name(), route.receiver));
    for (severity, receiver) in routes.chain([("unheard-of", SLACK_WARNINGS)]) {
        let mut test = Command::new("amtool");
        test.args(["config", "routes", "test", "--verify.receivers", receiver]);
        test.arg(format!("--config.file={}", file.display()));
        test.arg(format!("severity={severity}"))
            .arg("alertname=Any");
        let output = captured(&mut test)
            .with_context(|| format!("severity {severity} does not reach {receiver}"))?;
        let reached = String::from_utf8_lossy(&output.stdout);
        ensure!(
            reached.trim() == receiver,
            "severity {severity} reaches {} instead of {receiver}",
            reached.trim()
        );
    }
    Ok(())
}
