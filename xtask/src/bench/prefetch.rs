//! What prefetching is worth, and what it costs: replays of recordings and of streams made to hurt,
//! over sizes of L1 and budgets, beside baselines, shuffled copies and published prefetchers.
//!
//! Replay runs in virtual time, so the figures are the same on every machine; only the time that it
//! takes is the machine's.

mod answer;
mod hostile;
mod inputs;
mod jobs;
mod peers;
mod plan;
mod plot;
mod shuffled;
mod tables;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use self::inputs::Inputs;
use self::jobs::{Answers, Keep};
use super::{PAGE, markers};
use crate::command::run as run_command;
use crate::workspace::Workspace;

const PLOT: &str = "docs/img/prefetch-front.svg";
/// Answers of the run under way, and what a run that is no full one has drawn.
const SCRATCH: &str = "target/bench/prefetch";
/// The answers, one a line; the hostile streams of a quick run are shorter.
const ANSWERS: &str = "answers.ndjson";
const QUICK_ANSWERS: &str = "quick-answers.ndjson";

/// How much is measured.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Options {
    /// One recording, one size of L1, three budgets: under a minute; the page stays as it is
    #[arg(long)]
    quick: bool,
    /// Keep the answers that an interrupted run left; only with the same program and inputs
    #[arg(long)]
    resume: bool,
    /// Replay nothing: draw what the answers of an earlier run are enough for
    #[arg(long, conflicts_with = "resume")]
    draw: bool,
}

/// Measures, prints the tables and, after a full run on recordings, writes them into the page.
pub(super) fn run(workspace: &Workspace, options: Options) -> Result<()> {
    let build = [
        "build",
        "--release",
        "--package=forewarm-service",
        "--bin=forewarm",
    ];
    if !options.draw {
        run_command(&mut workspace.cargo(&build))?;
    }
    let program = workspace.path("target/release/forewarm");
    let scratch = workspace.path(SCRATCH);
    std::fs::create_dir_all(&scratch).with_context(|| format!("creating {SCRATCH}"))?;
    let folder = tempfile::tempdir().context("a folder for generated streams")?;
    let inputs = Inputs::gather(&program, folder.path(), options.quick)?;
    let jobs = plan::jobs(&inputs, options.quick);
    let keep = match options {
        Options { draw: true, .. } => Keep::Alone,
        Options { resume: true, .. } => Keep::Resumed,
        Options { .. } => Keep::Fresh,
    };
    let kept = scratch.join(if options.quick {
        QUICK_ANSWERS
    } else {
        ANSWERS
    });
    let answers = Answers::collect(&program, &kept, &jobs, keep)?;
    let tables = tables::page(&inputs, &answers);
    println!("{tables}");
    let plot = plot::front(&inputs, &answers);
    if options.quick || !inputs.recorded {
        write(&scratch.join("front.svg"), &plot)?;
        eprintln!("{PAGE} is left alone: this was no full run on recordings");
        return Ok(());
    }
    write(&workspace.path(PLOT), &plot)?;
    let page = workspace.path(PAGE);
    let text = std::fs::read_to_string(&page).with_context(|| format!("reading {PAGE}"))?;
    let text = markers::replaced(&text, "prefetch", &tables).with_context(|| PAGE.to_owned())?;
    write(&page, &text)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
