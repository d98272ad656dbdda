//! The page: a grid of panels on Grafana's dark ground.

use anyhow::Result;
use serde_json::Value;

use super::data::Source;
use super::{chart, dial, timeline};
use crate::clock;

/// The width of the page, and of a column of its 24.
const WIDTH: u32 = 1440;
const COLUMN: f64 = (WIDTH as f64 - 2.0 * MARGIN) / 24.0;
/// The height of a row of the grid; a heading is one.
const ROW: f64 = 27.0;
const GAP: f64 = 6.0;
const MARGIN: f64 = 12.0;
const HEAD: f64 = 64.0;

/// What to photograph.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Where a panel is drawn, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
}

const STYLE: &str = "\
html,body{margin:0;background:#111217;color:#ccccdc;font-family:Inter,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif}\
.panel{position:absolute;background:#181b1f;border:1px solid #25272e;border-radius:3px;box-sizing:border-box}\
.title{position:absolute;left:10px;top:7px;font-size:12.5px;font-weight:600;white-space:nowrap}\
.row{position:absolute;font-size:14px;font-weight:600;color:#e4e5ea;line-height:27px}\
h1{position:absolute;left:14px;top:10px;margin:0;font-size:20px;font-weight:600;color:#fff}\
.said{position:absolute;left:14px;top:38px;font-size:12px;color:#8e8fa0}\
svg{position:absolute;left:0;top:26px}\
svg text{font-size:11px;fill:#9fa0ac}\
.alert{position:relative;margin:0 10px 5px;padding:5px 8px;font-size:12px;background:#22252b;border-left:3px solid}\
.alerts{position:absolute;left:0;right:0;top:30px}";

/// Draws every panel of a dashboard.
pub(super) fn page(dashboard: &Value, source: &Source) -> Result<Page> {
    let mut body = String::new();
    let mut bottom: f64 = 0.0;
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let at = |name: &str| panel["gridPos"][name].as_f64().unwrap_or(0.0);
        let (left, top) = (MARGIN + at("x") * COLUMN, HEAD + at("y") * ROW);
        let frame = Frame {
            width: at("w") * COLUMN - GAP,
            height: at("h") * ROW - GAP,
        };
        bottom = bottom.max(top + at("h") * ROW);
        let title = escaped(panel["title"].as_str().unwrap_or_default());
        if panel["type"] == "row" {
            body += &format!(
                "<div class=row style='left:{left:.1}px;top:{top:.1}px'>⌄ {title}</div>\n"
            );
            continue;
        }
        body += &format!(
            "<div class=panel style='left:{left:.1}px;top:{top:.1}px;width:{:.1}px;height:{:.1}px'>\
             <div class=title>{title}</div>{}</div>\n",
            frame.width,
            frame.height,
            inside(panel, frame, source)?
        );
    }
    let said = said(source);
    let title = escaped(dashboard["title"].as_str().unwrap_or_default());
    let html = format!(
        "<!doctype html><html><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>\
         <body><h1>{title}</h1><div class=said>{said}</div>\n{body}</body></html>\n"
    );
    Ok(Page {
        html,
        width: WIDTH,
        height: (bottom + MARGIN) as u32,
    })
}

fn said(source: &Source) -> String {
    let time = |seconds: f64| clock::rfc3339(std::time::Duration::from_secs_f64(seconds));
    format!(
        "a rendering of the dashboard's JSON with data scraped from {} to {}; not Grafana's own drawing",
        time(source.from),
        time(source.to)
    )
}

fn inside(panel: &Value, frame: Frame, source: &Source) -> Result<String> {
    // The title's height is not the drawing's.
    let frame = Frame {
        height: frame.height - 28.0,
        ..frame
    };
    Ok(match panel["type"].as_str().unwrap_or_default() {
        "alertlist" => alerts(&source.alerts()?),
        "gauge" => dial::gauge(panel, &source.series(panel)?, frame),
        "stat" => dial::stat(panel, &source.series(panel)?, frame, source),
        "state-timeline" => timeline::timeline(panel, &source.series(panel)?, frame, source),
        _ => chart::chart(panel, &source.series(panel)?, frame, source),
    })
}

fn alerts(alerts: &[(String, String, String)]) -> String {
    if alerts.is_empty() {
        return "<div class=alerts><div class=alert style='border-color:#73bf69'>no alert fires</div></div>".to_owned();
    }
    let lines = alerts.iter().map(|(name, state, severity)| {
        let color = if state == "firing" {
            "#f2495c"
        } else {
            "#ff9830"
        };
        let text = escaped(&format!("{name} ({severity}, {state})"));
        format!("<div class=alert style='border-color:{color}'>{text}</div>")
    });
    format!("<div class=alerts>{}</div>", lines.collect::<String>())
}

/// Text that may stand in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The colours that Grafana has names for, on a dark ground.
pub(super) fn colour(name: &str) -> String {
    match name {
        "green" => "#73bf69",
        "yellow" => "#fade2a",
        "orange" => "#ff9830",
        "red" => "#f2495c",
        "blue" => "#5794f2",
        "purple" => "#b877d9",
        "text" => "#8e8fa0",
        other => other,
    }
    .to_owned()
}

/// The steps of a panel's thresholds: from which value on, which colour.
pub(super) fn steps(panel: &Value) -> Vec<(f64, String)> {
    let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array();
    let steps = steps.into_iter().flatten().map(|step| {
        let from = step["value"].as_f64().unwrap_or(f64::NEG_INFINITY);
        (from, colour(step["color"].as_str().unwrap_or("green")))
    });
    steps.collect()
}

/// The colour that the thresholds give a value.
pub(super) fn judged(steps: &[(f64, String)], value: f64) -> String {
    let step = steps.iter().rev().find(|(from, _)| value >= *from);
    step.map_or_else(|| colour("green"), |(_, colour)| colour.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_has_the_colour_of_the_highest_step_that_it_reaches() {
        let panel = json!({"fieldConfig": {"defaults": {"thresholds": {"steps": [
            {"color": "red", "value": null}, {"color": "yellow", "value": 0.85}, {"color": "green", "value": 0.92}]}}}});
        let steps = steps(&panel);
        for (value, expected) in [
            (0.0, "red"),
            (0.85, "yellow"),
            (0.91, "yellow"),
            (0.92, "green"),
        ] {
            assert_eq!(judged(&steps, value), colour(expected), "{value}");
        }
    }
}
