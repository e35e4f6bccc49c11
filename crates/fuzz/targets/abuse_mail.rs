//! Whatever a mail is, each of its lines is a connect, is listed as not used, or has no address.

#![no_main]

use halfopen::abuse_mail::Mail;
use halfopen::utc_time::UtcTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mail = Mail::read(text, UtcTime::EPOCH);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert_eq!(mail.connects.len() + mail.unread.len() + mail.others, lines);
});
