use super::*;
use crate::resp::request::{Limits, Parser, Progress};

/// The keys that a command line writes.
fn written(line: &str) -> Vec<String> {
    let limits = Limits {
        max_request_bytes: 1 << 20,
        trusted: true,
    };
    let (mut parser, line) = (Parser::default(), format!("{line}\r\n"));
    let progress = parser.parse(line.as_bytes(), limits).expect("a request");
    assert!(matches!(progress, Progress::Command { .. }));
    let arguments = parser.arguments(line.as_bytes());
    let keys = find(arguments.get(0).expect("a name")).written_keys(arguments);
    keys.map(|key| String::from_utf8_lossy(key).into_owned())
        .collect()
}

#[test]
fn the_keys_that_a_command_writes_are_known() {
    let check = |line: &str, expected: &str| {
        assert_eq!(written(line).join(" "), expected, "{line}");
    };
    check("SET k v EX 10", "k");
    check("mset a 1 b 2", "a b");
    check("DEL a b c", "a b c");
    check("RENAME a b", "a b");
    check("COPY a b REPLACE", "b");
    check("BITOP AND dest a b", "dest");
    check("EVAL script 2 a b c d", "a b");
    check("EVALSHA sha 0 x", "");
    check("FCALL f 1 k arg", "k");
    check("EVAL script 99 a b", "a b");
    check("EVAL script -1 a", "");
    check("EVAL", "");
    check("LMPOP 2 a b LEFT", "a b");
    check("BZMPOP 0 2 a b MIN", "a b");
    check("BLPOP a b 0", "a b");
    check("BLMOVE a b LEFT RIGHT 0", "a b");
    check("ZUNIONSTORE d 2 a b", "d");
    check("HSET h f v", "h");
    check("XADD s * f v", "s");
    check("XGROUP CREATE s g $", "s");
    check("SETBIT k 7 1", "k");
    check("MIGRATE h p k 0 100", "h p k 0 100");
    check("SORT l STORE d", "l STORE d");
    check("LRANGE l 0 -1", "");
    check("GET k", "");
    check("PING", "");
}

#[test]
fn every_argument_of_a_command_nobody_knows_may_be_a_key_that_it_writes() {
    let keys = written("JSON.SET doc $ 1");
    assert_eq!(keys, ["doc", "$", "1"]);
    let name = "X".repeat(LONGEST_NAME + 1);
    assert_eq!(written(&format!("{name} k")), ["k"]);
}

#[test]
fn case_does_not_matter() {
    assert_eq!(find(b"gEt"), Command::Cached(Cached::Get));
    assert_eq!(find(b"forewarm.explain"), Command::Own(Own::Explain));
    assert_eq!(find(b"monitor"), Command::Refused);
}
