//! Processes that outlive the command that started them, and how they are found and ended again.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::command::{shown, succeeds};

/// How long a process may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// A process that was started by us. Its start time tells it from a later one with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) name: String,
    pid: u32,
    started: u64,
    pub(super) url: String,
}

impl Process {
    /// Starts `command` in a group of its own, so that Ctrl-C in the shell does not reach it, and
    /// waits until it accepts connections on `addr`.
    pub(super) fn start(
        name: &str,
        mut command: Command,
        folder: &Path,
        addr: SocketAddr,
        url: &str,
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let errors = file.try_clone().context("the log, twice")?;
        command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", shown(&command)))?;
        let process = Self {
            name: name.to_owned(),
            pid: child.id(),
            started: started(child.id()).unwrap_or(0),
            url: url.to_owned(),
        };
        process.wait_for(&mut child, addr, &log)?;
        Ok(process)
    }

    fn wait_for(&self, child: &mut Child, addr: SocketAddr, log: &Path) -> Result<()> {
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            if TcpStream::connect(addr).is_ok() {
                return Ok(());
            }
            sleep(PAUSE);
        }
        let _ = child.kill();
        let _ = child.wait();
        let said = fs::read_to_string(log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!(
            "{} does not answer on {addr}; its last words:\n{}",
            self.name,
            last.join("\n")
        )
    }

    pub(super) fn runs(&self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// SIGTERM, and SIGKILL when that doesn't help. A process that is gone is no error, and one
    /// that has its number by now is left alone.
    pub(super) fn end(&self) -> Result<()> {
        for signal in ["-TERM", "-KILL"] {
            if !self.runs() {
                return Ok(());
            }
            succeeds(Command::new("kill").args([signal, &self.pid.to_string()]));
            for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
                if !self.runs() {
                    return Ok(());
                }
                sleep(PAUSE);
            }
        }
        bail!("{} (process {}) can't be ended", self.name, self.pid)
    }

    pub(super) fn json(&self) -> Value {
        json!({"name": self.name, "pid": self.pid, "started": self.started, "url": self.url})
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            name: value["name"].as_str()?.to_owned(),
            pid: value["pid"].as_u64()?.try_into().ok()?,
            started: value["started"].as_u64()?,
            url: value["url"].as_str()?.to_owned(),
        })
    }
}

/// When the process was started, in ticks since the machine was; `None` when it is no more.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything: count from its end. State is field 3, start 22.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// `wanted` on loopback if it is free, else any free port.
pub(super) fn free(wanted: u16) -> Result<SocketAddr> {
    let bind = |port| TcpListener::bind(("127.0.0.1", port));
    let listener = bind(wanted)
        .or_else(|_| bind(0))
        .context("no free port on 127.0.0.1")?;
    listener
        .local_addr()
        .context("a listener without an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_start() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("it starts");
        let pid = child.id();
        let process = Process {
            name: "sleep".to_owned(),
            pid,
            started: started(pid).expect("it runs"),
            url: String::new(),
        };
        assert_eq!(Process::from_json(&process.json()).as_ref(), Some(&process));
        let another = Process {
            started: process.started + 1,
            ..process.clone()
        };
        another.end().expect("it is not there");
        assert!(
            process.runs(),
            "a process with the same number is left alone"
        );
        process.end().expect("it can be ended");
        assert!(!process.runs());
        child.wait().expect("it is our child");
    }

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such flag >&2; exit 1"]);
        let addr = free(0).expect("a port");
        let error =
            Process::start("broken", command, folder.path(), addr, "").expect_err("it ends");
        assert!(error.to_string().ends_with("no such flag"), "{error}");
    }

    #[test]
    fn a_taken_port_gives_another() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port();
        assert_ne!(free(port).expect("another").port(), port);
    }
}
