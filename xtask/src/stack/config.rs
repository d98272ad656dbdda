//! The configurations of the local servers. Written as JSON, which is YAML, too.

use std::path::Path;

use serde_json::{Value, json};

/// Prometheus: scrapes one Forewarm, loads the rules, tells Alertmanager.
pub(super) fn prometheus(
    interval: &str,
    forewarm: &str,
    rules: &Path,
    alertmanager: &str,
) -> Value {
    json!({
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [rules.display().to_string()],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": "forewarm", "static_configs": [{"targets": [forewarm]}]},
        ],
    })
}

/// Alertmanager with our routes; every receiver is a path of `listener`, and nobody is woken.
pub(super) fn alertmanager(generated: &Value, listener: &str) -> Value {
    let mut config = generated.clone();
    for receiver in config["receivers"].as_array_mut().into_iter().flatten() {
        let name = receiver["name"].clone();
        let has_any = receiver.as_object().is_some_and(|fields| fields.len() > 1);
        let url = format!("{listener}/{}", name.as_str().unwrap_or_default());
        *receiver = json!({"name": name});
        // A receiver without a configuration is meant to swallow what it gets.
        if has_any {
            receiver["webhook_configs"] = json!([{"url": url, "send_resolved": true}]);
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_become_paths_of_the_listener_and_routes_stay() {
        let generated = json!({
            "route": {"receiver": "a", "routes": [{"receiver": "b"}]},
            "receivers": [{"name": "a"}, {"name": "b", "pagerduty_configs": [{"routing_key_file": "/k"}]}],
        });
        let config = alertmanager(&generated, "http://127.0.0.1:1");
        assert_eq!(config["route"], generated["route"]);
        assert_eq!(config["receivers"][0], json!({"name": "a"}));
        assert_eq!(
            config["receivers"][1]["webhook_configs"][0]["url"],
            "http://127.0.0.1:1/b"
        );
        assert_eq!(config["receivers"][1].get("pagerduty_configs"), None);
    }
}
