//! `cargo xtask stack up|down`: Prometheus, Alertmanager and Redis as processes of this machine.
//!
//! From the distribution's packages, on loopback, with the generated rules and routes, scraping
//! one running Forewarm. Notifications go to a listener and into a file, in place of a pager.

pub(crate) mod compress;
mod config;
mod process;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::colour::say;
use crate::command::{captured, on_path};
use crate::monitoring::thresholds::Thresholds;
use crate::monitoring::{alertmanager, prometheus};
use crate::workspace::Workspace;
use process::{Process, free};

/// What to do with the stack.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Stack {
    /// Starts it and prints its addresses
    Up(Up),
    /// Ends it; its data are left where they are
    Down(Place),
}

/// Where the stack keeps its state.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The folder of its logs, data and process numbers
    #[arg(long, value_name = "FOLDER", default_value = "target/stack")]
    folder: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    place: Place,
    /// The Forewarm to scrape
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    forewarm: String,
    /// How often it is scraped, and the rules are evaluated: 5s, with --compress 1s
    #[arg(long, value_name = "DURATION")]
    scrape_interval: Option<String>,
    /// Divides every window, pending time and pause of the rules and routes, to see in seconds
    /// what takes minutes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    compress: u32,
    /// An OpenMetrics file with samples of the past to begin with (promtool puts them in)
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// The wanted ports; a taken one is replaced by a free one
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    prometheus_port: u16,
    #[arg(long, value_name = "PORT", default_value_t = 9093)]
    alertmanager_port: u16,
    #[arg(long, value_name = "PORT", default_value_t = 6379)]
    redis_port: u16,
    #[arg(long, value_name = "PORT", default_value_t = 9099)]
    listener_port: u16,
}

pub(crate) fn run(workspace: &Workspace, stack: Stack) -> Result<()> {
    match stack {
        Stack::Up(up) => start(workspace, &up),
        Stack::Down(place) => stop(&workspace.path_of(&place.folder)),
    }
}

/// A program under its names: Debian's first.
struct Program {
    names: &'static [&'static str],
    package: &'static str,
}

const PROMETHEUS: Program = Program {
    names: &["prometheus"],
    package: "prometheus",
};
const ALERTMANAGER: Program = Program {
    names: &["prometheus-alertmanager", "alertmanager"],
    package: "prometheus-alertmanager",
};
const REDIS: Program = Program {
    names: &["redis-server", "valkey-server"],
    package: "redis-server",
};

impl Program {
    fn path(&self) -> Option<PathBuf> {
        self.names.iter().find_map(|name| on_path(name))
    }

    fn command(&self) -> Result<Command> {
        let path = self
            .path()
            .with_context(|| format!("{} is not installed", self.package))?;
        Ok(Command::new(path))
    }
}

fn start(workspace: &Workspace, up: &Up) -> Result<()> {
    let folder = workspace.path_of(&up.place.folder);
    if let Some(process) = processes(&folder)?.iter().find(|process| process.runs()) {
        bail!(
            "the stack is up ({} at {}): cargo xtask stack down",
            process.name,
            process.url
        );
    }
    refuse_missing(workspace)?;
    let mut running = Vec::new();
    let result = start_all(up, &folder, &mut running);
    if result.is_err() {
        for process in running.iter().rev() {
            process.end()?;
        }
        return result;
    }
    write(
        &folder.join("state.json"),
        &Value::Array(running.iter().map(Process::json).collect()),
    )?;
    for process in &running {
        say(&format!("{:<14} {}", process.name, process.url));
    }
    say(&format!(
        "{:<14} {}",
        "notifications",
        folder.join("notifications.ndjson").display()
    ));
    say(&format!(
        "{:<14} http://{}/metrics",
        "scraping", up.forewarm
    ));
    if reachable(&up.forewarm) {
        say(&format!(
            "\nlook:  cargo xtask check --prometheus {}",
            url_of(&running, "prometheus")
        ));
    } else {
        let redis = url_of(&running, "redis");
        say("\nNo Forewarm answers there yet. For one in front of this Redis:");
        say(&format!(
            "  cargo run --release -- --set l2.backend=redis --set l2.redis.url={redis}"
        ));
    }
    say("end:   cargo xtask stack down");
    Ok(())
}

fn url_of<'a>(running: &'a [Process], name: &str) -> &'a str {
    let found = running.iter().find(|process| process.name == name);
    found.map_or("", |process| &process.url)
}

fn reachable(addr: &str) -> bool {
    addr.parse::<SocketAddr>()
        .is_ok_and(|addr| std::net::TcpStream::connect(addr).is_ok())
}

fn refuse_missing(workspace: &Workspace) -> Result<()> {
    let missing: Vec<&str> = [PROMETHEUS, ALERTMANAGER, REDIS]
        .iter()
        .filter(|program| program.path().is_none())
        .map(|program| program.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let compose = "deploy/docker-compose.yml";
    let engine = on_path("docker").is_some() && workspace.path(compose).is_file();
    let other = if engine {
        format!("; or with containers: docker compose -f {compose} up")
    } else {
        String::new()
    };
    bail!(
        "not installed: {}; cargo xtask setup installs them{other}",
        missing.join(", ")
    )
}

fn start_all(up: &Up, folder: &Path, running: &mut Vec<Process>) -> Result<()> {
    for data in ["redis", "prometheus", "alertmanager"] {
        let path = folder.join(data);
        // Yesterday's notifications would be today's silence.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    }
    let notifications = folder.join("notifications.ndjson");
    let _ = fs::remove_file(&notifications);

    let addr = free(up.redis_port)?;
    let mut command = REDIS.command()?;
    command.args(["--bind", "127.0.0.1", "--port", &addr.port().to_string()]);
    command
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.join("redis"));
    running.push(Process::start(
        "redis",
        command,
        folder,
        addr,
        &format!("redis://{addr}"),
    )?);

    let addr = free(up.listener_port)?;
    let listener = format!("http://{addr}");
    let mut command = Command::new(std::env::current_exe().context("where am I?")?);
    command
        .args(["alerts", "listen", "--addr", &addr.to_string(), "--out"])
        .arg(&notifications);
    running.push(Process::start(
        "listener", command, folder, addr, &listener,
    )?);

    let addr = free(up.alertmanager_port)?;
    let routes = config::alertmanager(&alertmanager::document(), &listener);
    let file = folder.join("alertmanager.yml");
    write(&file, &compress::compressed(&routes, up.compress))?;
    let mut command = ALERTMANAGER.command()?;
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!(
        "--storage.path={}",
        folder.join("alertmanager").display()
    ));
    // Without an empty cluster address it would listen on every interface.
    command.args([
        &format!("--web.listen-address={addr}"),
        "--cluster.listen-address=",
    ]);
    running.push(Process::start(
        "alertmanager",
        command,
        folder,
        addr,
        &format!("http://{addr}"),
    )?);

    if let Some(history) = &up.history {
        let path = history.display().to_string();
        let mut promtool = Command::new("promtool");
        promtool.args([
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--quiet",
            &path,
        ]);
        captured(promtool.arg(folder.join("prometheus")))?;
    }
    let alertmanager = addr.to_string();
    let addr = free(up.prometheus_port)?;
    let rules = folder.join("rules.yml");
    write(
        &rules,
        &compress::compressed(&generated_rules()?, up.compress),
    )?;
    let file = folder.join("prometheus.yml");
    // The shortest window in fast motion is 6 s, and a rate needs two samples in it.
    let usual = if up.compress == 1 { "5s" } else { "1s" };
    let interval = up.scrape_interval.as_deref().unwrap_or(usual);
    let prometheus = config::prometheus(interval, &up.forewarm, &rules, &alertmanager);
    write(&file, &prometheus)?;
    let mut command = PROMETHEUS.command()?;
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!(
        "--storage.tsdb.path={}",
        folder.join("prometheus").display()
    ));
    command.args([
        &format!("--web.listen-address={addr}"),
        "--storage.tsdb.retention.time=7d",
    ]);
    running.push(Process::start(
        "prometheus",
        command,
        folder,
        addr,
        &format!("http://{addr}"),
    )?);
    Ok(())
}

fn stop(folder: &Path) -> Result<()> {
    let processes = processes(folder)?;
    if processes.is_empty() {
        say(&format!(
            "nothing to end: {} knows of no stack",
            folder.display()
        ));
        return Ok(());
    }
    for process in processes.iter().rev() {
        process.end()?;
        say(&format!("ended {}", process.name));
    }
    let state = folder.join("state.json");
    fs::remove_file(&state).with_context(|| format!("removing {}", state.display()))
}

/// What the state file lists; nothing when there is none.
fn processes(folder: &Path) -> Result<Vec<Process>> {
    let path = folder.join("state.json");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(Vec::new());
    };
    let state: Value =
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    Ok(state
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Process::from_json)
        .collect())
}

fn write(path: &Path, value: &Value) -> Result<()> {
    fs::write(path, format!("{value:#}\n")).with_context(|| format!("writing {}", path.display()))
}

fn generated_rules() -> Result<Value> {
    let rules = prometheus::rule_file(&Thresholds::default())?;
    serde_json::to_value(&rules).context("the rules as JSON")
}
