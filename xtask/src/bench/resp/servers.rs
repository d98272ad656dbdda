//! The servers under test: each listens on a port of its own and ends with its value.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A server under test; ended on drop.
pub(super) struct Server {
    pub(super) process: Child,
    pub(super) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn redis() -> Result<Server> {
    let port = free_port()?;
    let process = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .args(["--appendonly", "no", "--daemonize", "no"])
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start redis-server")?;
    listening(Server { process, port }, "redis-server")
}

/// One of the examples: a server that listens on its first argument.
pub(super) fn helper(binary: &Path, more: &[&str]) -> Result<Server> {
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let port = free_port()?;
    let process = Command::new(binary)
        .arg(port.to_string())
        .args(more)
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    listening(Server { process, port }, &name)
}

fn listening(server: Server, name: &str) -> Result<Server> {
    let port = server.port;
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(server);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    bail!("{name} does not listen on port {port}")
}

pub(super) fn forewarm(binary: &Path, redis: u16, settings: &[&str]) -> Result<Server> {
    let url = format!("l2.redis.url=redis://127.0.0.1:{redis}");
    let own = [
        "l2.backend=redis",
        &url,
        "http.addr=127.0.0.1:0",
        "resp.addr=127.0.0.1:0",
    ];
    let mut command = Command::new(binary);
    command.arg("serve");
    for setting in own.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    let mut process = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start forewarm")?;
    let lines = BufReader::new(
        process
            .stderr
            .take()
            .context("its standard error is piped")?,
    );
    let mut server = Server { process, port: 0 };
    for line in lines.lines() {
        if let Some(port) = listens(&line?) {
            server.port = port;
            return Ok(server);
        }
    }
    bail!("forewarm ended before it listened")
}

/// The port of `forewarm: Redis protocol on redis://127.0.0.1:PORT`.
pub(super) fn listens(line: &str) -> Option<u16> {
    let (_, address) = line.split_once("Redis protocol on redis://")?;
    address.rsplit(':').next()?.trim().parse().ok()
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
