//! What Forewarm may do in Redis can be narrowed to what docs/security.md names.

use std::io::{Read, Write};
use std::net::TcpStream;

use forewarm_infrastructure::testing::RedisServer;

use crate::process::{PATIENCE, Service};

const REFERENCE: &str = include_str!("../../../../docs/security.md");

/// The commands of the sentence that begins so, without its `+`.
fn named(beginning: &str) -> Vec<String> {
    let line = REFERENCE.lines().find(|line| line.starts_with(beginning));
    let line = line.unwrap_or_else(|| panic!("no line begins with {beginning:?}"));
    let words = line
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(str::split_whitespace);
    words
        .filter(|word| word.starts_with('+'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_redis_user_who_may_do_what_the_docs_name_and_nothing_else_is_enough() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let rules = [named("- always:"), named("- for a `redis-stream` feed:")].concat();
    assert!(rules.len() > 9, "{rules:?}");
    let mut user = vec![
        "ACL", "SETUSER", "narrow", "on", ">pass", "~*", "&*", "-@all",
    ];
    user.extend(rules.iter().map(String::as_str));
    let made = redis.command(&user).expect("answered");
    assert!(made.starts_with("+OK"), "{made}");
    let url = format!(
        "l2.redis.url=redis://narrow:pass@127.0.0.1:{}",
        redis.port()
    );
    let service = Service::start(&["l2.backend=redis", &url, "feeds=[{kind=\"redis-stream\"}]"]);
    service.wait_for("the invalidation link", |service| {
        service.metric("arbitrage_invalidation_link_up", &[]) > 0.0
    });
    service.wait_for("an entry of the stream", |service| {
        // Those before the group was made are not for it.
        let entry = ["XADD", "price-updates", "*", "pair", "a", "chain", "eth"];
        redis.command(&entry).expect("added");
        service.metric("arbitrage_correlation_updates_received_total", &[]) > 0.0
    });
    let mut client = TcpStream::connect(&service.resp).expect("it listens");
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("it takes it");
    for (words, answer) in [
        ("SET a 1\r\n", "+OK\r\n"),
        ("GET a\r\n", "$1\r\n1\r\n"),
        ("DEL a\r\n", ":1\r\n"),
        ("MGET a b\r\n", "*2\r\n$-1\r\n$-1\r\n"),
    ] {
        client.write_all(words.as_bytes()).expect("sent");
        let mut heard = vec![0; answer.len()];
        client.read_exact(&mut heard).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&heard), answer, "{words}");
    }
    let body = r#"{"value":"1","ttl_ms":60000}"#;
    assert_eq!(service.send("PUT", "/v1/pairs/eth/x", body).status, 204);
    assert_eq!(service.get("/v1/pairs/eth/x").json()["value"], "1");
    let refused = redis.command(&["ACL", "LOG"]).expect("answered");
    assert_eq!(refused.trim(), "*0", "Redis refused something:\n{refused}");
}
