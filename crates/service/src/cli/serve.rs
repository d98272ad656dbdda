//! `forewarm serve`.

use std::io::{self, Write};

use tokio::runtime::Builder;

use super::{ConfigArguments, Failure};
use crate::config::{Effective, ListenerTls, LogFormat, Telemetry};
use crate::service::{Forewarm, StartError};
use crate::signals::Signals;

pub(super) const EXAMPLES: &str = "\
Examples:
  forewarm serve --preset balanced
  forewarm serve --config /etc/forewarm.toml --set http.addr=127.0.0.1:9500
  FOREWARM_L2__BACKEND=redis FOREWARM_L2__REDIS__URL=redis://cache:6379 forewarm serve

SIGTERM or Ctrl-C ends it: requests under way are answered, the model is saved. A second signal
ends it at once.";

pub(super) fn run(arguments: &ConfigArguments) -> Result<(), Failure> {
    let effective = arguments.load()?;
    start_log(&effective.config.telemetry);
    run_to_end(serve(effective))
}

/// Serves until a signal says stop.
async fn serve(effective: Effective) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::internal)?;
    let drain = effective.config.http.drain_timeout.0;
    let unix_socket = effective.config.resp.unix_socket.clone();
    let over_tls = |tls: &ListenerTls| if tls.cert_file.is_some() { "s" } else { "" };
    let (http_tls, resp_tls) = (
        over_tls(&effective.config.http.tls),
        over_tls(&effective.config.resp.tls),
    );
    for section in effective.config.reachable_in_the_clear() {
        tracing::warn!(
            section,
            "other machines can reach this port, and it speaks in the clear: secrets and values can be \
             read on the way unless something else encrypts it (see {section}.tls)"
        );
    }
    let (forewarm, servers) = Forewarm::serve(effective.config).await?;
    if let Some(resp) = &servers.resp {
        announce(&format!(
            "forewarm: Redis protocol on redis{resp_tls}://{}",
            resp.addr
        ));
    }
    if let Some(path) = unix_socket {
        announce(&format!(
            "forewarm: Redis protocol on unix://{}",
            path.display()
        ));
    }
    announce(&format!(
        "forewarm: listening on http{http_tls}://{}",
        servers.http.addr
    ));
    let _ = signals.stop().await;
    announce("forewarm: stopping (a second signal ends it at once)");
    tokio::select! {
        () = forewarm.stop_serving(servers, drain) => Ok(()),
        () = signals.stop() => {
            let error = anyhow::anyhow!("ended by a second signal before everything was drained");
            Err(Failure::Internal(error))
        }
    }
}

/// A line for people and for scripts that wait for the start.
pub(super) fn announce(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Runs on a runtime of its own. What still blocks when it is over (a read of standard input
/// that nobody answers) is left behind.
pub(super) fn run_to_end(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.enable_all().build().map_err(Failure::internal)?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Log lines go to standard error. A second start in one process keeps the first.
pub(super) fn start_log(config: &Telemetry) {
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let level: Targets = config
        .log_level
        .parse()
        .expect("the configuration has been checked");
    let registry = tracing_subscriber::registry().with(level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let _ = match config.log_format {
        LogFormat::Text => registry
            .with(lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())))
            .try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}

impl Failure {
    pub(super) fn internal(error: io::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(error) => error.into(),
            StartError::Redis(_)
            | StartError::Tls(_)
            | StartError::Link(_)
            | StartError::Strategy(_)
            | StartError::Template(_)
            | StartError::Telemetry(_) => Self::Usage(error.into()),
            StartError::Feed { .. } => Self::Input(error.into()),
            StartError::Store { .. } | StartError::Listen { .. } => Self::Unavailable(error.into()),
            StartError::System(_) => Self::Internal(error.into()),
        }
    }
}
