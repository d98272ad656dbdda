//! Groups of alert rules.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::{duration, ensure, parse, uid};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuleGroup {
    title: String,
    folder_uid: String,
    interval: u64,
    rules: Vec<Value>,
}

/// The fields of a rule that every version since 11.4 knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    #[serde(rename = "id", default)]
    _id: u64,
    uid: String,
    #[serde(rename = "orgID")]
    _org_id: u64,
    #[serde(rename = "folderUID")]
    folder_uid: String,
    rule_group: String,
    title: String,
    condition: String,
    data: Vec<Query>,
    no_data_state: State,
    exec_err_state: State,
    #[serde(rename = "for")]
    pending: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(rename = "isPaused", default)]
    _is_paused: bool,
    /// Since 12.0.
    #[serde(rename = "keep_firing_for")]
    keep_firing_for: Option<String>,
    /// Since 12.0.
    missing_series_evals_to_resolve: Option<u64>,
}

#[derive(Deserialize, PartialEq, Eq)]
enum State {
    #[serde(rename = "OK")]
    Ok,
    Alerting,
    NoData,
    Error,
    KeepLast,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Query {
    ref_id: String,
    #[serde(rename = "queryType", default)]
    _query_type: String,
    relative_time_range: Option<Range>,
    datasource_uid: String,
    model: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: u64,
    to: u64,
}

/// A group as `PUT …/rule-groups/{group}` takes it.
pub(in crate::stand_in) fn rule_group(body: &Value, major: u32) -> Result<(), String> {
    let group: RuleGroup = parse(body)?;
    ensure(!group.title.is_empty() && group.title.len() <= 190, || {
        "rule group title".to_owned()
    })?;
    ensure(
        group.interval > 0 && group.interval.is_multiple_of(10),
        || {
            format!(
                "interval ({}) should be non-zero and divided exactly by scheduler interval: 10",
                group.interval
            )
        },
    )?;
    let (mut uids, mut titles) = (HashSet::new(), HashSet::new());
    for (at, rule) in group.rules.iter().enumerate() {
        let rule: Rule = parse(rule).map_err(|reason| format!("rule {at}: {reason}"))?;
        let ours = rule.folder_uid == group.folder_uid && rule.rule_group == group.title;
        ensure(ours, || format!("rule {at} is of another group or folder"))?;
        check_rule(&rule, major).map_err(|reason| format!("{}: {reason}", rule.title))?;
        ensure(uids.insert(rule.uid.clone()), || {
            format!("uid {} twice", rule.uid)
        })?;
        ensure(titles.insert(rule.title.clone()), || {
            format!(
                "rule title under the same folder should be unique: {}",
                rule.title
            )
        })?;
    }
    Ok(())
}

fn check_rule(rule: &Rule, major: u32) -> Result<(), String> {
    uid(&rule.uid)?;
    ensure(!rule.title.is_empty() && rule.title.len() <= 190, || {
        "title".to_owned()
    })?;
    duration(&rule.pending)?;
    let new = rule.keep_firing_for.is_some() || rule.missing_series_evals_to_resolve.is_some();
    ensure(major >= 12 || !new, || {
        format!("a field that Grafana {major} does not know")
    })?;
    if let Some(text) = &rule.keep_firing_for {
        duration(text)?;
    }
    ensure(rule.no_data_state != State::Error, || {
        "noDataState Error".to_owned()
    })?;
    ensure(rule.exec_err_state != State::NoData, || {
        "execErrState NoData".to_owned()
    })?;
    let empty = |map: &BTreeMap<String, String>| {
        map.iter()
            .any(|(name, value)| name.is_empty() || value.is_empty())
    };
    ensure(!empty(&rule.labels) && !empty(&rule.annotations), || {
        "an empty label or annotation".to_owned()
    })?;
    let has_panel = rule.annotations.contains_key("__panelId__");
    ensure(
        has_panel == rule.annotations.contains_key("__dashboardUid__"),
        || "__panelId__ and __dashboardUid__ go together".to_owned(),
    )?;
    let mut ids = HashSet::new();
    for query in &rule.data {
        ensure(ids.insert(query.ref_id.as_str()), || {
            format!("refId {} twice", query.ref_id)
        })?;
        check_query(query)?;
    }
    ensure(ids.contains(rule.condition.as_str()), || {
        format!("condition {} does not exist", rule.condition)
    })
}

fn check_query(query: &Query) -> Result<(), String> {
    let what = &query.ref_id;
    ensure(query.model["refId"] == **what, || {
        format!("{what}: the model has another refId")
    })?;
    if query.datasource_uid == "__expr__" {
        let kind = query.model["type"].as_str().unwrap_or_default();
        let known = [
            "math",
            "threshold",
            "reduce",
            "resample",
            "classic_conditions",
        ];
        return ensure(known.contains(&kind), || {
            format!("{what}: expression type {kind:?}")
        });
    }
    let fits = query
        .relative_time_range
        .as_ref()
        .is_some_and(|range| range.from > range.to);
    ensure(fits, || format!("{what}: invalid relative time range"))?;
    let plain = !query.datasource_uid.is_empty() && !query.datasource_uid.contains('$');
    ensure(plain, || {
        format!("{what}: data source {:?}", query.datasource_uid)
    })?;
    ensure(query.model["expr"].is_string(), || {
        format!("{what}: no expr")
    })
}
