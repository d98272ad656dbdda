//! What is wrong is found before anything is written, and the user is told what to do.

use serde_json::{Value, json};

use crate::run::provision;
use crate::stand_in::{Fault, StandIn, TOKEN};

/// The pre-flight fails with all of `parts`, and the server has not been written to.
fn check(server: &StandIn, arguments: &[&str], parts: &[&str]) {
    server.provision(arguments).failed_saying(parts);
    assert_eq!(server.take_writes().len(), 0);
}

#[test]
fn a_server_that_is_not_there() {
    let url = StandIn::start("13.0.0").url.clone();
    provision(&["--grafana-url", &url, "--token", "t"], &[]).failed_saying(&[
        "Grafana can't be reached",
        &url,
        "is the URL right",
    ]);
}

#[test]
fn a_server_that_is_no_grafana() {
    let server = StandIn::start("13.0.0");
    for reply in [
        (200, json!("<html>log in</html>")),
        (302, Value::Null),
        (404, Value::Null),
    ] {
        let fault = Fault {
            method: "GET",
            path: "/api/health",
            reply,
        };
        server.state().faults.push(fault);
        check(&server, &[], &["not as a Grafana does", "is the URL right"]);
    }
}

#[test]
fn a_bad_token() {
    let server = StandIn::start("13.0.0");
    let environment = [
        ("GRAFANA_URL", server.url.as_str()),
        ("GRAFANA_TOKEN", "glsa_wrong_token"),
    ];
    let run = provision(&[], &environment);
    let run = run.failed_saying(&[
        "the token is not accepted (401: Invalid API key)",
        "Service accounts",
    ]);
    assert!(!run.text().contains("glsa_wrong_token"));
    assert_eq!(server.take_writes().len(), 0);
}

#[test]
fn a_token_that_lacks_a_permission() {
    let server = StandIn::start("13.0.0");
    for (lacking, named, without_alerts_enough) in [
        (
            "dashboards:write",
            "write dashboards (dashboards:write)",
            false,
        ),
        ("folders:create", "create folders (folders:create)", false),
        (
            "alert.provisioning:write",
            "provision alert rules (alert.provisioning:write",
            true,
        ),
    ] {
        let all = server.state().permissions.clone();
        server.state().permissions.retain(|name| *name != lacking);
        check(&server, &[], &["the token may not", named, "--no-alerts"]);
        let run = server.provision(&["--no-alerts"]);
        assert_eq!(
            run.code == Some(0),
            without_alerts_enough,
            "{lacking}: {}",
            run.text()
        );
        server.take_writes();
        server.state().folders.clear();
        server.state().permissions = all;
    }
}

#[test]
fn a_data_source_that_is_missing_or_of_another_kind() {
    let server = StandIn::start("13.0.0");
    check(
        &server,
        &["--prometheus-uid", "nope"],
        &[
            "no data source with the uid \"nope\"",
            "--prometheus-uid",
            "prometheus-main (Prometheus)",
        ],
    );
    check(
        &server,
        &["--prometheus-uid", "logs"],
        &["is of the type \"loki\" and not prometheus"],
    );
}

#[test]
fn the_only_prometheus_is_taken_and_of_two_one_must_be_chosen() {
    let server = StandIn::start("13.0.0");
    let environment = [
        ("GRAFANA_URL", server.url.as_str()),
        ("GRAFANA_TOKEN", TOKEN),
    ];
    let run = provision(&["--no-alerts"], &environment).succeeded();
    assert!(
        run.out.contains("data source prometheus-main"),
        "{}",
        run.out
    );
    let second = json!({"id": 3, "uid": "second", "name": "Second", "type": "prometheus"});
    server.state().datasources.push(second);
    provision(&[], &environment).failed_saying(&[
        "several Prometheus data sources",
        "second (Second)",
        "--prometheus-uid",
    ]);
    server.state().datasources.clear();
    provision(&[], &environment).failed_saying(&["there is no Prometheus data source", "Add"]);
}

#[test]
fn a_grafana_that_is_too_old() {
    let server = StandIn::start("8.5.27");
    check(
        &server,
        &[],
        &["Grafana 8.5.27 is too old", "9.0 or later", "upgrade"],
    );
}

#[test]
fn a_grafana_that_hides_its_version_is_taken_for_a_current_one() {
    let server = StandIn::start("13.0.0");
    let reply = (200, json!({"database": "ok"}));
    server.state().faults.push(Fault {
        method: "GET",
        path: "/api/health",
        reply,
    });
    let run = server.provision(&[]).succeeded();
    assert!(run.err.contains("hides its version"));
}

#[test]
fn policies_that_come_from_a_file() {
    let server = StandIn::start("13.0.0");
    server.state().policies["provenance"] = json!("file");
    check(
        &server,
        &[],
        &["come from a provisioning file", "--no-alerts"],
    );
}

#[test]
fn nothing_to_go_by() {
    provision(&[], &[]).failed_saying(&["where is Grafana?", "--grafana-url", "--dry-run"]);
    provision(&["--grafana-url", "http://127.0.0.1:1"], &[])
        .failed_saying(&["no token", "--token-file"]);
    provision(&["--grafana-url", "127.0.0.1:1", "--token", "t"], &[])
        .failed_saying(&["\"127.0.0.1:1\" is no URL"]);
}

#[test]
fn a_data_source_that_does_not_answer_is_said_and_no_obstacle() {
    let server = StandIn::start("13.0.0");
    let reply = (
        400,
        json!({"message": "connection refused", "status": "ERROR"}),
    );
    let fault = Fault {
        method: "GET",
        path: "/health",
        reply,
    };
    server.state().faults.push(Fault {
        path: "prometheus-main/health",
        ..fault
    });
    let run = server.provision(&["--no-alerts"]).succeeded();
    let said = "prometheus-main does not answer Grafana (connection refused)";
    assert!(run.err.contains(said), "{}", run.err);
}
