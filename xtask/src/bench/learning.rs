//! What learning costs per event, in instructions: a figure that a noisy machine can't blur.
//!
//! The example `learning_cost` of the domain learns `EVENTS` events over a number of active pairs.
//! It runs twice under callgrind, with different numbers of events; the difference of the two
//! instruction counts over the difference of the events leaves start-up and warm-up out. The same holds
//! for `selection_cost` of the application. What CI allows is in `xtask/budgets.toml`.
//!
//! Time and memory come from `learning_speed` of the application: they depend on the machine.

mod budget;
mod speed;

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{PAGE, markers};
use crate::command::{captured, on_path};
use crate::workspace::Workspace;

const ACTIVE_PAIRS: [u64; 4] = [20, 200, 2_000, 20_000];
/// The shorter and the longer run: by the end of the first every pair was seen at least ten times.
const EVENTS: [u64; 2] = [200_000, 300_000];

/// What [`check`] compares: the last two are more than a window holds, so that the same work is done
/// for each event, and each pair is seen ten times before the measured part begins.
const CHECKED_PAIRS: [u64; 3] = [20, 100, 2_000];
const CHECKED_EVENTS: [u64; 2] = [20_000, 40_000];
/// Selections of the shorter and the longer run.
const SELECTIONS: [u64; 2] = [5_000, 10_000];
/// Twenty times the pairs may cost this much more. Measured: 1.11; a walk over the active pairs costs
/// three times as much.
const MOST_GROWTH: f64 = 1.5;

/// One row of the table.
struct Cost {
    active_pairs: u64,
    /// Of the two runs.
    events: [u64; 2],
    instructions: [u64; 2],
}

impl Cost {
    fn per_event(&self) -> f64 {
        let [short, long] = self.instructions;
        (long as f64 - short as f64) / (self.events[1] - self.events[0]) as f64
    }
}

/// Measures, prints the table and writes it into the page.
pub(super) fn run(workspace: &Workspace) -> Result<()> {
    let costs = costs(workspace, &ACTIVE_PAIRS, EVENTS)?;
    let selection = selection(workspace)?;
    let mut table = table(&costs, &versions(workspace)?);
    write!(table, "\n\n{}", selection_line(selection)).expect("a String takes every write");
    println!("{table}");
    let speed = speed::measured(workspace)?;
    println!("{speed}");
    let page = workspace.path(PAGE);
    let text = std::fs::read_to_string(&page).with_context(|| format!("reading {PAGE}"))?;
    let text = markers::replaced(&text, "learning", &table).with_context(|| PAGE.to_owned())?;
    let text = markers::replaced(&text, "speed", &speed).with_context(|| PAGE.to_owned())?;
    std::fs::write(&page, text).with_context(|| format!("writing {PAGE}"))
}

/// Fails if an event costs more when more pairs are active, or anything more than its budget.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let budgets = budget::Budgets::read(workspace)?;
    let costs = costs(workspace, &CHECKED_PAIRS, CHECKED_EVENTS)?;
    let mut spent: Vec<(String, f64)> = costs
        .iter()
        .map(|cost| {
            let name = format!("learning_{}", cost.active_pairs);
            (name, cost.per_event())
        })
        .collect();
    spent.push(("selection_8".to_owned(), selection(workspace)?));
    let growth = costs[2].per_event() / costs[1].per_event();
    let [_, few, many] = CHECKED_PAIRS;
    println!("{many} active pairs cost {growth:.2} × as much as {few}");
    refuse_growth(growth)?;
    budgets.check(&spent)
}

fn refuse_growth(growth: f64) -> Result<()> {
    if growth > MOST_GROWTH || growth.is_nan() {
        let [_, few, many] = CHECKED_PAIRS;
        bail!(
            "learning an event costs {growth:.2} × as much with {many} active pairs as with \
             {few}, at most {MOST_GROWTH} × is allowed: something walks over the active pairs"
        );
    }
    Ok(())
}

fn costs(workspace: &Workspace, pairs: &[u64], events: [u64; 2]) -> Result<Vec<Cost>> {
    if on_path("valgrind").is_none() {
        bail!("valgrind is not installed; run: cargo xtask setup");
    }
    let program = build(workspace, "forewarm-domain", "learning_cost")?;
    let mut costs = Vec::new();
    for &active_pairs in pairs {
        let mut instructions = [0; 2];
        for (count, events) in instructions.iter_mut().zip(events) {
            *count = measure(workspace, &program, &[active_pairs, events])?;
        }
        costs.push(Cost {
            active_pairs,
            events,
            instructions,
        });
        eprintln!("{active_pairs} active pairs: measured");
    }
    Ok(costs)
}

/// Instructions of one selection among eight partners that L1 lacks.
fn selection(workspace: &Workspace) -> Result<f64> {
    let program = build(workspace, "forewarm-application", "selection_cost")?;
    let [short, long] = SELECTIONS;
    let fewer = measure(workspace, &program, &[short])?;
    let more = measure(workspace, &program, &[long])?;
    Ok((more as f64 - fewer as f64) / (long - short) as f64)
}

fn selection_line(instructions: f64) -> String {
    format!(
        "Choosing among eight partners that L1 lacks, by `adaptive`: {instructions:.0} instructions."
    )
}

/// Builds an example and returns where it lies.
fn build(workspace: &Workspace, package: &str, example: &str) -> Result<String> {
    let mut cargo = workspace.cargo(&[
        "build",
        "--release",
        "--package",
        package,
        "--example",
        example,
        "--message-format=json-render-diagnostics",
    ]);
    let output = captured(&mut cargo)?;
    executable(&String::from_utf8_lossy(&output.stdout), example)
        .with_context(|| format!("cargo built no example {example}"))
}

/// The program of the target `name` among cargo's messages.
fn executable(messages: &str, name: &str) -> Option<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
}

fn measure(workspace: &Workspace, program: &str, numbers: &[u64]) -> Result<u64> {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let mut arguments = vec![
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        program,
    ];
    arguments.extend(numbers.iter().map(String::as_str));
    let output = captured(&mut workspace.command("valgrind", &arguments))?;
    let report = String::from_utf8_lossy(&output.stderr);
    collected(&report).with_context(|| format!("callgrind reported no count: {report}"))
}

/// The number in callgrind's line `==PID== Collected : NUMBER`.
fn collected(report: &str) -> Option<u64> {
    report.lines().find_map(|line| {
        let (_, number) = line.split_once("Collected : ")?;
        number.split_whitespace().next()?.parse().ok()
    })
}

/// `rustc 1.x.y`, `valgrind-3.x.y`: what the count depends on.
fn versions(workspace: &Workspace) -> Result<String> {
    let rustc = captured(&mut workspace.command("rustc", &["--version"]))?;
    let valgrind = captured(&mut workspace.command("valgrind", &["--version"]))?;
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    let rustc = rustc.split(" (").next().unwrap_or_default().trim();
    Ok(format!(
        "{rustc}, {}",
        String::from_utf8_lossy(&valgrind.stdout).trim()
    ))
}

fn table(costs: &[Cost], versions: &str) -> String {
    let base = costs.first().map_or(f64::NAN, Cost::per_event);
    let mut text =
        String::from("| active pairs | instructions per event | against the first row |\n");
    text += "|---:|---:|---:|\n";
    for cost in costs {
        let per_event = cost.per_event();
        writeln!(
            text,
            "| {} | {per_event:.0} | {:.2} × |",
            cost.active_pairs,
            per_event / base
        )
        .expect("a String takes every write");
    }
    let [short, long] = EVENTS;
    text + &format!("\nFrom runs of {short} and {long} events; {versions}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_callgrinds_report() {
        let report = "==7== Callgrind, a call-graph generating cache profiler\n\
                      ==7== \n==7== Events    : Ir\n==7== Collected : 13472210\n==7== \n";
        assert_eq!(collected(report), Some(13_472_210));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }

    #[test]
    fn start_up_is_not_part_of_the_cost() {
        let start_up = 5_000_000;
        let instructions = EVENTS.map(|events| start_up + 700 * events);
        let cost = Cost {
            active_pairs: 10,
            events: EVENTS,
            instructions,
        };
        assert!((cost.per_event() - 700.0).abs() < 1e-9);
    }

    #[test]
    fn a_cost_that_grows_is_refused_with_the_figure() {
        assert!(refuse_growth(1.2).is_ok());
        let error = refuse_growth(6.0).expect_err("it grows").to_string();
        assert!(
            error.contains("6.00 ×") && error.contains("2000"),
            "{error}"
        );
        assert!(refuse_growth(f64::NAN).is_err());
    }

    #[test]
    fn the_table_has_a_row_for_each_number_of_pairs_and_the_growth() {
        let cost = |active_pairs, each: u64| {
            let instructions = EVENTS.map(|events| each * events);
            Cost {
                active_pairs,
                events: EVENTS,
                instructions,
            }
        };
        let text = table(&[cost(10, 800), cost(100, 1_000)], "rustc 1, valgrind 3");
        assert!(
            text.contains("| 10 | 800 | 1.00 × |\n| 100 | 1000 | 1.25 × |\n"),
            "{text}"
        );
        assert!(text.ends_with("rustc 1, valgrind 3."), "{text}");
    }

    #[test]
    fn the_example_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/a"}
{"reason":"compiler-artifact","target":{"name":"learning_cost"},"executable":"/b"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "learning_cost").as_deref(), Some("/b"));
        assert_eq!(executable(messages, "third"), None);
    }
}
