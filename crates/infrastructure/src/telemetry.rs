//! The exporter: Prometheus text of everything in the metric catalogue, and of nothing else.
//!
//! Counters and gauges go through OpenTelemetry's observable instruments; histograms through a
//! collector of our own in the same registry, since OpenTelemetry can't observe a histogram that is
//! kept elsewhere. Both read [`Metrics`] when scraped, so counting costs nothing here.
//!
//! The catalogue's names come out exactly: no unit or counter suffix is added, no scope label
//! and no `target_info`.

mod histograms;
mod otlp;
mod process;
mod push;

use std::sync::Arc;

use forewarm_application::metrics::{
    CATALOGUE, Metric, MetricKind, MetricSpec, Metrics, SampleValue,
};
use forewarm_domain::{ChainId, Timestamp};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use crate::clock;
use histograms::Histograms;
use process::Process;
pub use push::{Collector, CollectorError};

/// The `Content-Type` of what [`Telemetry::render`] returns.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// From a chain's id to its name.
pub type ChainNames = Arc<dyn Fn(ChainId) -> String + Send + Sync>;

/// What is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// The version of the package.
    pub version: String,
    /// The commit that it was built from; `unknown` is a good value.
    pub commit: String,
}

/// Why there is no exporter, or no text.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Names with this prefix would not be names of metrics.
    #[error(
        "the metric prefix {0:?} must begin with a letter and hold only letters, digits and `_`"
    )]
    Prefix(String),
    /// OpenTelemetry refused its configuration.
    #[error("cannot set up the metrics exporter")]
    Exporter(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// The registry refused a collector, or the text could not be written.
    #[error("cannot export metrics")]
    Registry(#[from] prometheus::Error),
}

/// The exporter.
pub struct Telemetry {
    registry: Registry,
    /// When counting began, and whose counts they are.
    since: Timestamp,
    version: String,
    /// Dropping it would end the instruments.
    _provider: SdkMeterProvider,
}

/// What the instruments' callbacks share.
#[derive(Clone)]
struct Read {
    metrics: Arc<Metrics>,
    chain_names: ChainNames,
    process: Arc<Process>,
    build: Arc<BuildInfo>,
}

impl Telemetry {
    /// Exports `metrics` under names that begin with `prefix` (the catalogue's is
    /// [`forewarm_application::metrics::PREFIX`]; it may be empty; `process_…` stays as it is).
    pub fn new(
        metrics: Arc<Metrics>,
        chain_names: ChainNames,
        build: BuildInfo,
        prefix: &str,
    ) -> Result<Self, TelemetryError> {
        let sound = prefix
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && prefix
                .bytes()
                .next()
                .is_none_or(|b| b.is_ascii_alphabetic());
        if !sound {
            return Err(TelemetryError::Prefix(prefix.to_owned()));
        }
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()?;
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder_empty().build())
            .with_reader(exporter)
            .build();
        let meter = provider.meter("forewarm");
        let version = build.version.clone();
        let read = Read {
            metrics,
            chain_names,
            process: Arc::new(Process::new()),
            build: Arc::new(build),
        };
        for spec in CATALOGUE {
            let name = spec.name_with_prefix(prefix);
            match spec.kind {
                MetricKind::Counter if is_process(spec.metric) => {
                    read.clone().observe_process_counter(&meter, name, spec);
                }
                MetricKind::Counter => read.clone().observe_counter(&meter, name, spec),
                MetricKind::Gauge => read.clone().observe_gauge(&meter, name, spec),
                MetricKind::Histogram => {}
            }
        }
        registry.register(Box::new(Histograms::new(&read, prefix)?))?;
        Ok(Self {
            registry,
            since: clock::now(),
            version,
            _provider: provider,
        })
    }

    /// Everything, as of now, in Prometheus' text format.
    pub fn render(&self) -> Result<String, TelemetryError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Read {
    fn observe_counter(self, meter: &Meter, name: String, spec: &'static MetricSpec) {
        let callback = move |instrument: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
            self.samples(spec.metric, &mut |labels, value| {
                if let SampleValue::Counter(count) = value {
                    instrument.observe(count, labels);
                }
            });
        };
        meter
            .u64_observable_counter(name)
            .with_description(spec.help)
            .with_callback(callback)
            .build();
    }

    fn observe_gauge(self, meter: &Meter, name: String, spec: &'static MetricSpec) {
        let callback = move |instrument: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
            match spec.metric {
                Metric::BuildInfo => {
                    let BuildInfo { version, commit } = &*self.build;
                    let labels = [
                        KeyValue::new("version", version.clone()),
                        KeyValue::new("commit", commit.clone()),
                    ];
                    instrument.observe(1.0, &labels);
                }
                metric if is_process(metric) => {
                    if let Some(value) = self.process.read(metric) {
                        instrument.observe(value, &[]);
                    }
                }
                metric => self.samples(metric, &mut |labels, value| {
                    if let SampleValue::Gauge(value) = value {
                        instrument.observe(value, labels);
                    }
                }),
            }
        };
        meter
            .f64_observable_gauge(name)
            .with_description(spec.help)
            .with_callback(callback)
            .build();
    }

    fn observe_process_counter(self, meter: &Meter, name: String, spec: &'static MetricSpec) {
        let callback = move |instrument: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
            if let Some(value) = self.process.read(spec.metric) {
                instrument.observe(value, &[]);
            }
        };
        meter
            .f64_observable_counter(name)
            .with_description(spec.help)
            .with_callback(callback)
            .build();
    }

    fn samples(&self, metric: Metric, sink: &mut dyn FnMut(&[KeyValue], SampleValue)) {
        self.metrics
            .visit_one(metric, &*self.chain_names, &mut |sample| {
                let labels: Vec<KeyValue> = sample
                    .labels
                    .iter()
                    .map(|(name, value)| KeyValue::new(*name, (*value).to_owned()))
                    .collect();
                sink(&labels, sample.value);
            });
    }
}

/// Whether the figure is the operating system's.
fn is_process(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::MemoryLimit
            | Metric::ResidentMemory
            | Metric::CpuSeconds
            | Metric::OpenFiles
            | Metric::MaxOpenFiles
            | Metric::StartTime
    )
}

#[cfg(test)]
mod tests;
