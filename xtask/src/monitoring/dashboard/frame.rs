//! What surrounds the panels: variables, annotations, links, times.

use anyhow::Result;
use serde_json::{Value, json};

use super::layout::placed;
use super::panel::{datasource, expression};
use super::{DESIGNS, Design};
use crate::monitoring::thresholds::Thresholds;

/// Chains are known from the updates that arrive: the first thing that is counted of a chain.
const CHAINS: &str =
    r#"label_values(arbitrage_correlation_updates_received_total{job="forewarm"}, chain)"#;
const INSTANCES: &str = r#"label_values(arbitrage_build_info{job="forewarm"}, instance)"#;

const MODE_CHANGED: &str = "changes(arbitrage_warming_mode{@c}[$__rate_interval]) > 0";
const RESTARTED: &str = "changes(process_start_time_seconds{@s}[$__rate_interval]) > 0";

pub(super) fn json(design: &Design, thresholds: &Thresholds) -> Result<Value> {
    let panels = placed(design).into_iter().map(|placed| match placed.panel {
        Some(panel) => panel.json(&placed, thresholds),
        None => Ok(json!({
            "id": placed.id,
            "type": "row",
            "title": placed.title,
            "collapsed": false,
            "gridPos": { "x": placed.x, "y": placed.y, "w": placed.width, "h": placed.height },
            "panels": [],
        })),
    });
    Ok(json!({
        "id": null,
        "uid": design.uid,
        "title": design.title,
        "description": design.description,
        "tags": design.tags,
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "timezone": "browser",
        "weekStart": "",
        "refresh": design.refresh,
        "time": { "from": design.from, "to": "now" },
        "timepicker": { "refresh_intervals": ["5s", "10s", "30s", "1m"] },
        "templating": { "list": variables(design) },
        "annotations": { "list": annotations(thresholds)? },
        "links": links(design),
        "panels": panels.collect::<Result<Vec<_>>>()?,
    }))
}

fn variables(design: &Design) -> Value {
    let datasources = json!({
        "name": "DS_PROMETHEUS",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "regex": "",
        "skipUrlSync": false,
        "multi": false,
        "includeAll": false,
        "current": {},
        "options": [],
    });
    json!([
        datasources,
        label_variable("chain", "Chain", CHAINS, !design.one_chain),
        label_variable("instance", "Instance", INSTANCES, true),
    ])
}

fn label_variable(name: &str, label: &str, query: &str, many: bool) -> Value {
    let mut variable = json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": datasource(),
        "definition": query,
        "query": { "query": query, "refId": "StandardVariableQuery" },
        // With every change of the time range: chains come and go.
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "regex": "",
        "skipUrlSync": false,
        "multi": many,
        "includeAll": many,
        "current": {},
        "options": [],
    });
    if many {
        variable["allValue"] = json!(".*");
        variable["current"] = json!({ "text": ["All"], "value": ["$__all"] });
    }
    variable
}

fn annotations(thresholds: &Thresholds) -> Result<Value> {
    let query = |name: &str, colour: &str, expr: &str, title: &str| {
        Ok::<_, anyhow::Error>(json!({
            "name": name,
            "enable": true,
            "hide": false,
            "iconColor": colour,
            "datasource": datasource(),
            "expr": expression(expr, "", thresholds)?,
            "titleFormat": title,
            "textFormat": "",
            "tagKeys": "instance,chain",
            "step": "30s",
            "useValueForTime": false,
        }))
    };
    Ok(json!([
        query(
            "Mode changes",
            "purple",
            MODE_CHANGED,
            "Mode of {{chain}} changed"
        )?,
        query("Restarts", "orange", RESTARTED, "{{instance}} restarted")?,
    ]))
}

/// The same dashboard over other times, then its siblings; variables are kept.
fn links(design: &Design) -> Value {
    let link = |title: &str, icon: &str, tooltip: &str, url: String, keep: bool| {
        json!({
            "type": "link",
            "title": title,
            "url": url,
            "icon": icon,
            "tooltip": tooltip,
            "keepTime": keep,
            "includeVars": true,
            "targetBlank": false,
            "asDropdown": false,
            "tags": [],
        })
    };
    let times = ["5m", "15m", "1h", "6h", "24h"].map(|time| {
        let url = format!("/d/{}?from=now-{time}&to=now", design.uid);
        link(&format!("Last {time}"), "bolt", "", url, false)
    });
    let siblings = DESIGNS.iter().filter(|other| other.uid != design.uid);
    let siblings = siblings.map(|other| {
        let url = format!("/d/{}", other.uid);
        link(other.title, "dashboard", other.description, url, true)
    });
    times.into_iter().chain(siblings).collect()
}
