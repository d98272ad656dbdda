//! `cargo xtask alerts send`: each severity takes its own route, and ends by itself.

use std::time::Duration;

use serde_json::Value;

use crate::processes::{Stack, servers_are_there, wait_for, xtask};

/// The receivers that have had the test alert in this state.
fn receivers(stack: &Stack, status: &str) -> Vec<(String, String)> {
    let all = stack.notifications();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for one in &all {
        for alert in one["alerts"].as_array().into_iter().flatten() {
            if alert["labels"]["alertname"] == "ForewarmTestNotification"
                && alert["status"] == status
            {
                found.push((text(&one["receiver"]), text(&alert["labels"]["severity"])));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn a_test_alert_of_each_severity_reaches_its_receiver_and_resolves_itself() {
    if !servers_are_there() {
        return;
    }
    let stack = Stack::up("127.0.0.1:1", "60", "# EOF\n");
    let alertmanager = stack.url("alertmanager");
    let routes = [
        ("pagerduty-critical", "critical"),
        ("slack-info", "info"),
        ("slack-warnings", "warning"),
    ];
    for (receiver, severity) in routes {
        let send = [
            "alerts",
            "send",
            "--severity",
            severity,
            "--alertmanager",
            &alertmanager,
            "--for",
            "8",
        ];
        let output = xtask(&send);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains(&format!("its receivers: {receiver}")),
            "{said}"
        );
    }
    let expected = routes
        .map(|(receiver, severity)| (receiver.to_owned(), severity.to_owned()))
        .to_vec();
    for status in ["firing", "resolved"] {
        wait_for(status, Duration::from_secs(60), || {
            let found = receivers(&stack, status);
            if found == expected {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        });
    }
}

#[test]
fn an_alertmanager_that_is_not_there_is_an_error() {
    let send = [
        "alerts",
        "send",
        "--severity",
        "info",
        "--alertmanager",
        "http://127.0.0.1:1",
    ];
    let output = xtask(&send);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Alertmanager can't be reached"), "{said}");
}
