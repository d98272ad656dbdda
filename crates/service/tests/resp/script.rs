//! A script of commands gets, byte for byte, the replies that Redis itself gives.

use forewarm_infrastructure::testing::RedisServer;

use crate::process::Service;
use crate::raw::{Raw, before, encoded};

pub(crate) const SCRIPT: &str = include_str!("script.txt");

/// The commands of the script, as words.
pub(crate) fn commands() -> Vec<Vec<&'static str>> {
    SCRIPT
        .lines()
        .map(|line| line.split(' ').collect())
        .collect()
}

fn replies(addr: &str, hello: Option<&str>) -> Vec<String> {
    let mut raw = Raw::to(addr);
    if let Some(hello) = hello {
        let greeting = raw.line(hello);
        assert!(greeting.contains("redis"), "{greeting}");
    }
    commands().iter().map(|words| raw.call(words)).collect()
}

fn assert_alike(what: &str, through: &[String], direct: &[String]) {
    for ((line, through), direct) in SCRIPT.lines().zip(through).zip(direct) {
        assert_eq!(through, direct, "{what}: {line}");
    }
    assert_eq!(through.len(), direct.len());
}

/// Two empty servers, one of them behind Forewarm.
pub(crate) fn servers() -> Option<(RedisServer, RedisServer, Service)> {
    let (direct, behind) = (RedisServer::start()?, RedisServer::start()?);
    let service = before(&behind, &[]);
    Some((direct, behind, service))
}

#[test]
fn every_reply_is_the_one_of_redis_in_both_protocols() {
    assert!(commands().len() >= 60);
    for hello in [None, Some("HELLO 3")] {
        let Some((direct, _behind, service)) = servers() else {
            return;
        };
        let direct = replies(&format!("127.0.0.1:{}", direct.port()), hello);
        let through = replies(&service.resp, hello);
        assert_alike(hello.unwrap_or("RESP2"), &through, &direct);
    }
}

#[test]
fn the_whole_script_in_one_write_gets_the_same_replies_in_order() {
    let Some((direct, _behind, service)) = servers() else {
        return;
    };
    let direct = replies(&format!("127.0.0.1:{}", direct.port()), None);
    let mut bytes = Vec::new();
    for words in commands() {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        bytes.extend(encoded(&words));
    }
    let mut raw = Raw::to(&service.resp);
    raw.send_bytes(&bytes);
    let through: Vec<String> = direct.iter().map(|_| raw.read()).collect();
    assert_alike("pipelined", &through, &direct);
}

#[test]
fn a_pipeline_cut_at_any_byte_gets_the_same_replies() {
    let Some((_direct, _behind, service)) = servers() else {
        return;
    };
    let commands: [&[&[u8]]; 5] = [
        &[b"SET", b"k", b"v\r\n1"],
        &[b"GET", b"k"],
        &[b"MGET", b"k", b"missing"],
        &[b"GET", b"k"],
        &[b"PING"],
    ];
    let bytes: Vec<u8> = commands.iter().flat_map(|words| encoded(words)).collect();
    let expected = "+OK\r\n$4\r\nv\r\n1\r\n*2\r\n$4\r\nv\r\n1\r\n$-1\r\n$4\r\nv\r\n1\r\n+PONG\r\n";
    for cut in 0..bytes.len() {
        let mut raw = Raw::to(&service.resp);
        raw.send_bytes(&bytes[..cut]);
        // A whole command is answered before the rest is there; that is the sign to go on.
        let whole = commands.iter().scan(0, |end, words| {
            *end += encoded(words).len();
            Some(*end)
        });
        let early = whole.take_while(|end| *end <= cut).count();
        let mut heard: String = (0..early).map(|_| raw.read()).collect();
        raw.send_bytes(&bytes[cut..]);
        heard.extend((early..commands.len()).map(|_| raw.read()));
        assert_eq!(heard, expected, "cut at {cut}");
    }
}
