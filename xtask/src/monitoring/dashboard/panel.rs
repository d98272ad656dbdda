//! One panel: what it shows, and the builder of its JSON.

mod options;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::layout::Placed;
use super::{MAIN, panel_id};
use crate::monitoring::thresholds::{Good, Level, Thresholds};

/// How a panel draws its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One figure on an arc.
    Gauge,
    /// One figure, with its course behind it.
    Stat,
    /// Lines.
    Lines,
    /// Areas on top of each other.
    Stack,
    /// Which state, when; with the names of 0, 1, 2.
    States(&'static [&'static str]),
    /// The alerts that fire.
    Alerts,
}

/// A query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    /// PromQL. `@c` stands for the matchers of job, instance and chain, `@s` for those without
    /// chain; `%o` for the place of an offset; `@id.level` for a figure of the table.
    pub(crate) expr: &'static str,
    /// The name of its series.
    pub(crate) legend: &'static str,
}

/// Which colours, from which figures of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colours {
    /// None.
    Plain,
    /// Yellow from the first level on, red from the second.
    Traffic(&'static str, Level, Level),
    /// A line at every level.
    Levels(&'static str),
    /// Red at 0, green from 1 on.
    UpDown,
}

/// A panel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// What it shows and what good looks like.
    pub(crate) description: &'static str,
    pub(crate) kind: Kind,
    /// Grafana's name of the unit.
    pub(crate) unit: &'static str,
    /// Columns of 24 and rows.
    pub(crate) size: (u64, u64),
    pub(crate) queries: &'static [Query],
    pub(crate) colours: Colours,
    /// The ends of the scale, where they are fixed.
    pub(crate) range: (Option<f64>, Option<f64>),
    /// How many of the queries are drawn once more, muted, for the same time yesterday.
    pub(crate) yesterday: usize,
    /// The panel of the main dashboard with more about it.
    pub(crate) detail: Option<&'static str>,
    /// The alert whose page says what to do.
    pub(crate) runbook: Option<&'static str>,
}

/// A panel of lines without anything special.
pub(crate) const PANEL: Panel = Panel {
    title: "",
    description: "",
    kind: Kind::Lines,
    unit: "short",
    size: (12, 8),
    queries: &[],
    colours: Colours::Plain,
    range: (None, None),
    yesterday: 0,
    detail: None,
    runbook: None,
};

const MATCHERS: &str = r#"job="forewarm", instance=~"$instance""#;
const CHAIN: &str = r#"chain=~"$chain""#;
/// The legend of yesterday's series begins so; an override draws them muted.
const YESTERDAY: &str = "yesterday: ";

/// A query's text as Grafana gets it.
pub(super) fn expression(template: &str, offset: &str, thresholds: &Thresholds) -> Result<String> {
    let text = template
        .replace("@c", &format!("{MATCHERS}, {CHAIN}"))
        .replace("@s", MATCHERS)
        .replace("%o", offset);
    thresholds.in_expression(&text)
}

impl Panel {
    pub(super) fn json(&self, placed: &Placed, thresholds: &Thresholds) -> Result<Value> {
        let mut json = json!({
            "id": placed.id,
            "title": self.title,
            "description": thresholds.in_text(self.description)?,
            "type": self.kind.name(),
            "gridPos": { "x": placed.x, "y": placed.y, "w": placed.width, "h": placed.height },
            "options": self.options(),
            "links": self.links(thresholds)?,
        });
        if self.kind != Kind::Alerts {
            json["datasource"] = datasource();
            json["targets"] = self.targets(thresholds)?;
            json["fieldConfig"] = json!({
                "defaults": self.field_defaults(thresholds)?,
                "overrides": self.overrides(),
            });
        }
        Ok(json)
    }

    fn targets(&self, thresholds: &Thresholds) -> Result<Value> {
        let today = self.queries.iter().map(|query| (query, "", ""));
        let yesterday = self.queries.iter().take(self.yesterday);
        let yesterday = yesterday.map(|query| (query, " offset 1d", YESTERDAY));
        let targets = today.chain(yesterday).zip('A'..).map(|(it, letter)| {
            let (query, offset, prefix) = it;
            let expr = expression(query.expr, offset, thresholds)
                .with_context(|| format!("panel {:?}, query {letter}", self.title))?;
            Ok(json!({
                "refId": letter.to_string(),
                "datasource": datasource(),
                "editorMode": "code",
                "expr": expr,
                "legendFormat": format!("{prefix}{}", query.legend),
                "range": self.kind != Kind::Gauge,
                "instant": self.kind == Kind::Gauge,
            }))
        });
        targets.collect::<Result<Vec<_>>>().map(Value::from)
    }

    fn links(&self, thresholds: &Thresholds) -> Result<Value> {
        let keep = "${__url_time_range}&${chain:queryparam}&${instance:queryparam}";
        let panel = |title: &str| {
            let id = panel_id(title)?;
            anyhow::Ok(format!("/d/{MAIN}?viewPanel={id}&{keep}"))
        };
        let mut links = Vec::new();
        if let Some(detail) = self.detail {
            links.push((detail.to_owned(), panel(detail)?));
            let alerts = "Firing alerts";
            links.push((alerts.to_owned(), panel(alerts)?));
        }
        if let Some(alert) = self.runbook {
            let base = &thresholds.site.runbook_base_url;
            links.push((format!("Runbook: {alert}"), format!("{base}/{alert}.md")));
        }
        let links = links.into_iter();
        Ok(links
            .map(|(title, url)| json!({ "title": title, "url": url, "targetBlank": true }))
            .collect())
    }

    fn field_defaults(&self, thresholds: &Thresholds) -> Result<Value> {
        let mut defaults = json!({
            "unit": self.unit,
            "color": { "mode": self.colour_mode() },
            "thresholds": { "mode": "absolute", "steps": self.steps(thresholds)? },
            "mappings": self.mappings(),
            "custom": self.custom(),
        });
        for (name, end) in [("min", self.range.0), ("max", self.range.1)] {
            if let Some(end) = end {
                defaults[name] = json!(end);
            }
        }
        Ok(defaults)
    }

    fn steps(&self, thresholds: &Thresholds) -> Result<Value> {
        let step = |from: Option<f64>, colour: &str| json!({ "value": from, "color": colour });
        let steps = match self.colours {
            Colours::Plain => vec![step(None, "green")],
            Colours::UpDown => vec![step(None, "red"), step(Some(1.0), "green")],
            Colours::Traffic(id, yellow, red) => {
                let row = thresholds.row(id)?;
                let yellow = thresholds.figure(id, yellow)?;
                let red = thresholds.figure(id, red)?;
                match row.good {
                    Good::Low => vec![
                        step(None, "green"),
                        step(Some(yellow), "yellow"),
                        step(Some(red), "red"),
                    ],
                    Good::High => vec![
                        step(None, "red"),
                        step(Some(red), "yellow"),
                        step(Some(yellow), "green"),
                    ],
                }
            }
            Colours::Levels(id) => {
                let row = thresholds.row(id)?;
                let mut levels: Vec<(f64, &str)> = row
                    .levels()
                    .map(|(name, figure)| match name {
                        "target" => (figure, "green"),
                        "critical" => (figure, "red"),
                        _ => (figure, "yellow"),
                    })
                    .collect();
                levels.sort_by(|a, b| a.0.total_cmp(&b.0));
                let lines = levels.into_iter();
                let lines = lines.map(|(figure, colour)| step(Some(figure), colour));
                [step(None, "transparent")]
                    .into_iter()
                    .chain(lines)
                    .collect()
            }
        };
        Ok(steps.into())
    }

    fn colour_mode(&self) -> &'static str {
        match (self.kind, self.colours) {
            (Kind::Gauge | Kind::Stat, Colours::Levels(_)) => "palette-classic",
            (Kind::Gauge | Kind::Stat | Kind::States(_), _) => "thresholds",
            _ => "palette-classic",
        }
    }
}

/// The datasource that the variable names.
pub(super) fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${DS_PROMETHEUS}" })
}
