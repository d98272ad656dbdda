//! Replays, as many at a time as there are cores.

use std::collections::{HashMap, VecDeque};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use super::answer::Answer;
use super::plan::{Budget, Cast, Cell, DEFAULT, Job};
use crate::command::captured;

/// What becomes of the answers that an earlier run left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// They are thrown away.
    Fresh,
    /// They are taken, and what is missing is replayed.
    Resumed,
    /// They are taken, and nothing is replayed.
    Alone,
}

/// What the replays answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    answers: HashMap<Cell, Answer>,
}

impl Answers {
    /// Runs the jobs; each answer is written to the file `kept` as soon as it is there.
    pub(super) fn collect(program: &Path, kept: &Path, jobs: &[Job], keep: Keep) -> Result<Self> {
        if keep == Keep::Fresh && kept.exists() {
            std::fs::remove_file(kept).with_context(|| format!("removing {}", kept.display()))?;
        }
        let known = known(kept)?;
        let mut answers = HashMap::new();
        let mut queue = VecDeque::new();
        for job in jobs {
            match known.get(&label(&job.cell)) {
                Some(text) => {
                    answers.insert(job.cell.clone(), Answer::parse(text)?);
                }
                None if keep == Keep::Alone => {}
                None => queue.push_back(job),
            }
        }
        let total = queue.len();
        let queue = Mutex::new(queue);
        let done = Mutex::new(answers);
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let work = || -> Result<()> {
                while let Some(job) = next(&queue) {
                    let answered = replay(program, job).inspect_err(|_| clear(&queue))?;
                    let answer = Answer::parse(&answered)?;
                    let mut done = done.lock().expect("no worker panics");
                    write_down(kept, &label(&job.cell), &answered)?;
                    done.insert(job.cell.clone(), answer);
                    eprintln!("{} ({} of {total} left)", label(&job.cell), left(&queue));
                }
                Ok(())
            };
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
        })?;
        let answers = done.into_inner().expect("no worker panics");
        Ok(Self { answers })
    }

    #[cfg(test)]
    pub(super) fn of(answers: impl IntoIterator<Item = (Cell, Answer)>) -> Self {
        let answers = answers.into_iter().collect();
        Self { answers }
    }

    fn get(&self, input: &str, shuffled: bool, size: u32, who: (Budget, Cast)) -> Option<&Answer> {
        let (budget, cast) = who;
        self.answers.get(&Cell {
            input: input.to_owned(),
            shuffled,
            size,
            budget,
            cast,
        })
    }

    /// At the default budget: adaptive with the baselines, or with those that play on a hostile stream.
    pub(super) fn usual(&self, input: &str, size: u32) -> Option<&Answer> {
        self.get(input, false, size, (DEFAULT, Cast::Baselines))
            .or_else(|| self.get(input, false, size, (DEFAULT, Cast::Popularity)))
    }

    /// The other strategies at the default budget.
    pub(super) fn others(&self, input: &str, size: u32) -> Option<&Answer> {
        self.get(input, false, size, (DEFAULT, Cast::Others))
    }

    /// With adaptive in it, at any budget.
    pub(super) fn at(&self, input: &str, size: u32, budget: Budget) -> Option<&Answer> {
        if budget == DEFAULT {
            return self.usual(input, size);
        }
        self.get(input, false, size, (budget, Cast::Adaptive))
    }

    /// The shuffled copy at the default budget.
    pub(super) fn shuffled(&self, input: &str, size: u32) -> Option<&Answer> {
        self.get(input, true, size, (DEFAULT, Cast::Popularity))
    }

    /// With an L2 that takes a millisecond.
    pub(super) fn slow(&self, input: &str, size: u32) -> Option<&Answer> {
        self.get(input, false, size, (DEFAULT, Cast::Slow))
    }
}

fn next<'a>(queue: &Mutex<VecDeque<&'a Job>>) -> Option<&'a Job> {
    queue.lock().expect("no worker panics").pop_front()
}

fn left(queue: &Mutex<VecDeque<&Job>>) -> usize {
    queue.lock().expect("no worker panics").len()
}

/// After a failure nothing new is begun.
fn clear(queue: &Mutex<VecDeque<&Job>>) {
    queue.lock().expect("no worker panics").clear();
}

fn label(cell: &Cell) -> String {
    format!(
        "{}{}, L1 {} %, budget {}, {:?}",
        cell.input,
        if cell.shuffled { " shuffled" } else { "" },
        cell.size,
        cell.budget,
        cell.cast
    )
}

fn replay(program: &Path, job: &Job) -> Result<String> {
    let budget = job.cell.budget;
    let mut forewarm = Command::new(program);
    forewarm
        .arg("replay")
        .arg(&job.path)
        .args(["--format=json", &format!("--l1-percent={}", job.cell.size)])
        .arg(format!(
            "--set=warming.budget.extra_l2_reads={}",
            budget.extra_l2_reads()
        ))
        .args(budget.settings().iter().map(|set| format!("--set={set}")))
        .args(job.cell.cast.arguments());
    let output = captured(&mut forewarm)?;
    String::from_utf8(output.stdout).context("replay printed no UTF-8")
}

/// The answers kept, by label.
fn known(kept: &Path) -> Result<HashMap<String, String>> {
    let Ok(text) = std::fs::read_to_string(kept) else {
        return Ok(HashMap::new());
    };
    let line = |line: &str| -> Result<(String, String)> {
        let json: Value = serde_json::from_str(line)?;
        let label = json["cell"].as_str().context("no cell")?.to_owned();
        Ok((label, json["answer"].to_string()))
    };
    text.lines()
        .map(line)
        .collect::<Result<_>>()
        .with_context(|| format!("{}: run without --resume", kept.display()))
}

fn write_down(kept: &Path, label: &str, answered: &str) -> Result<()> {
    let answer: Value = serde_json::from_str(answered)?;
    let shown = || format!("writing {}", kept.display());
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(kept)
        .with_context(shown)?;
    writeln!(file, "{}", json!({"cell": label, "answer": answer})).with_context(shown)
}
