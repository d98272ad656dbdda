use super::*;
use proptest::prelude::*;

/// The first reply of `bytes`: its length when it is whole.
fn length(bytes: &[u8]) -> Option<usize> {
    let seen = Scanner::default().advance(bytes).expect("a reply");
    seen.whole.then_some(seen.taken)
}

#[test]
fn every_kind_of_reply_ends_where_it_ends() {
    for reply in [
        "+OK\r\n",
        "-ERR no\r\n",
        ":-12\r\n",
        "$5\r\nab\r\nc\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
        "_\r\n",
        "#t\r\n",
        ",3.14\r\n",
        "(3492890328409238509324850943850943825024385\r\n",
        "=7\r\ntxt:abc\r\n",
        "!3\r\nERR\r\n",
        "~2\r\n+a\r\n+b\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
        ">3\r\n+message\r\n+ch\r\n+x\r\n",
        "|1\r\n+ttl\r\n:9\r\n*1\r\n:7\r\n",
    ] {
        let more = [reply.as_bytes(), b"+NEXT\r\n"].concat();
        assert_eq!(length(&more), Some(reply.len()), "{reply:?}");
        for cut in 0..reply.len() {
            let mut scanner = Scanner::default();
            let first = scanner.advance(&reply.as_bytes()[..cut]).expect("a reply");
            assert!(!first.whole, "{reply:?} cut at {cut}");
            let rest = scanner.advance(&more[first.taken..]).expect("a reply");
            assert!(rest.whole, "{reply:?} cut at {cut}");
            assert_eq!(
                first.taken + rest.taken,
                reply.len(),
                "{reply:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn deep_nesting_costs_a_counter() {
    let mut deep = b"*1\r\n".repeat(1_000_000);
    deep.extend(b":1\r\n");
    assert_eq!(length(&deep), Some(deep.len()));
}

#[test]
fn lengths_that_cannot_be_do_not_overflow() {
    for reply in [
        "*9223372036854775807\r\n",
        "%9223372036854775807\r\n",
        "$9223372036854775807\r\n",
    ] {
        assert_eq!(length(reply.as_bytes()), None, "{reply}");
    }
    assert!(Scanner::default().advance(b"$x\r\n").is_err());
    assert!(Scanner::default().advance(b"HTTP/1.1 400\r\n").is_err());
    assert!(Scanner::default().advance(b"\r\n").is_err());
}

#[test]
fn a_confirmation_is_read_from_either_protocol() {
    for kind in ["*", ">"] {
        let reply = format!("{kind}3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n");
        let expected = vec![&b"subscribe"[..], b"ch", b"1"];
        assert_eq!(texts(reply.as_bytes()), Some(expected));
    }
    assert_eq!(
        texts(b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n").unwrap()[2],
        b"0"
    );
    assert_eq!(texts(b"+PONG\r\n"), None);
    assert_eq!(texts(b"*2\r\n$4\r\npo"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_bytes_never_panic_and_pieces_say_what_the_whole_says(
        bytes in prop::collection::vec(
            prop_oneof![
                8 => prop::sample::select(b"*$%~>|+-:=_#\r\n0123456789".to_vec()),
                1 => any::<u8>(),
            ],
            0..120,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = Scanner::default().advance(&bytes);
        let cut = cut.index(bytes.len() + 1);
        let mut scanner = Scanner::default();
        let pieces = scanner.advance(&bytes[..cut]).and_then(|first| {
            if first.whole {
                return Ok(first);
            }
            let second = scanner.advance(&bytes[first.taken..])?;
            Ok(Seen { taken: first.taken + second.taken, ..second })
        });
        prop_assert_eq!(pieces, whole);
        let _ = texts(&bytes);
    }
}

#[test]
fn the_corpus_of_the_fuzzers_ends_where_it_ends_however_it_is_cut() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/reply");
    let mut seen_files = 0;
    for file in std::fs::read_dir(corpus).expect("the corpus") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("it can be read");
        let _ = texts(&bytes);
        let whole = Scanner::default().advance(&bytes);
        for cut in 0..bytes.len() {
            let mut scanner = Scanner::default();
            let Ok(first) = scanner.advance(&bytes[..cut]) else {
                assert!(whole.is_err(), "{path:?} cut at {cut}");
                continue;
            };
            if first.whole {
                continue;
            }
            let second = scanner.advance(&bytes[first.taken..]);
            match (&whole, second) {
                (Ok(whole), Ok(second)) => {
                    let taken = first.taken + second.taken;
                    assert_eq!(
                        (whole.whole, whole.taken),
                        (second.whole, taken),
                        "{path:?}"
                    );
                }
                (whole, second) => assert_eq!(whole.is_err(), second.is_err(), "{path:?}"),
            }
        }
        seen_files += 1;
    }
    assert!(seen_files >= 10, "{seen_files} files");
}
