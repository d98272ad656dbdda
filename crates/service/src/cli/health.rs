//! `forewarm health`: asks a running Forewarm whether it is ready, for containers without curl.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::{Failure, duration};

pub(super) const EXAMPLES: &str = "\
Asks GET /readyz and prints what it answers. Exit code 0 when it is ready (degraded is ready), 69 when
it is not or does not answer. It speaks plain HTTP: with http.tls ask with a client that trusts the
certificate.

Examples:
  forewarm health
  forewarm health --server 127.0.0.1:9500 --timeout 1s";

/// More than this is no answer of ours.
const LONGEST: u64 = 64 << 10;

#[derive(Debug, Args)]
pub(super) struct HealthArguments {
    /// Where it listens: host and port, or http://host:port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    server: String,
    /// How long to wait for the connection, and then for the answer.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    timeout: Duration,
}

pub(super) fn run(arguments: &HealthArguments) -> Result<(), Failure> {
    let server = arguments.server.trim_start_matches("http://");
    let server = server.trim_end_matches('/');
    let answer = ask(server, arguments.timeout.max(Duration::from_millis(1)))
        .with_context(|| format!("{server} is not ready"))
        .map_err(Failure::Unavailable)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}").map_err(Failure::output)
}

/// The body of a 200; everything else is an error.
fn ask(server: &str, limit: Duration) -> anyhow::Result<String> {
    let mut addresses = server.to_socket_addrs().context("no such address")?;
    let address = addresses.next().ok_or_else(|| anyhow!("no such address"))?;
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n"
    )?;
    let mut text = Vec::new();
    stream.take(LONGEST).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{status:?} {body}");
    }
    Ok(body.to_owned())
}
