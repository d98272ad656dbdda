//! Sends the figures to an OpenTelemetry collector: OTLP over HTTP, as JSON.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::Telemetry;
use super::otlp::{Said, document};
use crate::clock;
use crate::tls::{ClientTls, Link, TlsError, TlsFiles};

/// For one push, connection included.
const LIMIT: Duration = Duration::from_secs(5);
/// Of a collector's answer so much is read.
const ANSWER_BYTES: usize = 4 << 10;

/// Where a collector is.
#[derive(Debug, Clone)]
pub struct Collector {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<ClientTls>,
}

/// Why there is no such collector.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// No URL of HTTP.
    #[error("{0:?} is not of the form http://host[:port][/path] or https://…")]
    Url(String),
    /// This system trusts nobody.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("cannot reach it: {0}")]
    Unreachable(#[from] io::Error),
    #[error("it does not speak HTTP as expected: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer within {LIMIT:?}")]
    Late,
    #[error("it answered {0}: {1}")]
    Refused(StatusCode, String),
}

impl Collector {
    /// `http://host:4318`, to which `/v1/metrics` is added, or a URL that ends so. Over `https` the
    /// authorities that the system trusts are trusted.
    pub fn new(endpoint: &str) -> Result<Self, CollectorError> {
        let odd = || CollectorError::Url(endpoint.to_owned());
        let base = endpoint.trim_end_matches('/');
        let whole = match base.ends_with("/v1/metrics") {
            true => base.to_owned(),
            false => format!("{base}/v1/metrics"),
        };
        let uri: Uri = whole.parse().map_err(|_| odd())?;
        let authority = uri.authority().ok_or_else(odd)?;
        let (usual, tls) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => (443, Some(ClientTls::new(&TlsFiles::default())?)),
            _ => return Err(odd()),
        };
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(odd());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(usual);
        Ok(Self {
            uri,
            host,
            port,
            tls,
        })
    }

    async fn send(&self, body: Bytes) -> Result<(), PushError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let link = Link::new(stream, &self.host, self.tls.as_ref()).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(link)).await?;
        let request = Request::post(self.uri.path())
            .header(
                header::HOST,
                self.uri.authority().map_or("", |a| a.as_str()),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("the parts have been checked");
        let answered = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES)
                .collect()
                .await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok::<_, hyper::Error>((status, body))
        };
        // The connection does the work that the answer waits for, and may end with it.
        let mut answered = std::pin::pin!(answered);
        let first = tokio::select! {
            biased;
            answer = &mut answered => Some(answer),
            _ = connection => None,
        };
        let (status, body) = match first {
            Some(answer) => answer?,
            None => answered.await?,
        };
        match status.is_success() {
            true => Ok(()),
            false => Err(PushError::Refused(
                status,
                String::from_utf8_lossy(&body).chars().take(200).collect(),
            )),
        }
    }
}

impl Telemetry {
    /// Sends everything to the collector every so often, for ever. A failure is told once, and so is its
    /// end; nothing piles up meanwhile.
    pub async fn push(self: Arc<Self>, collector: Collector, instance: String, every: Duration) {
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            let body = self.said(&instance);
            let sent = timeout(LIMIT, collector.send(body)).await;
            let endpoint = &collector.uri;
            match sent.unwrap_or(Err(PushError::Late)) {
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%endpoint, %error, "metrics do not reach the collector");
                }
                Err(error) => tracing::debug!(%endpoint, %error, "nor do these"),
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!(%endpoint, "metrics reach the collector again");
                }
                Ok(()) => {}
            }
        }
    }

    fn said(&self, instance: &str) -> Bytes {
        let said = Said {
            instance,
            version: &self.version,
            since_us: self.since.as_micros(),
            now_us: clock::now().as_micros(),
        };
        document(&self.registry.gather(), said).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_where_the_metrics_go_or_is_refused_by_name() {
        let path = |endpoint: &str| Collector::new(endpoint).map(|it| it.uri.to_string());
        for (given, meant) in [
            ("http://h:4318", "http://h:4318/v1/metrics"),
            ("http://h:4318/", "http://h:4318/v1/metrics"),
            ("http://[::1]/otlp", "http://[::1]/otlp/v1/metrics"),
            ("http://h/v1/metrics", "http://h/v1/metrics"),
        ] {
            assert_eq!(path(given).expect(given), meant);
        }
        for odd in [
            "h:4318",
            "",
            "grpc://h:4317",
            "http://",
            "http://u:p@h",
            "http://a b",
        ] {
            let error = path(odd).expect_err(odd).to_string();
            assert!(error.contains(&format!("{odd:?}")), "{error}");
        }
    }
}
