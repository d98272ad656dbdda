//! What is said about a run, as it goes and at its end.

use serde_json::{Value, json};

use super::apply::Outcome;
use super::content::{self, Content, FOLDER_UID};
use super::policies;
use super::preflight::Found;
use super::settings::Settings;
use crate::colour::{Pen, say};

/// Prints a line for each object; remembers what was done.
pub(super) struct Report {
    pen: Pen,
    /// What there is to do, in order.
    planned: Vec<String>,
    done: Vec<(String, Outcome)>,
    warnings: usize,
}

/// A name for each object, in the order in which they are written.
pub(super) fn planned(settings: &Settings, content: &Content) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut planned = vec![format!("folder {}", settings.folder)];
    planned.extend(
        content
            .dashboards
            .iter()
            .map(|one| format!("dashboard {}", text(&one["uid"]))),
    );
    if !settings.alerts {
        return planned;
    }
    planned.extend(
        content
            .rule_groups
            .iter()
            .map(|one| format!("rule group {}", text(&one["title"]))),
    );
    if settings.contact_points {
        let points = content.contact_points.iter();
        planned.extend(points.map(|one| format!("contact point {}", text(&one["name"]))));
    }
    planned.extend(
        content
            .mute_timings
            .iter()
            .map(|one| format!("mute timing {}", text(&one["name"]))),
    );
    planned.push("notification policies".to_owned());
    planned
}

impl Report {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut report = Self {
            pen: Pen::stdout(),
            planned: Vec::new(),
            done: Vec::new(),
            warnings: 0,
        };
        for warning in &settings.warnings {
            report.warn(warning);
        }
        report
    }

    pub(super) fn plan(&mut self, planned: Vec<String>) {
        self.planned = planned;
    }

    pub(super) fn warn(&mut self, text: &str) {
        self.warnings += 1;
        eprintln!("{}", self.pen.yellow(&format!("warning: {text}")));
    }

    pub(super) fn note(&self, text: &str) {
        say(&self.pen.dim(&format!("           {text}")));
    }

    pub(super) fn found(&mut self, base: &str, found: &Found) {
        for warning in &found.warnings {
            self.warn(warning);
        }
        say(&format!(
            "Grafana {} at {base}, data source {}: the pre-flight is clean",
            found.version, found.datasource
        ));
    }

    /// The next of the planned objects is as it should be.
    pub(super) fn done(&mut self, outcome: &Outcome, url: &str) {
        let name = self.planned[self.done.len()].clone();
        let line = match outcome {
            Outcome::Created => self.pen.green("created   "),
            Outcome::Updated => self.pen.green("updated   "),
            Outcome::Unchanged => self.pen.dim("unchanged "),
            Outcome::Left(_) => self.pen.yellow("left out  "),
        };
        match outcome {
            Outcome::Left(reason) => say(&format!("{line} {name}: {reason}")),
            _ => say(&format!("{line} {name}  {}", self.pen.dim(url))),
        }
        self.done.push((name, outcome.clone()));
    }

    /// The closing lines: of a failure, what was done and what was not.
    pub(super) fn end(&self, failed: bool) {
        let count = |wanted: fn(&Outcome) -> bool| {
            self.done
                .iter()
                .filter(|(_, outcome)| wanted(outcome))
                .count()
        };
        let changed = count(|outcome| matches!(outcome, Outcome::Created | Outcome::Updated));
        let unchanged = count(|outcome| matches!(outcome, Outcome::Unchanged));
        let left = count(|outcome| matches!(outcome, Outcome::Left(_)));
        if !failed {
            let summary = format!("{changed} written, {unchanged} unchanged, {left} left out");
            say(&self.pen.green(&summary));
            return;
        }
        let rest = &self.planned[self.done.len()..];
        let list = |names: Vec<&str>| match names.as_slice() {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        let done = list(self.done.iter().map(|(name, _)| name.as_str()).collect());
        let (at, rest) = rest
            .split_first()
            .map_or(("", rest), |(at, rest)| (at.as_str(), rest));
        say(&format!("{} {at}", self.pen.red("failed    ")));
        say(&format!("done:      {done}"));
        say(&format!(
            "not done:  {}",
            list(rest.iter().map(String::as_str).collect())
        ));
        say("A further run goes on from here: what is done is left unchanged.");
    }
}

/// Prints every request that a first run would make, secrets masked. Asks nobody.
pub(super) fn dry_run(settings: &Settings, content: &Content) {
    let settings = &settings.with_masked_secrets();
    let datasource = settings
        .prometheus_uid
        .as_deref()
        .unwrap_or("PROMETHEUS_UID");
    let version = settings.for_version;
    say(&format!(
        "# What a first run sends to a Grafana {version}; nothing is sent now."
    ));
    if settings.prometheus_uid.is_none() {
        say("# PROMETHEUS_UID stands for the uid of the data source, which a run looks up.");
    }
    let show = |method: &str, path: &str, body: &Value| {
        say(&format!("\n{method} {path}\n{body:#}"));
    };
    show("POST", "/api/folders", &content::folder(&settings.folder));
    for one in &content.dashboards {
        let body = content::dashboard(one, datasource, FOLDER_UID);
        show("POST", "/api/dashboards/db", &body);
    }
    if !settings.alerts {
        return;
    }
    for one in &content.rule_groups {
        let body = content::rule_group(one, datasource, FOLDER_UID, version);
        let title = crate::http::escaped(one["title"].as_str().unwrap_or_default());
        let path = format!("/api/v1/provisioning/folder/{FOLDER_UID}/rule-groups/{title}");
        show("PUT", &path, &body);
    }
    let mut missing = Vec::new();
    for one in content
        .contact_points
        .iter()
        .filter(|_| settings.contact_points)
    {
        match content::contact_point(one, settings) {
            Ok(body) => show("POST", "/api/v1/provisioning/contact-points", &body),
            Err(variable) => {
                say(&format!(
                    "\n# {variable} is not set: the contact point {} is left out",
                    one["name"]
                ));
                missing.push(one["name"].as_str().unwrap_or_default());
            }
        }
    }
    for one in &content.mute_timings {
        show("POST", "/api/v1/provisioning/mute-timings", one);
    }
    let mut ours = content.policy.clone();
    policies::without_missing(&mut ours, &|name| !missing.contains(&name));
    say("\n# Merged into the tree that Grafana has then; shown here in an empty one.");
    let tree = policies::merged(&json!({"receiver": "grafana-default-email"}), &ours);
    show("PUT", "/api/v1/provisioning/policies", &tree);
}
