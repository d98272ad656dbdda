//! Series from Prometheus, as a panel names them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::clock;
use crate::http::{Client, escaped};
use crate::live::substituted;

/// How many points a line has.
const POINTS: u32 = 240;

/// One line of a panel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// Seconds since 1970, and the value.
    pub(super) points: Vec<(f64, f64)>,
}

impl Series {
    pub(super) fn last(&self) -> Option<f64> {
        self.points.last().map(|(_, value)| *value)
    }
}

/// A Prometheus and the time that is looked at.
pub(super) struct Source {
    client: Client,
    rate_interval: String,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Source {
    pub(super) fn new(url: &str, range: Duration, rate_interval: &str) -> Result<Self> {
        let to = clock::since_epoch().context("the clock is before 1970")?;
        Ok(Self {
            client: Client::new(url, None)?,
            rate_interval: rate_interval.to_owned(),
            from: to.saturating_sub(range).as_secs_f64(),
            to: to.as_secs_f64(),
        })
    }

    /// Every series of a panel's queries, in their order.
    pub(super) fn series(&self, panel: &Value) -> Result<Vec<Series>> {
        let mut all = Vec::new();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"]
                .as_str()
                .context("a query without an expression")?;
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            all.extend(self.ask(&substituted(expr, &self.rate_interval), legend)?);
        }
        Ok(all)
    }

    /// The alerts that are pending or firing: name, state, severity.
    pub(super) fn alerts(&self) -> Result<Vec<(String, String, String)>> {
        let answer = self.client.get("/api/v1/alerts")?;
        let alerts = answer.body["data"]["alerts"]
            .as_array()
            .context("Prometheus lists no alerts")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = alerts
            .iter()
            .map(|one| {
                let labels = &one["labels"];
                (
                    text(&labels["alertname"]),
                    text(&one["state"]),
                    text(&labels["severity"]),
                )
            })
            .collect();
        all.sort();
        all.dedup();
        Ok(all)
    }

    fn ask(&self, expr: &str, legend: &str) -> Result<Vec<Series>> {
        let step = (self.to - self.from) / f64::from(POINTS);
        let path = format!(
            "/api/v1/query_range?query={}&start={}&end={}&step={step}",
            escaped(expr),
            self.from,
            self.to
        );
        let answer = self.client.get(&path)?;
        if answer.status != 200 {
            bail!(
                "Prometheus answered {}: {}\n  {expr}",
                answer.status,
                answer.message()
            );
        }
        let result = answer.body["data"]["result"]
            .as_array()
            .context("Prometheus gave no result")?;
        Ok(result.iter().map(|one| series(one, legend)).collect())
    }
}

fn series(one: &Value, legend: &str) -> Series {
    let labels: BTreeMap<String, String> = one["metric"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let values = one["values"].as_array().into_iter().flatten();
    let points = values.filter_map(|pair| {
        let value: f64 = pair[1].as_str()?.parse().ok()?;
        value.is_finite().then_some((pair[0].as_f64()?, value))
    });
    Series {
        name: named(legend, &labels),
        points: points.collect(),
    }
}

/// `{{label}}` replaced by its value.
fn named(legend: &str, labels: &BTreeMap<String, String>) -> String {
    if legend.is_empty() || legend == "__auto" {
        let all = labels.iter().map(|(name, value)| format!("{name}={value}"));
        return all.collect::<Vec<_>>().join(" ");
    }
    let mut name = legend.to_owned();
    for (label, value) in labels {
        for form in [format!("{{{{{label}}}}}"), format!("{{{{ {label} }}}}")] {
            name = name.replace(&form, value);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_series_has_the_name_of_its_legend_and_only_numbers() {
        let one = json!({"metric": {"chain": "bsc"}, "values": [[1, "2"], [2, "NaN"], [3, "+Inf"], [4, "5"]]});
        let found = series(&one, "{{chain}} hits");
        assert_eq!(found.name, "bsc hits");
        assert_eq!(found.points, [(1.0, 2.0), (4.0, 5.0)]);
        assert_eq!(series(&one, "").name, "chain=bsc");
    }
}
