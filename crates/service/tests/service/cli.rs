//! The command line: help, exit codes, configuration.

use std::io::Read;
use std::process::{Output, Stdio};

use crate::process::{command, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code, and what standard error must contain.
fn check(output: &Output, code: i32, parts: &[&str]) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    for part in parts {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

#[test]
fn help_and_version_are_no_failures_and_help_teaches_by_example() {
    let help = run(&["--help"]);
    check(&help, 0, &[]);
    for part in [
        "forewarm replay trades.csv.gz",
        "Exit codes",
        "demo",
        "--preset",
    ] {
        assert!(text(&help.stdout).contains(part), "{part}");
    }
    for command in ["serve", "demo", "generate", "replay"] {
        let help = run(&[command, "--help"]);
        assert!(text(&help.stdout).contains("Examples:"), "{command}");
    }
    check(&run(&["--version"]), 0, &[]);
}

#[test]
fn wrong_usage_exits_with_64() {
    check(&run(&["frobnicate"]), 64, &["frobnicate"]);
    check(&run(&["replay"]), 64, &["TRACE"]);
    check(
        &run(&["replay", "x", "--strategies", "best"]),
        64,
        &["best", "adaptive"],
    );
    check(
        &run(&["replay", "x", "--baselines", "arc"]),
        64,
        &["arc", "popularity"],
    );
    check(
        &run(&["replay", "x", "--format", "pdf"]),
        64,
        &["html", "json"],
    );
    check(
        &run(&["replay", "x", "--l1-percent", "0"]),
        64,
        &["percentage"],
    );
    check(
        &run(&["generate", "--profile", "chaos"]),
        64,
        &["chaos", "market"],
    );
    check(&run(&["--preset", "fast"]), 64, &["fast", "balanced"]);
    check(&run(&["--set", "warming.mode"]), 64, &["key.path=value"]);
}

#[test]
fn an_unknown_setting_is_refused_with_its_key_and_source() {
    let output = run(&["serve", "--set", "warming.startegy=topn"]);
    check(
        &output,
        64,
        &["`warming.startegy`", "--set", "`warming.strategy`"],
    );
    let output = command(&["config", "check"])
        .env("FOREWARM_L1__CAPACITY", "1MiB")
        .output()
        .expect("it runs");
    check(
        &output,
        64,
        &[
            "`l1.capacity`",
            "env FOREWARM_L1__CAPACITY",
            "`l1.capacity_bytes`",
        ],
    );
}

#[test]
fn check_names_file_key_value_and_range_of_a_bad_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.toml");
    let path = file.to_str().expect("UTF-8");
    for (content, parts) in [
        (
            "[warming]\ntimeout_ms = 0\n",
            ["`warming.timeout_ms`", " 0 ", "1 to 60000"],
        ),
        (
            "[l1]\ncapacity_bytes = \"lots\"\n",
            ["`l1.capacity_bytes`", "lots", "1KiB to 1TiB"],
        ),
        (
            "[warming]\nstrategy = \"best\"\n",
            [
                "`warming.strategy`",
                "\"best\" is none",
                "allowed: `topn`, `threshold`",
            ],
        ),
        ("[l1\n", ["TOML", "line 1", "["]),
        ("tracking = 3\n", ["`tracking`", "3", "struct"]),
    ] {
        std::fs::write(&file, content).expect("written");
        let output = run(&["config", "check", "--config", path]);
        check(&output, 64, &[path]);
        check(&output, 64, &parts);
    }
    std::fs::write(&file, "[warming]\nmode = \"shadow\"\n").expect("written");
    let output = run(&["config", "check", "--config", path]);
    check(&output, 0, &[]);
    assert!(text(&output.stdout).contains("mode shadow"));
    check(
        &run(&["config", "check", "--config", "/nonexistent.toml"]),
        66,
        &["/nonexistent.toml"],
    );
}

#[test]
fn show_tells_the_origin_of_each_value_and_no_secret() {
    let output = command(&[
        "config",
        "show",
        "--preset",
        "balanced",
        "--set",
        "http.token=hush",
    ])
    .env("FOREWARM_L2__REDIS__PASSWORD", "hush")
    .env("FOREWARM_TRACES", "/elsewhere")
    .output()
    .expect("it runs");
    check(&output, 0, &[]);
    let shown = text(&output.stdout);
    for line in [
        "max_pairs_per_warm = 8 # preset balanced",
        "password = \"***\" # env FOREWARM_L2__REDIS__PASSWORD",
        "token = \"***\" # --set",
        "window = \"1s\" # default",
    ] {
        assert!(shown.contains(line), "{line} is missing in\n{shown}");
    }
    assert!(!shown.contains("hush"));
}

#[test]
fn the_reference_in_the_repository_is_what_the_types_say() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let output = run(&["config", "docs", "--check", root]);
    check(&output, 0, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let stale = folder.path().join("configuration.md");
    std::fs::write(&stale, "old\n").expect("written");
    let output = run(&["config", "docs", "--check", stale.to_str().expect("UTF-8")]);
    check(&output, 70, &["line 1", "forewarm config docs"]);
}

#[test]
fn the_shipped_files_load() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("it is shipped") {
        let path = entry.expect("readable").path();
        let output = run(&["config", "check", "--config", path.to_str().expect("UTF-8")]);
        check(&output, 0, &[]);
        seen += 1;
    }
    assert!(seen >= 3, "{seen} files");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [&["generate", "--events", "200000"][..], &["config", "show"]] {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut pipe = child.stdout.take().expect("it is piped");
        let mut first = [0; 10];
        pipe.read_exact(&mut first).expect("a beginning");
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        check(&output, 0, &[]);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn an_open_address_without_a_token_is_refused_with_the_reason() {
    let output = run(&["serve", "--set", "http.addr=0.0.0.0:0"]);
    check(
        &output,
        64,
        &["0.0.0.0:0", "http.token", "http.allow_unauthenticated"],
    );
}

#[test]
fn every_shell_gets_completions_that_know_the_commands_and_bash_can_read_its_own() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("replay") && text.contains("l1-percent"),
            "{shell}: {text}"
        );
        if shell == "bash" {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("forewarm");
            std::fs::write(&file, text).expect("written");
            let read = std::process::Command::new("bash")
                .arg("-n")
                .arg(&file)
                .status();
            assert!(read.expect("bash can be run").success());
        }
    }
    assert_eq!(run(&["completions", "csh"]).status.code(), Some(64));
}

#[test]
fn every_command_that_help_shows_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("man1");
    assert!(
        run(&["man", "--out", out.to_str().expect("UTF-8")])
            .status
            .success()
    );
    let page = |name: &str| std::fs::read_to_string(out.join(name)).expect(name);
    for name in [
        "forewarm.1",
        "forewarm-serve.1",
        "forewarm-replay.1",
        "forewarm-config-show.1",
    ] {
        let page = page(name);
        assert!(
            page.contains(".TH") && page.contains(".SH OPTIONS"),
            "{name}: {page}"
        );
    }
    assert!(page("forewarm-replay.1").contains("l1\\-percent"));
    assert!(
        !out.join("forewarm-config-docs.1").exists(),
        "a hidden command has none"
    );
    let main = run(&["man"]);
    assert_eq!(String::from_utf8_lossy(&main.stdout), page("forewarm.1"));
}

#[test]
fn health_says_whether_it_is_ready_by_its_exit_code() {
    let mut service = crate::process::Service::start(&[]);
    let addr = service.addr.clone();
    let ask = |server: &str| run(&["health", "--server", server, "--timeout", "5s"]);
    let ready = ask(&addr);
    let said = String::from_utf8_lossy(&ready.stdout).into_owned();
    assert!(
        ready.status.success() && said.contains("\"status\":\"ready\""),
        "{said}"
    );
    assert!(ask(&format!("http://{addr}/")).status.success());
    assert_eq!(
        ask(&service.resp).status.code(),
        Some(69),
        "that is no HTTP"
    );
    assert_eq!(service.terminate(), Some(0));
    let gone = ask(&addr);
    let error = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert_eq!(gone.status.code(), Some(69));
    assert!(error.contains(&format!("{addr} is not ready")), "{error}");
}
