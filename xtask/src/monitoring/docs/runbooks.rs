//! `docs/runbooks`: pages that people write, with the facts that the tables know put in.

use anyhow::{Context, Result};

use super::{HEADER, head, row};
use crate::monitoring::alerts::{Alert, GROUPS};
use crate::monitoring::prometheus::expression;
use crate::monitoring::promql::inline;
use crate::monitoring::routing::ROUTES;
use crate::monitoring::thresholds::Thresholds;
use crate::monitoring::{dashboard, prometheus};

const INTRODUCTION: &str = "\
# Runbooks

A page for every alert: what it means, what it costs, where to look first, what it usually is, what to do, and the query
to paste. Criticals page; warnings are for office hours, with the last 24 hours in view; infos belong into the weekly
look at trends. Levels and their reasons are in [thresholds.md](../thresholds.md).

";

/// Where the pages are.
pub(crate) fn path(name: &str) -> String {
    format!("docs/runbooks/{name}.md")
}

/// The index.
pub(crate) fn index(thresholds: &Thresholds) -> Result<String> {
    let mut text = HEADER.to_owned() + INTRODUCTION;
    for group in &GROUPS {
        text += &format!("## {}\n\n", group.name);
        text += &head(&["alert", "severity", "after", "says"]);
        for alert in group.alerts {
            let summary = alert
                .summary
                .replace("{{ .Labels.chain }}", "a chain")
                .replace("{{ .Labels.instance }}", "an instance")
                .replace("{{ with .Labels.instance }} at {{ . }}{{ end }}", "");
            text += &row([
                format!("[{0}]({0}.md)", alert.name),
                alert.severity.name().to_owned(),
                alert.pending.to_owned(),
                thresholds.in_text(&summary)?,
            ]);
        }
        text += "\n";
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// A page with its facts and its query as they are today.
pub(crate) fn page(alert: &Alert, written: &str, thresholds: &Thresholds) -> Result<String> {
    let page = replaced(written, "facts", &facts(alert, thresholds)?);
    let page = page.and_then(|page| replaced(&page, "query", &query(alert, thresholds)?));
    page.with_context(|| path(alert.name))
}

fn facts(alert: &Alert, thresholds: &Thresholds) -> Result<String> {
    let route = ROUTES.iter().find(|route| route.severity == alert.severity);
    let route = route.context("the severity has a route")?;
    let used = thresholds
        .rows()
        .iter()
        .filter(|it| alert.expr.contains(&format!("@{}.", it.id)));
    let mut text = head(&["", ""]);
    let mut fact = |name: &str, value: String| text += &row([name.to_owned(), value]);
    fact(
        "severity",
        format!("{} → `{}`", alert.severity.name(), route.receiver),
    );
    fact("must hold for", alert.pending.to_owned());
    for threshold in used {
        let levels = threshold.levels();
        let levels: Vec<_> = levels
            .map(|(name, figure)| format!("{name} {}", threshold.text(figure)))
            .collect();
        fact(threshold.what, levels.join(", "));
    }
    fact(
        "component, layer",
        format!("{}, {}", alert.component, alert.layer),
    );
    fact(
        "panel",
        format!("“{}” of `{}`", alert.panel, dashboard::MAIN),
    );
    Ok(text)
}

/// The whole expression: a query to paste must not need the recordings.
fn query(alert: &Alert, thresholds: &Thresholds) -> Result<String> {
    let recorded = prometheus::recorded(thresholds)?;
    let expr = inline(&expression(alert.expr, thresholds)?, &recorded);
    Ok(format!(
        "```promql\n{}\n```\n",
        expr.prettify().trim_start()
    ))
}

/// `text` with `content` between `<!-- NAME -->` and `<!-- /NAME -->`.
fn replaced(text: &str, name: &str, content: &str) -> Result<String> {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let parts = text.split_once(&open).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&close)?;
        Some((before, after))
    });
    let (before, after) = parts.with_context(|| format!("no {open} … {close}"))?;
    Ok(format!(
        "{before}{open}\n{}\n{close}{after}",
        content.trim_end()
    ))
}
