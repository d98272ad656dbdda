//! Random commands over a few keys, from two clients: the replies are those of a Redis that
//! nobody stands before, command by command.

use forewarm_infrastructure::testing::RedisServer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::process::Service;
use crate::raw::{Raw, before};

/// Sequences tried; each has up to [`LENGTH`] commands.
const CASES: u32 = 150;
const LENGTH: usize = 60;

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (-5..100_i64).prop_map(|n| n.to_string()),
        2 => "[a-z]{0,6}",
        1 => Just(i64::MAX.to_string()),
    ]
}

fn place() -> impl Strategy<Value = String> {
    (-8..9_i64).prop_map(|n| n.to_string())
}

fn words(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Commands on strings and their ends, the same on every backend.
fn string_command() -> impl Strategy<Value = Vec<String>> {
    let read = (
        prop::sample::select(vec![
            "GET",
            "STRLEN",
            "TTL",
            "PTTL",
            "PEXPIRETIME",
            "EXISTS",
            "TYPE",
        ]),
        key(),
    );
    let several = (
        prop::sample::select(vec!["MGET", "EXISTS", "DEL", "UNLINK", "TOUCH"]),
        prop::collection::vec(key(), 1..4),
    );
    let plain = (
        prop::sample::select(vec!["INCR", "DECR", "GETDEL", "PERSIST", "GETEX"]),
        key(),
    );
    let one = (
        prop::sample::select(vec!["SET", "SETNX", "GETSET", "APPEND", "INCRBY", "DECRBY"]),
        key(),
        value(),
    );
    // Redis' 80-bit noise included.
    let float = (
        key(),
        prop_oneof![
            4 => (-1_000_000..1_000_000_i64, 0..9_u32)
                .prop_map(|(n, places)| format!("{n}e-{places}")),
            2 => "-?[0-9]{1,20}\\.[0-9]{0,20}",
            2 => "[0-9]{1,3}e-?[0-9]{1,3}",
            1 => prop::sample::select(vec!["inf", "-inf", "nan", "x", "", "+.5", "1e5000", "1e-19"])
                .prop_map(str::to_owned),
        ],
    );
    let option = prop::sample::select(vec![
        "NX",
        "XX",
        "GET",
        "KEEPTTL",
        "NX GET",
        "XX GET",
        "PXAT 253402300799999",
        "PX 0",
        "EX x",
        "KEEPTTL EX 1",
        "FOO",
        "XX NX",
        "PXAT 1",
    ]);
    let pairs = (
        prop::sample::select(vec!["MSET", "MSETNX"]),
        prop::collection::vec((key(), value()), 1..4),
    );
    // The end of the year 9999 is as good as never, and the same for both.
    let end = (
        prop_oneof![
            (
                Just("PEXPIREAT"),
                prop::sample::select(vec![
                    "253402300799999",
                    "253402300000000",
                    "1",
                    "-1",
                    "0",
                    "x"
                ])
            ),
            (
                Just("EXPIREAT"),
                prop::sample::select(vec!["253402300799", "1", "x", "9223372036854775807"])
            ),
        ],
        key(),
        prop::sample::select(vec!["", "NX", "XX", "GT", "LT", "NX XX", "GT LT", "FOO"]),
    );
    let rename = (
        prop::sample::select(vec!["RENAME", "RENAMENX", "COPY"]),
        key(),
        key(),
    );
    prop_oneof![
        6 => read.prop_map(|(name, key)| words(&[name, &key])),
        3 => several.prop_map(|(name, keys)| {
            let mut all = words(&[name]);
            all.extend(keys);
            all
        }),
        3 => plain.prop_map(|(name, key)| words(&[name, &key])),
        6 => one.prop_map(|(name, key, value)| words(&[name, &key, &value])),
        3 => float.prop_map(|(key, by)| words(&["INCRBYFLOAT", &key, &by])),
        3 => (key(), value(), option).prop_map(|(key, value, option)| {
            let mut all = words(&["SET", &key, &value]);
            all.extend(option.split(' ').map(str::to_owned));
            all
        }),
        2 => pairs.prop_map(|(name, pairs)| {
            let mut all = words(&[name]);
            all.extend(pairs.into_iter().flat_map(|(key, value)| [key, value]));
            all
        }),
        3 => end.prop_map(|((name, at), key, condition)| {
            let mut all = words(&[name, &key, at]);
            all.extend(condition.split(' ').filter(|word| !word.is_empty()).map(str::to_owned));
            all
        }),
        2 => (key(), place(), place()).prop_map(|(key, from, to)| {
            words(&["GETRANGE", &key, &from, &to])
        }),
        1 => (key(), place(), value()).prop_map(|(key, at, value)| {
            words(&["SETRANGE", &key, &at, &value])
        }),
        2 => rename.prop_map(|(name, from, to)| words(&[name, &from, &to])),
        1 => Just(words(&["FLUSHDB"])),
        1 => (0..2_i64).prop_map(|n| words(&["SELECT", &n.to_string()])),
    ]
}

/// Others too, which only a Redis knows.
fn any_command() -> impl Strategy<Value = Vec<String>> {
    let line = prop::sample::select(vec![
        "HSET a f v",
        "HGETALL a",
        "LPUSH b x",
        "LRANGE b 0 -1",
        "SADD c m",
        "SCARD c",
        "SETBIT a 3 1",
        "BITCOUNT a",
        "EVAL return{redis.call('SET',KEYS[1],'s')} 1 a",
        "EVAL return{redis.call('APPEND',KEYS[1],'s'),redis.call('NOPE')} 1 b",
        "MULTI",
        "EXEC",
        "DISCARD",
        "WATCH a",
        "UNWATCH",
        "SORT b STORE a",
        "ZADD d 1 m",
        "ZRANGESTORE a d 0 -1",
        "SUNIONSTORE a c",
        "BITOP OR a b c",
        "LPOP b",
        "INCRBYFLOAT a 0.5",
        // A Redis counts keys that have ended until it happens to look at them.
        "DBSIZE",
    ]);
    prop_oneof![
        5 => string_command(),
        2 => line.prop_map(|line| line.split(' ').map(str::to_owned).collect()),
    ]
}

fn steps(
    command: impl Strategy<Value = Vec<String>>,
) -> impl Strategy<Value = Vec<(bool, Vec<String>)>> {
    prop::collection::vec((any::<bool>(), command), 1..LENGTH)
}

/// Two clients each of the reference and of what is tried.
struct Sides {
    reference: [Raw; 2],
    tried: [Raw; 2],
    /// The second client passes Forewarm by: what it writes is seen once Forewarm has been told.
    bypass: bool,
}

/// What L1 may answer, and so may answer late when somebody else writes.
const MAY_LAG: [&str; 7] = ["GET", "MGET", "EXISTS", "TTL", "PTTL", "STRLEN", "GETRANGE"];

impl Sides {
    fn new(reference: &RedisServer, tried: [String; 2], bypass: bool, protocol: &str) -> Self {
        let mut sides = Self {
            reference: [Raw::to_redis(reference), Raw::to_redis(reference)],
            tried: tried.map(|addr| Raw::to(&addr)),
            bypass,
        };
        for raw in sides.reference.iter_mut().chain(&mut sides.tried) {
            raw.call(&["HELLO", protocol]);
        }
        sides
    }

    /// Nothing stored, nothing open, database 0.
    fn clear(&mut self, embedded: bool) {
        for raw in self.reference.iter_mut().chain(&mut self.tried) {
            if !embedded {
                raw.line("DISCARD");
                raw.line("UNWATCH");
            }
            raw.line("SELECT 0");
            raw.line("FLUSHALL");
        }
    }

    fn run(&mut self, steps: &[(bool, Vec<String>)]) -> Result<(), TestCaseError> {
        for (at, (second, command)) in steps.iter().enumerate() {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let who = usize::from(*second);
            let mut expected = self.reference[who].call(&command);
            let mut got = self.tried[who].call(&command);
            // A Redis counts keys whose time is over until it happens to remove them, each server in its own time.
            let counts_the_expired = command[0] == "DBSIZE";
            let may_lag = self.bypass && MAY_LAG.contains(&command[0]);
            let mut patience = if may_lag || counts_the_expired {
                400
            } else {
                0
            };
            while !alike(&command, &got, &expected) && patience > 0 {
                std::thread::sleep(std::time::Duration::from_millis(5));
                if counts_the_expired {
                    expected = self.reference[who].call(&command);
                }
                got = self.tried[who].call(&command);
                patience -= 1;
            }
            prop_assert!(
                alike(&command, &got, &expected),
                "step {at}, client {who}: {command:?} answered {got:?}, Redis {expected:?}"
            );
        }
        Ok(())
    }
}

/// What remains of a key's time is not the same twice: to the second is enough here, also where it is
/// one of the replies of a transaction.
fn alike(command: &[&str], got: &str, expected: &str) -> bool {
    let remaining = |line: &str| {
        let number = line.strip_prefix(':')?.trim_end().parse::<i64>().ok()?;
        (number > 1_000_000).then_some(number)
    };
    let alike = |(got, expected): (&str, &str)| match (remaining(got), remaining(expected)) {
        (Some(got), Some(expected)) => (got - expected).abs() < 20_000,
        _ => got == expected,
    };
    if !["TTL", "PTTL", "EXEC"].contains(&command[0]) {
        return got == expected;
    }
    let (got, expected) = (got.split("\r\n"), expected.split("\r\n"));
    got.clone().count() == expected.clone().count() && got.zip(expected).all(alike)
}

fn compare(
    sides: Sides,
    embedded: bool,
    commands: impl Strategy<Value = Vec<(bool, Vec<String>)>>,
) {
    let sides = std::cell::RefCell::new(sides);
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let tried = runner.run(&commands, |steps| {
        let mut sides = sides.borrow_mut();
        sides.clear(embedded);
        sides.run(&steps)
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}

#[test]
fn random_commands_before_a_redis_get_the_replies_of_a_redis() {
    let Some(reference) = RedisServer::start() else {
        return;
    };
    let Some(behind) = RedisServer::start() else {
        return;
    };
    let service = before(&behind, &[]);
    for protocol in ["2", "3"] {
        let tried = [service.resp.clone(), service.resp.clone()];
        let sides = Sides::new(&reference, tried, false, protocol);
        compare(sides, false, steps(any_command()));
    }
}

#[test]
fn with_a_second_client_that_passes_it_by_the_replies_are_those_of_a_redis_once_told() {
    let Some(reference) = RedisServer::start() else {
        return;
    };
    let Some(behind) = RedisServer::start() else {
        return;
    };
    let service = before(&behind, &["invalidation.mode=tracking"]);
    service.wait_for("the invalidation link", |it| {
        it.metric("arbitrage_invalidation_link_up", &[]) == 1.0
    });
    let tried = [service.resp.clone(), format!("127.0.0.1:{}", behind.port())];
    for protocol in ["2", "3"] {
        let sides = Sides::new(&reference, tried.clone(), true, protocol);
        compare(sides, false, steps(any_command()));
    }
    let hits = service.metric("arbitrage_cache_hits_total", &["cache_level=\"L1\""]);
    assert!(hits > 0.0, "L1 was never asked");
}

#[test]
fn random_string_commands_on_the_embedded_store_get_the_replies_of_a_redis() {
    let Some(reference) = RedisServer::start() else {
        return;
    };
    let service = Service::start(&[]);
    let tried = [service.resp.clone(), service.resp.clone()];
    let sides = Sides::new(&reference, tried, false, "2");
    compare(sides, true, steps(string_command()));
}

#[test]
fn what_the_embedded_store_does_not_know_is_refused_in_redis_words() {
    let Some(reference) = RedisServer::start() else {
        return;
    };
    let service = Service::start(&[]);
    let (mut reference, mut tried) = (Raw::to_redis(&reference), Raw::to(&service.resp));
    for line in ["NOSUCH", "nosuch a b", "NoSuch 'x' y z"] {
        assert_eq!(tried.line(line), reference.line(line), "{line}");
    }
    for line in [
        "HSET h f v",
        "LPUSH l x",
        "EVAL x 0",
        "MULTI",
        "SUBSCRIBE c",
        "KEYS *",
    ] {
        let name = line.split(' ').next().expect("a name");
        let reply = tried.line(line);
        assert!(
            reply.starts_with(&format!("-ERR unknown command '{name}'")),
            "{reply}"
        );
    }
}
