//! `forewarm health`: asks a running Forewarm whether it is ready, for containers without curl.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::client::{Access, Client};
use super::{Failure, duration};

pub(super) const EXAMPLES: &str = "\
Asks GET /readyz and prints what it answers. Exit code 0 when it is ready (degraded is ready), 69 when
it is not or does not answer.

Examples:
  forewarm health
  forewarm health --server 127.0.0.1:9500 --timeout 1s
  forewarm health --server https://localhost:9464 --ca /etc/forewarm/tls/ca.crt";

#[derive(Debug, Args)]
pub(super) struct HealthArguments {
    /// Where it listens: host and port, or a URL.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    server: String,
    /// How long to wait for the whole answer.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    access: Access,
}

pub(super) fn run(arguments: &HealthArguments) -> Result<(), Failure> {
    let server = match arguments.server.contains("://") {
        true => arguments.server.clone(),
        false => format!("http://{}", arguments.server),
    };
    let client = Client::new("--server", &server, &arguments.access)?;
    let limit = arguments.timeout.max(Duration::from_millis(1));
    // Whatever it answers but a 200, it is not ready.
    let answer = client.within(limit).get("/readyz").map_err(|error| {
        let context = format!("{server} is not ready");
        Failure::Unavailable(error.into_error().context(context))
    })?;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(&answer.body).and_then(|()| writeln!(out));
    written.map_err(Failure::output)
}
