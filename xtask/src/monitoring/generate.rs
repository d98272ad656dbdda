//! `cargo xtask gen`: writes every generated file, or compares.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::thresholds::Thresholds;
use super::{alertmanager, alerts, cases, compose, dashboards, docs, grafana, prometheus, yaml};
use crate::workspace::Workspace;

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Relative to the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every generated file, in a stable order. Runbook pages are written by people; only the facts in
/// them are replaced.
pub(crate) fn files(workspace: &Workspace, thresholds: &Thresholds) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut add = |path: String, text: String| files.push(File { path, text });
    let rules = yaml::document("", &prometheus::rule_file(thresholds)?)?;
    add("deploy/prometheus/rules.yml".to_owned(), rules);
    add(
        "deploy/prometheus/prometheus.yml".to_owned(),
        prometheus::config()?,
    );
    for (name, text) in cases::files(thresholds)? {
        add(format!("deploy/prometheus/tests/{name}"), text);
    }
    add(ALERTMANAGER.to_owned(), alertmanager::config()?);
    add("deploy/docker-compose.yml".to_owned(), compose::config()?);
    for dashboard in dashboards(thresholds)? {
        let path = format!("deploy/grafana/dashboards/{}.json", dashboard.uid);
        add(path, pretty(dashboard.json)?);
    }
    for (path, text) in grafana::files::files(thresholds)? {
        add(format!("deploy/grafana/provisioning/{path}"), text);
    }
    add("docs/metrics.md".to_owned(), docs::metrics::page());
    add(
        "docs/thresholds.md".to_owned(),
        docs::thresholds::page(thresholds),
    );
    add(
        docs::runbooks::path("README"),
        docs::runbooks::index(thresholds)?,
    );
    for alert in alerts::all() {
        let path = docs::runbooks::path(alert.name);
        let written = std::fs::read_to_string(workspace.path(&path));
        let written = written.with_context(|| format!("{path}: every alert needs a page"))?;
        add(path, docs::runbooks::page(alert, &written, thresholds)?);
    }
    Ok(files)
}

/// Where Alertmanager's configuration is.
pub(super) const ALERTMANAGER: &str = "deploy/alertmanager/alertmanager.yml";

/// JSON with sorted keys, whatever map another crate makes serde_json use.
pub(crate) fn pretty(mut value: Value) -> Result<String> {
    value.sort_all_objects();
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// Writes what differs; with `check` says what differs instead, and fails.
pub(crate) fn run(workspace: &Workspace, thresholds: &Thresholds, check: bool) -> Result<()> {
    let files = files(workspace, thresholds)?;
    let mut stale = 0;
    for file in &files {
        let path = workspace.path(&file.path);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let Some(difference) = difference(&found, &file.text) else {
            continue;
        };
        stale += 1;
        if check {
            println!("{} is out of date: {difference}", file.path);
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(&path, &file.text).with_context(|| format!("writing {}", file.path))?;
        println!("wrote {}", file.path);
    }
    for path in strays(workspace, &files)? {
        println!("{path} is not generated (any more): remove it");
        stale += 1;
    }
    if check && stale > 0 {
        bail!("{stale} generated files are out of date; run: cargo xtask gen");
    }
    println!("{} generated files are current", files.len());
    Ok(())
}

/// Folders that hold generated files only; a file that stays behind would still be loaded.
const FOLDERS: [&str; 3] = [
    "deploy/prometheus/tests",
    "deploy/grafana/dashboards",
    "docs/runbooks",
];

/// Files in these folders that nothing generates.
fn strays(workspace: &Workspace, files: &[File]) -> Result<Vec<String>> {
    let mut strays = Vec::new();
    for folder in FOLDERS {
        let entries = std::fs::read_dir(workspace.path(folder));
        for entry in entries.with_context(|| folder.to_owned())? {
            let path = format!("{folder}/{}", entry?.file_name().to_string_lossy());
            if files.iter().all(|file| file.path != path) {
                strays.push(path);
            }
        }
    }
    strays.sort();
    Ok(strays)
}

/// The first line that differs, if any.
fn difference(found: &str, wanted: &str) -> Option<String> {
    if found == wanted {
        return None;
    }
    let (mut found, mut wanted) = (found.split('\n'), wanted.split('\n'));
    for line in 1_usize.. {
        match (found.next(), wanted.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let [old, new] = [old, new].map(|text| text.unwrap_or("(the end)"));
                return Some(format!(
                    "line {line}\n  file:      {old}\n  generated: {new}"
                ));
            }
        }
    }
    unreachable!("texts that differ have a line that differs")
}

#[cfg(test)]
mod tests;
