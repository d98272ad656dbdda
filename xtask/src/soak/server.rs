//! The processes of a soak: the service, and Redis; ended on drop.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Client;

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis without persistence on a free port.
pub(super) struct Redis {
    _process: Process,
    port: u16,
}

impl Redis {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
        let port = listener.local_addr()?.port();
        drop(listener);
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let process = Process(process.context("cannot start redis-server")?);
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Self {
                    _process: process,
                    port,
                });
            }
            sleep(Duration::from_millis(10));
        }
        bail!("redis-server does not listen on port {port}")
    }
}

/// The service with its own folder.
pub(super) struct Forewarm {
    process: Process,
    pub(super) http: Client,
    pub(super) resp: String,
    _folder: TempDir,
}

impl Forewarm {
    /// On a store of its own.
    pub(super) fn embedded(binary: &Path) -> Result<Self> {
        Self::start(binary, &["l2.backend=embedded".to_owned()])
    }

    /// Before a Redis.
    pub(super) fn before(binary: &Path, redis: &Redis) -> Result<Self> {
        let url = format!("l2.redis.url=redis://127.0.0.1:{}", redis.port);
        Self::start(binary, &["l2.backend=redis".to_owned(), url])
    }

    fn start(binary: &Path, settings: &[String]) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let store = format!("l2.embedded.path={}", folder.path().display());
        let mut command = Command::new(binary);
        command.arg("serve");
        // Both bounds are below what the traffic would fill, so that both are reached in the warm-up.
        let own = [
            "http.addr=127.0.0.1:0",
            "resp.addr=127.0.0.1:0",
            "l1.capacity_bytes=1MiB",
            "tracking.max_pairs=2000",
            &store,
        ];
        for setting in own.into_iter().chain(settings.iter().map(String::as_str)) {
            command.args(["--set", setting]);
        }
        let mut child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start forewarm")?;
        let mut log = BufReader::new(child.stderr.take().context("its standard error is piped")?);
        let process = Process(child);
        let (mut resp, mut said) = (None, String::new());
        loop {
            let mut line = String::new();
            if log.read_line(&mut line)? == 0 {
                bail!("forewarm ended before it listened:\n{said}");
            }
            said += &line;
            if let Some((_, addr)) = line.trim_end().split_once("Redis protocol on redis://") {
                resp = Some(addr.to_owned());
            }
            if let Some((_, addr)) = line.trim_end().split_once("listening on http://") {
                let http = Client::new(&format!("http://{addr}"), None)?;
                // Nobody reads it any more, and the process must not wait for that.
                thread::spawn(move || log.read_to_end(&mut Vec::new()));
                return Ok(Self {
                    process,
                    http,
                    resp: resp.context("the Redis port was not named")?,
                    _folder: folder,
                });
            }
        }
    }

    /// `/health/warming`.
    pub(super) fn status(&self) -> Result<Value> {
        let answer = self.http.get("/health/warming")?;
        if answer.status != 200 {
            bail!(
                "/health/warming answers {}: {}",
                answer.status,
                answer.message()
            );
        }
        Ok(answer.body)
    }

    /// The status once all of `reads` are counted and no warm is under way.
    pub(super) fn settled(&self, reads: u64) -> Result<Value> {
        let mut before = Value::Null;
        for _ in 0..200 {
            let status = self.status()?;
            let counted = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or(0);
            let all = counted("/demand/hits") + counted("/demand/misses") == reads;
            if all && counted("/warmer/queue_depth") == 0 && status["attempts"] == before {
                return Ok(status);
            }
            before = status["attempts"].clone();
            sleep(Duration::from_millis(100));
        }
        self.status()
    }

    /// Resident memory, in bytes.
    pub(super) fn resident(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.process.0.id());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let kib = kib.with_context(|| format!("{path} has no VmRSS"))?;
        Ok(kib.trim().parse::<f64>().context("VmRSS is a number")? * 1_024.0)
    }
}
