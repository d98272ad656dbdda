//! A progress bar on standard error, if that is a terminal.

use std::cell::Cell;
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    lines: u64,
    contender: Cell<(&'static str, u64)>,
}

impl Progress {
    /// Reading a file; a pipe's length is unknown.
    pub(super) fn reading(path: &Path, bytes: Option<u64>) -> Self {
        let template = match bytes {
            Some(_) => "reading {msg} [{bar:40}] {bytes}/{total_bytes} {eta}",
            None => "reading {msg} {spinner} {bytes}",
        };
        let progress = Self::new(bytes.unwrap_or(0), template, 0);
        progress.bar.set_message(path.display().to_string());
        progress
    }

    /// Playing the lines once per contender.
    pub(super) fn playing(contenders: usize, lines: usize) -> Self {
        let template = "playing {msg:16} [{bar:40}] {percent}% {eta}";
        Self::new((contenders * lines) as u64, template, lines as u64)
    }

    /// So many runs, each over the whole recording.
    pub(super) fn steps(runs: usize) -> Self {
        Self::new(
            runs as u64,
            "playing {msg:16} [{bar:40}] {pos}/{len} {eta}",
            0,
        )
    }

    /// Begins run `at`, of `what`.
    pub(super) fn step(&self, what: &str, at: usize) {
        self.bar.set_message(what.to_owned());
        self.bar.set_position(at as u64);
    }

    fn new(length: u64, template: &'static str, lines: u64) -> Self {
        // Hidden by itself where standard error is no terminal.
        let bar =
            ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            lines,
            contender: Cell::new(("", 0)),
        }
    }

    pub(super) fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Line `line` of `contender`; a new name begins the next round.
    pub(super) fn playing_at(&self, contender: &'static str, line: usize) {
        let (name, mut rounds) = self.contender.get();
        if name != contender {
            rounds += u64::from(!name.is_empty());
            self.contender.set((contender, rounds));
            self.bar.set_message(contender);
        }
        self.bar.set_position(rounds * self.lines + line as u64);
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
