//! `--dry-run`: exactly what would be sent, from nowhere to nobody.

use serde_json::Value;

use crate::run::{PAGERDUTY, SLACK, provision};
use crate::stand_in::{PROMETHEUS, StandIn};

/// The requests that were printed: method, path, body.
fn printed(text: &str) -> Vec<(String, String, Value)> {
    let mut requests = Vec::new();
    let starts = |line: &str| line.starts_with("POST /") || line.starts_with("PUT /");
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !starts(line) {
            continue;
        }
        let (method, path) = line.split_once(' ').expect("just seen");
        let mut body = String::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            body.push_str(line);
            body.push('\n');
        }
        let body =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}\n{body}"));
        requests.push((method.to_owned(), path.to_owned(), body));
    }
    requests
}

/// `body` with asterisks in the place of the secrets.
fn masked(body: &Value) -> Value {
    let text = body
        .to_string()
        .replace(PAGERDUTY, "********")
        .replace(SLACK, "********");
    serde_json::from_str(&text).expect("still JSON")
}

#[test]
fn it_prints_exactly_what_a_first_run_sends() {
    for (version, short) in [("11.4.0", "11.4"), ("13.0.0", "13.0")] {
        let server = StandIn::start(version);
        let dry = server
            .provision(&["--dry-run", "--for-version", short])
            .succeeded();
        assert_eq!(server.state().requests.len(), 0, "nobody is asked");
        server.provision(&[]).succeeded();
        let sent = server.take_writes();
        let said = printed(&dry.out);
        assert_eq!(said.len(), sent.len());
        for ((method, path, body), request) in said.iter().zip(&sent) {
            assert_eq!((method, path), (&request.method, &request.path));
            let mut sent = masked(&request.body);
            if path.ends_with("/policies") {
                // This one's root has been the server's.
                sent.as_object_mut().expect("an object").remove("group_by");
            }
            assert_eq!(*body, sent, "{path}");
        }
    }
}

#[test]
fn it_needs_neither_url_nor_token_nor_secrets() {
    let run = provision(&["--dry-run"], &[]).succeeded();
    assert!(
        run.out.contains("PAGERDUTY_SERVICE_KEY is not set"),
        "{}",
        run.out
    );
    assert!(run.out.contains("nothing is sent"));
    assert!(printed(&run.out).len() > 8);
}

#[test]
fn an_unreachable_server_is_not_missed() {
    let environment = [
        ("GRAFANA_URL", "http://127.0.0.1:1"),
        ("PROMETHEUS_UID", PROMETHEUS),
    ];
    provision(&["--dry-run"], &environment).succeeded();
}

#[test]
fn whoever_reads_only_the_beginning_gets_no_panic() {
    let xtask = env!("CARGO_BIN_EXE_xtask");
    let line = format!("set -o pipefail; '{xtask}' provision-grafana --dry-run | head -n 1");
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "");
}
