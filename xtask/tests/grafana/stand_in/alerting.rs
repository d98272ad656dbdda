//! `/api/v1/provisioning`: rule groups, contact points, mute timings and the policy tree.

use serde_json::{Value, json};

use super::schema::{self, shortest};
use super::{Reply, Request, State, message};

const READ: &[&str] = &["alert.provisioning:read", "alert.provisioning:write"];
const RULES: &[&str] = &["alert.provisioning:write", "alert.rules.provisioning:write"];
const NOTIFICATIONS: &[&str] = &[
    "alert.provisioning:write",
    "alert.notifications.provisioning:write",
];
const REDACTED: &str = "[REDACTED]";

pub(super) fn answer(state: &mut State, parts: &[&str], request: &Request) -> Reply {
    let needed = match (request.writes(), parts.first()) {
        (false, _) => READ,
        (true, Some(&"folder")) => RULES,
        (true, _) => NOTIFICATIONS,
    };
    if let Some(denied) = state.denied(needed) {
        return denied;
    }
    match (request.method.as_str(), parts) {
        ("GET", ["folder", folder, "rule-groups", group]) => {
            let found = state
                .groups
                .get(&((*folder).to_owned(), (*group).to_owned()));
            found.map_or((404, Value::Null), |group| (200, group.clone()))
        }
        ("PUT", ["folder", folder, "rule-groups", group]) => {
            put_group(state, folder, group, request)
        }
        ("GET", ["contact-points"]) => (200, state.contact_points.iter().map(redacted).collect()),
        ("POST", ["contact-points"]) => post_contact_point(state, request),
        ("PUT", ["contact-points", uid]) => put_contact_point(state, uid, request),
        ("GET", ["mute-timings", name]) => {
            let found = state.mute_timings.iter().find(|one| one["name"] == *name);
            found.map_or_else(
                || message(404, "Time interval not found"),
                |one| (200, one.clone()),
            )
        }
        ("POST", ["mute-timings"]) => write_mute_timing(state, None, request),
        ("PUT", ["mute-timings", name]) => write_mute_timing(state, Some(name), request),
        ("GET", ["policies"]) => (200, state.policies.clone()),
        ("PUT", ["policies"]) => put_policies(state, request),
        _ => message(404, "Not found"),
    }
}

fn put_group(state: &mut State, folder: &str, group: &str, request: &Request) -> Reply {
    if !state.folders.contains_key(folder) {
        return message(404, "folder does not exist");
    }
    if let Err(reason) = schema::rule_group(&request.body, state.major()) {
        return message(400, &format!("invalid alert rule: {reason}"));
    }
    let key = (folder.to_owned(), group.to_owned());
    let body = &request.body;
    let uids: Vec<&Value> = body["rules"]
        .as_array()
        .expect("checked")
        .iter()
        .map(|rule| &rule["uid"])
        .collect();
    let elsewhere = state.groups.iter().filter(|(other, _)| **other != key);
    let mut others =
        elsewhere.flat_map(|(_, group)| group["rules"].as_array().into_iter().flatten());
    if let Some(taken) = others.find(|rule| uids.contains(&&rule["uid"])) {
        return message(
            409,
            &format!("a conflicting alert rule is found: uid {}", taken["uid"]),
        );
    }
    let stored = state.groups.get(&key);
    let held = stored
        .and_then(|group| group["rules"][0]["provenance"].as_str())
        .unwrap_or_default();
    if !(held.is_empty() || held == request.provenance() || held == "api") {
        return refused_provenance(held, request.provenance());
    }
    let mut group = body.clone();
    group["folderUid"] = json!(folder);
    for (index, rule) in group["rules"]
        .as_array_mut()
        .expect("checked")
        .iter_mut()
        .enumerate()
    {
        rule["id"] = json!(index + 1);
        rule["orgID"] = json!(3);
        rule["updated"] = json!("2026-01-01T00:00:00Z");
        rule["provenance"] = json!(request.provenance());
        rule["notification_settings"] = Value::Null;
        rule["record"] = Value::Null;
        rule["for"] = json!(shortest(rule["for"].as_str().expect("checked")));
        for query in rule["data"].as_array_mut().expect("checked") {
            let model = query["model"].as_object_mut().expect("checked");
            model.entry("intervalMs").or_insert(json!(1000));
            model.entry("maxDataPoints").or_insert(json!(43200));
        }
    }
    state.groups.insert(key, group.clone());
    (200, group)
}

fn redacted(point: &Value) -> Value {
    let mut point = point.clone();
    for name in ["integrationKey", "url", "token"] {
        if let Some(secret) = point["settings"].get_mut(name) {
            *secret = json!(REDACTED);
        }
    }
    point
}

fn post_contact_point(state: &mut State, request: &Request) -> Reply {
    if let Err(reason) = schema::contact_point(&request.body) {
        return message(400, &format!("invalid object specification: {reason}"));
    }
    let mut point = request.body.clone();
    if state
        .contact_points
        .iter()
        .any(|one| one["uid"] == point["uid"])
    {
        let text = format!(
            "receiver configuration with UID {} already exists",
            point["uid"]
        );
        return message(400, &format!("invalid object specification: {text}"));
    }
    point["provenance"] = json!(request.provenance());
    state.contact_points.push(point.clone());
    (202, redacted(&point))
}

fn put_contact_point(state: &mut State, uid: &str, request: &Request) -> Reply {
    if let Err(reason) = schema::contact_point(&request.body) {
        return message(400, &format!("invalid object specification: {reason}"));
    }
    let Some(stored) = state
        .contact_points
        .iter_mut()
        .find(|one| one["uid"] == uid)
    else {
        return message(404, "contact point not found");
    };
    if let Some(refused) = provenance_change(stored, request) {
        return refused;
    }
    *stored = request.body.clone();
    stored["provenance"] = json!(request.provenance());
    message(202, "contactpoint updated")
}

fn write_mute_timing(state: &mut State, name: Option<&str>, request: &Request) -> Reply {
    if let Err(reason) = schema::mute_timing(&request.body) {
        return message(
            400,
            &format!("Invalid format of the submitted time interval: {reason}"),
        );
    }
    let at = state
        .mute_timings
        .iter()
        .position(|one| one["name"] == request.body["name"]);
    let mut timing = request.body.clone();
    timing["provenance"] = json!(request.provenance());
    match (name, at) {
        (None, None) => {
            state.mute_timings.push(timing.clone());
            (201, timing)
        }
        (None, Some(_)) => message(
            409,
            "Time interval with this name already exists. Use a different name or update existing one.",
        ),
        (Some(_), None) => message(404, "Time interval not found"),
        (Some(_), Some(at)) => {
            if let Some(refused) = provenance_change(&state.mute_timings[at], request) {
                return refused;
            }
            state.mute_timings[at] = timing.clone();
            (202, timing)
        }
    }
}

fn put_policies(state: &mut State, request: &Request) -> Reply {
    let receivers: Vec<&str> = state
        .contact_points
        .iter()
        .filter_map(|point| point["name"].as_str())
        .collect();
    let timings: Vec<&str> = state
        .mute_timings
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    let known = schema::Known {
        receivers,
        timings,
        major: state.major(),
    };
    if let Err(reason) = schema::policy_tree(&request.body, &known) {
        return message(400, &format!("invalid object specification: {reason}"));
    }
    if let Some(refused) = provenance_change(&state.policies, request) {
        return refused;
    }
    let mut tree = request.body.clone();
    shorten(&mut tree);
    if !request.editable {
        tree["provenance"] = json!("api");
    }
    state.policies = tree;
    message(202, "policies updated")
}

/// Durations come back as Go writes them.
fn shorten(route: &mut Value) {
    for name in ["group_wait", "group_interval", "repeat_interval"] {
        if let Some(duration) = route.get_mut(name) {
            *duration = json!(shortest(duration.as_str().expect("checked")));
        }
    }
    let branches = route.get_mut("routes").and_then(Value::as_array_mut);
    branches.into_iter().flatten().for_each(shorten);
}

/// From none to anything, from anything to anything but none.
fn provenance_change(stored: &Value, request: &Request) -> Option<Reply> {
    let held = stored["provenance"].as_str().unwrap_or_default();
    let refused = !held.is_empty() && request.provenance().is_empty();
    refused.then(|| refused_provenance(held, request.provenance()))
}

fn refused_provenance(held: &str, wanted: &str) -> Reply {
    let wanted = if wanted.is_empty() { "none" } else { wanted };
    let text = format!(
        "Resource with provenance status '{held}' cannot be managed via API that handles resources with provenance \
         status '{wanted}'. You must use appropriate API to manage this resource"
    );
    let body = json!({"message": text, "messageId": "alerting.notifications.invalidProvenance",
                      "statusCode": 403, "traceID": ""});
    (403, body)
}
