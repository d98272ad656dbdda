//! A running Forewarm, or a Prometheus, as the commands talk to it: over HTTP, with every answer's
//! status looked at.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::Failure;

/// Where a service listens unless told otherwise.
pub(super) const DEFAULT_SERVER: &str = "http://127.0.0.1:9464";
/// The setting's own variable, so that one environment serves the service and its commands.
const TOKEN_VARIABLE: &str = "FOREWARM_HTTP__TOKEN";
const CONNECTING: Duration = Duration::from_secs(5);
/// How long a whole answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer: a model of a million pairs has some 300 MB.
const MOST_BYTES: u64 = 1 << 30;
/// A body that never ends says something at least this often.
const SILENCE: Duration = Duration::from_secs(10);

/// How a server is reached.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Access {
    /// A file with the bearer token (else FOREWARM_HTTP__TOKEN).
    // Never the token itself: others can see a command line.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the authorities to trust in place of the public ones (https).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Access {
    fn token(&self) -> Result<Option<String>, Failure> {
        match &self.token_file {
            None => Ok(std::env::var(TOKEN_VARIABLE).ok()),
            Some(path) => {
                let text = String::from_utf8(read("--token-file", path)?);
                let text = text.map_err(|error| Failure::Input(error.into()))?;
                Ok(Some(text.trim().to_owned()))
            }
        }
    }

    fn roots(&self) -> Result<Option<RootCerts>, Failure> {
        let Some(path) = &self.ca else {
            return Ok(None);
        };
        let pem = read("--ca", path)?;
        let shown = path.display();
        let mut found = Vec::new();
        for item in parse_pem(&pem) {
            let item = item.with_context(|| format!("--ca: {shown} is no PEM"));
            if let PemItem::Certificate(one) = item.map_err(Failure::Input)? {
                found.push(one);
            }
        }
        if found.is_empty() {
            return Err(Failure::Input(anyhow!(
                "--ca: {shown} holds no certificate"
            )));
        }
        Ok(Some(RootCerts::new_with_certs(&found)))
    }
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .with_context(|| format!("{option}: cannot read {}", path.display()))
        .map_err(Failure::Input)
}

/// One server.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
    patience: Duration,
}

/// A body, whatever its type.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let context = "the server's answer is not JSON: is it the server that was meant?";
            Failure::Unavailable(anyhow::Error::new(error).context(context))
        })
    }
}

impl Client {
    /// A client of `base`, which the command line calls `option`.
    pub(super) fn new(option: &str, base: &str, access: &Access) -> Result<Self, Failure> {
        let uri: Option<Uri> = base.parse().ok();
        let fits = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
        });
        if !fits {
            return Err(Failure::Usage(anyhow!(
                "{option}: {base:?} is no URL, expected http://HOST[:PORT] or https://…"
            )));
        }
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECTING))
            .max_redirects(0)
            .user_agent(concat!("forewarm/", env!("CARGO_PKG_VERSION")));
        if let Some(roots) = access.roots()? {
            agent = agent.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self {
            agent: agent.build().into(),
            base: base.trim_end_matches('/').to_owned(),
            token: access.token()?.filter(|token| !token.is_empty()),
            patience: PATIENCE,
        })
    }

    /// The same with another limit for a whole answer, connecting included.
    pub(super) fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The server's address, as it was given.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        let mut request = self.agent.get(self.url(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.config().timeout_global(Some(self.patience)).build();
        self.answer("GET", path, request.call())
    }

    pub(super) fn put(&self, path: &str, media: &str, body: &[u8]) -> Result<Answer, Failure> {
        let mut request = self.agent.put(self.url(path)).header("content-type", media);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.config().timeout_global(Some(self.patience)).build();
        self.answer("PUT", path, request.send(body))
    }

    /// A form, as Prometheus takes long queries.
    pub(super) fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Answer, Failure> {
        let request = self.agent.post(self.url(path));
        let request = request.config().timeout_global(Some(self.patience)).build();
        let sent = request.send_form(form.iter().copied());
        self.answer("POST", path, sent)
    }

    /// A body without an end.
    pub(super) fn stream(&self, path: &str) -> Result<Box<dyn Read + Send>, Failure> {
        let request = self.agent.get(self.url(path));
        let request = request.config().timeout_per_read(Some(SILENCE)).build();
        let answer = request.call().map_err(|error| self.unreachable(error))?;
        if answer.status().is_success() {
            return Ok(Box::new(answer.into_body().into_reader()));
        }
        Err(self
            .answer("GET", path, Ok(answer))
            .err()
            .unwrap_or_else(|| Failure::Unavailable(anyhow!("{} gave no stream", self.base))))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn unreachable(&self, error: ureq::Error) -> Failure {
        let context = format!("cannot reach {}", self.base);
        Failure::Unavailable(anyhow::Error::new(error).context(context))
    }

    /// 4xx is the caller's doing, anything else that is no success the server's.
    fn answer(
        &self,
        method: &str,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, Failure> {
        let mut answer = answer.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let body = answer
            .body_mut()
            .with_config()
            .limit(MOST_BYTES)
            .read_to_vec()
            .with_context(|| format!("the answer of {} broke off", self.base))
            .map_err(Failure::Unavailable)?;
        if status.is_success() {
            return Ok(Answer { body });
        }
        let path = path.split('?').next().unwrap_or(path);
        let said = words(&body);
        let error = anyhow!("{method} {}{path} answered {status}: {said}", self.base);
        Err(match status.is_client_error() {
            true => Failure::Usage(error),
            false => Failure::Unavailable(error),
        })
    }
}

/// What the server said about it: a problem's detail, Prometheus' error, else the text.
fn words(body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["detail", "error"]
        .iter()
        .find_map(|name| parsed[*name].as_str());
    match said {
        Some(said) => said.to_owned(),
        None => String::from_utf8_lossy(body).chars().take(200).collect(),
    }
}

/// Text as one part of a path or of a query.
pub(super) fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
