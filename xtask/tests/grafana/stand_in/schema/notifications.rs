//! Contact points, mute timings and the policy tree.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{duration, ensure, parse, uid};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ContactPoint {
    uid: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    settings: BTreeMap<String, Value>,
    #[serde(rename = "disableResolveMessage", default)]
    _disable_resolve_message: bool,
}

/// A contact point as `POST` and `PUT` take it.
pub(in crate::stand_in) fn contact_point(body: &Value) -> Result<(), String> {
    let point: ContactPoint = parse(body)?;
    uid(&point.uid)?;
    ensure(!point.name.is_empty(), || {
        "a contact point needs a name".to_owned()
    })?;
    let (secret, others): (&str, &[&str]) = match point.kind.as_str() {
        "pagerduty" => (
            "integrationKey",
            &[
                "severity",
                "class",
                "component",
                "group",
                "summary",
                "source",
                "client",
                "client_url",
                "details",
                "url",
            ],
        ),
        "slack" => (
            "url",
            &[
                "recipient",
                "text",
                "title",
                "username",
                "icon_emoji",
                "icon_url",
                "mentionChannel",
                "mentionUsers",
                "mentionGroups",
                "token",
                "endpointUrl",
                "color",
            ],
        ),
        "webhook" => ("url", &["httpMethod", "maxAlerts", "title", "message"]),
        other => return Err(format!("unknown contact point type {other:?}")),
    };
    let unknown = point
        .settings
        .keys()
        .find(|name| *name != secret && !others.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| {
        Err(format!("a {} has no setting {name:?}", point.kind))
    })?;
    let value = point
        .settings
        .get(secret)
        .and_then(Value::as_str)
        .unwrap_or_default();
    ensure(!value.is_empty() && !value.contains('$'), || {
        format!("{secret} is missing")
    })?;
    let web = secret != "url" || value.starts_with("https://") || value.starts_with("http://");
    ensure(web, || "invalid URL".to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MuteTiming {
    name: String,
    time_intervals: Vec<Interval>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Interval {
    #[serde(default)]
    times: Vec<Times>,
    #[serde(rename = "weekdays", default)]
    _weekdays: Vec<String>,
    #[serde(rename = "days_of_month", default)]
    _days_of_month: Vec<String>,
    #[serde(rename = "months", default)]
    _months: Vec<String>,
    #[serde(rename = "years", default)]
    _years: Vec<String>,
    #[serde(rename = "location")]
    _location: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    start_time: String,
    end_time: String,
}

/// A mute timing as `POST` and `PUT` take it.
pub(in crate::stand_in) fn mute_timing(body: &Value) -> Result<(), String> {
    let timing: MuteTiming = parse(body)?;
    ensure(!timing.name.is_empty(), || {
        "missing name in mute time interval".to_owned()
    })?;
    let minutes = |text: &str| -> Option<u32> {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        (text.len() == 5 && minutes < 60 && hours * 60 + minutes <= 1440)
            .then_some(hours * 60 + minutes)
    };
    for times in timing
        .time_intervals
        .iter()
        .flat_map(|interval| &interval.times)
    {
        let (start, end) = (minutes(&times.start_time), minutes(&times.end_time));
        ensure(start.is_some() && end.is_some(), || {
            "couldn't parse timestamp".to_owned()
        })?;
        ensure(start < end, || {
            "start time cannot be equal or greater than end time".to_owned()
        })?;
    }
    Ok(())
}

/// What the routes of a tree may name.
pub(in crate::stand_in) struct Known<'a> {
    pub(in crate::stand_in) receivers: Vec<&'a str>,
    pub(in crate::stand_in) timings: Vec<&'a str>,
    pub(in crate::stand_in) major: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    receiver: Option<String>,
    #[serde(rename = "group_by", default)]
    _group_by: Vec<String>,
    #[serde(default)]
    object_matchers: Vec<[String; 3]>,
    #[serde(default)]
    mute_time_intervals: Vec<String>,
    #[serde(default)]
    active_time_intervals: Vec<String>,
    #[serde(rename = "continue", default)]
    goes_on: bool,
    #[serde(default)]
    routes: Vec<Route>,
    group_wait: Option<String>,
    group_interval: Option<String>,
    repeat_interval: Option<String>,
}

/// A tree as `PUT …/policies` takes it.
pub(in crate::stand_in) fn policy_tree(body: &Value, known: &Known<'_>) -> Result<(), String> {
    let root: Route = parse(body)?;
    ensure(
        root.receiver.as_ref().is_some_and(|name| !name.is_empty()),
        || "root route must specify a default receiver".to_owned(),
    )?;
    ensure(root.object_matchers.is_empty(), || {
        "root route must not have any matchers".to_owned()
    })?;
    ensure(root.mute_time_intervals.is_empty(), || {
        "root route must not have any mute time intervals".to_owned()
    })?;
    ensure(!root.goes_on, || {
        "cannot have continue in root route".to_owned()
    })?;
    check_route(&root, known)
}

fn check_route(route: &Route, known: &Known<'_>) -> Result<(), String> {
    if let Some(name) = route.receiver.as_deref().filter(|name| !name.is_empty()) {
        ensure(known.receivers.contains(&name), || {
            format!("receiver '{name}' does not exist")
        })?;
    }
    for [label, operator, _] in &route.object_matchers {
        let fits = !label.is_empty() && ["=", "!=", "=~", "!~"].contains(&operator.as_str());
        ensure(fits, || format!("matcher {label:?} {operator:?}"))?;
    }
    ensure(
        known.major >= 12 || route.active_time_intervals.is_empty(),
        || {
            format!(
                "active_time_intervals, which Grafana {} does not know",
                known.major
            )
        },
    )?;
    for name in route
        .mute_time_intervals
        .iter()
        .chain(&route.active_time_intervals)
    {
        ensure(known.timings.contains(&name.as_str()), || {
            format!("mute time interval '{name}' does not exist")
        })?;
    }
    for text in [
        &route.group_wait,
        &route.group_interval,
        &route.repeat_interval,
    ]
    .into_iter()
    .flatten()
    {
        duration(text)?;
    }
    for text in [&route.group_interval, &route.repeat_interval]
        .into_iter()
        .flatten()
    {
        ensure(duration(text)? > 0, || {
            "group_interval cannot be zero".to_owned()
        })?;
    }
    route
        .routes
        .iter()
        .try_for_each(|route| check_route(route, known))
}
