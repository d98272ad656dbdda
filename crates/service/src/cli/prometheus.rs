//! A Prometheus, asked over its HTTP API.

use anyhow::anyhow;
use serde_json::Value;

use super::Failure;
use super::client::{Access, Client};

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// Its labels, the name among them.
    pub(super) labels: Vec<(String, String)>,
    /// Times in seconds and values; one of them for an instant query.
    pub(super) points: Vec<(f64, f64)>,
}

impl Series {
    pub(super) fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The server.
#[derive(Debug)]
pub(super) struct Prometheus(Client);

impl Prometheus {
    pub(super) fn new(url: &str, access: &Access) -> Result<Self, Failure> {
        Ok(Self(Client::new("--prometheus", url, access)?))
    }

    /// An instant query.
    pub(super) fn instant(&self, query: &str) -> Result<Vec<Series>, Failure> {
        self.ask("/api/v1/query", &[("query", query)])
    }

    /// A query over a time span, in seconds since the epoch.
    pub(super) fn range(
        &self,
        query: &str,
        (start, end, step): (f64, f64, f64),
    ) -> Result<Vec<Series>, Failure> {
        let [start, end, step] = [start, end, step].map(|number| format!("{number:.3}"));
        let form = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", &step),
        ];
        self.ask("/api/v1/query_range", &form)
    }

    fn ask(&self, path: &str, form: &[(&str, &str)]) -> Result<Vec<Series>, Failure> {
        let answer = self
            .0
            .post_form(path, form)
            .map_err(|failure| match failure {
                // A query of ours that it does not take, or no Prometheus at all.
                Failure::Usage(error) => Failure::Unavailable(error),
                other => other,
            })?;
        let answer = answer.json()?;
        if answer["status"] != "success" {
            let error = anyhow!("{} is no Prometheus: it answered {answer}", self.0.base());
            return Err(Failure::Unavailable(error));
        }
        let result = &answer["data"]["result"];
        match answer["data"]["resultType"].as_str() {
            Some("scalar") => Ok(vec![Series {
                labels: Vec::new(),
                points: point(result).into_iter().collect(),
            }]),
            _ => Ok(result
                .as_array()
                .into_iter()
                .flatten()
                .map(series)
                .collect()),
        }
    }
}

fn series(of: &Value) -> Series {
    let labels = of["metric"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = point(&of["value"]);
    let many = of["values"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(point);
    Series {
        labels: labels
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        points: one.into_iter().chain(many).collect(),
    }
}

/// `[time, "value"]`.
fn point(of: &Value) -> Option<(f64, f64)> {
    Some((of.get(0)?.as_f64()?, of.get(1)?.as_str()?.parse().ok()?))
}
