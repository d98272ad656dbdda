//! The binary as a child process.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{self, Answer};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_forewarm");
/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A command without this machine's `FOREWARM_…` settings.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FOREWARM_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Runs to the end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

/// A running service with a folder of its own; killed on drop.
pub(crate) struct Service {
    child: Child,
    pub(crate) addr: String,
    /// Where it speaks the Redis protocol.
    #[allow(dead_code, reason = "one suite of two looks at it")]
    pub(crate) resp: String,
    pub(crate) log: Arc<Mutex<String>>,
    /// Kept for its lifetime.
    _folder: TempDir,
}

impl Service {
    /// Starts on a free port with an embedded store of its own, unless the settings say
    /// otherwise, and waits until it listens.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        Self::start_in(&path, folder, settings)
    }

    pub(crate) fn start_in(store: &Path, folder: TempDir, settings: &[&str]) -> Self {
        Self::spawn(command(&[]), store, folder, settings)
    }

    /// With this many files that it may open; `ulimit` is the shell's, such as `-Sn 200`.
    #[allow(dead_code, reason = "one suite of several asks for it")]
    pub(crate) fn start_under(ulimit: &str, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        let mut shell = Command::new("sh");
        let script = format!("ulimit {ulimit} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, BINARY]);
        Self::spawn(shell, &path, folder, settings)
    }

    /// The command is the binary, perhaps after a shell that sets limits.
    pub(crate) fn spawn(
        mut command: Command,
        store: &Path,
        folder: TempDir,
        settings: &[&str],
    ) -> Self {
        let store = format!("l2.embedded.path={}", store.display());
        let mut arguments = vec!["serve", "--set", "http.addr=127.0.0.1:0", "--set", &store];
        arguments.extend(["--set", "resp.addr=127.0.0.1:0"]);
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        let mut child = command
            .args(&arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (told, listening) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().expect("it is piped"));
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            let mut resp = String::new();
            for line in lines.lines().map_while(Result::ok) {
                {
                    let mut log = kept.lock().expect("nobody panics with it");
                    log.push_str(&line);
                    log.push('\n');
                }
                let addr = line.split_once("://").map(|(_, addr)| addr.to_owned());
                if line.contains("Redis protocol on redis") {
                    resp = addr.clone().unwrap_or_default();
                }
                if line.contains("listening on http") {
                    let _ = told.send((addr.unwrap_or_default(), resp.clone()));
                }
            }
        });
        let (addr, resp) = listening.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("it does not listen:\n{}", log.lock().expect("no panic"))
        });
        Self {
            child,
            addr,
            resp,
            log,
            _folder: folder,
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        client::request(&self.addr, method, path, headers, body.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "")
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request(method, path, &["content-type: application/json"], body)
    }

    /// The sum of a metric's series whose labels contain all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.get("/metrics").text();
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
                && labels.iter().all(|label| line.contains(label))
        });
        series
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Polls until the condition holds.
    pub(crate) fn wait_for(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        wait_for(what, self, |it| condition(it));
    }

    /// Writes to its standard input, which stays open.
    pub(crate) fn feed(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(text.as_bytes()).expect("taken");
        input.flush().expect("taken");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status();
        assert!(sent.expect("`kill` can be run").success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("the end of the process", &mut self.child, |child| {
            status = child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("just seen")
    }

    /// SIGTERM, then the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.ended().code()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn readiness(&self) -> Value {
        self.get("/readyz").json()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls every few milliseconds until the condition holds; a test that waits in vain fails.
pub(crate) fn wait_for<T>(what: &str, mut subject: T, mut condition: impl FnMut(&mut T) -> bool) {
    let pause = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        if condition(&mut subject) {
            return;
        }
        thread::sleep(pause);
    }
    panic!("waited in vain for {what}");
}

/// The present in milliseconds since the epoch.
#[allow(clippy::disallowed_methods)] // events from outside bear the real time
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_millis()).expect("in range")
}
