//! What a client may send: the parser, the table of commands, the commands of the embedded store.

#![no_main]

use forewarm_service::resp::request::{Limits, fuzz};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for trusted in [true, false] {
        let limits = Limits {
            max_request_bytes: 1 << 20,
            trusted,
        };
        let _ = fuzz(bytes, limits);
    }
});
