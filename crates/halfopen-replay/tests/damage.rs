//! Damaged and cut-off recordings: what is whole is read, and the rest is counted with its place.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_replay::InputError;
use halfopen_replay::input::Input;
use proptest::prelude::*;
use recording::{Captured, Ends, Form, Link, MS, SECOND, ZERO, gzip, input, read, zstd};
use std::io::Cursor;
use std::path::Path;

fn packets(count: u16) -> Vec<Captured> {
    let ends = |number| Ends::new("192.0.2.1", number, "198.51.100.7", 443);
    (0..count).map(|number| ends(number).syn(ZERO + u64::from(number) * MS)).collect()
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_read_up_to_there() {
    for form in Form::ALL {
        let whole = form.file(Link::Ethernet, &packets(3));
        let (all, _) = read(whole.clone());
        let beginning = form.beginning(Link::Ethernet).len();
        let each = (whole.len() - beginning) / 3;
        for end in beginning..whole.len() {
            let (found, counts) = read(whole[..end].to_vec());
            let complete = (end - beginning) / each;
            assert_eq!(found, all[..complete], "{form:?}, {end}");
            assert_eq!(
                (counts.is_cut_off, counts.damaged),
                ((end - beginning) % each != 0, 0),
                "{form:?}, {end}"
            );
        }
    }
}

#[test]
fn after_a_damaged_record_reading_goes_on() {
    for form in Form::ALL {
        let all = packets(9);
        let beginning = form.beginning(Link::Ethernet);
        let mut file = beginning.clone();
        for (number, captured) in all.iter().enumerate() {
            let mut record = form.packet(Link::Ethernet, captured, usize::MAX);
            if number == 4 {
                // Its length.
                let at = if matches!(form, Form::Pcap { .. }) { 8 } else { 4 };
                record[at..at + 4].fill(0xee);
            }
            file.extend(record);
        }
        let each = (file.len() - beginning.len()) / 9;
        let (found, counts) = read(file);
        assert_eq!(found.len(), 8, "{form:?}");
        assert_eq!((counts.damaged, counts.is_cut_off), (1, false), "{form:?}: {counts:?}");
        assert_eq!(counts.damage[0].offset, (beginning.len() + 4 * each) as u64, "{form:?}");
    }
}

#[test]
fn a_damaged_time_spoils_no_other() {
    for form in Form::ALL {
        for damaged in [0, 4, 8] {
            let mut file = form.file(Link::Ethernet, &packets(9));
            let beginning = form.beginning(Link::Ethernet).len();
            let each = (file.len() - beginning) / 9;
            // Its seconds, or their upper half.
            let at = beginning + damaged * each + if matches!(form, Form::Pcap { .. }) { 0 } else { 12 };
            for byte in 0..4 {
                let was = std::mem::replace(&mut file[at + byte], 0);
                let (found, counts) = read(file.clone());
                assert!(found.len() >= 8, "{form:?}, {damaged}, {byte}: {} of 9, {counts:?}", found.len());
                file[at + byte] = was;
            }
        }
    }
}

#[test]
fn a_damaged_packet_in_a_whole_record_is_counted_alone() {
    let mut all = packets(3);
    // An IPv4 header of four bytes.
    all[1].packet[0] = 0x41;
    let (found, counts) = read(recording::PLAIN.file(Link::Ethernet, &all));
    assert_eq!((found.len(), counts.damaged, counts.damage.len()), (2, 1, 1));
    assert!(counts.damage[0].offset > 24, "{counts:?}");
}

#[test]
fn damaged_compression_is_an_error_after_what_was_read() {
    let plain = recording::PLAIN.file(Link::Ethernet, &packets(60_000));
    for mut packed in [gzip(&plain), zstd(&plain)] {
        let middle = packed.len() * 9 / 10;
        packed.truncate(middle);
        let mut input = input(packed);
        let mut found = 0;
        let error = loop {
            match input.observation() {
                Ok(Some(_)) => found += 1,
                Ok(None) => panic!("nothing is wrong"),
                Err(error) => break error,
            }
        };
        assert!(found > 30_000, "{found}");
        assert!(matches!(error, InputError::Unreadable { .. }), "{error}");
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    for bytes in [&b""[..], b"x", b"\x7fELF", b"GET / HTTP/1.1", &[0; 100]] {
        let opened = Input::of(Box::new(Cursor::new(bytes.to_vec())), Path::new("odd.bin"));
        let error = opened.err().unwrap_or_else(|| panic!("{bytes:?} was opened"));
        assert!(error.to_string().contains("odd.bin is no recording"), "{error}");
    }
    let missing = Input::open(Path::new("/nonexistent/x.pcap")).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/x.pcap"), "{missing}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_ends_the_reading_or_loses_most_of_it(
        which in 0..Form::ALL.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let form = Form::ALL[which];
        let mut file = form.file(Link::Ethernet, &packets(200));
        let beginning = form.beginning(Link::Ethernet).len();
        for (at, byte) in &damage {
            let at = beginning + at.index(file.len() - beginning);
            file[at] = *byte;
        }
        let (found, counts) = read(file);
        // Each byte spoils one packet, or with the length of one the next two as well.
        prop_assert!(found.len() + 3 * damage.len() >= 200, "{} found, {counts:?}", found.len());
        let last = ZERO + 200 * MS + 20_000_000 * SECOND;
        prop_assert!(found.iter().filter(|one| one.at > last).count() <= damage.len());
    }
}
