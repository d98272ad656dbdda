//! L2 is away, frozen, or comes back.

use crate::process::wait_for;
use crate::raw::{Raw, pair};

#[test]
fn with_l2_away_l1_answers_and_the_rest_is_told_why_at_once_until_it_is_back() {
    let Some((mut redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.line("SET k v");
    raw.line("GET k");
    redis.kill();
    assert_eq!(raw.line("GET k"), "$1\r\nv\r\n");
    for line in ["GET other", "SET k 2", "HGETALL h", "MULTI", "BLPOP q 0"] {
        let reply = raw.line(line);
        assert!(reply.starts_with("-ERR the "), "{line}: {reply}");
    }
    // A client may come, greet and choose its database meanwhile.
    let mut late = Raw::to(&service.resp);
    for (line, reply) in [
        ("SELECT 2", "+OK"),
        ("CLIENT SETNAME x", "+OK"),
        ("PING", "+PONG"),
    ] {
        assert_eq!(late.line(line), format!("{reply}\r\n"));
    }
    assert!(raw.line("INFO").contains("# Forewarm"));
    redis.restart();
    wait_for("L2 to answer again", &mut raw, |raw| {
        raw.line("SET k 3") == "+OK\r\n"
    });
    wait_for("reads to be answered again", &mut raw, |raw| {
        raw.line("GET k") == "$1\r\n3\r\n"
    });
    assert_eq!(late.line("SET two 2"), "+OK\r\n");
    assert_eq!(
        redis.command(&["EXISTS", "two"]).expect("it answers"),
        ":0\r\n"
    );
}

#[test]
fn a_connection_to_l2_that_was_closed_while_idle_is_made_anew_without_a_word() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    for n in 0..5 {
        let value = n.to_string();
        assert_eq!(raw.call(&["SET", "k", &value]), "+OK\r\n", "write {n}");
        let killed = redis
            .command(&["CLIENT", "KILL", "TYPE", "normal"])
            .expect("it answers");
        assert_ne!(killed, ":0\r\n");
    }
}

#[test]
fn a_frozen_l2_costs_a_client_its_limit_and_not_its_connection() {
    let settings = ["resp.command_timeout=200ms", "l2.demand_timeout=200ms"];
    let Some((redis, service)) = pair(&settings) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.line("SET k v");
    raw.line("GET k");
    redis.pause();
    assert_eq!(raw.line("GET k"), "$1\r\nv\r\n", "L1 needs nobody");
    let reply = raw.line("SET k w");
    assert!(
        reply.contains("no answer from the shared cache within 200ms"),
        "{reply}"
    );
    let reply = raw.line("GET k");
    assert!(
        reply.starts_with("-ERR "),
        "whether the write happened is unknown, yet: {reply}"
    );
    redis.resume();
    wait_for("it to answer again", &mut raw, |raw| {
        raw.line("SET k x") == "+OK\r\n"
    });
    wait_for("reads", &mut raw, |raw| raw.line("GET k") == "$1\r\nx\r\n");
}
