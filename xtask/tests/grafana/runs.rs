//! First run, second run, and what is repaired in between.

use serde_json::{Value, json};

use crate::run::{PAGERDUTY, SLACK};
use crate::stand_in::{PROMETHEUS, Request, StandIn, TOKEN};

fn paths(writes: &[Request]) -> Vec<String> {
    writes
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

#[test]
fn a_first_run_makes_everything_and_a_second_changes_nothing() {
    for version in ["9.5.21", "11.4.0", "13.0.0"] {
        let server = StandIn::start(version);
        let run = server.provision(&[]).succeeded();
        let writes = server.take_writes();
        let first = paths(&writes);
        assert_eq!(first[0], "POST /api/folders");
        assert_eq!(
            first.last().expect("writes"),
            "PUT /api/v1/provisioning/policies"
        );
        let of = |what: &str| first.iter().filter(|path| path.contains(what)).count();
        assert_eq!(
            (
                of("/dashboards/db"),
                of("/rule-groups/"),
                of("/contact-points")
            ),
            (4, 5, 3)
        );
        for page in [
            "/d/warming-infrastructure",
            "/dashboards/f/forewarm",
            "/alerting/list",
            "/alerting/routes",
        ] {
            assert!(
                run.out.contains(&format!("{}{page}", server.url)),
                "{page}\n{}",
                run.out
            );
        }
        let before = server.state().content();

        let run = server.provision(&[]).succeeded();
        assert_eq!(paths(&server.take_writes()), [""; 0], "{version}");
        assert!(run.out.contains("0 written"), "{}", run.out);
        assert_eq!(server.state().content(), before);
    }
}

#[test]
fn the_alerts_are_all_there_with_their_links_and_what_the_version_knows() {
    for (version, keeps) in [("11.4.0", false), ("13.0.0", true)] {
        let server = StandIn::start(version);
        server.provision(&[]).succeeded();
        let groups = server.state().groups.clone();
        let rules: Vec<Value> = groups
            .values()
            .flat_map(|group| group["rules"].as_array().expect("a list").clone())
            .collect();
        for name in [
            "CorrelationTrackingSlow",
            "LowPairsPerWarming",
            "HighMemoryUsage",
            "ForewarmDown",
        ] {
            assert!(rules.iter().any(|rule| rule["title"] == name), "{name}");
        }
        for rule in &rules {
            assert_eq!(rule["labels"]["service"], "forewarm", "{rule}");
            assert!(rule["annotations"]["runbook_url"].is_string(), "{rule}");
        }
        let slow = rules
            .iter()
            .find(|rule| rule["title"] == "WarmingErrorRateHigh")
            .expect("listed");
        assert_eq!(slow.get("keep_firing_for").is_some(), keeps);
        assert_eq!(slow["for"], "5m");
        assert_eq!(slow["data"][0]["datasourceUid"], PROMETHEUS);
    }
}

#[test]
fn what_was_changed_by_hand_is_put_right_and_nothing_else_is_written() {
    let server = StandIn::start("13.0.0");
    server.provision(&[]).succeeded();
    server.take_writes();
    {
        let mut state = server.state();
        let board = state
            .dashboards
            .get_mut("warming-infrastructure")
            .expect("it is there");
        board.json["panels"].as_array_mut().expect("a list").pop();
        let group = state.groups.values_mut().next().expect("there are some");
        group["rules"][0]["for"] = json!("1s");
        let point = state
            .contact_points
            .iter_mut()
            .find(|point| point["name"] == "slack-info");
        point.expect("it is there")["settings"]["recipient"] = json!("#elsewhere");
    }
    server.provision(&[]).succeeded();
    let written = paths(&server.take_writes());
    assert_eq!(written.len(), 3, "{written:?}");
    assert_eq!(
        server.state().dashboards["warming-infrastructure"].version,
        2
    );
    server.provision(&[]).succeeded();
    assert_eq!(paths(&server.take_writes()), [""; 0]);
}

#[test]
fn a_dashboard_in_another_folder_is_brought_back() {
    let server = StandIn::start("13.0.0");
    server.provision(&[]).succeeded();
    server.take_writes();
    server
        .state()
        .folders
        .insert("other".to_owned(), "Other".to_owned());
    let mut state = server.state();
    state
        .dashboards
        .get_mut("warming-chain")
        .expect("it is there")
        .folder = "other".to_owned();
    drop(state);
    server.provision(&[]).succeeded();
    assert_eq!(paths(&server.take_writes()), ["POST /api/dashboards/db"]);
    assert_eq!(
        server.state().dashboards["warming-chain"].folder,
        "forewarm"
    );
}

#[test]
fn a_folder_with_the_title_is_used_whoever_made_it() {
    let server = StandIn::start("13.0.0");
    server
        .state()
        .folders
        .insert("abc".to_owned(), "Team Arbitrage".to_owned());
    server
        .provision(&["--folder", "Team Arbitrage"])
        .succeeded();
    assert_eq!(server.state().folders.len(), 1);
    assert_eq!(
        server.state().dashboards["warming-infrastructure"].folder,
        "abc"
    );
    assert!(
        server
            .state()
            .groups
            .keys()
            .all(|(folder, _)| folder == "abc")
    );
}

#[test]
fn parts_can_be_left_out() {
    let server = StandIn::start("13.0.0");
    server.provision(&["--no-alerts"]).succeeded();
    let written = paths(&server.take_writes());
    assert!(
        written.iter().all(|path| !path.contains("provisioning")),
        "{written:?}"
    );
    assert_eq!(server.state().dashboards.len(), 4);

    let run = server.provision(&["--no-contact-points"]).succeeded();
    let written = paths(&server.take_writes());
    assert!(
        written.iter().all(|path| !path.contains("contact-points")),
        "{written:?}"
    );
    assert!(
        run.err
            .contains("no contact point pagerduty-critical: its alerts go to"),
        "{}",
        run.err
    );
    let ours = server.state().policies["routes"][0].clone();
    assert!(!ours.to_string().contains("pagerduty-critical"), "{ours}");
}

#[test]
fn a_contact_point_without_its_secret_is_left_out_and_said() {
    let server = StandIn::start("13.0.0");
    let run = server
        .provision_with(&[], &[("SLACK_WEBHOOK_URL", SLACK)])
        .succeeded();
    assert!(
        run.out.contains("PAGERDUTY_SERVICE_KEY is not set"),
        "{}",
        run.out
    );
    assert_eq!(server.state().contact_points.len(), 1 + 2);
    // Later it is set.
    server.take_writes();
    server.provision(&[]).succeeded();
    let written = paths(&server.take_writes());
    let expected = [
        "POST /api/v1/provisioning/contact-points",
        "PUT /api/v1/provisioning/policies",
    ];
    assert_eq!(written, expected);
    // And unset again: what is there stays.
    server.provision_with(&[], &[]).succeeded();
    assert_eq!(paths(&server.take_writes()), [""; 0]);
    let state = server.state();
    let point = state
        .contact_points
        .iter()
        .find(|point| point["name"] == "pagerduty-critical");
    assert_eq!(
        point.expect("it is there")["settings"]["integrationKey"],
        PAGERDUTY
    );
}

#[test]
fn a_new_secret_is_written_when_asked_for() {
    let server = StandIn::start("13.0.0");
    server.provision(&[]).succeeded();
    let new = [
        ("PAGERDUTY_SERVICE_KEY", "a-new-key"),
        ("SLACK_WEBHOOK_URL", SLACK),
    ];
    server
        .provision_with(&["--update-secrets"], &new)
        .succeeded();
    let state = server.state();
    let point = state
        .contact_points
        .iter()
        .find(|point| point["name"] == "pagerduty-critical");
    assert_eq!(
        point.expect("it is there")["settings"]["integrationKey"],
        "a-new-key"
    );
}

#[test]
fn everything_stays_editable_unless_it_is_to_be_locked() {
    let server = StandIn::start("13.0.0");
    server.provision(&[]).succeeded();
    let writes = server.take_writes();
    assert!(
        writes.iter().all(|request| request.editable),
        "the header is on every request"
    );
    assert!(server.state().policies.get("provenance").is_none());

    let server = StandIn::start("13.0.0");
    server.provision(&["--lock"]).succeeded();
    assert!(server.take_writes().iter().all(|request| !request.editable));
    // Without the flag the lock of the tree is seen, and kept.
    let run = server.provision(&["--update-secrets"]).succeeded();
    assert!(run.err.contains("locked by another tool"), "{}", run.err);
    assert!(server.take_writes().iter().all(|request| !request.editable));
}

#[test]
fn no_secret_is_ever_printed() {
    let server = StandIn::start("13.0.0");
    let first = server.provision(&[]).text();
    let again = server.provision(&["--update-secrets"]).text();
    // A server that says everything back.
    let reply = (
        500,
        json!({"message": format!("{TOKEN} {PAGERDUTY} {SLACK}")}),
    );
    let fault = crate::stand_in::Fault {
        method: "PUT",
        path: "/contact-points",
        reply,
    };
    server.state().faults.push(fault);
    let failed = server
        .provision(&["--update-secrets"])
        .failed_saying(&["500"])
        .text();
    let dry = server.provision(&["--dry-run"]).succeeded().text();
    for text in [first, again, failed, dry] {
        for secret in [TOKEN, PAGERDUTY, SLACK] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn old_names_of_the_token_work_and_warn() {
    let server = StandIn::start("13.0.0");
    let url = [("GRAFANA_URL", server.url.as_str())];
    let run = crate::run::provision(&["--api-key", TOKEN], &url).succeeded();
    assert!(run.err.contains("--api-key is an old name"), "{}", run.err);
    let run = crate::run::provision(&[], &[url[0], ("GRAFANA_API_KEY", TOKEN)]).succeeded();
    assert!(
        run.err.contains("GRAFANA_API_KEY is an old name"),
        "{}",
        run.err
    );
}
