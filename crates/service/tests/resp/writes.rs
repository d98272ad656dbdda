//! Writes reach L2 first and L1 before the reply: nobody reads what was there before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::process::Service;
use crate::raw::{Raw, encoded, pair};

/// How many reads L1 has answered.
fn hits(service: &Service) -> f64 {
    service.metric("arbitrage_cache_hits_total", &["cache_level=\"L1\""])
}

#[test]
fn a_value_read_twice_comes_from_l1_and_every_write_is_seen_at_once() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    for (write, after) in [
        ("SET k 1", "$1\r\n1\r\n"),
        ("INCR k", "$1\r\n2\r\n"),
        ("APPEND k 5", "$2\r\n25\r\n"),
        ("SETRANGE k 0 3", "$2\r\n35\r\n"),
        ("GETSET k x", "$1\r\nx\r\n"),
        ("MSET k y other z", "$1\r\ny\r\n"),
        ("SET k w KEEPTTL", "$1\r\nw\r\n"),
        ("SETEX k 1000 e", "$1\r\ne\r\n"),
        ("RENAME other k", "$1\r\nz\r\n"),
        (
            "EVAL return{redis.call('SET',KEYS[1],'lua')} 1 k",
            "$3\r\nlua\r\n",
        ),
        ("SETBIT k 0 1", "$3\r\n\u{fffd}ua\r\n"),
        ("DEL k", "$-1\r\n"),
        ("SET k again", "$5\r\nagain\r\n"),
        ("EXPIRE k -1", "$-1\r\n"),
        ("SET k more", "$4\r\nmore\r\n"),
        ("GETDEL k", "$-1\r\n"),
        ("SET k last", "$4\r\nlast\r\n"),
        ("FLUSHALL", "$-1\r\n"),
    ] {
        raw.line("GET k");
        raw.line("GET k");
        let reply = raw.line(write);
        assert!(!reply.starts_with('-'), "{write}: {reply}");
        assert_eq!(raw.line("GET k"), after, "after {write}");
        assert_eq!(raw.line("GET k"), after, "again after {write}");
    }
    raw.line("SET k 1");
    raw.line("GET k");
    let (before, asked) = (hits(&service), redis.calls("mget"));
    for _ in 0..10 {
        assert_eq!(raw.line("GET k"), "$1\r\n1\r\n");
    }
    assert_eq!(hits(&service) - before, 10.0);
    assert_eq!(redis.calls("mget"), asked, "L2 was asked for what L1 holds");
}

#[test]
fn what_a_connection_has_written_it_reads_whatever_others_fill_meanwhile() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut raw = Raw::to(&service.resp);
                while !over.load(Ordering::Relaxed) {
                    raw.line("GET hot");
                }
            });
        }
        let mut raw = Raw::to(&service.resp);
        for n in 0..1_500 {
            let value = n.to_string();
            // The second kind makes the copy stale, so that the others fill it all the time.
            let write = if n % 2 == 0 {
                vec!["SET", "hot", &value]
            } else {
                vec![
                    "EVAL",
                    "return redis.call('SET',KEYS[1],ARGV[1])",
                    "1",
                    "hot",
                    &value,
                ]
            };
            assert_eq!(raw.call(&write), "+OK\r\n");
            let expected = format!("${}\r\n{value}\r\n", value.len());
            assert_eq!(raw.line("GET hot"), expected, "write {n}");
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn reads_and_writes_in_one_pipeline_see_each_other_in_order() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    let (mut bytes, mut expected) = (Vec::new(), String::new());
    for n in 0..500 {
        let value = n.to_string();
        bytes.extend(encoded(&[b"SET", b"p", value.as_bytes()]));
        bytes.extend(encoded(&[b"GET", b"p"]));
        bytes.extend(encoded(&[b"INCR", b"p"]));
        bytes.extend(encoded(&[b"GET", b"p"]));
        let more = (n + 1).to_string();
        expected += &format!("+OK\r\n${}\r\n{value}\r\n", value.len());
        expected += &format!(":{more}\r\n${}\r\n{more}\r\n", more.len());
    }
    raw.send_bytes(&bytes);
    let heard: String = (0..2_000).map(|_| raw.read()).collect();
    assert_eq!(heard, expected);
}

#[test]
fn mget_asks_l2_only_for_what_is_missing_and_keeps_the_order() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    redis
        .command(&["MSET", "a", "1", "b", "2", "c", "3"])
        .expect("it answers");
    raw.line("GET b");
    let before = redis.calls("pttl");
    let reply = raw.line("MGET a b missing c a");
    assert_eq!(
        reply,
        "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n$1\r\n1\r\n"
    );
    // One PTTL goes with each key that is read: a, missing, c; the second `a` joins the first.
    assert_eq!(redis.calls("pttl") - before, 3);
}

#[test]
fn gets_that_miss_in_one_pipeline_are_read_in_one_round_trip() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.line("PING");
    let (mut bytes, mut expected) = (Vec::new(), String::new());
    for n in 0..50 {
        let (key, value) = (format!("k{n}"), format!("v{n}"));
        redis.command(&["SET", &key, &value]).expect("it answers");
        bytes.extend(encoded(&[b"GET", key.as_bytes()]));
        expected += &format!("${}\r\n{value}\r\n", value.len());
    }
    let before = redis.calls("mget");
    raw.send_bytes(&bytes);
    let heard: String = (0..50).map(|_| raw.read()).collect();
    assert_eq!(heard, expected);
    // The bytes may come in two pieces.
    assert!(redis.calls("mget") - before <= 3);
}

#[test]
fn a_key_ends_to_the_millisecond_and_its_time_is_the_sources() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    redis
        .command(&["SET", "short", "v", "PX", "400"])
        .expect("it answers");
    redis
        .command(&["SET", "long", "v", "EX", "1000"])
        .expect("it answers");
    redis.command(&["SET", "ever", "v"]).expect("it answers");
    let number = |reply: String| reply[1..].trim_end().parse::<i64>().expect("a number");
    for key in ["short", "long", "ever"] {
        assert_eq!(raw.call(&["GET", key]), "$1\r\nv\r\n");
    }
    let asked = redis.calls("pttl") + redis.calls("ttl");
    // From L1, and never longer than the source's.
    let ours = number(raw.line("PTTL long"));
    assert!((900_000..=1_000_000).contains(&ours), "{ours}");
    assert!((900..=1_000).contains(&number(raw.line("TTL long"))));
    assert_eq!(
        raw.line("TTL ever"),
        ":-1\r\n",
        "the default of L1 is not the key's own"
    );
    assert_eq!(redis.calls("pttl") + redis.calls("ttl"), asked, "L1 knew");
    while redis.command(&["EXISTS", "short"]).expect("it answers") == ":1\r\n" {
        thread::yield_now();
    }
    assert_eq!(raw.line("GET short"), "$-1\r\n", "L1 outlived the source");
    assert_eq!(raw.line("TTL short"), ":-2\r\n");
}

#[test]
fn keys_are_exact_bytes_in_their_database() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let (mut zero, mut one) = (Raw::to(&service.resp), Raw::to(&service.resp));
    one.line("SELECT 1");
    let key: &[u8] = b"\0\xff\r\n$5";
    let value: Vec<u8> = (0..=255).collect();
    zero.send(&[b"SET", key, &value]);
    assert_eq!(zero.read(), "+OK\r\n");
    for _ in 0..2 {
        zero.send(&[b"GET", key]);
        let reply = zero.try_read().expect("a reply");
        assert_eq!(reply, [b"$256\r\n", &value[..], b"\r\n"].concat());
        one.send(&[b"GET", key]);
        assert_eq!(one.read(), "$-1\r\n");
    }
    zero.line("SET Foo 1");
    assert_eq!(zero.line("GET foo"), "$-1\r\n");
    zero.line("COPY Foo Foo DB 1");
    assert_eq!(one.line("GET Foo"), "$1\r\n1\r\n");
    zero.line("SET Foo 2");
    zero.line("COPY Foo Foo DB 1 REPLACE");
    assert_eq!(
        one.line("GET Foo"),
        "$1\r\n2\r\n",
        "a copy into another database was missed"
    );
}

#[test]
fn keys_outside_the_prefixes_pass_by_l1() {
    let Some((redis, service)) = pair(&["keys.prefixes=[\"price:\"]"]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    for key in ["price:a", "session:a"] {
        raw.call(&["SET", key, "1"]);
        raw.call(&["GET", key]);
        redis.command(&["SET", key, "2"]).expect("it answers");
    }
    assert_eq!(raw.line("GET price:a"), "$1\r\n1\r\n", "L1 has it");
    assert_eq!(raw.line("GET session:a"), "$1\r\n2\r\n");
    assert_eq!(raw.line("MGET session:a"), "*1\r\n$1\r\n2\r\n");
}

#[test]
fn a_large_value_passes_whole_in_both_directions() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    let value: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    raw.send(&[b"SET", b"big", &value]);
    assert_eq!(raw.read(), "+OK\r\n");
    raw.send(&[b"HSET", b"h", b"f", &value]);
    assert_eq!(raw.read(), ":1\r\n");
    for command in [&[&b"GET"[..], b"big"][..], &[b"HGET", b"h", b"f"]] {
        raw.send(command);
        let reply = raw.try_read().expect("a reply");
        assert!(reply.starts_with(b"$8000000\r\n"));
        assert!(reply[10..].starts_with(&value) && reply.ends_with(b"\r\n"));
    }
}

#[test]
fn a_key_that_is_not_there_is_asked_for_once_where_that_is_remembered_and_seen_once_it_is() {
    let settings = ["invalidation.mode=tracking", "l1.negative_ttl=1h"];
    let Some((redis, service)) = pair(&settings) else {
        return;
    };
    service.wait_for("the invalidation link", |it| {
        it.metric("arbitrage_invalidation_link_up", &[]) == 1.0
    });
    let mut raw = Raw::to(&service.resp);
    let nil = "$-1\r\n";
    assert_eq!(raw.line("GET k"), nil);
    let asked = redis.calls("mget");
    for _ in 0..5 {
        assert_eq!(raw.line("GET k"), nil);
        assert_eq!(raw.line("MGET k k"), format!("*2\r\n{nil}{nil}"));
    }
    assert_eq!(redis.calls("mget"), asked, "it is known not to be there");
    assert_eq!(raw.line("SET k mine"), "+OK\r\n");
    assert_eq!(raw.line("GET k"), "$4\r\nmine\r\n");
    raw.line("DEL k");
    assert_eq!(raw.line("GET k"), nil);
    redis.command(&["SET", "k", "theirs"]).expect("it answers");
    crate::process::wait_for("the news", &mut raw, |raw| {
        raw.line("GET k") == "$6\r\ntheirs\r\n"
    });
    // A list is none of the strings, and no absence.
    redis.command(&["RPUSH", "list", "x"]).expect("it answers");
    for _ in 0..2 {
        assert!(raw.line("GET list").starts_with("-WRONGTYPE"));
    }
}
