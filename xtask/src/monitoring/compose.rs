//! `deploy/docker-compose.yml`: the servers around a Forewarm that runs on this machine.

use anyhow::Result;
use serde_json::{Value, json};

use super::yaml;

const NOTES: &str = "\
Prometheus, Alertmanager and Grafana around a Forewarm on this machine (127.0.0.1:9464), for Linux: every
container shares the host's network and listens on loopback only.

  mkdir -p secrets   # beside this file: pagerduty_routing_key, slack_webhook_url, one line each
  docker compose up

Prometheus evaluates the rules, so that Grafana gets dashboards and no alert rules of its own.
Without a container engine: `cargo xtask stack up`. Grafana: http://127.0.0.1:3000.";

/// The file's text.
pub(crate) fn config() -> Result<String> {
    let service = |image: &str, mut more: Value| {
        more["image"] = json!(image);
        more["network_mode"] = json!("host");
        more["restart"] = json!("unless-stopped");
        more
    };
    let document = json!({
        "name": "forewarm-monitoring",
        "services": {
            "prometheus": service("prom/prometheus:v2.55.1", json!({
                "command": [
                    "--config.file=/etc/prometheus/prometheus.yml",
                    "--storage.tsdb.path=/prometheus",
                    // A month, for the projections of warming-capacity.
                    "--storage.tsdb.retention.time=31d",
                    "--web.listen-address=127.0.0.1:9090",
                ],
                "volumes": [
                    "./prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
                    "./prometheus/rules.yml:/etc/prometheus/rules.yml:ro",
                    "prometheus:/prometheus",
                ],
            })),
            "alertmanager": service("prom/alertmanager:v0.27.0", json!({
                "command": [
                    "--config.file=/etc/alertmanager/alertmanager.yml",
                    "--storage.path=/alertmanager",
                    "--web.listen-address=127.0.0.1:9093",
                    // Without it, it would open 0.0.0.0:9094 for peers.
                    "--cluster.listen-address=",
                ],
                "volumes": [
                    "./alertmanager/alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro",
                    "./secrets:/etc/alertmanager/secrets:ro",
                    "alertmanager:/alertmanager",
                ],
            })),
            "grafana": service("grafana/grafana:11.4.0", json!({
                "environment": {
                    "GF_SERVER_HTTP_ADDR": "127.0.0.1",
                    "GF_DASHBOARDS_MIN_REFRESH_INTERVAL": "5s",
                },
                "volumes": [
                    "./grafana/provisioning/datasources:/etc/grafana/provisioning/datasources:ro",
                    "./grafana/provisioning/dashboards:/etc/grafana/provisioning/dashboards:ro",
                    "./grafana/dashboards:/var/lib/grafana/dashboards/forewarm:ro",
                    "grafana:/var/lib/grafana",
                ],
            })),
        },
        "volumes": { "prometheus": {}, "alertmanager": {}, "grafana": {} },
    });
    yaml::document(NOTES, &document)
}
