//! `cargo xtask check --prometheus URL`: every query of every panel, asked of a live Prometheus.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use promql_parser::parser::{Expr, Offset};
use serde_json::Value;

use crate::clock;
use crate::colour::{Pen, say};
use crate::http::{Client, escaped};
use crate::monitoring::dashboards;
use crate::monitoring::prometheus::recorded;
use crate::monitoring::promql::{inline, parse, walk};
use crate::monitoring::thresholds::Thresholds;
use crate::stack::compress;

/// There for as long as Forewarm has been scraped.
const UP: &str = r#"up{job="forewarm"}"#;

/// A query of a panel.
#[derive(Debug, Clone)]
struct Query {
    /// `dashboard / panel / refId`.
    pub(crate) place: String,
    /// With the dashboard's variables still in it.
    pub(crate) expr: String,
}

/// The queries of a dashboard, those in collapsed rows included.
fn queries(dashboard: &Value) -> Vec<Query> {
    let uid = dashboard["uid"].as_str().unwrap_or_default();
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let panels = panels.flat_map(|panel| {
        let inside = panel["panels"].as_array().map_or(&[][..], Vec::as_slice);
        std::iter::once(panel).chain(inside)
    });
    let mut queries = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            queries.push(Query {
                place: format!(
                    "{uid} / {} / {}",
                    text(&panel["title"]),
                    text(&target["refId"])
                ),
                expr: text(&target["expr"]),
            });
        }
    }
    queries
}

/// What the variables of a dashboard stand for when everything is chosen.
pub(crate) fn substituted(expr: &str, rate_interval: &str) -> String {
    let values = [
        ("__rate_interval", rate_interval),
        ("__interval", rate_interval),
        ("__range", "1h"),
        ("chain", ".*"),
        ("instance", ".*"),
        ("job", ".*"),
    ];
    let mut text = expr.to_owned();
    for (name, value) in values {
        for form in [
            format!("${{{name}}}"),
            format!("${{{name}:regex}}"),
            format!("${name}"),
        ] {
            text = text.replace(&form, value);
        }
    }
    text
}

/// A query that returned nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Empty {
    place: String,
    expr: String,
    /// Why that is no fault, if it is none.
    excuse: Option<String>,
}

/// What a Forewarm exports only when it has what they are about.
const OPTIONAL: [(&str, &str); 2] = [
    (
        "arbitrage_feed_lag_seconds",
        "it has no stream as a feed, or nothing has come from it",
    ),
    (
        "arbitrage_invalidation_link_up",
        "it has no link for invalidations",
    ),
];

/// Asks each query; those without a sample. A query that looks back (`offset 1d`) is asked as if
/// that time had passed: what it will show is then there already.
fn empty(
    client: &Client,
    queries: &[Query],
    rate_interval: &str,
    recorded: &BTreeMap<&str, Expr>,
) -> Result<Vec<Empty>> {
    let now = clock::since_epoch().context("the clock is before 1970")?;
    let mut empty = Vec::new();
    for query in queries {
        let expr = substituted(&query.expr, rate_interval);
        let mut found = samples(client, &expr, now).with_context(|| query.place.clone())?;
        if found == 0
            && let Some(back) = looks_back(&expr)
        {
            found = samples(client, &expr, now + back)?;
        }
        if found == 0 {
            let excuse = excuse(client, &expr, recorded, now)?;
            empty.push(Empty {
                place: query.place.clone(),
                expr,
                excuse,
            });
        }
    }
    Ok(empty)
}

/// Why a query may return nothing although all is well.
fn excuse(
    client: &Client,
    expr: &str,
    recorded: &BTreeMap<&str, Expr>,
    now: Duration,
) -> Result<Option<String>> {
    if let Some((name, why)) = OPTIONAL.iter().find(|(name, _)| expr.contains(name))
        && samples(client, name, now)? == 0
    {
        return Ok(Some(format!("this Forewarm exports no {name}: {why}")));
    }
    let back = furthest(expr, recorded)?;
    if back.is_zero() || samples(client, UP, now.saturating_sub(back))? > 0 {
        return Ok(None);
    }
    let hours = back.as_secs() / 3_600;
    Ok(Some(format!(
        "it looks back {hours} h, and Prometheus has nothing that old"
    )))
}

/// The furthest that an expression looks back by offsets, its recordings written out.
fn furthest(expr: &str, recorded: &BTreeMap<&str, Expr>) -> Result<Duration> {
    let mut furthest = Duration::ZERO;
    walk(&inline(&parse(expr)?, recorded), &mut |node| {
        let offset = match node {
            Expr::VectorSelector(it) => it.offset.as_ref(),
            Expr::MatrixSelector(it) => it.vs.offset.as_ref(),
            Expr::Subquery(it) => it.offset.as_ref(),
            _ => None,
        };
        if let Some(Offset::Pos(back)) = offset {
            furthest = furthest.max(*back);
        }
    });
    Ok(furthest)
}

/// How far a query looks back, if it does.
fn looks_back(expr: &str) -> Option<Duration> {
    let (_, after) = expr.split_once("offset ")?;
    let end = after
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(after.len());
    compress::duration(&after[..end])
}

/// How many samples an instant query returns; one that is not a number is none.
fn samples(client: &Client, expr: &str, at: Duration) -> Result<usize> {
    let path = format!(
        "/api/v1/query?query={}&time={}",
        escaped(expr),
        at.as_secs_f64()
    );
    let answer = client.get(&path)?;
    if answer.status != 200 {
        bail!(
            "Prometheus answered {}: {}\n  {expr}",
            answer.status,
            answer.message()
        );
    }
    let data = &answer.body["data"];
    if data["resultType"] == "scalar" {
        return Ok(1);
    }
    let result = data["result"]
        .as_array()
        .context("Prometheus gave no result")?;
    Ok(result.iter().filter(|one| one["value"][1] != "NaN").count())
}

/// Prints the empty ones; an error when there are any.
pub(crate) fn run(url: &str, rate_interval: &str) -> Result<()> {
    let client = Client::new(url, None)?;
    let dashboards = dashboards(&Thresholds::default())?;
    let queries: Vec<Query> = dashboards
        .iter()
        .flat_map(|one| queries(&one.json))
        .collect();
    let recorded = recorded(&Thresholds::default())?;
    let empty = empty(&client, &queries, rate_interval, &recorded)?;
    let pen = Pen::stdout();
    let (excused, broken): (Vec<_>, Vec<_>) = empty.iter().partition(|one| one.excuse.is_some());
    for one in &excused {
        let why = one.excuse.as_deref().unwrap_or_default();
        say(&format!("{} {}: {why}", pen.yellow("not here "), one.place));
    }
    for one in &broken {
        say(&format!(
            "{} {}\n          {}",
            pen.red("no sample"),
            one.place,
            one.expr
        ));
    }
    say(&format!(
        "{} queries asked of {url}: {} without a sample, {} that can't have one here",
        queries.len(),
        broken.len(),
        excused.len()
    ));
    if !broken.is_empty() {
        bail!(
            "{} queries returned nothing: is Forewarm scraped, and under load?",
            broken.len()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_query_is_found_in_rows_too() {
        let dashboard = json!({"uid": "d", "panels": [
            {"title": "a", "targets": [{"refId": "A", "expr": "x"}, {"refId": "B", "expr": "y"}]},
            {"type": "row", "title": "r", "panels": [{"title": "b", "targets": [{"refId": "A", "expr": "z"}]}]}]});
        let found: Vec<String> = queries(&dashboard)
            .into_iter()
            .map(|one| one.place)
            .collect();
        assert_eq!(found, ["d / a / A", "d / a / B", "d / b / A"]);
    }

    #[test]
    fn variables_are_replaced_in_all_their_forms() {
        let expr = "sum(rate(x{chain=~\"$chain\",instance=~\"${instance:regex}\"}[$__rate_interval] offset 1d))";
        let expected = "sum(rate(x{chain=~\".*\",instance=~\".*\"}[20s] offset 1d))";
        assert_eq!(substituted(expr, "20s"), expected);
        assert_eq!(looks_back(expected), Some(Duration::from_secs(86_400)));
        assert_eq!(looks_back("x"), None);
    }
}
