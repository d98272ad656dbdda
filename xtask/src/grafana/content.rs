//! What is to be in Grafana, as its HTTP API wants it.

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::settings::Settings;
use super::version::Version;
use crate::monitoring::grafana::WEEKENDS;
use crate::monitoring::thresholds::Thresholds;
use crate::monitoring::{contact_points, dashboards, grafana_rule_groups, policy_tree};

/// The uid of the folder when we make it.
pub(super) const FOLDER_UID: &str = "forewarm";
/// What generated objects say where a data source's uid belongs.
const DATASOURCE: &str = "${DS_PROMETHEUS}";
/// What is in the history of a dashboard that we wrote.
const MESSAGE: &str = "provisioned by cargo xtask provision-grafana";

/// Every object, in the order in which they are sent.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) dashboards: Vec<Value>,
    /// `{title, interval, rules}`.
    pub(super) rule_groups: Vec<Value>,
    /// `{uid, name, type, settings, disableResolveMessage}`; secrets are `${VARIABLE}`.
    pub(super) contact_points: Vec<Value>,
    /// `{name, time_intervals}`.
    pub(super) mute_timings: Vec<Value>,
    /// Our branch of the policy tree.
    pub(super) policy: Value,
}

impl Content {
    /// What the tables say, with this site's figures.
    pub(super) fn new(thresholds: &Thresholds) -> Result<Self> {
        let groups = grafana_rule_groups(thresholds, DATASOURCE)?;
        let groups = groups.into_iter().map(|group| {
            let rules: Result<Vec<Value>> = group.rules.iter().map(api_rule).collect();
            Ok(json!({"title": group.name, "interval": group.interval_seconds, "rules": rules?}))
        });
        let points = contact_points();
        Ok(Self {
            dashboards: dashboards(thresholds)?
                .into_iter()
                .map(|one| one.json)
                .collect(),
            rule_groups: groups.collect::<Result<_>>()?,
            contact_points: points
                .iter()
                .map(serde_json::to_value)
                .collect::<Result<_, _>>()?,
            mute_timings: vec![json!({
                "name": WEEKENDS,
                "time_intervals": [{"weekdays": ["saturday", "sunday"]}],
            })],
            policy: serde_json::to_value(policy_tree())?,
        })
    }
}

/// A rule as the HTTP API wants it: files name some fields otherwise.
fn api_rule(rule: &impl Serialize) -> Result<Value> {
    let mut json = serde_json::to_value(rule)?;
    let fields = json.as_object_mut().expect("a struct");
    if let Some(keeps) = fields.remove("keepFiringFor") {
        fields.insert("keep_firing_for".to_owned(), keeps);
    }
    let board = fields.remove("dashboardUid");
    let panel = fields.remove("panelId");
    if let (Some(board), Some(panel)) = (board, panel) {
        json["annotations"]["__dashboardUid__"] = board;
        // Annotations are texts.
        json["annotations"]["__panelId__"] = json!(panel.to_string());
    }
    Ok(json)
}

/// The body of `POST /api/folders`.
pub(super) fn folder(title: &str) -> Value {
    json!({"uid": FOLDER_UID, "title": title})
}

/// The body of `POST /api/dashboards/db`: pinned to the data source that was checked. The file in
/// the repository keeps the variable, for those who import it by hand.
pub(super) fn dashboard(dashboard: &Value, datasource: &str, folder: &str) -> Value {
    let mut dashboard = with_datasource(dashboard, datasource);
    dashboard["id"] = Value::Null;
    // The server counts.
    if let Some(fields) = dashboard.as_object_mut() {
        fields.remove("version");
    }
    let variables = dashboard["templating"]["list"].as_array_mut();
    for variable in variables.into_iter().flatten() {
        if variable["type"] == "datasource" {
            variable["current"] =
                json!({"selected": true, "text": datasource, "value": datasource});
            variable["hide"] = json!(2);
        }
    }
    json!({"dashboard": dashboard, "folderUid": folder, "overwrite": true, "message": MESSAGE})
}

/// The body of `PUT …/rule-groups/{group}`, with the fields that this version knows.
pub(super) fn rule_group(group: &Value, datasource: &str, folder: &str, version: Version) -> Value {
    let mut group = with_datasource(group, datasource);
    group["folderUid"] = json!(folder);
    let title = group["title"].clone();
    for rule in group["rules"].as_array_mut().into_iter().flatten() {
        version.fit(rule);
        rule["folderUID"] = json!(folder);
        rule["ruleGroup"] = title.clone();
        // Required by the schema, replaced by the organisation of the token.
        rule["orgID"] = json!(1);
    }
    group
}

/// A contact point with its secrets, or the name of the variable that is not set.
pub(super) fn contact_point(
    point: &Value,
    settings: &Settings,
) -> std::result::Result<Value, &'static str> {
    let mut point = point.clone();
    for (name, secret) in &settings.secrets {
        let placeholder = format!("${{{name}}}");
        let Some(found) = holder(&mut point, &placeholder) else {
            continue;
        };
        match secret {
            Some(secret) => *found = json!(secret.reveal()),
            None => return Err(name),
        }
    }
    Ok(point)
}

/// The text in `value` that is exactly `text`.
fn holder<'a>(value: &'a mut Value, text: &str) -> Option<&'a mut Value> {
    if value == text {
        return Some(value);
    }
    match value {
        Value::Object(fields) => fields.values_mut().find_map(|value| holder(value, text)),
        Value::Array(items) => items.iter_mut().find_map(|value| holder(value, text)),
        _ => None,
    }
}

/// The settings of a contact point that hold secrets: Grafana never shows them again.
pub(super) fn without_secrets(point: &Value) -> Value {
    let mut point = point.clone();
    if let Some(settings) = point["settings"].as_object_mut() {
        for name in ["integrationKey", "url", "token"] {
            settings.remove(name);
        }
    }
    point
}

/// Replaces the placeholder as a value: a uid with a quote in it stays one text.
fn with_datasource(value: &Value, uid: &str) -> Value {
    match value {
        Value::String(text) if text == DATASOURCE => json!(uid),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| (name.clone(), with_datasource(value, uid)))
                .collect()
        }
        Value::Array(items) => items
            .iter()
            .map(|item| with_datasource(item, uid))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_source_is_a_value_and_not_a_piece_of_text() {
        let board = json!({"uid": "w", "id": 7,
            "templating": {"list": [{"type": "datasource", "name": "DS_PROMETHEUS"}, {"type": "query"}]},
            "panels": [{"datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"},
                        "description": "not in ${DS_PROMETHEUS} text"}]});
        let body = dashboard(&board, "a\"b", "f");
        let panel = &body["dashboard"]["panels"][0];
        assert_eq!(panel["datasource"]["uid"], "a\"b");
        assert_eq!(panel["description"], "not in ${DS_PROMETHEUS} text");
        let variables = &body["dashboard"]["templating"]["list"];
        assert_eq!(variables[0]["current"]["value"], "a\"b");
        assert_eq!(
            variables[0]["hide"], 2,
            "choosing another would change nothing"
        );
        assert_eq!(variables[1].get("current"), None);
        assert_eq!(
            (&body["dashboard"]["id"], &body["folderUid"]),
            (&Value::Null, &json!("f"))
        );
    }

    #[test]
    fn a_rule_knows_its_group_and_folder() {
        let group = json!({"title": "g", "interval": 60, "rules": [
            {"uid": "r", "keep_firing_for": "5m", "data": [{"datasourceUid": "${DS_PROMETHEUS}"}]}]});
        let version = "11.4".parse().expect("a version");
        let body = rule_group(&group, "prom", "f", version);
        let rule = &body["rules"][0];
        assert_eq!(rule["data"][0]["datasourceUid"], "prom");
        assert_eq!(
            (&rule["ruleGroup"], &rule["folderUID"]),
            (&json!("g"), &json!("f"))
        );
        assert_eq!(
            (&body["folderUid"], rule.get("keep_firing_for")),
            (&json!("f"), None)
        );
    }
}
