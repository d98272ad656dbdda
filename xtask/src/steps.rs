//! Named steps with their times; the first failure ends the run.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::clock::Stopwatch;
use crate::command;

/// What ran so far, for the closing summary.
pub(crate) struct Steps {
    total: Stopwatch,
    done: Vec<Done>,
}

struct Done {
    name: String,
    /// `None`: skipped.
    took: Option<Duration>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            total: Stopwatch::start(),
            done: Vec::new(),
        }
    }

    /// Runs a step of our own; `rerun` is the command that repeats it alone.
    pub(crate) fn run(
        &mut self,
        name: &str,
        rerun: &str,
        step: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("\n==> {name}: {rerun}");
        let watch = Stopwatch::start();
        step().map_err(|error| {
            anyhow!(
                "{name} failed after {}: {error:#}\nto repeat: {rerun}",
                seconds(watch.elapsed())
            )
        })?;
        let took = watch.elapsed();
        println!("<== {name}: {}", seconds(took));
        self.done.push(Done {
            name: name.to_owned(),
            took: Some(took),
        });
        Ok(())
    }

    /// Runs another program as a step.
    pub(crate) fn command(&mut self, name: &str, mut command: Command) -> Result<()> {
        let rerun = command::shown(&command);
        self.run(name, &rerun, || command::run(&mut command))
    }

    /// Leaves a step out, loudly.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        println!("\n==> {name}: SKIPPED, NOT CHECKED: {reason}");
        self.done.push(Done {
            name: name.to_owned(),
            took: None,
        });
    }

    /// One line a step, then the total.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::from("\n");
        for step in &self.done {
            let took = step.took.map_or_else(|| "SKIPPED".to_owned(), seconds);
            text += &format!("{:<32} {took:>10}\n", step.name);
        }
        let skipped = self.done.iter().filter(|step| step.took.is_none()).count();
        let passed = self.done.len() - skipped;
        let total = seconds(self.total.elapsed());
        text + &format!("ci: {passed} steps passed, {skipped} skipped, in {total}")
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_step_and_the_command_that_repeats_it() {
        let mut steps = Steps::new();
        let mut sh = Command::new("sh");
        sh.args(["-c", "exit 7"]);
        let error = steps.command("doomed", sh).expect_err("it exits with 7");
        let text = format!("{error:#}");
        for part in ["doomed failed", "to repeat: sh -c 'exit 7'", "7"] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
    }

    #[test]
    fn the_summary_counts_what_was_skipped_apart_from_what_passed() {
        let mut steps = Steps::new();
        steps.run("first", "true", || Ok(())).expect("it passes");
        steps.skip("second", "no tool");
        let summary = steps.summary();
        assert!(
            summary.contains("ci: 1 steps passed, 1 skipped"),
            "{summary}"
        );
        assert!(
            summary
                .lines()
                .any(|line| line.starts_with("second") && line.ends_with("SKIPPED"))
        );
    }
}
