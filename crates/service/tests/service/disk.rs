//! The embedded store when its disk is full, or its folder or its file is none that it may use.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::process::{BINARY, Service, command, run};

/// A file may grow to so many blocks of 512 bytes: a full disk, without a disk.
const BLOCKS: u64 = 12 << 10;
const VALUE: usize = 60_000;

/// A program that the test needs; without it the test says that it was skipped, and fails in CI.
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        there || !in_ci,
        "{program} is not installed, and CI must not skip tests"
    );
    if !there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    there
}

fn path(n: usize) -> String {
    format!("/v1/pairs/eth/{n}")
}

fn value(n: usize) -> String {
    format!("{n:0>VALUE$}")
}

fn put(service: &Service, n: usize) -> Result<(), String> {
    let answer = service.send("PUT", &path(n), &json!({"value": value(n)}).to_string());
    match answer.status {
        204 => Ok(()),
        _ => Err(format!("{}: {}", answer.status, answer.text())),
    }
}

/// All of `0..written` are there, and read from the store: L1 holds a few of them at most.
fn check_all(service: &Service, written: usize) {
    for n in 0..written {
        let found = service.get(&path(n));
        assert_eq!(found.status, 200, "{n}: {}", found.text());
        assert_eq!(found.json()["value"], value(n), "{n}");
    }
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else_and_heals() {
    if !has("prlimit") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut limited = Command::new("sh");
    // A signal that a shell ignores its children ignore too: writes then fail as on a full disk.
    let script = "trap '' XFSZ; ulimit -S -f \"$0\"; exec \"$@\"";
    limited.args(["-c", script, &BLOCKS.to_string(), BINARY]);
    let unused = tempfile::tempdir().expect("a folder");
    let settings = ["l1.capacity_bytes=256KiB"];
    let mut service = Service::spawn(limited, folder.path(), unused, &settings);
    let mut written = 0;
    let refusal = loop {
        match put(&service, written) {
            Ok(()) => written += 1,
            Err(refusal) => break refusal,
        }
        assert!(written < 200, "12 MiB are more than 6");
    };
    assert!(written > 10, "{refusal}");
    for part in ["502", "forewarm.redb", "File too large"] {
        assert!(refusal.contains(part), "{part:?} is missing in {refusal}");
    }
    for _ in 0..3 {
        put(&service, written).expect_err("the disk is still full");
        check_all(&service, written);
    }
    let room = Command::new("prlimit")
        .args(["--pid", &service.pid().to_string(), "--fsize=unlimited"])
        .status();
    assert!(room.expect("it can be run").success());
    for n in written..written + 20 {
        put(&service, n).expect("there is room again");
    }
    check_all(&service, written + 20);
    assert_eq!(service.terminate(), Some(0), "{}", service.log());
    let unused = tempfile::tempdir().expect("a folder");
    check_all(&Service::start_in(folder.path(), unused, &[]), written + 20);
}

/// What `serve` says of a store that it does not take; it must end with 69.
fn refusal(mut serve: Command) -> String {
    let output = serve.output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{error}");
    error
}

fn serve(folder: &Path) -> Command {
    let store = format!("l2.embedded.path={}", folder.display());
    let http = "http.addr=127.0.0.1:0";
    command(&[
        "serve",
        "--set",
        http,
        "--set",
        "resp.addr=127.0.0.1:0",
        "--set",
        &store,
    ])
}

#[test]
fn a_folder_or_file_that_may_not_be_written_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    // Root may write anywhere: then somebody else is to try.
    let root = folder.path().metadata().expect("it exists").uid() == 0;
    if root && !has("setpriv") {
        return;
    }
    let as_somebody = |serve: Command| match root {
        false => serve,
        true => {
            let mut other = Command::new("setpriv");
            other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
            other.arg(serve.get_program()).args(serve.get_args());
            other
        }
    };
    mode(folder.path(), 0o555);
    let said = refusal(as_somebody(serve(folder.path())));
    for part in [
        "forewarm.redb",
        "Permission denied",
        "this user may read and write it",
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    mode(folder.path(), 0o755);
    let file = folder.path().join("forewarm.redb");
    let unused = tempfile::tempdir().expect("a folder");
    assert_eq!(
        Service::start_in(folder.path(), unused, &[]).terminate(),
        Some(0)
    );
    let before = fs::read(&file).expect("readable");
    mode(&file, 0o444);
    let said = refusal(as_somebody(serve(folder.path())));
    assert!(said.contains("Permission denied"), "{said}");
    assert_eq!(fs::read(&file).expect("readable"), before);
}

#[test]
fn a_garbage_or_truncated_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let unused = tempfile::tempdir().expect("a folder");
    let mut service = Service::start_in(folder.path(), unused, &[]);
    put(&service, 1).expect("there is room");
    assert_eq!(service.terminate(), Some(0));
    let file = folder.path().join("forewarm.redb");
    let whole = fs::read(&file).expect("readable");
    let half = whole[..whole.len() / 2].to_vec();
    for bytes in [b"not a store".to_vec(), half, vec![0; 4_096]] {
        fs::write(&file, &bytes).expect("written");
        let said = refusal(serve(folder.path()));
        for part in ["forewarm.redb", "move it away", "l2.embedded.path"] {
            assert!(said.contains(part), "{part:?} is missing in {said}");
        }
        assert!(
            fs::read(&file).expect("readable") == bytes,
            "it was changed"
        );
    }
    fs::write(&file, whole).expect("written");
    let output = run(&["serve", "--set", "l2.embedded.path=/proc/nowhere"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("/proc/nowhere"), "{said}");
}
