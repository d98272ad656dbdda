//! `cargo xtask check`: everything under `deploy/` and the runbooks is right.
//!
//! Dashboards and pages are read as they lie there; rules are those that `gen` writes (`gen
//! --check` compares). promtool and amtool have the last word where they are installed.

use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::generate::ALERTMANAGER;
use super::lint::{self, Fault};
use super::thresholds::Thresholds;
use super::{alertmanager, dashboard, docs, prometheus};
use crate::command::{captured, on_path};
use crate::workspace::Workspace;

const RULES: &str = "deploy/prometheus/rules.yml";
const CONFIG: &str = "deploy/prometheus/prometheus.yml";
const TESTS: &str = "deploy/prometheus/tests";
const DASHBOARDS: &str = "deploy/grafana/dashboards";

/// Prints every fault; an error when there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let faults = faults(workspace)?;
    for fault in &faults {
        println!("{fault}");
    }
    ensure!(
        faults.is_empty(),
        "{} faults in the monitoring",
        faults.len()
    );
    println!("dashboards, rules and runbooks are right");
    tools(workspace)
}

fn faults(workspace: &Workspace) -> Result<Vec<Fault>> {
    let page =
        |name: &str| std::fs::read_to_string(workspace.path(&docs::runbooks::path(name))).ok();
    let dashboards = dashboards(workspace)?;
    let main = dashboards
        .iter()
        .find(|(_, json)| json["uid"] == dashboard::MAIN);
    let (_, main) = main.with_context(|| format!("{DASHBOARDS} lacks {}", dashboard::MAIN))?;
    let mut faults = lint::dashboards(&dashboards, &|name| page(name).is_some());
    let rules = prometheus::rule_file(&Thresholds::default())?;
    faults.extend(lint::rules(&rules, &page, main));
    Ok(faults)
}

/// Every JSON file in the dashboards' folder, by path.
fn dashboards(workspace: &Workspace) -> Result<Vec<(String, Value)>> {
    let files = files(workspace, DASHBOARDS, "json")?;
    let files = files.into_iter().map(|(name, path)| {
        let text = std::fs::read_to_string(&path).with_context(|| name.clone())?;
        let json = serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
        Ok((name, json))
    });
    files.collect()
}

/// The files of a folder with this extension, by name, in their order.
fn files(workspace: &Workspace, folder: &str, extension: &str) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(workspace.path(folder)).with_context(|| folder.to_owned())?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == extension) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push((format!("{folder}/{name}"), path));
        }
    }
    files.sort();
    Ok(files)
}

/// What the servers' own tools say. Missing tools are an error in CI.
fn tools(workspace: &Workspace) -> Result<()> {
    let missing: Vec<_> = ["promtool", "amtool"]
        .into_iter()
        .filter(|tool| on_path(tool).is_none())
        .collect();
    if !missing.is_empty() {
        let what = format!(
            "{} not installed: rules and routes were NOT tried (cargo xtask setup)",
            missing.join(" and ")
        );
        ensure!(std::env::var_os("CI").is_none(), "{what}");
        println!("SKIPPED: {what}");
        return Ok(());
    }
    captured(&mut workspace.command("promtool", &["check", "rules", RULES]))?;
    captured(&mut workspace.command("promtool", &["check", "config", CONFIG]))?;
    println!("promtool accepts the rules and the configuration");
    alertmanager::check(&workspace.path(ALERTMANAGER))?;
    println!("amtool accepts the routes, and each severity reaches its receiver");
    let tests = rule_tests(workspace)?;
    println!("promtool's tests of the rules pass ({tests} files)");
    Ok(())
}

/// Runs the cases, shared out among the cores; the number of files.
fn rule_tests(workspace: &Workspace) -> Result<usize> {
    let files = files(workspace, TESTS, "yml")?;
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    // Dealt out like cards: neighbours in the alphabet are alike in length.
    let hands: Vec<Vec<&str>> = (0..cores)
        .map(|core| {
            let dealt = files.iter().skip(core).step_by(cores);
            dealt.map(|(name, _)| name.as_str()).collect()
        })
        .filter(|hand: &Vec<&str>| !hand.is_empty())
        .collect();
    let results = thread::scope(|scope| {
        let runs: Vec<_> = hands
            .iter()
            .map(|hand| {
                scope.spawn(move || {
                    let mut promtool = workspace.command("promtool", &["test", "rules"]);
                    captured(promtool.args(hand)).map(drop)
                })
            })
            .collect();
        let results = runs.into_iter().map(|run| run.join());
        results.collect::<Vec<_>>()
    });
    for result in results {
        match result {
            Ok(result) => result?,
            Err(_) => bail!("a run of promtool panicked"),
        }
    }
    Ok(files.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_repository_is_right() {
        let faults = faults(&Workspace::locate()).expect("the files are there");
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [""; 0]);
    }
}
