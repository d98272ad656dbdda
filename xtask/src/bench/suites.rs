//! The suites of `forewarm-bench`: builds it, runs its pieces each in a process of its own, makes a
//! table of the rows that they print.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use super::{PAGE, markers};
use crate::command::{captured, on_path, run as run_command};
use crate::workspace::Workspace;

/// How long it may take.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Options {
    /// Shorter runs of a quicker build, for every day: prints the table, writes no page
    #[arg(long)]
    pub(crate) quick: bool,
}

/// A part of the page, and the pieces whose rows make its table.
#[derive(Debug)]
pub(crate) struct Suite {
    /// Of the marked part.
    pub(crate) name: &'static str,
    page: &'static str,
    pieces: &'static [&'static [&'static str]],
    /// Pieces that only the full run has.
    long: &'static [&'static [&'static str]],
}

pub(super) const LOAD: Suite = Suite {
    name: "load",
    page: PAGE,
    pieces: &[
        &["observe"],
        &["hit"],
        &["warm"],
        &["arrival"],
        &["flat-out"],
        &["demand"],
        &["start"],
    ],
    long: &[],
};
pub(super) const PIECES: Suite = Suite {
    name: "pieces",
    page: "docs/performance.md",
    pieces: &[&["pieces"]],
    long: &[],
};
pub(super) const STABILITY: Suite = Suite {
    name: "stability",
    page: PAGE,
    pieces: &[&["stability"]],
    long: &[],
};
pub(super) const SPIKE: Suite = Suite {
    name: "spike",
    page: PAGE,
    pieces: &[&["spike"]],
    long: &[],
};
pub(super) const MEMORY: Suite = Suite {
    name: "memory",
    page: PAGE,
    pieces: &[&["memory"]],
    long: &[
        &["memory", "--pairs", "100000"],
        &["memory", "--pairs", "1000000"],
    ],
};
pub(super) const CONCURRENCY: Suite = Suite {
    name: "concurrency",
    page: PAGE,
    pieces: &[&["concurrency"]],
    long: &[],
};

/// What a piece prints, a line of JSON each.
#[derive(Debug, Deserialize)]
struct Row {
    what: String,
    figure: String,
    goal: Option<String>,
    met: Option<bool>,
}

/// Measures, prints the table and, unless it was quick, writes it into the page.
pub(super) fn run(workspace: &Workspace, suite: &Suite, options: Options) -> Result<()> {
    if on_path("redis-server").is_none() {
        bail!("redis-server is not installed; run: cargo xtask setup");
    }
    let profile = if options.quick { "release" } else { "dist" };
    let build = [
        "build",
        "--profile",
        profile,
        "--package=forewarm-bench",
        "--features=peers",
    ];
    run_command(&mut workspace.cargo(&build))?;
    let program = workspace.target().join(profile).join("forewarm-bench");
    let program = program.to_str().context("the path is not UTF-8")?;
    let long: &[_] = if options.quick { &[] } else { suite.long };
    let mut rows = Vec::new();
    for piece in suite.pieces.iter().chain(long) {
        let mut command = workspace.command(program, piece);
        if options.quick {
            command.arg("--quick");
        }
        eprintln!("{}: measuring", piece.join(" "));
        let output = captured(command.stderr(Stdio::inherit()))?;
        rows.extend(parsed(&String::from_utf8_lossy(&output.stdout))?);
    }
    let table = table(&rows, &machine(workspace, profile)?);
    println!("{table}");
    if options.quick {
        return Ok(());
    }
    let page = workspace.path(suite.page);
    let text = std::fs::read_to_string(&page).with_context(|| format!("reading {}", suite.page))?;
    let text = markers::replaced(&text, suite.name, &table).with_context(|| suite.page)?;
    std::fs::write(&page, text).with_context(|| format!("writing {}", suite.page))
}

fn parsed(lines: &str) -> Result<Vec<Row>> {
    let row = |line| serde_json::from_str(line).with_context(|| format!("no row: {line}"));
    lines.lines().map(row).collect()
}

fn table(rows: &[Row], machine: &str) -> String {
    let mut text = String::from("| what | measured | goal | met |\n|---|---|---|---|\n");
    for row in rows {
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let goal = row.goal.as_deref().unwrap_or_default();
        text += &format!("| {} | {} | {goal} | {met} |\n", row.what, row.figure);
    }
    format!("{text}\n{machine}")
}

/// What the figures depend on: processor, kernel, compiler, profile.
fn machine(workspace: &Workspace, profile: &str) -> Result<String> {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or_default()
        .trim_start_matches([' ', '\t', ':']);
    let rustc = captured(&mut workspace.command("rustc", &["--version"]))?;
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    let rustc = rustc.split(" (").next().unwrap_or_default().trim();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    Ok(format!(
        "{processors} processors of {model}, generator and Redis on them too; {rustc}, profile \
         `{profile}`; load average at the end {load}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_table_that_says_what_was_missed() {
        let lines = concat!(
            r#"{"what":"a","figure":"240 ns","goal":"≤ 250 ns","met":true}"#,
            "\n",
            r#"{"what":"b","figure":"2 ms","goal":"≤ 1 ms","met":false}"#,
            "\n",
            r#"{"what":"c","figure":"7","goal":null,"met":null}"#,
        );
        let rows = parsed(lines).expect("they are rows");
        let text = table(&rows, "a machine");
        assert!(text.contains("| a | 240 ns | ≤ 250 ns | yes |\n"), "{text}");
        assert!(text.contains("| b | 2 ms | ≤ 1 ms | **no** |\n"), "{text}");
        assert!(text.ends_with("| c | 7 |  |  |\n\na machine"), "{text}");
        assert!(parsed("SKIPPED").is_err());
    }
}
