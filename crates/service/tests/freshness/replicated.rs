//! A replicated Redis with a sentinel.

use forewarm_infrastructure::testing::{RedisServer, Sentinel};

use crate::rig::until;

/// A master, two replicas and a sentinel that watches them.
pub(crate) struct Replicated {
    servers: Vec<RedisServer>,
    pub(crate) sentinel: Sentinel,
}

impl Replicated {
    pub(crate) async fn start() -> Option<Self> {
        let quick = ["--repl-diskless-sync-delay", "0"];
        let master = RedisServer::start_with(&quick)?;
        let of_master = ["--replicaof", "127.0.0.1", &master.port().to_string()];
        let replica = || RedisServer::start_with(&[&quick[..], &of_master[..]].concat());
        let servers = vec![replica()?, replica()?, master];
        let master = &servers[2];
        until("the replicas are in step", || {
            let info = master.command(&["INFO", "replication"]).unwrap_or_default();
            info.matches("state=online").count() == 2
        })
        .await;
        let sentinel = Sentinel::watch(master.port());
        until("the sentinel knows the replicas", || {
            let masters = sentinel.command(&["SENTINEL", "MASTER", Sentinel::NAME]);
            masters.is_ok_and(|text| text.contains("num-slaves\r\n$1\r\n2\r\n"))
        })
        .await;
        Some(Self { servers, sentinel })
    }

    pub(crate) fn master(&mut self) -> &mut RedisServer {
        self.servers.last_mut().expect("it was started last")
    }

    /// The port of the master that took over.
    pub(crate) async fn successor(&mut self) -> u16 {
        let before = self.master().port();
        let mut port = before;
        until("a replica takes over", || {
            port = self.sentinel.master().unwrap_or(before);
            port != before
        })
        .await;
        port
    }
}
