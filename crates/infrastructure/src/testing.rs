//! Real servers for tests (feature `testing`).

pub mod hostile;
mod sentinel;

pub use sentinel::Sentinel;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// A `redis-server` of the test's own: on a free port of 127.0.0.1, without persistence, in a
/// temporary folder, killed on drop.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    ///
    /// `None`, with a loud line, where `redis-server` is not installed; with `CI=true` in the
    /// environment that is a failure.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one with further arguments, such as `--requirepass secret`.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").output();
        if found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(
                !in_ci,
                "redis-server is not installed, and CI must not skip tests"
            );
            eprintln!("SKIPPED: redis-server is not installed");
            return None;
        }
        let mut server = Self {
            port: free_port(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
            process: None,
        };
        // Another test may have taken the port in the meantime: then take another one.
        for _ in 0..5 {
            if server.spawn() {
                return Some(server);
            }
            server.port = free_port();
        }
        panic!("redis-server did not start on five free ports");
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Freezes it: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Ends the freeze.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Kills it at once (SIGKILL); what it held is lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Kills it if it runs, and starts an empty one on the same port.
    pub fn restart(&mut self) {
        self.kill();
        assert!(
            self.spawn(),
            "redis-server did not start again on port {}",
            self.port
        );
    }

    /// Sends one command over a connection of its own and gives the raw reply (RESP2 text).
    pub fn command(&self, parts: &[&str]) -> io::Result<String> {
        command(self.port, parts)
    }

    /// [`command`](Self::command) for binary keys and values.
    pub fn command_bytes(&self, parts: &[&[u8]]) -> io::Result<Vec<u8>> {
        command_bytes(self.port, parts)
    }

    /// How many times the server has executed a command (its own count: `INFO commandstats`).
    pub fn calls(&self, command: &str) -> u64 {
        let stats = self
            .command(&["INFO", "commandstats"])
            .expect("the server answers INFO");
        let start = format!("cmdstat_{command}:calls=");
        let found = stats.lines().find_map(|line| line.strip_prefix(&start));
        found.map_or(0, |rest| {
            let digits = rest.split(',').next().unwrap_or_default();
            digits.parse().expect("calls= is a number")
        })
    }

    fn spawn(&mut self) -> bool {
        let process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server can be run");
        self.process = Some(process);
        for _ in 0..500 {
            if let Some(process) = &mut self.process
                && matches!(process.try_wait(), Ok(Some(_)))
            {
                return false;
            }
            // Any answer will do: with a password set, PING is refused, but by a running server.
            if self.command(&["PING"]).is_ok() {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }

    fn signal(&self, signal: &str) {
        let Some(process) = &self.process else { return };
        let status = Command::new("kill")
            .args([signal, &process.id().to_string()])
            .status()
            .expect("`kill` can be run");
        assert!(status.success(), "kill {signal} {} failed", process.id());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// Sends one command to a server on this port of 127.0.0.1 and gives the raw reply.
fn command(port: u16, parts: &[&str]) -> io::Result<String> {
    let raw: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let reply = command_bytes(port, &raw)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

fn command_bytes(port: u16, parts: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        request.extend(format!("${}\r\n", part.len()).bytes());
        request.extend(*part);
        request.extend(b"\r\n");
    }
    stream.write_all(&request)?;
    let mut reply = Vec::new();
    read_reply(&mut BufReader::new(stream), &mut reply)?;
    Ok(reply)
}

fn read_reply(from: &mut impl BufRead, reply: &mut Vec<u8>) -> io::Result<()> {
    let start = reply.len();
    from.read_until(b'\n', reply)?;
    let line = String::from_utf8_lossy(&reply[start..])
        .trim_end()
        .to_owned();
    let Some(kind) = line.chars().next() else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let count: i64 = line[kind.len_utf8()..].parse().unwrap_or(-1);
    match (kind, usize::try_from(count)) {
        ('$', Ok(bytes)) => {
            let start = reply.len();
            reply.resize(start + bytes + 2, 0);
            from.read_exact(&mut reply[start..])
        }
        ('*', Ok(parts)) => (0..parts).try_for_each(|_| read_reply(from, reply)),
        _ => Ok(()),
    }
}
