//! What L2 may answer: the scanner finds the same end however the bytes are cut.

#![no_main]

use forewarm_service::resp::frame::{Scanner, texts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = texts(bytes);
    let whole = Scanner::default().advance(bytes);
    // In two pieces, cut at a place that the bytes choose.
    let cut = bytes.first().map_or(0, |first| usize::from(*first) % bytes.len());
    let mut scanner = Scanner::default();
    let Ok(first) = scanner.advance(&bytes[..cut]) else {
        return assert!(whole.is_err());
    };
    if first.whole {
        return;
    }
    let second = scanner.advance(&bytes[first.taken..]);
    match (whole, second) {
        (Ok(whole), Ok(second)) => {
            assert_eq!(whole.whole, second.whole);
            assert_eq!(whole.taken, first.taken + second.taken);
        }
        (whole, second) => assert_eq!(whole.is_err(), second.is_err()),
    }
});
