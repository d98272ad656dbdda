//! Subscriptions and commands that wait.

use forewarm_infrastructure::testing::RedisServer;

use crate::process::wait_for;
use crate::raw::{Raw, pair};

fn publish(redis: &RedisServer, channel: &str, text: &str) {
    let heard = redis
        .command(&["PUBLISH", channel, text])
        .expect("it answers");
    assert_ne!(heard, ":0\r\n", "nobody is subscribed to {channel}");
}

#[test]
fn messages_pass_and_with_the_last_subscription_gone_l1_answers_again() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.line("SET k v");
    assert_eq!(
        raw.line("SUBSCRIBE one two"),
        "*3\r\n$9\r\nsubscribe\r\n$3\r\none\r\n:1\r\n"
    );
    assert_eq!(raw.read(), "*3\r\n$9\r\nsubscribe\r\n$3\r\ntwo\r\n:2\r\n");
    publish(&redis, "two", "hello");
    assert_eq!(
        raw.read(),
        "*3\r\n$7\r\nmessage\r\n$3\r\ntwo\r\n$5\r\nhello\r\n"
    );
    assert_eq!(
        raw.line("PSUBSCRIBE t*"),
        "*3\r\n$10\r\npsubscribe\r\n$2\r\nt*\r\n:3\r\n"
    );
    assert!(
        raw.line("GET k")
            .starts_with("-ERR Can't execute 'get': only (P|S)SUBSCRIBE")
    );
    assert_eq!(raw.line("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    assert_eq!(
        raw.line("PUNSUBSCRIBE t*"),
        "*3\r\n$12\r\npunsubscribe\r\n$2\r\nt*\r\n:2\r\n"
    );
    raw.line("UNSUBSCRIBE");
    raw.read();
    assert_eq!(raw.line("GET k"), "$1\r\nv\r\n");
    assert_eq!(raw.line("PING"), "+PONG\r\n");
    assert_eq!(
        raw.line("UNSUBSCRIBE"),
        "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
    );
    assert_eq!(raw.line("GET k"), "$1\r\nv\r\n");
}

#[test]
fn in_resp3_commands_and_messages_share_a_connection_and_writes_are_seen() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let (mut raw, mut other) = (Raw::to(&service.resp), Raw::to(&service.resp));
    raw.line("HELLO 3");
    assert_eq!(
        raw.line("SUBSCRIBE ch"),
        ">3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n"
    );
    for n in 0..20 {
        let value = n.to_string();
        assert_eq!(raw.call(&["SET", "k", &value]), "+OK\r\n");
        let expected = format!("${}\r\n{value}\r\n", value.len());
        assert_eq!(other.line("GET k"), expected);
        assert_eq!(raw.line("GET k"), expected);
        publish(&redis, "ch", &value);
        assert!(raw.read().starts_with(">3\r\n$7\r\nmessage\r\n"));
    }
    assert_eq!(
        raw.line("UNSUBSCRIBE ch"),
        ">3\r\n$11\r\nunsubscribe\r\n$2\r\nch\r\n:0\r\n"
    );
    assert_eq!(raw.line("GET k"), "$2\r\n19\r\n");
}

#[test]
fn a_waiting_command_is_answered_when_it_is_time_and_given_up_with_its_client() {
    let Some((redis, service)) = pair(&["resp.command_timeout=200ms"]) else {
        return;
    };
    let blocked = |count: usize| {
        let info = redis.command(&["INFO", "clients"]).expect("it answers");
        info.contains(&format!("blocked_clients:{count}\r\n"))
    };
    let mut raw = Raw::to(&service.resp);
    raw.send(&[b"BLPOP", b"queue", b"0"]);
    wait_for("the client to be blocked", &(), |_| blocked(1));
    // Longer than a command may take that does not wait by itself.
    redis
        .command(&["DEBUG", "SLEEP", "0.3"])
        .expect("it answers");
    redis
        .command(&["RPUSH", "queue", "job"])
        .expect("it answers");
    assert_eq!(raw.read(), "*2\r\n$5\r\nqueue\r\n$3\r\njob\r\n");
    raw.send(&[b"BLPOP", b"queue", b"0"]);
    wait_for("the client to be blocked again", &(), |_| blocked(1));
    drop(raw);
    wait_for("the wait to be given up", &(), |_| blocked(0));
}

#[test]
fn what_is_sent_behind_a_waiting_command_is_answered_after_it() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.send_bytes(b"BLPOP q 0\r\nPING\r\nGET k\r\n");
    wait_for("the client to be blocked", &(), |_| {
        let info = redis.command(&["INFO", "clients"]).expect("it answers");
        info.contains("blocked_clients:1\r\n")
    });
    redis.command(&["RPUSH", "q", "x"]).expect("it answers");
    assert_eq!(raw.read(), "*2\r\n$1\r\nq\r\n$1\r\nx\r\n");
    assert_eq!(raw.read(), "+PONG\r\n");
    assert_eq!(raw.read(), "$-1\r\n");
}
