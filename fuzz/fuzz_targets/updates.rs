//! See `forewarm_infrastructure::testing::hostile::updates`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    forewarm_infrastructure::testing::hostile::updates(bytes);
});
