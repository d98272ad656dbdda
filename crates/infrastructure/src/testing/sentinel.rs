//! A sentinel of a test's own.

use std::io;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use super::{command, free_port};

/// A Redis Sentinel that watches one master alone, and takes it for dead after 700 ms. Killed on drop.
#[derive(Debug)]
pub struct Sentinel {
    port: u16,
    process: Child,
    /// Kept for its lifetime: it writes its configuration.
    _folder: TempDir,
}

impl Sentinel {
    /// The name under which it knows the master.
    pub const NAME: &'static str = "main";

    /// Starts one and waits until it answers. It learns of replicas from the master.
    pub fn watch(master: u16) -> Self {
        let (folder, port) = (
            tempfile::tempdir().expect("a temporary folder can be made"),
            free_port(),
        );
        let name = Self::NAME;
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds {name} 700\nsentinel failover-timeout {name} 3000\n\
             sentinel parallel-syncs {name} 8\n",
            folder.path().display()
        );
        std::fs::write(&file, text).expect("its configuration can be written");
        let process = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server can be run");
        let sentinel = Self {
            port,
            process,
            _folder: folder,
        };
        for _ in 0..500 {
            if sentinel.command(&["PING"]).is_ok() {
                return sentinel;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("the sentinel did not start on port {port}");
    }

    /// `redis-sentinel://127.0.0.1:PORT?sentinelServiceName=main`.
    pub fn url(&self) -> String {
        format!(
            "redis-sentinel://127.0.0.1:{}?sentinelServiceName={}",
            self.port,
            Self::NAME
        )
    }

    /// Sends one command and gives the raw reply (RESP2 text).
    pub fn command(&self, parts: &[&str]) -> io::Result<String> {
        command(self.port, parts)
    }

    /// The port of whom it takes for the master.
    pub fn master(&self) -> Option<u16> {
        let asked = ["SENTINEL", "get-master-addr-by-name", Self::NAME];
        let reply = self.command(&asked).ok()?;
        reply.lines().last()?.trim().parse().ok()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
