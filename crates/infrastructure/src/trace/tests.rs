use std::fs;
use std::io::Write;

use bytes::Bytes;
use forewarm_domain::{ChainId, Op, PairName, Timestamp, Version};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn open(path: &Path, skip_bad_lines: bool) -> Result<TraceReader, TraceError> {
    TraceReader::open(path, &KeyCodec::default(), skip_bad_lines)
}

fn read(text: impl AsRef<[u8]>) -> Result<Vec<TraceEvent>, TraceError> {
    let folder = Folder::new();
    open(&folder.file("trace.csv", text), false)?.collect()
}

/// The message of the error that `text` must give, with the file's folder left out.
fn refused(text: impl AsRef<[u8]>) -> String {
    let error = read(text).expect_err("must be refused");
    let message = error.to_string();
    let at = message.find("trace.csv").expect("names the file");
    message[at..].to_owned()
}

fn key_texts(events: &[TraceEvent]) -> Vec<String> {
    events
        .iter()
        .map(|e| String::from_utf8_lossy(e.key.bytes()).into_owned())
        .collect()
}

const REFERENCE_FRAME: [u8; 27] = [
    0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x71, 0x00, 0x00, 0x74, 0x73, 0x5f, 0x6d, 0x73, 0x2c, 0x6b,
    0x65, 0x79, 0x0a, 0x31, 0x2c, 0x61, 0x0a, 0x3f, 0xe5, 0x59, 0x13,
];

fn zst_frame(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

const ARBITRAGE: &str = "\
ts_ms,chain,pair,op
1650412853000,Ethereum,Uniswap:APE/WETH,update
1650412853003,ethereum,uniswap:ape/weth,read
1650412853003,,Sushi:X,
";

#[test]
fn pairs_go_through_the_template_and_an_empty_op_is_an_access() {
    let events = read(ARBITRAGE).unwrap();
    assert_eq!(
        key_texts(&events),
        [
            "price:ethereum:uniswap:ape/weth",
            "price:ethereum:uniswap:ape/weth",
            "price:default:sushi:x"
        ]
    );
    let ops: Vec<Op> = events.iter().map(|e| e.op).collect();
    assert_eq!(ops, [Op::Update, Op::Read, Op::Access]);
    assert_eq!(events[1].at, Timestamp::from_millis(1_650_412_853_003));
    let codec = KeyCodec::default();
    let expected = codec.key(&PairName::new("ethereum", "uniswap:ape/weth").unwrap());
    assert_eq!(events[0].key, expected);
}

#[test]
fn a_key_column_is_exact_bytes_in_database_0() {
    let events = read(b"key,ts_ms\nFoo,1\n\xff\x00,2\nprice:bsc:0xab,3\n").unwrap();
    assert_eq!(events[0].key.bytes(), "Foo");
    assert_eq!(events[0].key.chain(), ChainId::DEFAULT);
    assert_eq!(events[1].key.bytes().as_ref(), b"\xff\x00");
    assert_ne!(
        events[2].key.chain(),
        ChainId::DEFAULT,
        "the template's chain is read"
    );
    assert!(
        events
            .iter()
            .all(|e| e.key.database() == 0 && e.op == Op::Access)
    );
}

#[test]
fn every_column_is_read_whatever_their_order_line_ends_quotes_and_blank_lines() {
    let text = "\u{feff}size,note,value,version,op,pair,ts_ms\r\n\
        \r\n\
        12,x,\"{\"\"a\"\":1,\n\"\"b\"\":2}\",7,update,\"A,B\",5\r\n\
        ,y,,,read,c,6";
    let events = read(text).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        events[0].value,
        Some(Bytes::from_static(b"{\"a\":1,\n\"b\":2}"))
    );
    assert_eq!(events[0].version, Some(Version(7)));
    assert_eq!(events[0].size, Some(12));
    assert_eq!(events[0].key.bytes(), "price:default:a,b");
    assert_eq!(
        (events[1].value.clone(), events[1].version, events[1].size),
        (None, None, None)
    );
}

#[test]
fn ndjson_says_the_same_as_csv() {
    let lines = r#"
{"ts_ms":1650412853000,"chain":"Ethereum","pair":"Uniswap:APE/WETH","op":"update"}
{"ts_ms":1650412853003,"pair":"uniswap:ape\/weth","chain":"ethereum","op":"read","extra":[1]}
{"ts_ms":1650412853003,"pair":"Sushi:X"}"#;
    assert_eq!(read(lines).unwrap(), read(ARBITRAGE).unwrap());

    let whole = read(r#"{"ts_ms":1,"key":"k","version":3,"value":"v","size":9}"#).unwrap();
    let event = &whole[0];
    assert_eq!(
        (event.version, event.value.clone(), event.size),
        (Some(Version(3)), Some(Bytes::from_static(b"v")), Some(9))
    );
}

#[test]
fn compression_is_told_by_the_bytes_and_not_by_the_name() {
    let folder = Folder::new();
    let columns = TraceColumns {
        naming: Naming::Pairs,
        version: true,
        value: true,
    };
    let mut sizes = Vec::new();
    for name in ["a.csv", "a.csv.gz", "a.csv.zst"] {
        let path = folder.0.path().join(name);
        let mut writer = TraceWriter::create(&path, columns).unwrap();
        for n in 0..5_000_u64 {
            let line = TraceLine {
                at: Timestamp::from_millis(n),
                chain: "bsc",
                name: b"a,\"b\"",
                op: if n % 2 == 0 { Op::Update } else { Op::Access },
                version: (n % 2 == 0).then_some(Version(n)),
                value: (n % 2 == 0).then_some(b"two\nlines"),
            };
            writer.write(&line).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), 5_000);
        let bytes = fs::read(&path).unwrap();
        sizes.push(bytes.len());

        let misnamed = folder.file("misnamed.txt", &bytes);
        let mut reader = open(&misnamed, false).unwrap();
        assert_eq!(reader.bytes_total(), Some(bytes.len() as u64));
        let events: Vec<TraceEvent> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(reader.bytes_read(), bytes.len() as u64);
        assert_eq!(events.len(), 5_000);
        assert_eq!(events[4_998].key.bytes(), "price:bsc:a,\"b\"");
        assert_eq!(events[4_998].value, Some(Bytes::from_static(b"two\nlines")));
        assert_eq!(events[4_998].version, Some(Version(4_998)));
        assert_eq!(
            (events[4_999].op, &events[4_999].value),
            (Op::Access, &None)
        );
    }
    assert!(
        sizes[1] < sizes[0] / 5 && sizes[2] < sizes[0] / 5,
        "{sizes:?}"
    );
}

#[test]
fn concatenated_members_and_frames_are_one_recording() {
    let folder = Folder::new();
    let gz = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zst = |text: &str| zst_frame(text.as_bytes());
    for two in [
        [gz("ts_ms,key\n1,a\n"), gz("2,b\n")].concat(),
        [zst("ts_ms,key\n1,a\n"), zst("2,b\n")].concat(),
    ] {
        let path = folder.file("two", two);
        assert_eq!(open(&path, false).unwrap().map(Result::unwrap).count(), 2);
    }
}

#[test]
fn a_zstd_files_skippable_frames_are_passed_over_and_its_checksum_is_compared() {
    // By the reference tool: `printf 'ts_ms,key\n1,a\n' | zstd --check`.
    let with_checksum = REFERENCE_FRAME;
    let skippable = [
        &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9],
        with_checksum.as_slice(),
    ]
    .concat();
    let folder = Folder::new();
    let whole = [
        with_checksum.as_slice(),
        &skippable[..11],
        &zst_frame(b"2,b\n"),
    ]
    .concat();
    let events = open(&folder.file("t", whole), false).unwrap();
    assert_eq!(events.map(Result::unwrap).count(), 2);

    let mut damaged = with_checksum.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let error = open(&folder.file("t", damaged), true).and_then(|reader| reader.last().transpose());
    assert!(matches!(error, Err(TraceError::Read { .. })), "{error:?}");
}

#[test]
fn keys_are_written_exactly() {
    let folder = Folder::new();
    let path = folder.0.path().join("keys.csv");
    let columns = TraceColumns {
        naming: Naming::Keys,
        version: false,
        value: false,
    };
    let mut writer = TraceWriter::create(&path, columns).unwrap();
    let line = TraceLine {
        at: Timestamp::from_micros(1_999),
        chain: "ignored",
        name: b"Foo\r\xfe",
        op: Op::Read,
        version: Some(Version(1)),
        value: None,
    };
    writer.write(&line).unwrap();
    writer.finish().unwrap();
    assert_eq!(
        fs::read(&path).unwrap(),
        b"ts_ms,key,op\n1,\"Foo\r\xfe\",read\n"
    );
    let events: Vec<_> = open(&path, false).unwrap().map(Result::unwrap).collect();
    assert_eq!(events[0].key.bytes().as_ref(), b"Foo\r\xfe");
}

#[test]
fn every_malformed_line_names_file_line_column_and_text() {
    let cases: [(&[u8], &str); 16] = [
        (
            b"",
            "line 1: the recording is empty, expected a header such as `ts_ms,pair`",
        ),
        (
            b"time,pair\n1,a\n",
            "line 1: the header has no column `ts_ms`, found \"time,pair\"",
        ),
        (
            b"ts_ms,chain\n",
            "line 1: the header has no column `pair`, found \"ts_ms,chain\"",
        ),
        (
            b"ts_ms,pair,key\n",
            "line 1: the header names both `pair` and `key`, expected one of them, once",
        ),
        (
            b"ts_ms,pair,ts_ms\n",
            "line 1: the header names both `ts_ms` and `ts_ms`, expected one of them, once",
        ),
        (
            b"ts_ms,pair\n1,a\n\n1,a,b\n",
            "line 4: expected 2 fields, found 3 in \"1,a,b\"",
        ),
        (
            b"ts_ms,pair\r\n1,a\r\n-1,a\r\n",
            "line 3: column `ts_ms`: expected a whole number up to 18446744073709551, found \"-1\"",
        ),
        (
            b"ts_ms,pair\n18446744073709552,a\n",
            "line 2: column `ts_ms`: expected a whole number up to 18446744073709551, found \"18446744073709552\"",
        ),
        (
            b"ts_ms,pair,size\n1,a,4294967296\n",
            "line 2: column `size`: expected a whole number up to 4294967295, found \"4294967296\"",
        ),
        (
            b"ts_ms,pair,op\n1,a,write\n",
            "line 2: column `op`: expected update, read or nothing, found \"write\"",
        ),
        (
            b"ts_ms,pair\n1,a\xff\n",
            "line 2: column `pair`: not UTF-8: \"a\u{fffd}\"",
        ),
        (
            b"ts_ms,pair\n1,\n",
            "line 2: column `pair`: the address of the pair is empty, found \"\"",
        ),
        (b"ts_ms,key\n1,\n", "line 2: column `key` is empty"),
        (
            b"ts_ms,key,value\n1,a,\"x\ny\"\n2,b,\"open\nend\n",
            "line 4: a quote is left open to the end of the file, in \"2,b,\\\"open\\nend\\n\"",
        ),
        (
            b"{\"pair\":\"a\"}\n",
            "line 1: no field `ts_ms` in \"{\\\"pair\\\":\\\"a\\\"}\"",
        ),
        (
            b"{\"ts_ms\":1,\"key\":\"a\"}\n{\"ts_ms\":\"1\"}",
            "line 2: column 12: invalid type: string \"1\", expected u64, in \"{\\\"ts_ms\\\":\\\"1\\\"}\"",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text), format!("trace.csv, {expected}"));
    }
}

#[test]
fn a_message_repeats_at_most_80_characters() {
    let message = refused(format!("ts_ms,pair,op\n1,a,{}\n", "é".repeat(500)));
    assert!(
        message.ends_with(&format!("found \"{}…\"", "é".repeat(80))),
        "{message}"
    );
}

#[test]
fn reading_stops_at_the_first_bad_line_or_counts_them() {
    let folder = Folder::new();
    let path = folder.file("t.csv", "ts_ms,key\n1,a\nx,b\n2,c\n3\n4,d\n");

    let mut strict = open(&path, false).unwrap();
    assert!(strict.next().unwrap().is_ok());
    assert!(matches!(
        strict.next(),
        Some(Err(TraceError::Line { line: 3, .. }))
    ));
    assert!(strict.next().is_none());

    let mut lenient = open(&path, true).unwrap();
    let events: Vec<TraceEvent> = lenient.by_ref().map(Result::unwrap).collect();
    assert_eq!(key_texts(&events), ["a", "c", "d"]);
    assert_eq!(lenient.skipped(), 2);
}

#[test]
fn a_line_of_megabytes_is_refused_in_bounded_memory_and_can_be_skipped() {
    let folder = Folder::new();
    let long = "x".repeat(5 * MAX);
    const MAX: usize = lines::MAX_LINE_BYTES;
    let path = folder.file("t.csv", format!("ts_ms,key\n1,a\n2,{long}\n3,c\n"));
    assert!(matches!(
        open(&path, false).unwrap().nth(1),
        Some(Err(TraceError::Line {
            line: 3,
            problem: LineProblem::TooLong,
            ..
        }))
    ));
    let mut reader = open(&path, true).unwrap();
    let events: Vec<TraceEvent> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(
        (key_texts(&events), reader.skipped()),
        (vec!["a".into(), "c".into()], 1)
    );
    assert!(
        reader.lines.memory_bytes() <= 2 * MAX,
        "{}",
        reader.lines.memory_bytes()
    );

    let just_fits = "x".repeat(MAX - 2);
    let path = folder.file("t.csv", format!("ts_ms,key\n1,{just_fits}\n2,b\n"));
    assert_eq!(open(&path, false).unwrap().map(Result::unwrap).count(), 2);
    // A quote that is never closed must not swallow a file into memory either.
    let path = folder.file(
        "t.csv",
        format!("ts_ms,key\n1,\"a\n{}", "2,b\n".repeat(MAX)),
    );
    assert!(matches!(
        open(&path, false).unwrap().next(),
        Some(Err(TraceError::Line {
            line: 2,
            problem: LineProblem::TooLong,
            ..
        }))
    ));
}

#[test]
fn a_cut_off_gzip_or_zstd_file_is_an_error_even_when_bad_lines_are_skipped() {
    let folder = Folder::new();
    let text = format!("ts_ms,key\n{}", "1,a\n2,b\n".repeat(200_000));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let gz = encoder.finish().unwrap();
    let zst = zst_frame(text.as_bytes());
    for whole in [gz, zst] {
        let path = folder.file("cut", &whole[..whole.len() - 9]);
        let last = open(&path, true).and_then(|reader| reader.last().transpose());
        let error = last.expect_err("the end is missing");
        assert!(matches!(error, TraceError::Read { .. }), "{error}");
        assert!(error.to_string().contains("cut past line"), "{error}");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let folder = Folder::new();
    for path in [
        folder.0.path().join("absent.csv"),
        folder.0.path().to_owned(),
    ] {
        let error = open(&path, false).expect_err("nothing to read");
        assert!(matches!(&error, TraceError::Open { path: named, .. } if *named == path));
    }
}

#[test]
fn a_repeated_name_shares_its_bytes_and_two_names_never_a_key() {
    let events = read("ts_ms,chain,pair\n1,ab,c\n2,a,bc\n3,ab,c\n").unwrap();
    assert_eq!(
        events[0].key.bytes().as_ptr(),
        events[2].key.bytes().as_ptr()
    );
    assert_ne!(events[0].key, events[1].key);
    assert_ne!(events[0].key.chain(), events[1].key.chain());
}

#[test]
fn our_own_recordings_are_read_whole() {
    let Some(folder) = std::env::var_os("FOREWARM_TRACES") else {
        return;
    };
    let path = Path::new(&folder).join("dex_arb_dev.csv.gz");
    let events: Vec<TraceEvent> = open(&path, false).unwrap().map(Result::unwrap).collect();
    assert_eq!(events.len(), 290_636);
    assert_eq!(events.iter().filter(|e| e.op == Op::Update).count(), 18_188);
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read_back(
        lines in proptest::collection::vec((0..1_u64 << 40, ".{1,12}", 0..3_usize, ".{0,20}"), 1..40)
    ) {
        let folder = Folder::new();
        let path = folder.0.path().join("t.csv");
        let columns = TraceColumns { naming: Naming::Keys, version: false, value: true };
        let mut writer = TraceWriter::create(&path, columns).unwrap();
        let op = |n: usize| [Op::Update, Op::Read, Op::Access][n];
        for (ms, name, n, value) in &lines {
            let at = Timestamp::from_millis(*ms);
            let (name, value) = (name.as_bytes(), Some(value.as_bytes()));
            writer.write(&TraceLine { at, chain: "", name, op: op(*n), version: None, value }).unwrap();
        }
        writer.finish().unwrap();
        let events: Vec<TraceEvent> = open(&path, false).unwrap().map(Result::unwrap).collect();
        proptest::prop_assert_eq!(events.len(), lines.len());
        for (event, (ms, name, n, value)) in events.iter().zip(&lines) {
            proptest::prop_assert_eq!(event.at.as_millis(), *ms);
            proptest::prop_assert_eq!(event.key.bytes().as_ref(), name.as_bytes());
            proptest::prop_assert_eq!(event.op, op(*n));
            proptest::prop_assert_eq!(event.value.as_deref().unwrap_or_default(), value.as_bytes());
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let folder = Folder::new();
        let heads: [&[u8]; 4] = [b"ts_ms,key,value\n", b"{", &REFERENCE_FRAME[..6], &[0x1f, 0x8b, 8, 0]];
        for head in heads {
            let path = folder.file("t", [head, &bytes].concat());
            if let Ok(reader) = open(&path, true) {
                let _ = reader.count();
            }
        }
    }
}
