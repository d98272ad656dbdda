//! A receiver of webhooks that prints what arrives: where notifications go while nobody is to be woken.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use tiny_http::{Response, Server};

/// The largest notification that is read.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Where to listen; the path of a request names the receiver
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9099")]
    addr: SocketAddr,
    /// Also append each notification to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Listens until it is ended.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let server = Server::http(arguments.addr)
        .map_err(|error| anyhow!("cannot listen on {}: {error}", arguments.addr))?;
    let mut out = arguments.out.as_ref().map(open).transpose()?;
    println!("listening on http://{}/RECEIVER", arguments.addr);
    for mut request in server.incoming_requests() {
        let receiver = request.url().trim_start_matches('/').to_owned();
        let mut text = String::new();
        let body = std::io::Read::take(request.as_reader(), MOST_BYTES);
        let status = match std::io::read_to_string(body).map(|read| text = read) {
            Ok(()) if text.is_empty() => 200,
            Ok(()) => match serde_json::from_str(&text) {
                Ok(notification) => {
                    show(&receiver, &notification, out.as_mut())?;
                    200
                }
                Err(_) => 400,
            },
            Err(_) => 400,
        };
        // Whoever hangs up does not want the answer.
        let _ = request.respond(Response::empty(status));
    }
    Ok(())
}

fn open(path: &PathBuf) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("opening {}", path.display()))
}

fn show(receiver: &str, notification: &Value, out: Option<&mut File>) -> Result<()> {
    let alerts = notification["alerts"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    for alert in alerts {
        let label = |name: &str| alert["labels"][name].as_str().unwrap_or("-").to_owned();
        println!(
            "{receiver}: {} {} severity={} chain={}  {}",
            alert["status"].as_str().unwrap_or("-"),
            label("alertname"),
            label("severity"),
            label("chain"),
            alert["annotations"]["summary"].as_str().unwrap_or_default(),
        );
    }
    if let Some(out) = out {
        let line =
            json!({"receiver": receiver, "status": notification["status"], "alerts": alerts});
        writeln!(out, "{line}").context("writing the notification down")?;
    }
    Ok(())
}
