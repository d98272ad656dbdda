//! The test cases of the rules, for `promtool test rules`.
//!
//! Every alert has the same questions to answer: does it fire on its fault, after its time and not
//! before; is it silent just short of its threshold, without traffic, without series; are two
//! instances one service and two chains two; does a missed scrape or a counter's reset mislead it.
//! `mutate/` shows that the cases notice when a rule is changed.

mod annotations;
mod encoding;
mod gauges;
mod growth;
mod inputs;
mod judged;
mod recorded;
mod seasonal;
mod throughput;
mod timeline;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::alerts::{self, GROUPS};
use super::prometheus::{self, AlertRule, RECORDING_GROUP};
use super::thresholds::Thresholds;
use super::yaml;

pub(super) use encoding::Series;

/// The labels by which a firing alert is told from another.
pub(super) type Labels = Vec<(&'static str, String)>;

/// One situation, and what must be said of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// A sentence about the alert.
    pub(crate) name: String,
    pub(super) series: Vec<Series>,
    pub(super) checks: Vec<Check>,
    /// Minutes between scrapes and between evaluations.
    pub(super) step: usize,
}

/// What must hold at a minute.
#[derive(Debug, Clone)]
pub(super) enum Check {
    /// Exactly these series of the alert fire.
    Fires { minute: usize, who: Vec<Labels> },
    /// Exactly this one fires, with this value in its description.
    Says {
        minute: usize,
        who: Labels,
        value: &'static str,
    },
    /// An expression has exactly these series and values.
    Reads {
        minute: usize,
        expr: &'static str,
        samples: Vec<(String, f64)>,
    },
}

/// The cases of one alert, or of the recordings.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    /// The alert's name, or one of [`RECORDINGS`].
    pub(crate) subject: &'static str,
    pub(crate) cases: Vec<Case>,
}

/// The subjects of the cases about recording rules; a file has one step, and days need another.
pub(crate) const RECORDINGS: [&str; 2] = ["recordings", "recordings-seasonal"];

/// Every suite: that of the recordings, then one for each alert in the order of the groups.
pub(crate) fn suites() -> Vec<Suite> {
    let mut cases = judged::suites();
    cases.extend(throughput::suites());
    cases.extend(gauges::suites());
    cases.extend(growth::suites());
    cases.extend(seasonal::suites());
    let recordings = RECORDINGS
        .into_iter()
        .zip([recorded::cases(), recorded::seasonal()]);
    let recordings = recordings.map(|(subject, cases)| Suite { subject, cases });
    let alerts = alerts::all().map(|alert| Suite {
        subject: alert.name,
        cases: cases
            .iter()
            .filter(|(name, _)| *name == alert.name)
            .flat_map(|(_, cases)| cases.clone())
            .collect(),
    });
    recordings.chain(alerts).collect()
}

/// The files below `deploy/prometheus/tests`, for the generated rules.
pub(crate) fn files(thresholds: &Thresholds) -> Result<Vec<(String, String)>> {
    let files = suites().into_iter().map(|suite| {
        let text = suite.document("../rules.yml", thresholds)?;
        Ok((format!("{}.yml", suite.subject), text))
    });
    files.collect()
}

impl Suite {
    /// A test file for `promtool test rules` about the rules in `rules`.
    pub(crate) fn document(&self, rules: &str, thresholds: &Thresholds) -> Result<String> {
        let filled = prometheus::alert_groups(thresholds)?;
        let mut filled = filled.into_iter().flat_map(|(_, rules)| rules);
        let rule = filled.find(|rule| rule.alert == self.subject);
        let cases = self.cases.iter().map(|case| case.json(rule.as_ref()));
        let step = self.cases.first().map_or(1, |case| case.step);
        let order = [RECORDING_GROUP].into_iter();
        let order: Vec<_> = order.chain(GROUPS.iter().map(|group| group.name)).collect();
        let document = Document {
            rule_files: [rules.to_owned()],
            evaluation_interval: format!("{step}m"),
            group_eval_order: order,
            tests: cases.collect::<Result<_>>()?,
        };
        yaml::document("", &document)
    }
}

#[derive(serde::Serialize)]
struct Document {
    rule_files: [String; 1],
    evaluation_interval: String,
    group_eval_order: Vec<&'static str>,
    tests: Vec<Value>,
}

impl Case {
    fn json(&self, rule: Option<&AlertRule>) -> Result<Value> {
        let (mut expressions, mut alerts) = (Vec::new(), Vec::new());
        for check in &self.checks {
            match check {
                Check::Fires { minute, who } => {
                    let rule = rule.context("a case of the recordings asks about an alert")?;
                    expressions.push(firing(rule, *minute, who));
                }
                Check::Says { minute, who, value } => {
                    let rule = rule.context("a case of the recordings asks about an alert")?;
                    alerts.push(annotations::expected(rule, *minute, who, value)?);
                }
                Check::Reads {
                    minute,
                    expr,
                    samples,
                } => {
                    let samples = samples.iter();
                    let samples: Vec<_> = samples
                        .map(|(labels, value)| json!({ "labels": labels, "value": value }))
                        .collect();
                    expressions.push(json!({
                        "eval_time": format!("{minute}m"), "expr": expr, "exp_samples": samples,
                    }));
                }
            }
        }
        let series = self.series.iter();
        let series: Vec<_> = series
            .map(|series| json!({ "series": series.name, "values": series.encoded() }))
            .collect();
        let mut test = json!({
            "name": self.name,
            "interval": format!("{}m", self.step),
            "input_series": series,
        });
        if !expressions.is_empty() {
            test["promql_expr_test"] = expressions.into();
        }
        if !alerts.is_empty() {
            test["alert_rule_test"] = alerts.into();
        }
        Ok(test)
    }
}

/// `ALERTS` says who fires without the texts, so that these are written out once per alert only.
fn firing(rule: &AlertRule, minute: usize, who: &[Labels]) -> Value {
    let samples = who.iter().map(|who| {
        let mut labels: Vec<(&str, &str)> = rule
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        labels.extend([("alertname", rule.alert.as_str()), ("alertstate", "firing")]);
        labels.extend(who.iter().map(|(name, value)| (*name, value.as_str())));
        labels.sort_unstable();
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"));
        let labels = labels.collect::<Vec<_>>().join(",");
        json!({ "labels": format!("ALERTS{{{labels}}}"), "value": 1 })
    });
    json!({
        "eval_time": format!("{minute}m"),
        "expr": format!("ALERTS{{alertname={:?},alertstate=\"firing\"}}", rule.alert),
        "exp_samples": samples.collect::<Vec<_>>(),
    })
}

/// Checks that nothing fires at these minutes.
pub(super) fn silent(minutes: &[usize]) -> Vec<Check> {
    let minutes = minutes.iter();
    minutes
        .map(|&minute| Check::Fires {
            minute,
            who: Vec::new(),
        })
        .collect()
}

/// Checks that exactly these fire at `minute`, and none of them a minute before.
pub(super) fn fires_at(minute: usize, who: &[Labels]) -> Vec<Check> {
    let mut checks = silent(&[minute - 1]);
    checks.push(Check::Fires {
        minute,
        who: who.to_vec(),
    });
    checks
}

/// The same series of another job: nobody's business here.
pub(super) fn elsewhere(series: Vec<Series>) -> Vec<Series> {
    let series = series.into_iter();
    let moved = series.map(|it| Series {
        name: it.name.replace("job=\"forewarm\"", "job=\"other\""),
        ..it
    });
    moved.collect()
}

/// A case with a scrape and an evaluation a minute.
pub(super) fn case(name: &str, series: Vec<Series>, checks: Vec<Check>) -> Case {
    Case {
        name: name.to_owned(),
        series,
        checks,
        step: 1,
    }
}
