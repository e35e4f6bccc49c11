//! A log of Zeek or Suricata is read to its end whatever is in it, and its attempts add up.

#![no_main]

use halfopen_fuzz::replayed;
use libfuzzer_sys::fuzz_target;

/// A header of Zeek's, after which records are read.
const HEADER: &[u8] =
    b"#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\tconn_state\torig_pkts\n";

fuzz_target!(|bytes: &[u8]| {
    replayed(bytes);
    replayed(&[b"{}\n", bytes].concat());
    replayed(&[HEADER, bytes].concat());
});
