use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_request_bytes: 1 << 20,
    trusted: true,
};
const STRANGER: Limits = Limits {
    trusted: false,
    ..LIMITS
};

type Words = Vec<Vec<u8>>;

/// The first command of `bytes`, as words, and how many bytes it took.
fn first(bytes: &[u8]) -> Result<Option<(Words, usize)>, ProtocolError> {
    let mut parser = Parser::default();
    Ok(match parser.parse(bytes, LIMITS)? {
        Progress::Command { end } => {
            let words = parser.arguments(&bytes[..end]).iter();
            Some((words.map(<[u8]>::to_vec).collect(), end))
        }
        Progress::Partial => None,
        Progress::Nothing { end } => Some((Vec::new(), end)),
    })
}

fn encoded(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
    out
}

#[test]
fn an_array_of_bulk_strings_is_a_command_with_binary_arguments() {
    let words = vec![b"SET".to_vec(), b"k\r\n\0".to_vec(), Vec::new()];
    let bytes = encoded(&words);
    assert_eq!(first(&bytes), Ok(Some((words, bytes.len()))));
}

#[test]
fn words_on_a_line_are_a_command_with_quotes_as_in_redis() {
    let check = |line: &str, expected: &[&str]| {
        let (words, end) = first(line.as_bytes()).expect("a request").expect("whole");
        let words: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w)).collect();
        assert_eq!(words, expected, "{line:?}");
        assert_eq!(end, line.len());
    };
    check("PING\r\n", &["PING"]);
    check("  GET   a b\n", &["GET", "a", "b"]);
    check("SET k \"a b\\n\\x41\\\"\"\r\n", &["SET", "k", "a b\nA\""]);
    check("SET k 'it\\'s \\n'\r\n", &["SET", "k", "it's \\n"]);
    check("\r\n", &[]);
    assert_eq!(first(b"SET k \"open\r\n"), Err(ProtocolError::Quotes));
    assert_eq!(first(b"SET k \"a\"b\r\n"), Err(ProtocolError::Quotes));
}

#[test]
fn empty_arrays_mean_nothing_and_are_skipped() {
    assert_eq!(first(b"*0\r\n*1\r\n"), Ok(Some((Vec::new(), 4))));
    assert_eq!(first(b"*-1\r\n"), Ok(Some((Vec::new(), 5))));
}

#[test]
fn what_is_no_request_is_refused_in_redis_words() {
    let check = |bytes: &[u8], expected: &str| {
        let error = first(bytes).expect_err("it is no request");
        assert_eq!(
            error.to_string(),
            expected,
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    };
    check(b"*x\r\n", "invalid multibulk length");
    check(b"*1048577\r\n", "invalid multibulk length");
    check(b"*99999999999999999999\r\n", "invalid multibulk length");
    check(b"*1\r\n$-1\r\n", "invalid bulk length");
    check(b"*1\r\n$1048577\r\n", "invalid bulk length");
    check(b"*1\r\n$ 1\r\n", "invalid bulk length");
    check(b"*1\r\n*1\r\n", "expected '$', got '*'");
    check(b"*1\r\n\x07\r\n", "expected '$', got '?'");
    check(&[b'*'; 70_000], "too big mbulk count string");
    check(
        &[&b"*1\r\n$"[..], &[b'1'; 70_000]].concat(),
        "too big bulk count string",
    );
    check(&[b'x'; 70_000], "too big inline request");
}

#[test]
fn a_stranger_may_only_send_what_a_login_takes() {
    let refused = |bytes: &[u8]| {
        Parser::default()
            .parse(bytes, STRANGER)
            .expect_err("refused")
    };
    assert_eq!(
        refused(b"*11\r\n").to_string(),
        "unauthenticated multibulk length"
    );
    assert_eq!(
        refused(b"*1\r\n$16385\r\n").to_string(),
        "unauthenticated bulk length"
    );
    assert!(
        Parser::default()
            .parse(b"*10\r\n$16384\r\n", STRANGER)
            .is_ok()
    );
}

#[test]
fn a_command_as_a_whole_is_bounded_too() {
    let limits = Limits {
        max_request_bytes: 100_000,
        trusted: true,
    };
    let words = vec![vec![b'x'; 90_000]; 3];
    let error = Parser::default().parse(&encoded(&words), limits);
    assert_eq!(error, Err(ProtocolError::TooLarge { most: 100_000 }));
}

#[test]
fn numbers_are_read_as_redis_reads_them() {
    for (text, expected) in [
        ("0", Some(0)),
        ("-1", Some(-1)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-0", None),
        ("01", None),
        ("+1", None),
        (" 1", None),
        ("1.0", None),
        ("", None),
        ("-", None),
    ] {
        assert_eq!(number(text.as_bytes()), expected, "{text:?}");
    }
}

/// How a stream of commands is cut into reads, and what the parser makes of it.
fn parsed_in_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
    let (mut parser, mut buffer, mut commands) = (Parser::default(), Vec::new(), Vec::new());
    let mut from = 0;
    for &to in cuts.iter().chain([&bytes.len()]) {
        buffer.extend(&bytes[from..to]);
        from = to;
        loop {
            let end = match parser.parse(&buffer, LIMITS)? {
                Progress::Partial => break,
                Progress::Nothing { end } => end,
                Progress::Command { end } => {
                    let words = parser.arguments(&buffer[..end]).iter();
                    commands.push(words.map(<[u8]>::to_vec).collect());
                    end
                }
            };
            buffer.drain(..end);
        }
    }
    Ok(commands)
}

#[test]
fn a_command_cut_in_two_at_any_byte_is_the_same_command() {
    let words = vec![
        b"MSET".to_vec(),
        b"key".to_vec(),
        b"va\r\nlue".to_vec(),
        Vec::new(),
    ];
    let mut bytes = encoded(&words);
    bytes.extend(b"PING \"a b\"\r\n");
    let whole = parsed_in_pieces(&bytes, &[]).expect("requests");
    assert_eq!(whole.len(), 2);
    for cut in 0..=bytes.len() {
        assert_eq!(
            parsed_in_pieces(&bytes, &[cut]).as_ref(),
            Ok(&whole),
            "cut at {cut}"
        );
    }
    let every_byte: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(parsed_in_pieces(&bytes, &every_byte), Ok(whole));
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_commands_cut_anywhere_come_out_as_they_went_in(
        commands in prop::collection::vec(words(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes: Vec<u8> = commands.iter().flat_map(|words| encoded(words)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(parsed_in_pieces(&bytes, &cuts), Ok(commands));
    }

    #[test]
    fn random_bytes_never_panic_and_pieces_say_what_the_whole_says(
        bytes in prop::collection::vec(protocol_byte(), 0..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = parsed_in_pieces(&bytes, &[]);
        let cut = cut.index(bytes.len() + 1);
        prop_assert_eq!(parsed_in_pieces(&bytes, &[cut]), whole);
        let _ = fuzz(&bytes, LIMITS);
        let _ = fuzz(&bytes, STRANGER);
    }
}

/// Bytes of the protocol more often than others, so that something is understood now and then.
fn protocol_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        8 => prop::sample::select(b"*$\r\n0123456789-\"' GETSEVAL".to_vec()),
        1 => any::<u8>(),
    ]
}

#[test]
fn the_parser_holds_nothing_but_places_of_arguments_that_have_come() {
    let mut parser = Parser::default();
    let mut bytes = b"*1000000\r\n".to_vec();
    for _ in 0..1_000 {
        bytes.extend(b"$0\r\n\r\n");
    }
    assert_eq!(parser.parse(&bytes, LIMITS), Ok(Progress::Partial));
    assert!(
        parser.arguments.capacity() < 4_096,
        "announced is not arrived"
    );
}

/// Words that something may stumble over: names, options, numbers at the edges.
fn tricky_word() -> impl Strategy<Value = Vec<u8>> {
    let edges = [
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "99999999999999999999",
        "1e5",
        "-1e-400",
        "inf",
        "nan",
        "0.1",
        "",
        " ",
        "EX",
        "PX",
        "EXAT",
        "PXAT",
        "NX",
        "XX",
        "GT",
        "LT",
        "GET",
        "KEEPTTL",
        "PERSIST",
        "DB",
        "REPLACE",
        "STORE",
        "k",
        "1048576",
        "536870911",
    ];
    prop_oneof![
        6 => prop::sample::select(edges.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let names = crate::resp::embedded::CATALOGUE
        .iter()
        .map(|entry| entry.name);
    let others = [
        "eval",
        "xreadgroup",
        "bitop",
        "zunionstore",
        "lmpop",
        "sort",
        "nosuch",
    ];
    prop::sample::select(names.chain(others).collect::<Vec<_>>())
        .prop_map(|name| name.as_bytes().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn no_words_make_the_command_layer_panic(
        name in name(),
        words in prop::collection::vec(tricky_word(), 0..7),
    ) {
        let command: Vec<Vec<u8>> = std::iter::once(name).chain(words).collect();
        prop_assert_eq!(fuzz(&encoded(&command), LIMITS), Ok(1));
    }
}

#[test]
fn the_corpus_of_the_fuzzers_is_read_whole_and_cut_at_every_byte() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/request");
    let mut seen = 0;
    for file in std::fs::read_dir(corpus).expect("the corpus") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("it can be read");
        for limits in [LIMITS, STRANGER] {
            let _ = fuzz(&bytes, limits);
        }
        let whole = parsed_in_pieces(&bytes, &[]);
        for cut in 0..=bytes.len() {
            assert_eq!(parsed_in_pieces(&bytes, &[cut]), whole, "cut at {cut}");
        }
        seen += 1;
    }
    assert!(seen >= 10, "{seen} files");
}
