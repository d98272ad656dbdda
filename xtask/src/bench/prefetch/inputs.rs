//! What is replayed: recordings, their shuffled copies, and streams made to hurt.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{hostile, shuffled};
use crate::command::captured;

/// The folder with recordings.
const TRACES: &str = "FOREWARM_TRACES";
/// Generated streams that stand in for recordings when there are none.
const STAND_INS: [&str; 2] = ["market", "bursts"];
/// Profiles of `forewarm generate` in which there is little to gain or much to lose.
const PROFILES: [&str; 6] = ["null", "scan", "flip", "bursts", "zipf", "market"];
const EVENTS: u64 = 60_000;
const QUICK_EVENTS: u64 = 15_000;

/// A stream to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Whether it tells updates from reads.
    pub(super) has_ops: bool,
    /// The same without its order; hostile streams have none.
    pub(super) shuffled: Option<PathBuf>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) recordings: Vec<Input>,
    pub(super) hostile: Vec<Input>,
    /// Whether the recordings were recorded, not generated.
    pub(super) recorded: bool,
}

impl Inputs {
    /// Finds the recordings and writes everything else into `folder`.
    pub(super) fn gather(program: &Path, folder: &Path, quick: bool) -> Result<Self> {
        let events = if quick { QUICK_EVENTS } else { EVENTS };
        let (mut recordings, recorded) = match std::env::var_os(TRACES) {
            Some(traces) => (recordings(Path::new(&traces))?, true),
            None => {
                eprintln!("{TRACES} is not set: generated streams stand in for recordings");
                let made = STAND_INS.iter().map(|name| {
                    let path = folder.join(format!("{name}-2.csv"));
                    generate(program, name, events, 2, &path).map(|()| path)
                });
                (made.collect::<Result<_>>()?, false)
            }
        };
        if quick {
            let size = |path: &PathBuf| path.metadata().map_or(u64::MAX, |data| data.len());
            recordings.sort_by_key(size);
            recordings.truncate(1);
        }
        let recordings = recordings
            .into_iter()
            .map(|path| recording(path, folder))
            .collect::<Result<_>>()?;
        Ok(Self {
            recordings,
            hostile: hostile(program, folder, events)?,
            recorded,
        })
    }
}

/// The CSV files of the folder, by name.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let shown = || format!("{TRACES}: reading {}", folder.display());
    let mut found = Vec::new();
    for entry in folder.read_dir().with_context(shown)? {
        let path = entry.with_context(shown)?.path();
        let name = path.file_name().map(OsStr::to_string_lossy);
        if name.is_some_and(|name| name.ends_with(".csv") || name.ends_with(".csv.gz")) {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("{TRACES}: no .csv or .csv.gz file in {}", folder.display());
    }
    found.sort();
    Ok(found)
}

/// The name without the endings that say how it is stored.
fn name(path: &Path) -> String {
    let name = path.file_name().map(OsStr::to_string_lossy);
    let name = name.unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let name = name.strip_suffix(".csv").unwrap_or(name);
    name.strip_suffix("_dev").unwrap_or(name).to_owned()
}

fn recording(path: PathBuf, folder: &Path) -> Result<Input> {
    let name = name(&path);
    let lines = shuffled::lines(&path)?;
    let header = lines.first().map_or("", String::as_str);
    let copy = folder.join(format!("{name}-shuffled.csv"));
    shuffled::copy(&lines, &copy)?;
    Ok(Input {
        has_ops: header.split(',').any(|column| column == "op"),
        shuffled: Some(copy),
        name,
        path,
    })
}

fn hostile(program: &Path, folder: &Path, events: u64) -> Result<Vec<Input>> {
    let input = |name: &str, path: PathBuf| Input {
        name: name.to_owned(),
        path,
        has_ops: true,
        shuffled: None,
    };
    let mut inputs = Vec::new();
    for profile in PROFILES {
        let path = folder.join(format!("{profile}.csv"));
        generate(program, profile, events, 1, &path)?;
        inputs.push(input(profile, path));
    }
    for (name, stream) in hostile::STREAMS {
        let path = folder.join(format!("{name}.csv"));
        std::fs::write(&path, stream(events))
            .with_context(|| format!("writing {}", path.display()))?;
        inputs.push(input(name, path));
    }
    Ok(inputs)
}

fn generate(program: &Path, profile: &str, events: u64, seed: u64, out: &Path) -> Result<()> {
    let (events, seed) = (events.to_string(), seed.to_string());
    let mut forewarm = Command::new(program);
    forewarm
        .args(["generate", "--profile", profile, "--events", &events])
        .args(["--seed", &seed, "--out"])
        .arg(out);
    captured(&mut forewarm).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_called_by_its_name_alone() {
        for (file, expected) in [
            ("a/dex_eth_dev.csv.gz", "dex_eth"),
            ("b.csv", "b"),
            ("c.csv.gz", "c"),
        ] {
            assert_eq!(name(Path::new(file)), expected);
        }
    }

    #[test]
    fn only_the_csv_files_of_the_folder_are_recordings() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["b.csv", "a.csv.gz", "README.md"] {
            std::fs::write(folder.path().join(file), "").expect("written");
        }
        let found = recordings(folder.path()).expect("two");
        let names: Vec<_> = found.iter().map(|path| name(path)).collect();
        assert_eq!(names, ["a", "b"]);
        let empty = tempfile::tempdir().expect("a folder");
        assert!(recordings(empty.path()).is_err());
    }
}
