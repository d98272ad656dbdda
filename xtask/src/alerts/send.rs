//! A synthetic alert, with the labels that the routes look at.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::clock;
use crate::colour::say;
use crate::http::Client;

/// The name of the synthetic alert: no rule has it, so it can inhibit nothing real.
pub(crate) const NAME: &str = "ForewarmTestNotification";

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Which route to take
    #[arg(long)]
    severity: Severity,
    /// Where Alertmanager is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9093")]
    alertmanager: String,
    /// After how many seconds it resolves itself
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Severity {
    Critical,
    Warning,
    Info,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Sends it, and says which receivers Alertmanager has chosen for it.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let client = Client::new(&arguments.alertmanager, None)?;
    let now = clock::since_epoch().context("the clock is before 1970")?;
    let body = json!([alert(
        arguments.severity,
        now,
        Duration::from_secs(arguments.seconds)
    )]);
    let answer = client
        .send("POST", "/api/v2/alerts", &body)
        .context("Alertmanager can't be reached: is the URL right?")?;
    if answer.status != 200 {
        bail!(
            "Alertmanager refused the alert ({}): {}",
            answer.status,
            answer.message()
        );
    }
    let severity = arguments.severity.name();
    say(&format!(
        "sent {NAME} with severity {severity}; it resolves itself in {} s",
        arguments.seconds
    ));
    let receivers = receivers(&client, severity)?;
    say(&format!("its receivers: {}", receivers.join(", ")));
    say(
        "the notification leaves after the route's group_wait; the route is the test, not the clock",
    );
    Ok(())
}

fn alert(severity: Severity, now: Duration, lasts: Duration) -> Value {
    json!({
        "labels": {
            "alertname": NAME,
            "severity": severity.name(),
            "component": "warming",
            "service": "forewarm",
            "job": "forewarm",
            "chain": "test",
        },
        "annotations": {
            "summary": "A test of the notification route: nothing is wrong",
            "description": "Sent by cargo xtask alerts send; it resolves itself.",
        },
        "startsAt": clock::rfc3339(now),
        "endsAt": clock::rfc3339(now + lasts),
    })
}

/// Whom Alertmanager means to tell.
fn receivers(client: &Client, severity: &str) -> Result<Vec<String>> {
    let answer = client.get("/api/v2/alerts")?;
    let alerts = answer
        .body
        .as_array()
        .context("Alertmanager lists no alerts")?;
    let ours = |alert: &&Value| {
        alert["labels"]["alertname"] == NAME && alert["labels"]["severity"] == severity
    };
    let Some(alert) = alerts.iter().find(ours) else {
        bail!(
            "Alertmanager took the alert and does not list it: is it the right one of a cluster?"
        );
    };
    let names = alert["receivers"].as_array().into_iter().flatten();
    Ok(names
        .filter_map(|one| one["name"].as_str().map(str::to_owned))
        .collect())
}
