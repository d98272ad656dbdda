//! Before a cluster of three: strings are read, whatever needs one server is refused in words.

use forewarm_infrastructure::testing::RedisServer;

use crate::process::{Service, wait_for};
use crate::raw::Raw;

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const REFUSED: &str = "-ERR the shared cache refused: this command needs a connection of its own, which a cluster does \
     not have\r\n";

/// Three primaries that share the slots. `None` where there is no Redis to be had.
fn cluster() -> Option<[RedisServer; 3]> {
    let start = || {
        RedisServer::start_with(&[
            "--cluster-enabled",
            "yes",
            "--cluster-announce-ip",
            "127.0.0.1",
        ])
    };
    let nodes = [start()?, start()?, start()?];
    let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (node, (from, to)) in nodes.iter().zip(ranges) {
        let given = node.command(&["CLUSTER", "ADDSLOTSRANGE", from, to]);
        assert_eq!(given.expect("it answers"), "+OK\r\n");
        let port = nodes[0].port().to_string();
        if node.port() != nodes[0].port() {
            let met = node.command(&["CLUSTER", "MEET", "127.0.0.1", &port]);
            assert_eq!(met.expect("it answers"), "+OK\r\n");
        }
    }
    let up = |node: &RedisServer| {
        let info = node.command(&["CLUSTER", "INFO"]).unwrap_or_default();
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
    };
    wait_for("the cluster to be up", &nodes, |nodes| nodes.iter().all(up));
    Some(nodes)
}

/// Writes where the key lives; which node took it.
fn set(nodes: &[RedisServer], key: &str, value: &str) -> usize {
    let taken = |node: &RedisServer| {
        let answer = node.command(&["SET", key, value]).expect("it answers");
        answer == "+OK\r\n"
    };
    nodes.iter().position(taken).expect("somebody has its slot")
}

#[test]
fn before_a_cluster_strings_of_all_nodes_are_read_and_the_rest_is_refused() {
    let Some(nodes) = cluster() else { return };
    let mut homes: Vec<usize> = KEYS.iter().map(|key| set(&nodes, key, key)).collect();
    homes.sort_unstable();
    homes.dedup();
    assert_eq!(homes, [0, 1, 2], "the keys are on all three");
    let url = nodes[0].url().replace("redis://", "redis-cluster://");
    let url = format!("l2.redis.url={url}");
    let settings = ["l2.backend=redis", &url, "invalidation.mode=tracking"];
    let service = Service::start(&settings);
    service.wait_for("the invalidation links", |it| {
        it.metric("arbitrage_invalidation_link_up", &[]) == 1.0
    });
    let mut raw = Raw::to(&service.resp);
    let all = "MGET a b c none d e f";
    let values = "*7\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$-1\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n";
    assert_eq!(raw.line(all), values);
    let hits = |service: &Service| service.metric("arbitrage_cache_hits_total", &["\"L1\""]);
    let before = hits(&service);
    for key in KEYS {
        assert_eq!(raw.line(&format!("GET {key}")), format!("$1\r\n{key}\r\n"));
    }
    assert_eq!(hits(&service) - before, 6.0, "L1 holds them");
    assert_eq!(raw.line("STRLEN a"), ":1\r\n");

    // A write to any node is heard of.
    for key in KEYS {
        set(&nodes, key, "new");
        wait_for("the news", &mut raw, |raw| {
            raw.line(&format!("GET {key}")) == "$3\r\nnew\r\n"
        });
    }
    for line in [
        "SET a 1",
        "DEL a b",
        "HGETALL h",
        "STRLEN none",
        "EVAL x 0",
        "MULTI",
        "WATCH a",
        "SUBSCRIBE c",
        "KEYS *",
    ] {
        assert_eq!(raw.line(line), REFUSED, "{line}");
    }
    // Nothing of it has changed the connection, nor any key.
    assert_eq!(raw.line("PING"), "+PONG\r\n");
    assert_eq!(raw.line("GET a"), "$3\r\nnew\r\n");
    assert!(raw.line("INFO").contains("# Forewarm"));
    assert_eq!(
        nodes[0].calls("set") + nodes[1].calls("set") + nodes[2].calls("set"),
        12
    );
}
