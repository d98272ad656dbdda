//! Negative controls: the stand-in takes what the task sends, and refuses each of many ways to
//! send it wrongly. Without them its consent would mean nothing.

use serde_json::{Value, json};

use crate::run::provision;
use crate::stand_in::{PROMETHEUS, Request, StandIn, TOKEN};

/// What a run sends to a server of this version.
fn sent(version: &str) -> Vec<Request> {
    let server = StandIn::start(version);
    server.provision(&[]).succeeded();
    server.take_writes()
}

fn first<'a>(sent: &'a [Request], path: &str) -> &'a Request {
    sent.iter()
        .find(|request| request.path.contains(path))
        .expect("it was sent")
}

/// Sends `request` with another body to a server that has everything it needs; the status.
fn status(version: &str, request: &Request, body: &Value) -> u16 {
    let server = StandIn::start(version);
    if !request.path.ends_with("/folders") {
        server
            .state()
            .folders
            .insert("forewarm".to_owned(), "Forewarm".to_owned());
    }
    if request.path.ends_with("/policies") {
        let contact_points = ["pagerduty-critical", "slack-warnings", "slack-info"];
        let named = contact_points.map(|name| json!({"uid": name, "name": name, "settings": {}}));
        server.state().contact_points.extend(named);
        let timing = json!({"name": "forewarm-weekends", "time_intervals": []});
        server.state().mute_timings.push(timing);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let url = format!("{}{}", server.url, request.path);
    let call = match request.method.as_str() {
        "POST" => agent.post(url),
        _ => agent.put(url),
    };
    let call = call.header("Authorization", format!("Bearer {TOKEN}"));
    let call = call.header("X-Disable-Provenance", "true");
    call.send(body.to_string())
        .expect("it answers")
        .status()
        .as_u16()
}

/// The body as it was sent is taken; with `value` at `pointer` (absent: without that field) it is
/// refused. A pointer's last part is a field.
fn check(request: &Request, cases: &[(&str, Option<Value>)]) {
    let taken = status("13.0.0", request, &request.body);
    assert!(
        (200..300).contains(&taken),
        "{} is refused as it is: {taken}",
        request.path
    );
    for (pointer, value) in cases {
        let mut body = request.body.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let parent = body
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("no {parent}"));
        match (parent, value) {
            (Value::Object(fields), Some(value)) => {
                drop(fields.insert(field.to_owned(), value.clone()))
            }
            (Value::Object(fields), None) => {
                assert!(fields.remove(field).is_some(), "no {pointer}")
            }
            (Value::Array(items), Some(value)) => {
                items[field.parse::<usize>().expect("a place")] = value.clone()
            }
            (other, _) => panic!("{pointer} is in {other}"),
        }
        let status = status("13.0.0", request, &body);
        assert!(
            (400..500).contains(&status),
            "{} with {pointer} = {value:?} got {status}",
            request.path
        );
    }
}

#[test]
fn wrong_folders_are_refused() {
    let sent = sent("13.0.0");
    check(
        first(&sent, "/api/folders"),
        &[
            ("/title", None),
            ("/uid", Some(json!(7))),
            ("/folderTitle", Some(json!("x"))),
        ],
    );
}

#[test]
fn wrong_dashboards_are_refused() {
    let sent = sent("13.0.0");
    let long = "x".repeat(41);
    check(
        first(&sent, "/dashboards/db"),
        &[
            ("/dashboard", None),
            ("/folderId", Some(json!(1))),
            ("/folderUid", Some(json!("nowhere"))),
            ("/dashboard/uid", Some(json!(long))),
            ("/dashboard/title", Some(json!(""))),
            ("/dashboard/id", Some(json!(12))),
            ("/dashboard/refresh", Some(json!(false))),
            ("/dashboard/schemaVersion", Some(json!(16))),
            ("/dashboard/rows", Some(json!([]))),
            ("/dashboard/panels/1/gridPos", None),
            (
                "/dashboard/panels/1/gridPos",
                Some(json!({"x": 20, "y": 0, "w": 6, "h": 1})),
            ),
            ("/dashboard/panels/1/type", Some(json!("singlestat"))),
            ("/dashboard/panels/1/id", Some(json!(1))),
            ("/dashboard/panels/1/query", Some(json!("up"))),
            ("/dashboard/panels/1/targets/0/expr", None),
            ("/dashboard/panels/1/targets/0/query", Some(json!("up"))),
            ("/dashboard/panels/1/datasource", Some(json!("Prometheus"))),
            (
                "/dashboard/panels/1/datasource",
                Some(json!({"type": "prometheus", "uid": "${DS_PROMETHEUS}"})),
            ),
            (
                "/dashboard/panels/1/fieldConfig/defaults/thresholds",
                Some(json!({"steps": [{"value": 0, "color": "red"}]})),
            ),
        ],
    );
}

#[test]
fn wrong_rule_groups_are_refused() {
    let sent = sent("13.0.0");
    check(
        first(&sent, "/rule-groups/"),
        &[
            ("/interval", Some(json!(15))),
            ("/interval", Some(json!("1m"))),
            ("/name", Some(json!("x"))),
            ("/rules", None),
            ("/rules/0/uid", Some(json!("x".repeat(41)))),
            ("/rules/0/uid", Some(json!("with space"))),
            ("/rules/0/title", Some(json!(""))),
            ("/rules/0/for", Some(json!(300))),
            ("/rules/0/for", Some(json!("5 minutes"))),
            ("/rules/0/keepFiringFor", Some(json!("5m"))),
            ("/rules/0/dashboardUid", Some(json!("x"))),
            ("/rules/0/condition", Some(json!("Z"))),
            ("/rules/0/noDataState", Some(json!("Ok"))),
            ("/rules/0/execErrState", Some(json!("NoData"))),
            ("/rules/0/folderUID", Some(json!("elsewhere"))),
            ("/rules/0/ruleGroup", None),
            ("/rules/0/expr", Some(json!("up"))),
            ("/rules/0/labels", Some(json!({"severity": 1}))),
            ("/rules/0/annotations/__panelId__", Some(json!(4))),
            ("/rules/0/annotations/__panelId__", None),
            ("/rules/0/data/0/refId", Some(json!("any"))),
            (
                "/rules/0/data/0/datasourceUid",
                Some(json!("${DS_PROMETHEUS}")),
            ),
            (
                "/rules/0/data/0/relativeTimeRange",
                Some(json!({"from": 0, "to": 0})),
            ),
            ("/rules/0/data/0/model/expr", None),
            ("/rules/0/data/1/model/type", Some(json!("mathematics"))),
            (
                "/rules/1/uid",
                Some(first(&sent, "/rule-groups/").body["rules"][0]["uid"].clone()),
            ),
        ],
    );
}

#[test]
fn wrong_contact_points_are_refused() {
    let sent = sent("13.0.0");
    check(
        first(&sent, "/contact-points"),
        &[
            ("/uid", Some(json!("a/b"))),
            ("/name", Some(json!(""))),
            ("/type", Some(json!("pager"))),
            ("/settings", None),
            (
                "/settings/integrationKey",
                Some(json!("${PAGERDUTY_SERVICE_KEY}")),
            ),
            ("/settings/integrationKey", None),
            ("/settings/routing_key", Some(json!("x"))),
            ("/receivers", Some(json!([]))),
        ],
    );
}

#[test]
fn wrong_mute_timings_are_refused() {
    let sent = sent("13.0.0");
    check(
        first(&sent, "/mute-timings"),
        &[
            ("/name", Some(json!(""))),
            ("/time_intervals", None),
            ("/timeIntervals", Some(json!([]))),
            (
                "/time_intervals/0",
                Some(json!({"times": [{"start_time": "9:00", "end_time": "17:00"}]})),
            ),
            (
                "/time_intervals/0",
                Some(json!({"times": [{"start_time": "18:00", "end_time": "17:00"}]})),
            ),
        ],
    );
}

#[test]
fn wrong_policy_trees_are_refused() {
    let sent = sent("13.0.0");
    check(
        first(&sent, "/policies"),
        &[
            ("/receiver", None),
            ("/receiver", Some(json!("nobody"))),
            ("/object_matchers", Some(json!([["a", "=", "b"]]))),
            ("/continue", Some(json!(true))),
            ("/mute_time_intervals", Some(json!(["forewarm-weekends"]))),
            ("/routes/0/receiver", Some(json!("nobody"))),
            ("/routes/0/matchers", Some(json!(["severity = critical"]))),
            (
                "/routes/0/object_matchers",
                Some(json!([["service", "forewarm"]])),
            ),
            (
                "/routes/0/object_matchers",
                Some(json!([["service", "==", "forewarm"]])),
            ),
            ("/routes/0/routes/0/group_wait", Some(json!("soon"))),
            ("/routes/0/routes/0/group_interval", Some(json!("0s"))),
            (
                "/routes/0/routes/0/mute_time_intervals",
                Some(json!(["unknown"])),
            ),
        ],
    );
}

#[test]
fn fields_of_a_later_version_are_refused_by_an_earlier_one() {
    let new = sent("13.0.0");
    let keeps = |request: &&Request| request.body.to_string().contains("keep_firing_for");
    let group = new.iter().find(keeps).expect("a critical keeps firing");
    assert_eq!(status("13.0.0", group, &group.body), 200);
    assert_eq!(status("11.4.0", group, &group.body), 400);
}

#[test]
fn an_existing_contact_point_can_not_be_made_again_and_its_secret_is_never_shown() {
    let server = StandIn::start("13.0.0");
    server.provision(&[]).succeeded();
    let shown = |path: &str| {
        let agent: ureq::Agent = ureq::Agent::new_with_defaults();
        let call = agent.get(format!("{}{path}", server.url));
        let call = call.header("Authorization", format!("Bearer {TOKEN}"));
        call.call()
            .expect("it answers")
            .body_mut()
            .read_to_string()
            .expect("text")
    };
    let text = shown("/api/v1/provisioning/contact-points");
    assert!(
        text.contains("[REDACTED]") && !text.contains("secret"),
        "{text}"
    );
    assert!(shown("/api/datasources").contains(PROMETHEUS));
    let body = first(&server.take_writes(), "/contact-points").body.clone();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let call = agent.post(format!("{}/api/v1/provisioning/contact-points", server.url));
    let call = call.header("Authorization", format!("Bearer {TOKEN}"));
    assert_eq!(
        call.send(body.to_string()).expect("it answers").status(),
        400
    );
    // A run needs its token for this: without one nothing is shown.
    provision(&["--token", "wrong"], &[("GRAFANA_URL", &server.url)]).failed_saying(&["401"]);
}
