//! Folders and dashboards.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::{ensure, uid};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::stand_in) struct Folder {
    pub(in crate::stand_in) uid: String,
    pub(in crate::stand_in) title: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::stand_in) struct SaveDashboard {
    pub(in crate::stand_in) dashboard: Dashboard,
    pub(in crate::stand_in) folder_uid: Option<String>,
    #[serde(default)]
    pub(in crate::stand_in) overwrite: bool,
    #[serde(rename = "message")]
    _message: Option<String>,
}

/// The top of a dashboard; its panels are checked by hand below.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(in crate::stand_in) struct Dashboard {
    pub(in crate::stand_in) uid: String,
    pub(in crate::stand_in) version: Option<u64>,
}

const DASHBOARD: &[&str] = &[
    "id",
    "uid",
    "title",
    "description",
    "tags",
    "timezone",
    "editable",
    "graphTooltip",
    "time",
    "timepicker",
    "templating",
    "annotations",
    "refresh",
    "schemaVersion",
    "version",
    "panels",
    "links",
    "style",
    "weekStart",
    "fiscalYearStartMonth",
    "liveNow",
    "preload",
];
const PANEL: &[&str] = &[
    "id",
    "type",
    "title",
    "description",
    "gridPos",
    "datasource",
    "targets",
    "fieldConfig",
    "options",
    "links",
    "transparent",
    "interval",
    "maxDataPoints",
    "collapsed",
    "panels",
    "transformations",
    "repeat",
    "repeatDirection",
    "maxPerRow",
    "timeFrom",
    "timeShift",
    "hideTimeOverride",
    "pluginVersion",
    "cacheTimeout",
    "libraryPanel",
];
const TARGET: &[&str] = &[
    "refId",
    "expr",
    "datasource",
    "legendFormat",
    "instant",
    "range",
    "format",
    "hide",
    "editorMode",
    "exemplar",
    "interval",
    "intervalFactor",
];
const PANELS: &[&str] = &[
    "row",
    "gauge",
    "stat",
    "timeseries",
    "bargauge",
    "table",
    "alertlist",
    "text",
    "state-timeline",
    "piechart",
    "barchart",
    "heatmap",
    "histogram",
];

fn known(value: &Value, names: &[&str], what: &str) -> Result<(), String> {
    let fields = value
        .as_object()
        .ok_or_else(|| format!("{what} is no object"))?;
    let unknown = fields.keys().find(|name| !names.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| {
        Err(format!("{what} has the unknown field {name:?}"))
    })
}

impl TryFrom<Value> for Dashboard {
    type Error = String;

    fn try_from(json: Value) -> Result<Self, String> {
        known(&json, DASHBOARD, "the dashboard")?;
        let text = |name: &str| json[name].as_str().filter(|text| !text.is_empty());
        let own = text("uid").ok_or("a dashboard needs a uid here")?;
        uid(own)?;
        ensure(text("title").is_some(), || {
            "Dashboard title cannot be empty".to_owned()
        })?;
        ensure(json["id"].is_null(), || {
            "id must be null: it is of another server".to_owned()
        })?;
        ensure(json["refresh"].is_string(), || {
            "refresh is no string".to_owned()
        })?;
        let schema = json["schemaVersion"].as_u64().unwrap_or(0);
        ensure((36..=42).contains(&schema), || {
            format!("schemaVersion {schema}")
        })?;
        let panels = json["panels"].as_array().ok_or("panels is no list")?;
        let mut ids = HashSet::new();
        for panel in panels {
            let inside = panel["panels"].as_array().map_or(&[][..], Vec::as_slice);
            for panel in std::iter::once(panel).chain(inside) {
                ensure(ids.insert(panel["id"].as_u64()), || {
                    format!("panel id {} twice", panel["id"])
                })?;
                check_panel(panel)?;
            }
        }
        Ok(Self {
            uid: own.to_owned(),
            version: json["version"].as_u64(),
        })
    }
}

fn check_panel(panel: &Value) -> Result<(), String> {
    let what = format!("panel {}", panel["title"]);
    known(panel, PANEL, &what)?;
    let kind = panel["type"].as_str().unwrap_or_default();
    ensure(PANELS.contains(&kind), || {
        format!("{what} is of the unknown type {kind:?}")
    })?;
    let at = |name: &str| panel["gridPos"][name].as_u64();
    let (Some(x), Some(w), Some(_), Some(_)) = (at("x"), at("w"), at("y"), at("h")) else {
        return Err(format!("{what} has no place in the grid"));
    };
    ensure(x + w <= 24, || {
        format!("{what} reaches beyond the 24 columns")
    })?;
    for target in panel["targets"].as_array().into_iter().flatten() {
        known(target, TARGET, &format!("a query of {what}"))?;
        let has = |name: &str| target[name].as_str().is_some_and(|text| !text.is_empty());
        ensure(has("refId") && has("expr"), || {
            format!("a query of {what} lacks refId or expr")
        })?;
    }
    let defaults = &panel["fieldConfig"]["defaults"];
    if let Some(steps) = defaults["thresholds"]["steps"].as_array() {
        let first = steps
            .first()
            .ok_or_else(|| format!("{what} has no threshold step"))?;
        ensure(first["value"].is_null(), || {
            format!("the first threshold step of {what} is not null")
        })?;
    }
    let sources = std::iter::once(panel).chain(panel["targets"].as_array().into_iter().flatten());
    for source in sources
        .map(|holder| &holder["datasource"])
        .filter(|source| !source.is_null())
    {
        let uid = source["uid"].as_str().unwrap_or_default();
        ensure(
            source["type"].is_string() && !uid.is_empty() && !uid.contains("${"),
            || format!("{what} has the data source {source}"),
        )?;
    }
    Ok(())
}
