//! The document of the HTTP interface against the server, by schemathesis: requests made from the
//! document, valid and invalid ones, and every answer checked against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Service;

const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// A batch of events is taken with bad ones in it: the answer names them, so 202 is right.
const SETTINGS: &str = "\
[[operations]]
include-path = '/v1/updates'
checks.negative_data_rejection.enabled = false
";

fn skipped(why: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "schemathesis cannot be run, and CI must not skip tests: {why}"
    );
    eprintln!("SKIPPED, NOT CHECKED: the HTTP contract by schemathesis: {why}");
}

fn works(program: &mut Command) -> Result<(), String> {
    match program.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The folder of Schemathesis, of the build's own; `None` after a loud skip.
fn schemathesis() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{SCHEMATHESIS}"));
    if folder.join(".complete").exists() {
        return Some(folder);
    }
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    if let Err(why) = works(pip.arg("--target").arg(&folder).arg(SCHEMATHESIS)) {
        skipped(&why);
        return None;
    }
    std::fs::write(folder.join(".complete"), "").expect("the build's folder can be written");
    Some(folder)
}

#[test]
fn the_server_answers_as_the_document_says() {
    let Some(library) = schemathesis() else {
        return;
    };
    let service = Service::start(&[]);
    let mut document = service.get("/openapi.json").json();
    // Lines of JSON are beyond it; the tests of /v1/updates send them.
    let updates = &mut document["paths"]["/v1/updates"]["post"]["requestBody"]["content"];
    updates
        .as_object_mut()
        .expect("contents")
        .remove("application/x-ndjson");
    // A stream without an end is beyond any client that waits for it.
    let paths = document["paths"].as_object_mut().expect("paths");
    paths.remove("/v1/events");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document.to_string()).expect("written");
    std::fs::write(folder.path().join("schemathesis.toml"), SETTINGS).expect("written");
    let mut run = Command::new("python3");
    run.arg(library.join("bin/schemathesis"))
        .env("PYTHONPATH", &library);
    run.arg("run").arg(&file).current_dir(folder.path());
    run.args(["--url", &format!("http://{}", service.addr)]);
    // The same requests every time, some thousand of them, in ten seconds.
    run.args([
        "--generation-deterministic",
        "--max-examples",
        "20",
        "--workers",
        "1",
    ]);
    run.args(["--continue-on-failure", "--no-color", "--warnings", "off"]);
    // A schema cannot say that a text is base64, bytes are a snapshot, or which parameters a strategy has.
    run.args(["--exclude-checks", "positive_data_acceptance"]);
    let output = run.stdin(Stdio::null()).output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tested = said
        .lines()
        .find(|line| line.trim_start().starts_with("Tested:"));
    let operations = document["paths"].as_object().expect("paths").values();
    let operations: usize = operations
        .map(|one| one.as_object().expect("methods").len())
        .sum();
    let tested = tested.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
    assert_eq!(tested, Some(operations), "{said}");
    assert_eq!(service.get("/healthz").status, 200, "it has survived");
}
