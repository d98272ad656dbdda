//! `cargo xtask picture`: the dashboard's look, drawn from its JSON and a Prometheus' data.
//!
//! Not Grafana's own drawing: a page of SVG in headless Chromium. It shows the panels at their
//! places, with their units, thresholds and legends, and the data that were really scraped.

mod chart;
mod data;
mod dial;
mod page;
mod timeline;
mod units;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::command::{captured, on_path};
use crate::monitoring::dashboards;
use crate::monitoring::thresholds::Thresholds;
use crate::stack::compress::duration;
use crate::workspace::Workspace;
use data::Source;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// The Prometheus that scrapes Forewarm
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    prometheus: String,
    /// The dashboard
    #[arg(long, value_name = "UID", default_value = "warming-infrastructure")]
    dashboard: String,
    /// How far to look back
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = long)]
    range: Duration,
    /// What $__rate_interval stands for
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    rate_interval: String,
    /// The file; one that ends in .html gets the page itself
    #[arg(
        long,
        value_name = "FILE",
        default_value = "docs/img/warming-infrastructure.png"
    )]
    out: PathBuf,
}

fn long(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|long| !long.is_zero())
        .ok_or_else(|| "expected a duration as in 15m".to_owned())
}

/// Draws it.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let all = dashboards(&Thresholds::default())?;
    let dashboard = all
        .iter()
        .find(|one| one.uid == arguments.dashboard)
        .with_context(|| format!("there is no dashboard {:?}", arguments.dashboard))?;
    let source = Source::new(
        &arguments.prometheus,
        arguments.range,
        &arguments.rate_interval,
    )?;
    let page = page::page(&dashboard.json, &source)?;
    let out = workspace.path_of(&arguments.out);
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    if out.extension().is_some_and(|ending| ending == "html") {
        std::fs::write(&out, page.html).with_context(|| format!("writing {}", out.display()))?;
    } else {
        photograph(&page, &out)?;
    }
    println!("{}", out.display());
    Ok(())
}

/// Opens the page in headless Chromium and keeps what it shows.
fn photograph(page: &page::Page, out: &Path) -> Result<()> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let Some(browser) = names.iter().find_map(|name| on_path(name)) else {
        bail!("chromium is not installed; cargo xtask setup installs it");
    };
    let folder = tempfile::tempdir().context("a folder for the browser")?;
    let file = folder.path().join("page.html");
    std::fs::write(&file, &page.html).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
    ]);
    command.arg(format!(
        "--user-data-dir={}",
        folder.path().join("profile").display()
    ));
    command.arg(format!("--window-size={},{}", page.width, page.height));
    command.arg(format!("--screenshot={}", out.display()));
    command.arg(format!("file://{}", file.display()));
    captured(&mut command).context("the browser")?;
    if !out.is_file() {
        bail!("the browser made no picture");
    }
    Ok(())
}
