//! A capture is read to its end whatever is in it, and its attempts add up.

#![no_main]

use halfopen_fuzz::replayed;
use libfuzzer_sys::fuzz_target;

/// What a file begins with: without that, it is no capture.
const BEGINNINGS: [&[u8]; 5] =
    [b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x34\xcd\xb2\xa1", b"\x0a\x0d\x0d\x0a"];

fuzz_target!(|bytes: &[u8]| {
    replayed(bytes);
    // What libFuzzer has found for one form may say something in another.
    if let Some((which, rest)) = bytes.split_first() {
        let beginning = BEGINNINGS[usize::from(*which) % BEGINNINGS.len()];
        replayed(&[beginning, rest.get(beginning.len()..).unwrap_or_default()].concat());
    }
});
