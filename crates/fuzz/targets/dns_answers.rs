//! The kernel part's reader of DNS answers (`names_parse.h`) names only addresses that are in the message, each with the
//! TTL that stands before it there: 0 where that has its highest bit set (RFC 2181, 8). The first byte is the length of
//! the question, which comes next.

#![no_main]

use halfopen_policy::answer::{Outcome, Reader};
use libfuzzer_sys::fuzz_target;

/// Whether `window` is type A or AAAA, class IN, a TTL that counts as `ttl_s`, the length and the address, as in a record.
fn is_record(window: &[u8], address: &[u8], ttl_s: u32) -> bool {
    let kind = if address.len() == 4 { 1 } else { 28 };
    let ttl = u32::from_be_bytes([window[4], window[5], window[6], window[7]]);
    window[..4] == [0, kind, 0, 1]
        && (if ttl >> 31 == 1 { 0 } else { ttl }) == ttl_s
        && usize::from(u16::from_be_bytes([window[8], window[9]])) == address.len()
        && window[10..] == *address
}

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first() else { return };
    let Some((question, message)) = rest.split_at_checked(usize::from(*length)) else { return };
    let [read, other] = [0xc0, b'a'].map(|left| Reader::left_full_of(left).read(message, question));
    assert_eq!(read, other, "what an earlier message has left matters");
    assert!(read.steps <= Reader::steps_most(), "{} steps", read.steps);
    assert!(read.outcome == Outcome::Read || read.named.is_empty(), "{read:?}");
    for (address, ttl_s) in &read.named {
        let is_in =
            |bytes: &[u8]| message.windows(10 + bytes.len()).any(|window| is_record(window, bytes, *ttl_s));
        let as_v4 = address.to_ipv4_mapped().is_some_and(|v4| is_in(&v4.octets()));
        assert!(as_v4 || is_in(&address.octets()), "{address}, {ttl_s} s, is not in the message");
    }
});
