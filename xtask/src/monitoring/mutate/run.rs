//! Giving mutants to promtool, many at a time, on every core.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};

use super::{Mutant, needed};
use crate::monitoring::cases::Suite;
use crate::monitoring::thresholds::Thresholds;
use crate::monitoring::yaml;

/// Test files that one process reads: its start costs a tenth of a second.
const AT_ONCE: usize = 12;

/// A mutant and the suite to try it with.
struct Job {
    mutant: usize,
    suite: usize,
}

/// Which of the mutants died.
pub(super) fn all(
    mutants: &[Mutant],
    suites: &[Suite],
    thresholds: &Thresholds,
) -> Result<Vec<bool>> {
    let mut died = vec![false; mutants.len()];
    let rounds = mutants.iter().map(|it| it.suites.len()).max();
    for round in 0..rounds.unwrap_or(0) {
        let alive = mutants
            .iter()
            .enumerate()
            .filter(|(index, _)| !died[*index]);
        let jobs = alive.filter_map(|(mutant, it)| {
            let suite = *it.suites.get(round)?;
            Some(Job { mutant, suite })
        });
        let jobs: Vec<Job> = jobs.collect();
        for mutant in noticed(&jobs, mutants, suites, thresholds)? {
            died[mutant] = true;
        }
    }
    Ok(died)
}

/// The mutants of the jobs whose suite fails.
fn noticed(
    jobs: &[Job],
    mutants: &[Mutant],
    suites: &[Suite],
    thresholds: &Thresholds,
) -> Result<Vec<usize>> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let chunks = Mutex::new(jobs.chunks(AT_ONCE));
    let work = || -> Result<Vec<usize>> {
        let mut noticed = Vec::new();
        loop {
            let next = chunks.lock().map(|mut chunks| chunks.next());
            let Ok(Some(chunk)) = next else {
                return Ok(noticed);
            };
            for job in chunk {
                write(job, mutants, suites, thresholds, folder.path())?;
            }
            noticed.extend(fail(chunk, folder.path())?);
        }
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let results = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| worker.join());
        results.collect::<Vec<_>>()
    });
    let mut noticed = Vec::new();
    for result in results {
        let Ok(result) = result else {
            bail!("a worker panicked")
        };
        noticed.extend(result?);
    }
    Ok(noticed)
}

fn write(
    job: &Job,
    mutants: &[Mutant],
    suites: &[Suite],
    thresholds: &Thresholds,
    folder: &Path,
) -> Result<()> {
    let suite = &suites[job.suite];
    let rules = needed(&mutants[job.mutant].rules, suite.subject)?;
    let name = format!("{}.rules.yml", job.mutant);
    std::fs::write(folder.join(&name), yaml::document("", &rules)?)?;
    let tests = suite.document(&name, thresholds)?;
    std::fs::write(folder.join(test_file(job)), tests)?;
    Ok(())
}

fn test_file(job: &Job) -> String {
    format!("{}.test.yml", job.mutant)
}

/// Runs the jobs' tests in one process and reads which of them failed.
fn fail(jobs: &[Job], folder: &Path) -> Result<Vec<usize>> {
    let mut check = Command::new("promtool");
    check.args(["check", "rules"]).current_dir(folder);
    check.args(jobs.iter().map(|job| format!("{}.rules.yml", job.mutant)));
    // A mutant that is no rule would die for the wrong reason.
    crate::command::captured(&mut check)?;
    let mut test = Command::new("promtool");
    test.args(["test", "rules"]).current_dir(folder);
    test.args(jobs.iter().map(test_file));
    let output = test.output().context("cannot start promtool")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    verdicts(&said, jobs)
}

/// promtool's `Unit Testing:  FILE` and what follows it.
fn verdicts(said: &str, jobs: &[Job]) -> Result<Vec<usize>> {
    let mut noticed = Vec::new();
    for job in jobs {
        let heading = format!("Unit Testing:  {}\n", test_file(job));
        let (_, after) = said
            .split_once(&heading)
            .with_context(|| format!("promtool says nothing of {heading:?}: {said}"))?;
        if !after.trim_start().starts_with("SUCCESS") {
            noticed.push(job.mutant);
        }
    }
    Ok(noticed)
}
