//! Two Forewarm processes share one consumer group, and one of them is killed in the middle.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use forewarm_infrastructure::testing::RedisServer;

use crate::process::Service;
use crate::raw::Raw;
use crate::scene::eventually;

/// At least; more until one was killed with events in its hands.
const EVENTS: usize = 6_000;
/// Added with one command: a script, so that the stream fills faster than it is read.
const AT_ONCE: usize = 100;

fn consumer(redis: &RedisServer, name: &str) -> Service {
    Service::start(&[
        "l2.backend=redis",
        &format!("l2.redis.url={}", redis.url()),
        "tracking.max_pairs=20000",
        &format!("feeds=[{{kind=\"redis-stream\",consumer=\"{name}\",claim_after=\"600ms\"}}]"),
    ])
}

/// Who acknowledged which entries, as the server saw it: by the address of the connection.
struct Acknowledged(mpsc::Receiver<(String, Vec<String>)>);

impl Acknowledged {
    fn watch(redis: &RedisServer) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).expect("it listens");
        stream.write_all(b"MONITOR\r\n").expect("it is taken");
        let mut lines = BufReader::new(stream).lines();
        let begun = lines.next().expect("an answer").expect("a line");
        assert_eq!(begun, "+OK");
        let (told, heard) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // +1700000000.1 [0 127.0.0.1:4711] "XACK" "price-updates" "forewarm" "1-0" …
                let Some((head, command)) = line.split_once("] \"") else {
                    continue;
                };
                let mut words = command.trim_end_matches('"').split("\" \"");
                if words
                    .next()
                    .is_none_or(|name| !name.eq_ignore_ascii_case("xack"))
                {
                    continue;
                }
                let who = head.rsplit(' ').next().unwrap_or_default().to_owned();
                let ids = words.skip(2).map(str::to_owned).collect();
                if told.send((who, ids)).is_err() {
                    return;
                }
            }
        });
        Self(heard)
    }

    /// All that is seen until so many different entries are.
    fn by_connection(&self, entries: usize) -> HashMap<String, Vec<String>> {
        let mut by = HashMap::<_, Vec<_>>::new();
        let mut distinct = HashSet::new();
        eventually("no event is lost", || {
            for (who, ids) in self.0.try_iter() {
                distinct.extend(ids.iter().cloned());
                by.entry(who).or_default().extend(ids);
            }
            distinct.len() == entries
        });
        by
    }
}

fn received(service: &Service) -> u64 {
    service.metric("arbitrage_correlation_updates_received_total", &[]) as u64
}

fn pending(redis: &RedisServer) -> String {
    let reply = redis.command(&["XPENDING", "price-updates", "forewarm"]);
    let reply = reply.expect("it answers");
    reply.lines().nth(1).unwrap_or_default().to_owned()
}

/// Kills it if it has events in its hands just now, and has acknowledged others; how many.
fn kill_at_work(doomed: &Service, redis: &RedisServer) -> Option<usize> {
    if received(doomed) < 500 {
        return None;
    }
    doomed.signal("-STOP");
    let held = [
        "XPENDING",
        "price-updates",
        "forewarm",
        "-",
        "+",
        "9999",
        "a",
    ];
    let reply = redis.command(&held).expect("it answers");
    let held = reply
        .lines()
        .next()
        .and_then(|line| line.strip_prefix('*')?.parse().ok());
    let held = held.filter(|held| *held > 0);
    doomed.signal(if held.is_some() { "-KILL" } else { "-CONT" });
    held
}

#[test]
fn of_two_consumers_one_is_killed_and_no_event_is_lost_or_counted_twice() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (mut doomed, survivor) = (consumer(&redis, "a"), consumer(&redis, "b"));
    eventually("both are in the group", || {
        let groups = redis.command(&["XINFO", "CONSUMERS", "price-updates", "forewarm"]);
        groups.is_ok_and(|text| text.contains("\r\na\r\n") && text.contains("\r\nb\r\n"))
    });
    let acknowledged = Acknowledged::watch(&redis);
    let mut raw = Raw::to_redis(&redis);
    let script = "for n = ARGV[1], ARGV[2] do redis.call('XADD', 'price-updates', '*', 'chain', 't', \
                  'pair', 'p' .. n, 'value', n) end return redis.status_reply('OK')";
    let (mut held, mut events) = (None, 0);
    while events < EVENTS || held.is_none() && events < 20 * EVENTS {
        let (from, to) = (events.to_string(), (events + AT_ONCE - 1).to_string());
        assert_eq!(raw.call(&["EVAL", script, "0", &from, &to]), "+OK\r\n");
        events += AT_ONCE;
        if held.is_none() {
            held = kill_at_work(&doomed, &redis);
        }
    }
    let held = held.expect("it was never at work");
    doomed.ended();
    eventually("everything is acknowledged", || {
        let groups = redis.command(&["XINFO", "GROUPS", "price-updates"]);
        let read =
            groups.is_ok_and(|text| text.contains(&format!("entries-read\r\n:{events}\r\n")));
        read && pending(&redis) == ":0"
    });

    let acknowledged = acknowledged.by_connection(events);
    let all: usize = acknowledged.values().map(Vec::len).sum();
    assert_eq!(all, events, "none is acknowledged by both, or twice");
    // The survivor's connection is the one that is still there.
    let clients = redis.command(&["CLIENT", "LIST"]).expect("it answers");
    let of_survivor = |who: &&String| clients.contains(&format!("addr={who} "));
    let by_survivor: usize = acknowledged
        .iter()
        .filter(|(who, _)| of_survivor(who))
        .map(|(_, ids)| ids.len())
        .sum();
    assert!(by_survivor < events, "the one killed has done nothing");
    assert_eq!(
        received(&survivor),
        by_survivor as u64,
        "the survivor has counted each of its events once"
    );
    println!(
        "figure: {events} events, {} acknowledged by the one killed with {held} more in its hands, \
         {by_survivor} by the survivor",
        events - by_survivor
    );
}
