//! Packets in every form of file and link layer tell the same.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_replay::{Flow, Observation, Refusal, Seen};
use recording::{Captured, Ends, Form, Link, MS, PLAIN, SECOND, ZERO, gzip, read, zstd};

fn attempts() -> Vec<Ends> {
    vec![
        Ends::new("192.0.2.1", 40_000, "198.51.100.7", 443),
        Ends::new("2001:db8::1", 40_001, "2001:db8:1::7", 80),
    ]
}

/// One of everything, of both families, and what it tells.
fn everything() -> (Vec<Captured>, Vec<Observation>) {
    let mut captured = Vec::new();
    let mut told = Vec::new();
    for (number, ends) in attempts().into_iter().enumerate() {
        let at = ZERO + number as u64 * SECOND + 123 * MS;
        captured.extend([
            ends.syn(at),
            ends.answer(at + MS),
            ends.data(at + 2 * MS),
            ends.reset(at + 3 * MS),
            ends.unreachable(at + 4 * MS, 1),
        ]);
        let flow = Flow {
            from: ends.from.into(),
            to: ends.to.into(),
            from_port: ends.from_port,
            to_port: ends.to_port,
        };
        let seen = [
            (0, Seen::Syn(7)),
            (1, Seen::Answer),
            (3, Seen::Refusal(Refusal::Reset)),
            (4, Seen::Refusal(Refusal::Unreachable)),
        ];
        told.extend(seen.map(|(ms, seen)| Observation { at: at + ms * MS, flow, seen }));
    }
    (captured, told)
}

#[test]
fn every_form_and_link_layer_tells_the_same() {
    let (captured, told) = everything();
    for form in Form::ALL {
        for link in Link::ALL {
            let (found, counts) = read(form.file(link, &captured));
            assert_eq!(found, told, "{form:?}, {link:?}");
            assert_eq!((counts.records, counts.damaged, counts.other), (10, 0, 0), "{form:?}, {link:?}");
            assert!(!counts.is_cut_off, "{form:?}, {link:?}");
        }
    }
}

#[test]
fn compressed_recordings_are_known_by_their_first_bytes() {
    let (captured, told) = everything();
    for form in Form::ALL {
        let plain = form.file(Link::Ethernet, &captured);
        assert_eq!(read(gzip(&plain)).0, told, "{form:?}");
        assert_eq!(read(zstd(&plain)).0, told, "{form:?}");
        // As rotated logs are joined, and as several threads compress.
        let (first, second) = plain.split_at(plain.len() / 2);
        assert_eq!(read([gzip(first), gzip(second)].concat()).0, told, "{form:?}");
        assert_eq!(read([zstd(first), zstd(second)].concat()).0, told, "{form:?}");
    }
}

#[test]
fn a_short_snaplen_is_enough_up_to_the_flags() {
    let (captured, told) = everything();
    for link in Link::ALL {
        let header = link.frame(&captured[0].packet).len() - captured[0].packet.len();
        let (found, counts) = read(PLAIN.file_with(link, &captured, header + 40 + 8 + 40 + 4));
        assert_eq!((found, counts.cut_short), (told.clone(), 0), "{link:?}");
        // IPv4: 20 bytes, and 14 of TCP; its error message is too short now, and so is all of IPv6.
        let (found, counts) = read(PLAIN.file_with(link, &captured, header + 34));
        assert_eq!((found, counts.cut_short), (told[..3].to_vec(), 6), "{link:?}");
        let (found, counts) = read(PLAIN.file_with(link, &captured, header + 10));
        assert_eq!((found.len(), counts.cut_short), (0, 10), "{link:?}");
    }
}

#[test]
fn what_tells_nothing_of_attempts_is_counted() {
    let ends = attempts()[0];
    let mut fragment = ends.syn(ZERO);
    fragment.packet[6] = 0x20;
    let mut udp = ends.syn(ZERO);
    udp.packet[9] = 17;
    let needs_fragments = ends.unreachable(ZERO, 4);
    let (found, counts) =
        read(PLAIN.file(Link::Ethernet, &[fragment, udp, needs_fragments, ends.data(ZERO)]));
    assert_eq!((found.len(), counts.fragments, counts.other, counts.records), (0, 1, 1, 4));
    let arp = [2; 12].into_iter().chain([8, 6]).chain([0; 28]).collect();
    let (found, counts) = read(PLAIN.file(Link::Raw, &[Captured { at: ZERO, packet: arp }]));
    assert_eq!((found.len(), counts.other), (0, 1));
}

#[test]
fn pcapng_has_interfaces_with_clocks_and_links_of_their_own_in_each_section() {
    let form = Form::Pcapng { big_endian: false };
    let (captured, told) = everything();
    let mut both = form.file(Link::Cooked, &captured[..5]);
    both.extend(Form::Pcapng { big_endian: true }.file(Link::Raw, &captured[5..]));
    assert_eq!(read(both).0, told);
}
