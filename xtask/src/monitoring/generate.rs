//! `cargo xtask gen`: writes every generated file, or compares.

use anyhow::{Result, bail};
use serde_json::Value;

use super::thresholds::Thresholds;
use super::{cases, dashboard, grafana, prometheus, yaml};
use crate::workspace::Workspace;

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Relative to the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every generated file, in a stable order.
pub(crate) fn files(thresholds: &Thresholds) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut add = |path: String, text: String| files.push(File { path, text });
    let rules = yaml::document("", &prometheus::rule_file(thresholds)?)?;
    add("deploy/prometheus/rules.yml".to_owned(), rules);
    for (name, text) in cases::files(thresholds)? {
        add(format!("deploy/prometheus/tests/{name}"), text);
    }
    for dashboard in dashboard::dashboards(thresholds)? {
        let path = format!("deploy/grafana/dashboards/{}.json", dashboard.uid);
        add(path, pretty(dashboard.json)?);
    }
    for (path, text) in grafana::files::files(thresholds)? {
        add(format!("deploy/grafana/provisioning/{path}"), text);
    }
    Ok(files)
}

/// JSON with sorted keys, whatever map another crate makes serde_json use.
pub(crate) fn pretty(mut value: Value) -> Result<String> {
    value.sort_all_objects();
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// Writes what differs; with `check` says what differs instead, and fails.
pub(crate) fn run(workspace: &Workspace, thresholds: &Thresholds, check: bool) -> Result<()> {
    let files = files(thresholds)?;
    let mut stale = 0;
    for file in &files {
        let path = workspace.path(&file.path);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if found == file.text {
            continue;
        }
        stale += 1;
        if check {
            println!("{} is out of date", file.path);
        } else {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, &file.text)?;
            println!("wrote {}", file.path);
        }
    }
    if check && stale > 0 {
        bail!("{stale} generated files are out of date; run: cargo xtask gen");
    }
    println!("{} generated files are current", files.len());
    Ok(())
}
