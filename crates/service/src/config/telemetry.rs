//! Settings of logs and metrics.

use super::section::{choice, section};
use super::units::Span;

choice! {
    /// How log lines look.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

section! {
    /// Logs and metrics.
    pub struct Telemetry {
        /// What every metric's name begins with. The shipped dashboards and alerts know the
        /// default.
        prefix: String = "arbitrage_".to_owned();
        /// How log lines on standard error look.
        log_format: LogFormat = LogFormat::Text;
        /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or per module as in
        /// `info,forewarm_service=debug`.
        log_level: String = "info".to_owned();
        /// An OpenTelemetry collector that the metrics are sent to as well, over HTTP as JSON:
        /// `http://host:4318`, to which `/v1/metrics` is added, or `https://…`; unset = none.
        otlp_endpoint: Option<String> = None;
        /// How often they are sent.
        otlp_interval: Span = Span::secs(15), Span::millis(100) => Span::secs(3_600);
    }
}
