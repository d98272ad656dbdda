//! A cluster of six: three primaries, each with a replica.

use std::thread::sleep;
use std::time::Duration;

use forewarm_infrastructure::testing::RedisServer;

use crate::raw::Raw;
use crate::scene::{GROUPS, PARTNERS, eventually};

const PRIMARIES: usize = 3;
/// How long a slot stays between two nodes: long enough to be asked for.
const BETWEEN: Duration = Duration::from_millis(15);

/// The nodes; those of the first half began as primaries.
pub(crate) struct Nodes {
    pub(crate) servers: Vec<RedisServer>,
    ids: Vec<String>,
}

impl Nodes {
    /// `None` where there is no Redis to be had.
    pub(crate) fn start() -> Option<Self> {
        let start = || {
            let arguments = [
                ["--cluster-enabled", "yes"],
                ["--cluster-announce-ip", "127.0.0.1"],
                ["--cluster-node-timeout", "1000"],
                ["--cluster-replica-validity-factor", "0"],
                ["--cluster-require-full-coverage", "no"],
                ["--repl-diskless-sync-delay", "0"],
            ];
            RedisServer::start_with(&arguments.concat())
        };
        let servers: Option<Vec<_>> = (0..2 * PRIMARIES).map(|_| start()).collect();
        let servers = servers?;
        let id = |server| word(&ask(server, &["CLUSTER", "MYID"]));
        let nodes = Self {
            ids: servers.iter().map(id).collect(),
            servers,
        };
        nodes.join();
        Some(nodes)
    }

    fn join(&self) {
        let first = self.servers[0].port().to_string();
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (node, (from, to)) in self.servers.iter().zip(ranges) {
            ok(node, &["CLUSTER", "ADDSLOTSRANGE", from, to]);
        }
        for node in &self.servers[1..] {
            ok(node, &["CLUSTER", "MEET", "127.0.0.1", &first]);
        }
        let everywhere = |what: &str, told: &str| {
            eventually(what, || {
                self.servers
                    .iter()
                    .all(|node| ask(node, &["CLUSTER", "INFO"]).contains(told))
            });
        };
        everywhere("everybody knows everybody", "cluster_known_nodes:6\r\n");
        for at in 0..PRIMARIES {
            let replica = &self.servers[PRIMARIES + at];
            eventually("the replica knows its primary", || {
                ask(replica, &["CLUSTER", "REPLICATE", &self.ids[at]]) == "+OK\r\n"
            });
        }
        everywhere("the cluster is up", "cluster_state:ok");
        for primary in &self.servers[..PRIMARIES] {
            eventually("its replica is in step", || {
                ask(primary, &["INFO", "replication"]).contains("state=online")
            });
        }
    }

    pub(crate) fn url(&self) -> String {
        let others = self.servers[1..].iter().map(|node| node.port());
        let others: Vec<_> = others
            .map(|port| format!("node=127.0.0.1:{port}"))
            .collect();
        format!(
            "redis-cluster://127.0.0.1:{}?{}",
            self.servers[0].port(),
            others.join("&")
        )
    }

    /// Keys that are read are there.
    pub(crate) fn stock(&self) {
        let mut client = Client::of(self);
        for group in 0..GROUPS {
            for n in 0..PARTNERS {
                let key = format!("price:t:s{group}p{n}");
                assert_eq!(client.call(&key, &["SET", &key, "1"]), "+OK\r\n");
            }
        }
    }

    /// Moves the slot of each of these keys to the next primary, with all that is in it, as
    /// `redis-cli --cluster reshard` does; how many slots moved.
    pub(crate) fn reshard(&self, keys: &[String]) -> usize {
        let mut slots: Vec<String> = keys
            .iter()
            .map(|key| word(&ask(&self.servers[0], &["CLUSTER", "KEYSLOT", key])))
            .collect();
        slots.sort();
        slots.dedup();
        for slot in &slots {
            let from = self.owner(slot);
            self.move_slot(slot, from, (from + 1) % PRIMARIES);
            sleep(BETWEEN);
        }
        slots.len()
    }

    /// Which primary has the slot.
    fn owner(&self, slot: &str) -> usize {
        let number: u64 = slot.parse().expect("a slot");
        let nodes = ask(&self.servers[0], &["CLUSTER", "NODES"]);
        let has = |line: &&str| {
            line.split(' ').skip(8).any(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                let bounds = from.parse::<u64>().ok().zip(to.parse::<u64>().ok());
                bounds.is_some_and(|(from, to)| (from..=to).contains(&number))
            })
        };
        let line = nodes.lines().find(has).expect("somebody has it");
        let id = line.split(' ').next().unwrap_or_default();
        let at = self.ids.iter().position(|known| known == id);
        at.expect("one of ours")
    }

    fn move_slot(&self, slot: &str, from: usize, to: usize) {
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let port = target.port().to_string();
        let set = |node, how: &[&str]| ok(node, &[&["CLUSTER", "SETSLOT", slot], how].concat());
        set(target, &["IMPORTING", &self.ids[from]]);
        set(source, &["MIGRATING", &self.ids[to]]);
        loop {
            let keys = ask(source, &["CLUSTER", "GETKEYSINSLOT", slot, "100"]);
            let keys: Vec<_> = keys
                .lines()
                .filter(|line| !line.starts_with(['*', '$']))
                .collect();
            if keys.is_empty() {
                break;
            }
            let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let moved = ask(source, &[&migrate[..], &keys].concat());
            assert!(moved.starts_with('+'), "{moved}");
            sleep(BETWEEN);
        }
        for node in [target, source] {
            set(node, &["NODE", &self.ids[to]]);
        }
    }
}

fn ask(node: &RedisServer, command: &[&str]) -> String {
    node.command(command).expect("it answers")
}

fn ok(node: &RedisServer, command: &[&str]) {
    assert_eq!(ask(node, command), "+OK\r\n", "{command:?}");
}

/// What is said in one line, or in the line behind its length.
fn word(reply: &str) -> String {
    let last = reply.lines().last().unwrap_or_default();
    last.trim_start_matches([':', '+']).to_owned()
}

/// A client of the cluster that follows where it is sent.
pub(crate) struct Client {
    nodes: Vec<(u16, Raw)>,
}

impl Client {
    pub(crate) fn of(nodes: &Nodes) -> Self {
        let connected = nodes
            .servers
            .iter()
            .map(|node| (node.port(), Raw::to_redis(node)));
        Self {
            nodes: connected.collect(),
        }
    }

    pub(crate) fn call(&mut self, key: &str, command: &[&str]) -> String {
        let mut port = self.nodes[0].0;
        for _ in 0..5 {
            let node = self.nodes.iter_mut().find(|(at, _)| *at == port);
            let (_, node) = node.expect("one of the cluster");
            let reply = node.call(command);
            if !reply.starts_with("-MOVED ") {
                return reply;
            }
            let sent = reply
                .trim()
                .rsplit(':')
                .next()
                .and_then(|port| port.parse().ok());
            port = sent.expect("a port");
        }
        panic!("{key} is nowhere");
    }
}
