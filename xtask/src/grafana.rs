//! `cargo xtask provision-grafana`: dashboards, alert rules, contact points and policies, over
//! Grafana's HTTP API.
//!
//! Pre-flight, then one object after the other: read, compare, write a difference. So a second run
//! changes nothing, and a run that failed half-way is completed by the next.

mod apply;
mod content;
mod policies;
mod preflight;
mod report;
mod same;
mod settings;
mod version;

use anyhow::{Result, anyhow};
use serde_json::Value;

use crate::http::{Client, escaped};
use apply::Outcome;
use content::Content;
use preflight::Found;
use report::Report;
pub(crate) use settings::Arguments;
use settings::Settings;

/// Grafana keeps what bears this header editable in its pages. Its mere presence counts, and a change
/// of mind is refused: the same on every request of a run.
const EDITABLE: &str = "X-Disable-Provenance";

/// Runs it, or prints what it would send.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let settings = Settings::new(arguments, |name| std::env::var(name).ok())?;
    let content = Content::new(&settings.thresholds)?;
    let report = Report::new(&settings);
    if settings.dry_run {
        report::dry_run(&settings, &content);
        return Ok(());
    }
    let outcome = provision(&settings, &content, report);
    // Whatever a server says back, a secret is not repeated.
    outcome.map_err(|error| anyhow!("{}", settings.masked(&format!("{error:#}"))))
}

fn provision(settings: &Settings, content: &Content, mut report: Report) -> Result<()> {
    let url = settings.url.as_deref().unwrap_or_default();
    let mut client = Client::new(url, settings.ca_file.as_deref())?;
    if let Some(token) = &settings.token {
        client = client.with_header("Authorization", format!("Bearer {}", token.reveal()));
    }
    let found = preflight::check(&client, settings)?;
    // What another tool has locked can only be written by those who lock, too.
    if !settings.lock && found.tree["provenance"].as_str().is_none_or(str::is_empty) {
        client = client.with_header(EDITABLE, "true".to_owned());
    } else if !settings.lock {
        report
            .warn("the policy tree is locked by another tool: what is written now is locked, too");
    }
    report.found(client.base(), &found);
    report.plan(report::planned(settings, content));
    let result = send(settings, content, &client, &found, &mut report);
    report.end(result.is_err());
    result
}

/// Each object in turn; the first failure ends it.
fn send(
    settings: &Settings,
    content: &Content,
    client: &Client,
    found: &Found,
    report: &mut Report,
) -> Result<()> {
    let base = client.base().to_owned();
    let (outcome, folder) = match &found.folder {
        Some(uid) => (Outcome::Unchanged, uid.clone()),
        None => apply::folder(client, &content::folder(&settings.folder))?,
    };
    report.done(&outcome, &format!("{base}/dashboards/f/{folder}"));
    for dashboard in &content.dashboards {
        let body = content::dashboard(dashboard, &found.datasource, &folder);
        let outcome = apply::dashboard(client, &body)?;
        let uid = dashboard["uid"].as_str().unwrap_or_default();
        report.done(&outcome, &format!("{base}/d/{uid}"));
    }
    if !settings.alerts {
        return Ok(());
    }
    for group in &content.rule_groups {
        let body = content::rule_group(group, &found.datasource, &folder, found.version);
        let outcome = apply::rule_group(client, &body)?;
        let search = escaped(&format!(
            "group:\"{}\"",
            group["title"].as_str().unwrap_or_default()
        ));
        report.done(&outcome, &format!("{base}/alerting/list?search={search}"));
    }
    let names = contact_points(settings, content, client, report)?;
    for timing in &content.mute_timings {
        let outcome = apply::mute_timing(client, timing)?;
        report.done(
            &outcome,
            &format!("{base}/alerting/routes?tab=time_intervals"),
        );
    }
    let mut ours = content.policy.clone();
    let missing =
        policies::without_missing(&mut ours, &|name| names.iter().any(|known| known == name));
    for name in missing {
        report.warn(&format!(
            "there is no contact point {name}: its alerts go to the organisation's default receiver"
        ));
    }
    let (outcome, kept) = apply::policy_tree(
        client,
        &ours,
        settings.own_policy_tree,
        &settings.backup_dir,
    )?;
    report.done(&outcome, &format!("{base}/alerting/routes"));
    if let Some(kept) = kept {
        report.note(&format!(
            "the policy tree as it was is in {}",
            kept.display()
        ));
    }
    Ok(())
}

/// Writes the contact points whose secrets are set; the names of all there are afterwards.
fn contact_points(
    settings: &Settings,
    content: &Content,
    client: &Client,
    report: &mut Report,
) -> Result<Vec<String>> {
    let existing = apply::contact_points(client)?;
    let name = |point: &Value| point["name"].as_str().unwrap_or_default().to_owned();
    let mut names: Vec<String> = existing.iter().map(name).collect();
    if !settings.contact_points {
        return Ok(names);
    }
    let page = format!("{}/alerting/notifications", client.base());
    for point in &content.contact_points {
        let ours = existing.iter().any(|one| one["uid"] == point["uid"]);
        let taken = names.contains(&name(point));
        let outcome = match content::contact_point(point, settings) {
            // Grafana would join the two: our alerts to their channel, and theirs to ours.
            _ if taken && !ours => {
                Outcome::Left("there is another of this name, which is used as it is".to_owned())
            }
            Ok(body) => apply::contact_point(client, &existing, &body, settings.update_secrets)?,
            Err(variable) if ours => {
                Outcome::Left(format!("{variable} is not set: it stays as it is"))
            }
            Err(variable) => Outcome::Left(format!("{variable} is not set")),
        };
        if matches!(outcome, Outcome::Created) {
            names.push(name(point));
        }
        report.done(&outcome, &page);
    }
    Ok(names)
}
