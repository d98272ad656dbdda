//! What goes wrong half-way, and what others own.

use serde_json::json;

use crate::stand_in::{Fault, StandIn};

fn fault(method: &'static str, path: &'static str, status: u16, body: serde_json::Value) -> Fault {
    Fault {
        method,
        path,
        reply: (status, body),
    }
}

#[test]
fn a_dashboard_of_the_same_title_survives() {
    // 10 would replace it: overwrite holds for the title, too.
    let server = StandIn::start("10.4.0");
    server.provision(&["--no-alerts"]).succeeded();
    let mut state = server.state();
    let ours = state
        .dashboards
        .remove("warming-executive")
        .expect("it is there");
    state.dashboards.insert("theirs".to_owned(), ours);
    drop(state);
    server.provision(&["--no-alerts"]).failed_saying(&[
        "another dashboard (uid theirs)",
        "rename or move it",
        "--folder",
    ]);
    assert!(server.state().dashboards.contains_key("theirs"));
}

#[test]
fn a_name_conflict_that_only_the_server_sees_is_explained() {
    let server = StandIn::start("11.4.0");
    let body = json!({"message": "A dashboard with the same name in the folder already exists", "status": "name-exists"});
    server
        .state()
        .faults
        .push(fault("POST", "/dashboards/db", 412, body));
    server
        .provision(&[])
        .failed_saying(&["is called", "too", "--folder"]);
    let body = json!({"message": "The dashboard has been changed by someone else", "status": "version-mismatch"});
    server
        .state()
        .faults
        .push(fault("POST", "/dashboards/db", 412, body));
    server
        .provision(&[])
        .failed_saying(&["changed by somebody else meanwhile", "run this again"]);
}

#[test]
fn a_folder_that_has_our_uid_under_another_title() {
    let server = StandIn::start("13.0.0");
    server
        .state()
        .folders
        .insert("forewarm".to_owned(), "Renamed".to_owned());
    server
        .provision(&[])
        .failed_saying(&["can't be made (409", "--folder"]);
    server.provision(&["--folder", "Renamed"]).succeeded();
}

#[test]
fn a_failure_in_the_middle_says_what_was_done_and_the_next_run_completes_it() {
    let server = StandIn::start("13.0.0");
    let broken = json!({"message": "database is locked"});
    server
        .state()
        .faults
        .push(fault("PUT", "/rule-groups/", 500, broken));
    let run = server
        .provision(&[])
        .failed_saying(&["writing the rule group", "500: database is locked"]);
    let line = |start: &str| {
        run.out
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_default()
    };
    assert!(
        line("done:").contains("folder Forewarm, dashboard warming-infrastructure"),
        "{}",
        run.out
    );
    assert!(line("failed").contains("rule group"), "{}", run.out);
    for rest in ["contact point pagerduty-critical", "notification policies"] {
        assert!(line("not done:").contains(rest), "{}", run.out);
        assert!(!line("done:").contains(rest), "{}", run.out);
    }
    assert_eq!(server.state().groups.len(), 0);
    server.take_writes();
    server.provision(&[]).succeeded();
    let again = server.take_writes();
    assert!(
        again
            .iter()
            .all(|request| request.path.contains("provisioning")),
        "what is done is left alone"
    );
    assert_eq!(server.state().groups.len(), 5);
}

#[test]
fn a_run_that_failed_at_any_write_is_completed_by_the_next() {
    let whole = StandIn::start("13.0.0");
    whole.provision(&[]).succeeded();
    let writes = whole.take_writes().len();
    let expected = whole.state().content();
    for at in 0..writes {
        let server = StandIn::start("13.0.0");
        server.state().writes_until_failure = Some(at);
        server.provision(&[]).failed_saying(&["503", "try later"]);
        server.provision(&[]).succeeded();
        assert_eq!(
            server.take_writes().len(),
            writes + 1,
            "write {at}: the failed one is all that is repeated"
        );
        assert_eq!(server.state().content(), expected, "write {at}");
    }
}

#[test]
fn refusals_in_the_middle_carry_the_servers_words() {
    let denied = json!({"message": "You'll need additional permissions", "title": "Access denied"});
    for (method, path, status, body) in [
        ("POST", "/api/folders", 403, denied.clone()),
        (
            "POST",
            "/dashboards/db",
            422,
            json!({"message": "bad panel"}),
        ),
        ("GET", "/dashboards/uid/", 500, json!({"message": "boom"})),
        (
            "PUT",
            "/policies",
            400,
            json!({"message": "receiver 'x' does not exist"}),
        ),
        ("POST", "/contact-points", 403, denied),
    ] {
        let server = StandIn::start("13.0.0");
        let said = body["message"].as_str().expect("a message").to_owned();
        server
            .state()
            .faults
            .push(fault(method, path, status, body));
        server
            .provision(&[])
            .failed_saying(&[&status.to_string(), &said]);
    }
}

#[test]
fn what_another_tool_has_locked_is_named_with_the_way_out() {
    let server = StandIn::start("13.0.0");
    server.provision(&[]).succeeded();
    for point in &mut server.state().contact_points {
        point["provenance"] = json!("api");
    }
    server
        .provision(&["--update-secrets"])
        .failed_saying(&["provenance status 'api'", "pass --lock"]);
    server
        .provision(&["--update-secrets", "--lock"])
        .succeeded();
}

#[test]
fn a_contact_point_of_the_same_name_is_not_joined_with_ours() {
    let server = StandIn::start("13.0.0");
    let theirs = json!({"uid": "theirs", "name": "slack-warnings", "type": "slack",
                        "settings": {"url": "https://hooks.example.org/theirs"}});
    server.state().contact_points.push(theirs.clone());
    let run = server.provision(&[]).succeeded();
    assert!(
        run.out
            .contains("contact point slack-warnings: there is another of this name"),
        "{}",
        run.out
    );
    let state = server.state();
    let named: Vec<_> = state
        .contact_points
        .iter()
        .filter(|one| one["name"] == "slack-warnings")
        .collect();
    assert_eq!(named, [&theirs]);
    assert!(
        state.policies.to_string().contains("slack-warnings"),
        "and it is routed to"
    );
}
