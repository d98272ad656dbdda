//! `forewarm model`: the learned model, saved, loaded and merged.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use forewarm_domain::model::snapshot;
use forewarm_domain::{ChainId, Estimator, Expectations, Key, Model};

use super::client::{Access, Client, DEFAULT_SERVER};
use super::serve::announce;
use super::{ConfigArguments, Failure, Overrides};
use crate::clock::Clock;
use crate::snapshot::replace;

pub(super) const EXAMPLES: &str = "\
A model is what a service has learned: which keys are read together, and what its fetches were
worth. Loading adds it to what the service knows; merging adds several up without a service.

Examples:
  forewarm model save model.fw
  forewarm model load model.fw --server http://10.0.0.7:9464
  forewarm model merge a.fw b.fw --out both.fw

A service keeps its model by itself: in a file (model.snapshot_path) and, for instances that come
and go, in L2 (model.l2_key).";

#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// Write the model of a running service to a file.
    Save(OneFile),
    /// Add a file to what a running service knows.
    Load(OneFile),
    /// Add up several files, without a service.
    Merge(MergeArguments),
}

#[derive(Debug, Args)]
pub(super) struct OneFile {
    /// The file; `-` is standard output or input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The running service.
    #[arg(long, value_name = "URL", default_value = DEFAULT_SERVER)]
    server: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
pub(super) struct MergeArguments {
    /// The files to add up; what was seen in several counts as often.
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the sum is written; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
}

pub(super) fn run(command: &ModelCommand) -> Result<(), Failure> {
    match command {
        ModelCommand::Save(arguments) => save(arguments),
        ModelCommand::Load(arguments) => load(arguments),
        ModelCommand::Merge(arguments) => merge(arguments),
    }
}

impl OneFile {
    fn client(&self) -> Result<Client, Failure> {
        Client::new("--server", &self.server, &self.access)
    }
}

fn save(arguments: &OneFile) -> Result<(), Failure> {
    let client = arguments.client()?;
    let bytes = client.get("/v1/model")?.body;
    let pairs = snapshot::pairs(&bytes).map_err(|error| {
        let context = format!("what {} sent is no model", client.base());
        Failure::Unavailable(anyhow::Error::new(error).context(context))
    })?;
    write(&arguments.file, &bytes)?;
    announce(&format!(
        "forewarm: {pairs} pairs saved in {}",
        arguments.file.display()
    ));
    Ok(())
}

fn load(arguments: &OneFile) -> Result<(), Failure> {
    let bytes = read(&arguments.file)?;
    // Said here, with the file's name, before anybody else is bothered.
    snapshot::pairs(&bytes).map_err(|error| unusable(&arguments.file, error))?;
    let client = arguments.client()?;
    let answer = client.put("/v1/model", "application/octet-stream", &bytes)?;
    let pairs = answer.json()?["pairs"].as_u64().unwrap_or_default();
    announce(&format!(
        "forewarm: {pairs} pairs added to what {} knows",
        client.base()
    ));
    Ok(())
}

fn merge(arguments: &MergeArguments) -> Result<(), Failure> {
    let effective = ConfigArguments {
        config: None,
        overrides: arguments.overrides.clone(),
    }
    .load()?;
    let mut files = Vec::new();
    let mut total = 0;
    for path in &arguments.files {
        let bytes = read(path)?;
        total += snapshot::pairs(&bytes).map_err(|error| unusable(path, error))?;
        files.push(bytes);
    }
    let mut config = effective.config.tracking.model();
    if !effective.is_set("tracking.max_pairs") {
        // Whoever loads it cuts it to size.
        config.max_pairs = total.clamp(config.max_pairs, 10_000_000);
    }
    let now = Clock::start().now();
    let mut model = Model::new(config);
    let mut expectations = Expectations::default();
    let key_of = |bytes, database| Key::new(bytes, database, ChainId::DEFAULT);
    for (path, bytes) in arguments.files.iter().zip(&files) {
        let loaded = snapshot::load(&mut model, bytes, now, &key_of);
        let loaded = loaded.map_err(|error| unusable(path, error))?;
        loaded
            .estimator
            .iter()
            .for_each(|learned: &Estimator| expectations.merge(learned));
    }
    write(
        &arguments.out,
        &snapshot::save(&model, expectations.estimator(), now),
    )?;
    announce(&format!(
        "forewarm: {} pairs of {} files in {}",
        model.len(),
        files.len(),
        arguments.out.display()
    ));
    Ok(())
}

fn unusable(path: &Path, error: snapshot::SnapshotError) -> Failure {
    let shown = path.display().to_string();
    Failure::Input(anyhow::Error::new(error).context(shown))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.with_context(|| format!("cannot read {}", path.display()))
        .map_err(Failure::Input)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        let mut out = io::stdout().lock();
        return out
            .write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(Failure::output);
    }
    replace(path, bytes)
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(Failure::Usage)
}
