//! HTTP as the tasks need it: JSON in, JSON out, every answer with its status, no surprises.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read. A dashboard has some 100 KB.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// A server, and what every request to it bears.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    headers: Vec<(&'static str, String)>,
}

/// What a server answered. A status of 400 and above is an answer too.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `Null` for an empty body, a string for one that is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// The server's words about what went wrong, as far as it has any.
    pub(crate) fn message(&self) -> String {
        let fields = ["message", "error", "messageId"];
        let said = fields.iter().find_map(|field| self.body[*field].as_str());
        match (said, &self.body) {
            (Some(said), _) => said.to_owned(),
            (None, Value::String(text)) => text.chars().take(200).collect(),
            _ => "no message".to_owned(),
        }
    }
}

impl Client {
    /// A client of `base`, an `http://` or `https://` URL with or without a path. `ca` is a PEM
    /// file with the authorities to trust in place of the public ones.
    pub(crate) fn new(base: &str, ca: Option<&Path>) -> Result<Self> {
        let wrong =
            || format!("{base:?} is no URL: expected http://HOST[:PORT] or https://HOST[:PORT]");
        let uri: Uri = base.parse().with_context(wrong)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            bail!(wrong());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // A redirect to a log-in page would look like a success; and a token is not carried on.
            .max_redirects(0)
            .user_agent("forewarm-xtask");
        if let Some(ca) = ca {
            let roots = RootCerts::new_with_certs(&certificates(ca)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self {
            agent: config.build().into(),
            base: base.trim_end_matches('/').to_owned(),
            headers: Vec::new(),
        })
    }

    /// Adds a header to every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        let mut request = self.agent.get(self.url(path));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        self.read("GET", path, request.call())
    }

    /// A request with a JSON body: `POST` or `PUT`.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let mut request = match method {
            "POST" => self.agent.post(self.url(path)),
            "PUT" => self.agent.put(self.url(path)),
            other => bail!("{other} has no body here"),
        };
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.content_type("application/json");
        self.read(method, path, request.send(body.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn read(
        &self,
        method: &str,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer> {
        let path = path.split('?').next().unwrap_or(path);
        let context = || format!("{method} {}{path}", self.base);
        let mut answer = answer.with_context(context)?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(MOST_BYTES)
            .lossy_utf8(true)
            .read_to_string()
            .with_context(context)?;
        let body = if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Ok(Answer {
            status: answer.status().as_u16(),
            body,
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let shown = path.display();
    let pem = std::fs::read(path).with_context(|| format!("reading {shown}"))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(one) = item.with_context(|| format!("{shown} is no PEM"))? {
            found.push(one);
        }
    }
    if found.is_empty() {
        bail!("{shown} holds no certificate");
    }
    Ok(found)
}

/// Text as one part of a path or of a query: everything but letters, digits and `-_.~` escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_refused_before_anything_is_sent() {
        for wrong in ["localhost:3000", "ftp://host", "", "http://", "grafana"] {
            let refused = Client::new(wrong, None)
                .err()
                .map(|error| error.to_string());
            assert!(
                refused.is_some_and(|text| text.contains(&format!("{wrong:?}"))),
                "{wrong:?}"
            );
        }
        let under_a_path = Client::new("https://host/grafana/", None).expect("it is a URL");
        assert_eq!(under_a_path.base(), "https://host/grafana");
    }

    #[test]
    fn a_part_of_a_path_is_escaped() {
        assert_eq!(escaped("a b/ü+\"{}~"), "a%20b%2F%C3%BC%2B%22%7B%7D~");
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let empty = tempfile::NamedTempFile::new().expect("a file");
        let error = Client::new("https://host", Some(empty.path()));
        let text = error.err().map(|error| error.to_string());
        assert!(text.is_some_and(|text| text.ends_with("holds no certificate")));
    }
}
