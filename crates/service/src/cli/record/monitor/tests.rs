//! Text as Redis prints it.

use forewarm_domain::Op;
use tokio::sync::mpsc::channel;

use super::*;

type Seen = (u64, String, Op, u16);

fn collect(
    read: impl FnOnce(&Sender<Message>) -> Result<(), Failure>,
) -> (Vec<Seen>, Counts, bool) {
    let (to, mut messages) = channel(10_000);
    let ended = read(&to).is_ok();
    drop(to);
    let (mut lines, mut counts) = (Vec::new(), Counts::default());
    while let Ok(message) = messages.try_recv() {
        match message {
            Message::Counts(told) => counts = told,
            Message::Lines(some) => lines.extend(some.into_iter().map(|line| {
                let key = line.key.escape_ascii().to_string();
                (line.at.as_micros(), key, line.op, line.database)
            })),
            Message::Failed(_) => unreachable!("a reader returns its failure"),
        }
    }
    (lines, counts, ended)
}

fn monitored(text: &str) -> (Vec<Seen>, Counts) {
    let (lines, counts, ended) = collect(|to| monitor(BufReader::new(text.as_bytes()), to));
    assert!(ended);
    (lines, counts)
}

fn seen(at: u64, key: &str, op: Op, database: u16) -> Seen {
    (at, key.to_owned(), op, database)
}

#[test]
fn reads_and_writes_of_a_monitored_server_become_lines_and_the_rest_does_not() {
    let (lines, counts) = monitored(concat!(
        "OK\n",
        "1700000000.000100 [0 127.0.0.1:5] \"GET\" \"price:eth:a\"\n",
        "1700000000.000200 [3 127.0.0.1:5] \"mset\" \"k\" \"1\" \"l\" \"2\"\n",
        "1700000000.5 [0 lua] \"set\" \"q\\\"\\\\\\xff\\n\" \"a b\"\n",
        "1700000001.000000 [0 unix:/tmp/s] \"PING\"\n",
        "1700000001.000000 [0 127.0.0.1:5] \"HGETALL\" \"h\"\n",
        "1700000001.000001 [0 127.0.0.1:5] \"MGET\" \"x\" \"y\"\n",
        "1700000001.000002 [0 127.0.0.1:5] \"SOME.MODULE\" \"x\"\n",
        "1700000001.000003 [0 127.0.0.1:5] \"GET\" \"no end\n",
        "what is this\n",
    ));
    let base = 1_700_000_000_000_000;
    let expected = [
        seen(base + 100, "price:eth:a", Op::Read, 0),
        seen(base + 200, "k", Op::Update, 3),
        seen(base + 200, "l", Op::Update, 3),
        seen(base + 500_000, r#"q\"\\\xff\n"#, Op::Update, 0),
        seen(base + 1_000_001, "x", Op::Read, 0),
        seen(base + 1_000_001, "y", Op::Read, 0),
    ];
    assert_eq!(lines, expected);
    assert_eq!((counts.bad, counts.unplaced), (2, 1));
}

#[test]
fn monitors_text_is_told_from_a_recording() {
    for yes in ["OK\r\n", "OK\n17", "1.5 [0 1.2.3.4:5] \"PING\"\n"] {
        assert!(is_monitor(yes.as_bytes()), "{yes:?}");
    }
    for no in [
        "ts_ms,pair\n1,a\n",
        "{\"ts_ms\":1}",
        "",
        "1,a [b] c\n",
        "OKAY,pair\n",
    ] {
        assert!(!is_monitor(no.as_bytes()), "{no:?}");
    }
}

fn appended(text: &[u8], piece: usize) -> (Vec<Seen>, Counts, bool) {
    let clock = Clock::start();
    collect(|to| append_only(BufReader::with_capacity(piece, text), &clock, to))
}

const FILE: &[u8] = b"#TS:1700000000\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n\
*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n1\r\n#\r\n#TS:1700000007\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n";

#[test]
fn an_append_only_file_is_read_in_pieces_of_any_size_with_its_times_and_databases() {
    let expected = vec![
        seen(1_700_000_000_000_000, "a", Op::Update, 2),
        seen(1_700_000_007_000_000, "b", Op::Update, 2),
    ];
    for piece in [1, 2, 7, 64, 4_096] {
        let (lines, counts, ended) = appended(FILE, piece);
        assert!(ended);
        assert_eq!(lines, expected, "in pieces of {piece}");
        assert!(!counts.untimed);
    }
}

#[test]
fn a_file_that_is_cut_off_keeps_what_was_whole_and_says_so() {
    let (lines, _, ended) = appended(&FILE[..FILE.len() - 3], 64);
    assert!(!ended);
    assert_eq!(lines.len(), 1);
    let (lines, counts, ended) = appended(b"*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n", 64);
    assert!(ended && counts.untimed && lines.len() == 1);
}
