//! Clients of others' making run the script unchanged: what they make of the replies is the same
//! through Forewarm and directly against a Redis.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fred::prelude::{Builder, ClientLike, Config};
use fred::types::{ClusterHash, CustomCommand, RespVersion, Value};

use crate::script::{commands, servers};

const REDIS_PY: &str = "redis==5.2.1";
const IOREDIS: &str = "ioredis@5.4.2";

/// What a client prints when it runs the script against this address.
type Run<'a> = &'a dyn Fn(&str, u16) -> String;

fn assert_alike(what: &str, run: Run<'_>) {
    let Some((direct, _behind, service)) = servers() else {
        return;
    };
    let direct = run("127.0.0.1", direct.port());
    let port = service.resp.rsplit(':').next().expect("a port");
    let through = run("127.0.0.1", port.parse().expect("a port"));
    assert!(
        direct.lines().count() >= 60,
        "{what} said too little:\n{direct}"
    );
    for (through, direct) in through.lines().zip(direct.lines()) {
        assert_eq!(through, direct, "{what}");
    }
    assert_eq!(through.lines().count(), direct.lines().count(), "{what}");
}

/// Runs a program with the text as its standard input; what it prints.
fn output(program: &mut Command, input: &str) -> String {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it is taken");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The script as JSON, for the clients in other languages.
fn script_json() -> String {
    serde_json::to_string(&commands()).expect("texts")
}

/// A missing tool is a loud skip, and in CI a failure.
pub(crate) fn skipped(what: &str, why: &str) {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        !in_ci,
        "{what} cannot be tested, and CI must not skip tests: {why}"
    );
    eprintln!("SKIPPED: {what}: {why}");
}

pub(crate) fn works(program: &mut Command) -> Result<(), String> {
    match program.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A folder of the build's own for a client library; `None` after a loud skip.
fn library(name: &str, install: impl Fn(&Path) -> Command) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.join(".complete").exists() {
        return Some(folder);
    }
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    if let Err(why) = works(&mut install(&folder)) {
        skipped(name, &why);
        return None;
    }
    std::fs::write(folder.join(".complete"), "").expect("the build's folder can be written");
    Some(folder)
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/resp/clients")
        .join(file)
}

#[test]
fn redis_cli_prints_the_same() {
    if let Err(why) = works(Command::new("redis-cli").arg("--version")) {
        return skipped("redis-cli", &why);
    }
    let mut lines = String::new();
    for words in commands() {
        for word in words {
            let word = word.replace('\\', "\\\\").replace('"', "\\\"");
            write!(lines, "\"{word}\" ").expect("a String takes every write");
        }
        lines.push('\n');
    }
    for protocol in ["-2", "-3"] {
        assert_alike("redis-cli", &|host, port| {
            let mut cli = Command::new("redis-cli");
            cli.args([protocol, "-h", host, "-p", &port.to_string()]);
            output(&mut cli, &lines)
        });
    }
}

#[test]
fn redis_py_makes_the_same_of_every_reply() {
    let installed = library(&format!("python-{REDIS_PY}"), |folder| {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        pip.arg("--target").arg(folder).arg(REDIS_PY);
        pip
    });
    let Some(folder) = installed else { return };
    for protocol in ["2", "3"] {
        assert_alike("redis-py", &|host, port| {
            let mut python = Command::new("python3");
            python.arg(source("redis_py.py")).env("PYTHONPATH", &folder);
            python.args([host, &port.to_string(), protocol]);
            output(&mut python, &script_json())
        });
    }
}

#[test]
fn ioredis_makes_the_same_of_every_reply() {
    let installed = library(&format!("node-{IOREDIS}"), |folder| {
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--no-save",
        ]);
        npm.arg("--prefix").arg(folder).arg(IOREDIS);
        npm
    });
    let Some(folder) = installed else { return };
    assert_alike("ioredis", &|host, port| {
        let mut node = Command::new("node");
        node.arg(source("ioredis.js"))
            .env("NODE_PATH", folder.join("node_modules"));
        node.args([host, &port.to_string()]);
        output(&mut node, &script_json())
    });
}

#[test]
fn redis_rs_makes_the_same_of_every_reply() {
    for query in ["", "?protocol=resp3"] {
        assert_alike("redis-rs", &|host, port| {
            let client = redis::Client::open(format!("redis://{host}:{port}/{query}"));
            let mut connection = client.expect("a url").get_connection().expect("it listens");
            let mut told = String::new();
            for words in commands() {
                let mut command = redis::cmd(words[0]);
                command.arg(&words[1..]);
                let reply: redis::RedisResult<redis::Value> = command.query(&mut connection);
                writeln!(told, "{words:?} => {reply:?}").expect("a String takes every write");
            }
            told
        });
    }
}

#[test]
fn fred_makes_the_same_of_every_reply() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for version in [RespVersion::RESP2, RespVersion::RESP3] {
        assert_alike("fred", &|host, port| {
            runtime.block_on(async {
                let mut config =
                    Config::from_url(&format!("redis://{host}:{port}")).expect("a url");
                config.version = version.clone();
                let client = Builder::from_config(config).build().expect("a client");
                client.init().await.expect("it listens");
                let mut told = String::new();
                for words in commands() {
                    let command = CustomCommand::new(words[0], ClusterHash::FirstKey, false);
                    let reply = client
                        .custom::<Value, _>(command, words[1..].to_vec())
                        .await;
                    writeln!(told, "{words:?} => {reply:?}").expect("a String takes every write");
                }
                let _ = client.quit().await;
                told
            })
        });
    }
}
