//! `cargo xtask ci`: everything that CI runs, cheap first.
//!
//! Clippy, check and rustdoc share the dependencies' metadata; the tests build their code once,
//! in the `dev` profile. Nothing is built in `release`.

use anyhow::Result;

use crate::command::on_path;
use crate::monitoring::thresholds::Thresholds;
use crate::monitoring::{check, generate, mutate};
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{bench, layers, setup, tidy};

/// Runs every step and prints its time; stops at the first failure.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::new();
    let cargo = |arguments: &[&str]| workspace.cargo(arguments);

    steps.run("setup", "cargo xtask setup", setup::run)?;
    steps.run("tidy", "cargo xtask tidy", || tidy::run(workspace))?;
    steps.run("generated files", "cargo xtask gen --check", || {
        generate::run(workspace, &Thresholds::default(), true)
    })?;
    steps.run("monitoring", "cargo xtask check", || check::run(workspace))?;
    steps.run(
        "mutants of the alert rules",
        "cargo xtask alerts mutate --one-in 12",
        || mutate::run(&Thresholds::default(), 12),
    )?;
    steps.command("format", cargo(&["fmt", "--all", "--check"]))?;
    if on_path("cargo-deny").is_some() {
        steps.command("deny", cargo(&["deny", "--locked", "check"]))?;
    } else {
        steps.skip(
            "deny",
            "cargo-deny is not installed (licences, advisories, duplicates)",
        );
    }
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    steps.command("clippy", cargo(&clippy))?;
    let mut rustdoc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    rustdoc.env("RUSTDOCFLAGS", "-D warnings");
    steps.command("rustdoc", rustdoc)?;
    for member in layers::members() {
        let check = cargo(&["check", "-p", member, "--locked"]);
        steps.command(&format!("{member} alone"), check)?;
    }
    let mut tests = cargo(&["test", "--workspace", "--locked"]);
    tests.env("CI", "true");
    steps.command("tests", tests)?;
    let interleavings = [
        "test",
        "--package=forewarm-application",
        "--lib",
        "--features=interleavings",
        "--locked",
        "interleavings",
    ];
    steps.command("threads that meet", cargo(&interleavings))?;
    steps.run(
        "cost of learning",
        "cargo xtask bench learning --check",
        || bench::learning::check(workspace),
    )?;

    println!("{}", steps.summary());
    Ok(())
}
