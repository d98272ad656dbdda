//! Programs as child processes, and waiting for what they do.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

const PAUSE: Duration = Duration::from_millis(200);

/// Polls until there is something; a test that waits in vain fails, and says what it saw last.
pub(crate) fn wait_for<T>(
    what: &str,
    at_most: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let mut last = String::new();
    for _ in 0..at_most.as_millis() / PAUSE.as_millis() {
        match look() {
            Ok(found) => return found,
            Err(seen) => last = seen,
        }
        sleep(PAUSE);
    }
    panic!("waited {at_most:?} in vain for {what}; last seen:\n{last}")
}

/// Whether the servers are installed. Says loudly what is missing; in CI that is a failure.
pub(crate) fn servers_are_there() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing: Vec<&str> = ["prometheus", "prometheus-alertmanager", "redis-server"]
        .into_iter()
        .filter(|name| !there(name))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let text = format!(
        "SKIPPED, NOT CHECKED: not installed: {}",
        missing.join(", ")
    );
    assert!(std::env::var_os("CI").is_none(), "{text}");
    eprintln!("{text}; cargo xtask setup installs them");
    false
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

pub(crate) fn xtask(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).output().expect("it runs")
}

/// `cargo xtask stack up` in a folder of its own; `down` on drop.
pub(crate) struct Stack {
    folder: tempfile::TempDir,
}

impl Stack {
    /// `history`: samples of the past, as OpenMetrics.
    pub(crate) fn up(forewarm: &str, compress: &str, history: &str) -> Self {
        let stack = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let folder = stack.folder();
        let mut arguments = vec!["stack", "up", "--folder", &folder, "--forewarm", forewarm];
        arguments.extend(["--compress", compress, "--scrape-interval", "1s"]);
        let file = stack.folder.path().join("history.txt");
        fs::write(&file, history).expect("written");
        let file = file.display().to_string();
        arguments.extend(["--history", &file]);
        for port in [
            "--prometheus-port",
            "--alertmanager-port",
            "--redis-port",
            "--listener-port",
        ] {
            arguments.extend([port, "0"]);
        }
        let output = xtask(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        stack
    }

    fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn state(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("state.json")).expect("it is up");
        serde_json::from_str(&text).expect("JSON")
    }

    fn process(&self, name: &str) -> Value {
        let found = self
            .state()
            .into_iter()
            .find(|process| process["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    pub(crate) fn url(&self, name: &str) -> String {
        self.process(name)["url"]
            .as_str()
            .expect("a URL")
            .to_owned()
    }

    /// Ends one process, as a crash would.
    pub(crate) fn kill(&self, name: &str) {
        let pid = self.process(name)["pid"].to_string();
        let killed = Command::new("kill").args(["-KILL", &pid]).status();
        assert!(killed.expect("`kill` can be run").success());
    }

    /// The notifications so far.
    pub(crate) fn notifications(&self) -> Vec<Value> {
        let path = self.folder.path().join("notifications.ndjson");
        let text = fs::read_to_string(path).unwrap_or_default();
        let whole = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        whole.collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let output = xtask(&["stack", "down", "--folder", &self.folder()]);
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// A child that is killed on drop.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis in the place of one that was killed.
pub(crate) fn redis(url: &str) -> Running {
    let addr = url.strip_prefix("redis://").expect("a Redis URL");
    let port = addr.rsplit_once(':').expect("a port").1;
    let mut command = Command::new("redis-server");
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        port,
        "--save",
        "",
        "--appendonly",
        "no",
    ]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let running = Running(child.expect("it starts"));
    wait_for("Redis", Duration::from_secs(10), || {
        TcpStream::connect(addr).map_err(|error| error.to_string())
    });
    running
}

/// Writes a value for every key into Redis.
pub(crate) fn fill(redis: &str, keys: &[String]) {
    let values = keys.iter().map(|key| vec!["SET", key, "{\"price\":1}"]);
    send(redis, values.collect());
}

/// Puts a few updates on the stream, as another process would.
pub(crate) fn publish(redis: &str, pairs: &[&str]) {
    let entry = |pair| {
        vec![
            "XADD",
            "price-updates",
            "*",
            "chain",
            "ethereum",
            "pair",
            pair,
        ]
    };
    send(redis, pairs.iter().map(|pair| entry(*pair)).collect());
}

/// Sends commands in one stream of bytes; none may fail.
fn send(redis: &str, commands: Vec<Vec<&str>>) {
    let addr = redis.strip_prefix("redis://").expect("a Redis URL");
    let mut stream = TcpStream::connect(addr).expect("it listens");
    let mut bytes = Vec::new();
    for words in commands.into_iter().chain([vec!["QUIT"]]) {
        bytes.extend(format!("*{}\r\n", words.len()).into_bytes());
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
        }
    }
    stream.write_all(&bytes).expect("taken");
    let mut replies = String::new();
    std::io::Read::read_to_string(&mut stream, &mut replies).expect("replies");
    assert!(
        !replies.lines().any(|line| line.starts_with('-')),
        "{replies}"
    );
}

/// The service's binary: beside this test's own, where `cargo test --workspace` puts it; built when
/// only this package is tested.
pub(crate) fn forewarm() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("forewarm");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    if !beside.is_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("a workspace");
        let mut build = Command::new(cargo);
        build
            .args(["build", "--locked", "-p", "forewarm-service"])
            .current_dir(root);
        assert!(build.status().expect("cargo runs").success());
    }
    assert!(beside.is_file(), "{} is not there", beside.display());
    beside
}

/// Starts the service with these settings and waits until it is ready.
pub(crate) fn service(addr: &str, settings: &[&str]) -> Running {
    let mut command = Command::new(forewarm());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FOREWARM_") {
            command.env_remove(name);
        }
    }
    command.args(["serve", "--set", &format!("http.addr={addr}")]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    let running = Running(child.expect("the service starts"));
    wait_for("the service", Duration::from_secs(20), || {
        TcpStream::connect(addr).map_err(|error| error.to_string())
    });
    running
}

/// The present in milliseconds since the epoch.
#[allow(clippy::disallowed_methods)] // what comes from outside bears the real time
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_millis()).expect("in range")
}
