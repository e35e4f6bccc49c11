//! A recording of halfopen's own is read to its end whatever is in it, its attempts add up, and a record that was read is
//! written as the same record.

#![no_main]

use halfopen_fuzz::replayed;
use halfopen_replay::trace::{HEADER, MAGIC, Next, Record, VERSION, decode, encoded, next};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    replayed(bytes);
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = VERSION;
    // Nobody who only changes bytes finds a checksum: these bytes are the content of a record.
    let Ok(record) = decode(bytes) else { return };
    replayed(&[&header, bytes].concat());
    if record == Record::Unknown {
        return;
    }
    let written = encoded(&record);
    let Next::Whole(content, length) = next(&written) else { panic!("{record:?} is written as no record") };
    assert_eq!((decode(content), length), (Ok(record), written.len()));
    replayed(&[&header, written.as_slice()].concat());
});
