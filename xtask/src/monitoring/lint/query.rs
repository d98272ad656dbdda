//! Whether an expression is right, as far as its tree can tell.

use std::time::Duration;

use promql_parser::parser::{Call, Expr, LabelModifier, MatrixSelector, VectorSelector};

use super::joins;
use super::selectors::{self, Behaviour, known};
use crate::monitoring::promql::{bare, children, parse, walk};

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a rule.
    Rule,
    /// In a panel or an annotation: Grafana fills in its variables.
    Dashboard,
}

/// What `$__rate_interval` is read as: a length that nobody writes.
const RATE_INTERVAL: Duration = Duration::from_secs(433);
/// Ranges of a rate from here on are meant as they are.
const LONG: Duration = Duration::from_secs(3600);

/// What is wrong with the expression.
pub(super) fn check(text: &str, place: Place) -> Vec<String> {
    let read = text.replace("$__rate_interval", &format!("{}s", RATE_INTERVAL.as_secs()));
    let expr = match parse(&read) {
        Ok(expr) => expr,
        Err(error) => return vec![format!("is not PromQL: {error:#}")],
    };
    let mut faults = Vec::new();
    walk(&expr, &mut |node| match node {
        Expr::VectorSelector(it) => faults.extend(selector(it, place)),
        Expr::MatrixSelector(it) => faults.extend(selector(&it.vs, place)),
        Expr::Call(it) => faults.extend(call(it, place)),
        Expr::Aggregate(it) => {
            if let Some(LabelModifier::Include(by)) = &it.modifier {
                faults.extend(joins::unknown_labels(&by.labels, &it.expr));
            }
        }
        Expr::Binary(it) => faults.extend(joins::check(it, place)),
        _ => {}
    });
    faults.extend(bare_counters(&expr, false));
    faults
}

fn selector(it: &VectorSelector, place: Place) -> Vec<String> {
    let mut faults = selectors::check(it);
    let Some(known) = it.name.as_deref().and_then(known) else {
        return faults;
    };
    let has = |label: &str, value: &str| {
        let mut matchers = it.matchers.matchers.iter();
        matchers.any(|matcher| matcher.name == label && matcher.value == value)
    };
    let name = it.name.as_deref().unwrap_or_default();
    if !known.recorded && !has("job", "forewarm") {
        faults.push(format!("{name} lacks job=\"forewarm\""));
    }
    if place == Place::Dashboard {
        for (label, value) in [("chain", "$chain"), ("instance", "$instance")] {
            if known.has(label) && !has(label, value) {
                faults.push(format!(
                    "{name} ignores {value}: it lacks {label}=~\"{value}\""
                ));
            }
        }
    }
    faults
}

fn call(it: &Call, place: Place) -> Vec<String> {
    let mut faults = Vec::new();
    let name = it.func.name;
    if name == "histogram_quantile" {
        faults.extend(it.args.args.get(1).and_then(|arg| quantile(arg)));
    }
    let Some(Expr::MatrixSelector(range)) = it.args.args.first().map(|arg| bare(arg)) else {
        return faults;
    };
    let series = range.vs.name.as_deref().unwrap_or_default();
    let behaviour = known(series).map(|known| known.behaviour);
    match (name, behaviour) {
        ("rate" | "irate" | "increase", Some(Behaviour::Gauge)) => {
            faults.push(format!("{name}() of the gauge {series}"));
        }
        ("deriv" | "delta" | "idelta" | "predict_linear", Some(Behaviour::Counter)) => {
            faults.push(format!("{name}() of the counter {series}"));
        }
        _ => {}
    }
    if place == Place::Dashboard && name == "rate" {
        faults.extend(fixed_range(range));
    }
    faults
}

fn fixed_range(range: &MatrixSelector) -> Option<String> {
    let fixed = range.range != RATE_INTERVAL && range.range < LONG;
    fixed.then(|| format!("the rate of {range} has a short fixed range: use $__rate_interval"))
}

/// A quantile needs the rates of buckets, summed by `le` and whatever else.
fn quantile(buckets: &Expr) -> Option<String> {
    let by_le = match bare(buckets) {
        Expr::Aggregate(it) => match &it.modifier {
            Some(LabelModifier::Include(by)) => by.labels.iter().any(|label| label == "le"),
            _ => false,
        },
        _ => false,
    };
    (!by_le).then(|| format!("histogram_quantile of {buckets} without sum by (le …)"))
}

/// Counters that are read as they are: their height says when the process started.
fn bare_counters(expr: &Expr, in_rate: bool) -> Vec<String> {
    let in_rate = match expr {
        Expr::Call(it) => matches!(
            it.func.name,
            "rate" | "irate" | "increase" | "changes" | "resets"
        ),
        Expr::MatrixSelector(_) => in_rate,
        _ => false,
    };
    let name = match expr {
        Expr::VectorSelector(it) => it.name.as_deref(),
        Expr::MatrixSelector(it) if !in_rate => it.vs.name.as_deref(),
        _ => None,
    };
    let counter =
        name.filter(|name| known(name).is_some_and(|known| known.behaviour == Behaviour::Counter));
    let mut faults: Vec<String> = counter
        .map(|name| format!("the counter {name} is read outside rate() or increase()"))
        .into_iter()
        .collect();
    for child in children(expr) {
        faults.extend(bare_counters(child, in_rate));
    }
    faults
}
