//! From the start of the process to its answer to `/readyz`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use forewarm_service::Forewarm;
use forewarm_service::config::{Sources, load};

use crate::job::{GROUP, Job};
use crate::row::Row;
use crate::stopwatch::{median, shown};
use crate::world::{Memory, runtime};

/// Pairs of the model that is restored, and a tenth of them for every day.
const MANY: usize = 1_000_000;

pub(crate) fn run(quick: bool) -> Result<()> {
    let rounds = if quick { 3 } else { 9 };
    let empty: Vec<f64> = (0..rounds)
        .map(|_| once(tempfile::tempdir()?.path()))
        .collect::<Result<_>>()?;
    let empty = median(&empty);
    Row::judged(
        "cold start, empty embedded store: process to /readyz",
        shown(empty),
        "≤ 200 ms",
        empty <= 200e6,
    );
    let folder = tempfile::tempdir()?;
    let pairs = if quick { MANY / 10 } else { MANY };
    let bytes = learn(folder.path(), pairs)?;
    let known: Vec<f64> = (0..rounds)
        .map(|_| once(folder.path()))
        .collect::<Result<_>>()?;
    let known = median(&known);
    Row::judged(
        format!(
            "the same with a model of {pairs} pairs ({} MB)",
            bytes / 1_000_000
        ),
        shown(known),
        "≤ 1 s",
        known <= 1e9,
    );
    Ok(())
}

fn settings(folder: &Path) -> Vec<String> {
    let model = folder.join("model.snapshot");
    vec![
        format!("l2.embedded.path={}", folder.display()),
        format!("model.snapshot_path={}", model.display()),
        format!("tracking.max_pairs={MANY}"),
        "http.addr=127.0.0.1:0".to_owned(),
        "resp.addr=127.0.0.1:0".to_owned(),
    ]
}

/// Writes a model's file that knows each pair and its partners; its size in bytes.
fn learn(folder: &Path, many: usize) -> Result<u64> {
    runtime()?.block_on(async {
        let mut builder = Forewarm::builder().shared_cache(Arc::new(Memory::full()));
        for setting in settings(folder) {
            builder = builder.set(setting);
        }
        // One event after the other, none lost.
        let forewarm = builder.set("tracking.queue_size=16777216").build().await?;
        let job = Job::new(&forewarm, many / GROUP, None).await?;
        drop(job);
        let pairs = forewarm.stats().pairs;
        ensure!(pairs > many * 9 / 10, "only {pairs} pairs were learned");
        forewarm.shutdown().await;
        Ok(std::fs::metadata(folder.join("model.snapshot"))?.len())
    })
}

/// Nanoseconds until a process of this program that serves from `folder` is ready.
fn once(folder: &Path) -> Result<f64> {
    let started = Instant::now();
    let mut process = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start this program again")?;
    let mut line = String::new();
    let stdout = process.stdout.take().context("its output is piped")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let addr = line.trim();
    let mut stream = TcpStream::connect(addr).with_context(|| format!("connecting to {addr:?}"))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let took = started.elapsed().as_nanos() as f64;
    // Its standard input ends, and so does it; a model of this size takes a while to be saved.
    drop(process.stdin.take());
    process.kill()?;
    process.wait()?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "not ready: {answer}");
    Ok(took)
}

/// What [`once`] starts: serves until its standard input ends.
pub(crate) fn serve(folder: &Path) -> Result<()> {
    runtime()?.block_on(async {
        let sources = Sources {
            set: settings(folder),
            ..Sources::default()
        };
        let (_forewarm, servers) = Forewarm::serve(load(&sources)?.config).await?;
        println!("{}", servers.http.addr);
        let _ = std::io::stdin().read(&mut [0])?;
        Ok(())
    })
}
