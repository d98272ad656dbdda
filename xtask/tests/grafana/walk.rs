//! `docs/monitoring-setup.md`, walked as it is written.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{PAGERDUTY, SLACK};
use crate::stand_in::{PROMETHEUS, StandIn, TOKEN};

/// What stands for cargo: the programs that it would build and run.
const CARGO: &str = r#"
set -eu
cargo() {
    case $1 in
    xtask) shift; "$XTASK" "$@" ;;
    run) while [ "$1" != -- ]; do shift; done; shift; exec "$FOREWARM" "$@" ;;
    *) echo "no such cargo command: $1" >&2; return 1 ;;
    esac
}
trap 'kill $(jobs -p) 2>/dev/null || true; "$XTASK" stack down >/dev/null || true' EXIT
"#;

/// The `sh` blocks of a page, one after the other.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while lines.any(|line| line == "```sh") {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(block.join("\n"));
    }
    blocks
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string()
}

/// Whether what the page asks for is installed. In CI it has to be.
fn everything_is_there() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let needed = [
        "prometheus",
        "promtool",
        "prometheus-alertmanager",
        "amtool",
        "redis-server",
        "curl",
    ];
    let missing: Vec<&str> = needed.into_iter().filter(|name| !there(name)).collect();
    let forewarm = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("forewarm");
    let text = if !missing.is_empty() {
        format!(
            "SKIPPED, NOT CHECKED: not installed: {}",
            missing.join(", ")
        )
    } else if !forewarm.is_file() {
        "SKIPPED, NOT CHECKED: no forewarm beside xtask; cargo test --workspace builds it"
            .to_owned()
    } else {
        return true;
    };
    assert!(std::env::var_os("CI").is_none(), "{text}");
    eprintln!("{text}");
    false
}

#[test]
fn the_page_works_as_it_is_written() {
    if !everything_is_there() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    let page = fs::read_to_string(root.join("docs/monitoring-setup.md")).expect("the page");
    let server = StandIn::start("13.0.0");
    let before = server.state().policies.clone();
    // A checkout, a home and a system of its own: the page writes into all three.
    let folder = tempfile::tempdir().expect("a folder");
    let checkout = folder.path().join("checkout");
    fs::create_dir_all(checkout.join("target")).expect("made");
    std::os::unix::fs::symlink(root.join("deploy"), checkout.join("deploy")).expect("linked");
    let system = folder.path().display().to_string();
    let ports = [(); 5].map(|()| free_port());
    let [prometheus, alertmanager, redis, listener, forewarm] = &ports;
    let up = format!(
        "cargo xtask stack up --prometheus-port {prometheus} --alertmanager-port {alertmanager} \
         --redis-port {redis} --listener-port {listener} --forewarm 127.0.0.1:{forewarm}"
    );
    let send = format!("--severity critical --alertmanager http://127.0.0.1:{alertmanager}");
    let slack = "https://hooks.slack.com/services/SLACK_HERE";
    let demo = format!("-- demo --set http.addr=127.0.0.1:{forewarm} --for");
    let replaced = [
        ("GRAFANA_TOKEN_HERE", TOKEN),
        ("https://grafana.example.org", &server.url),
        ("PROMETHEUS_UID_HERE", PROMETHEUS),
        ("PAGERDUTY_KEY_HERE", PAGERDUTY),
        (slack, SLACK),
        (
            "http://127.0.0.1:9090",
            &format!("http://127.0.0.1:{prometheus}"),
        ),
        ("cargo xtask stack up", &up),
        ("--severity critical", &send),
        ("-- demo --for", &demo),
        ("/etc/", &format!("{system}/etc/")),
        ("/var/lib/", &format!("{system}/var/lib/")),
    ];
    let mut script = CARGO.to_owned();
    for block in blocks(&page) {
        let text = replaced
            .iter()
            .fold(block, |text, (from, to)| text.replace(from, to));
        script += &format!("\n{text}\n");
    }
    for (from, _) in replaced {
        assert!(page.contains(from), "the page no longer says {from}");
    }
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", &script])
        .current_dir(&checkout)
        .env("HOME", folder.path())
        .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
        .env(
            "FOREWARM",
            Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("forewarm"),
        )
        .env("CARGO_MANIFEST_DIR", checkout.join("xtask"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");

    // What the reader has then.
    assert!(
        said.contains("pagerduty-critical"),
        "the notification was seen: {said}"
    );
    let state = server.state();
    assert_eq!((state.dashboards.len(), state.groups.len()), (4, 5));
    assert_eq!(state.policies["routes"].as_array().map(Vec::len), Some(1));
    assert_eq!(state.policies["receiver"], before["receiver"]);
    let restored = state.requests.iter().filter(|request| {
        request.method == "PUT" && request.path.ends_with("/policies") && request.body == before
    });
    assert_eq!(
        restored.count(),
        1,
        "the backup was put back, and our branch in again"
    );
    let dry = fs::read_to_string(checkout.join("forewarm-dry-run.txt")).expect("written");
    assert!(dry.contains("********") && !dry.contains(PAGERDUTY));
    for file in [
        "etc/prometheus/forewarm/rules.yml",
        "etc/alertmanager/alertmanager.yml",
        "etc/grafana/provisioning/alerting/rules.yaml",
        "var/lib/grafana/dashboards/forewarm/warming-infrastructure.json",
    ] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let board = folder
        .path()
        .join("var/lib/grafana/dashboards/forewarm/warming-infrastructure.json");
    let board: Value =
        serde_json::from_str(&fs::read_to_string(board).expect("read")).expect("JSON");
    assert_eq!(board["uid"], "warming-infrastructure");
}

#[test]
fn the_blocks_of_a_page_are_found() {
    let page = "text\n```sh\na\nb\n```\n```yaml\nc\n```\n```sh\nd\n```\n";
    assert_eq!(blocks(page), ["a\nb", "d"]);
}
