//! The same against a real server, where `GRAFANA_URL` names one.

use crate::run::provision;

/// Needs a Grafana that may be written to: `GRAFANA_URL` and `GRAFANA_TOKEN`, and `PROMETHEUS_UID`
/// unless it has exactly one Prometheus. No Grafana can be installed from the registries that CI
/// reaches, so this says that it was left out instead of failing there.
#[test]
fn a_real_grafana_takes_everything_and_a_second_run_changes_nothing() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(url), Some(token)) = (variable("GRAFANA_URL"), variable("GRAFANA_TOKEN")) else {
        eprintln!(
            "SKIPPED, NOT CHECKED: no GRAFANA_URL and GRAFANA_TOKEN, so no real Grafana was asked"
        );
        return;
    };
    let uid = variable("PROMETHEUS_UID").unwrap_or_default();
    let environment = [
        ("GRAFANA_URL", url.as_str()),
        ("GRAFANA_TOKEN", &token),
        ("PROMETHEUS_UID", &uid),
        ("PAGERDUTY_SERVICE_KEY", "0123456789abcdef0123456789abcdef"),
        (
            "SLACK_WEBHOOK_URL",
            "https://hooks.slack.com/services/T0/B0/x",
        ),
    ];
    provision(&["--folder", "Forewarm test"], &environment).succeeded();
    let second = provision(&["--folder", "Forewarm test"], &environment).succeeded();
    assert!(second.out.contains("0 written"), "{}", second.out);
}
