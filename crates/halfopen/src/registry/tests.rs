//! Files as the registry editor and people write them.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;

fn meaning(bytes: &[u8]) -> Result<Meaning, RegistryError> {
    Meaning::of(&read(bytes)?.entries, &BTreeMap::from([("{0A1B}".into(), "eth0".into())]), true)
}

fn limits(text: &str) -> Vec<(Of, Option<Limit>)> {
    meaning(text.as_bytes()).unwrap().wishes.into_iter().map(|(of, wish)| (of, wish.limit)).collect()
}

fn host(body: &str) -> String {
    format!("REGEDIT4\n\n[{PARAMETERS}]\n{body}\n")
}

fn eth0() -> Of {
    Of::Interface("eth0".into())
}

#[test]
fn what_is_exported_is_imported_again() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    for _ in 0..2_000 {
        let mut limit = || match chance.random_range(0..8) {
            0 => Limit::Unlimited,
            1 => Limit::Attempts(0x00ff_fffd),
            _ => Limit::Attempts(chance.random_range(1..0x00ff_fffe)),
        };
        let mut limits = Exported::from([(Of::Host, limit())]);
        for name in ["eth0", "br-1a2b", "wlp3s0.100", "\u{fc}"] {
            limits.insert(Of::Interface(name.into()), limit());
        }
        for bytes in [utf8(&limits), utf16(&limits)] {
            let again = meaning(&bytes).unwrap();
            let again: Exported =
                again.wishes.into_iter().filter_map(|(of, wish)| Some((of, wish.limit?))).collect();
            assert_eq!(again, limits);
        }
    }
}

/// The registry has no number for it.
#[test]
fn a_limit_beyond_the_registry_s_is_exported_as_none() {
    let bytes = utf8(&Exported::from([(Of::Host, Limit::Attempts(0x0100_0000))]));
    assert_eq!(limits(str::from_utf8(&bytes).unwrap()), [(Of::Host, Some(Limit::Unlimited))]);
}

#[test]
fn every_form_of_a_number_is_read() {
    for data in [
        "dword:00000032",
        "DWORD:32",
        "dword:00000032 ; fifty",
        "hex:32,00,00,00",
        "hex(4):32,00,00,00",
        "hex(5):00,00,00,32",
        "hex(4):32,00,\\\r\n  00,00",
        "hex(4):32,\\\n00,\\\n00,00",
    ] {
        let text = host(&format!("\"tcpnumconnections\"={data}"));
        assert_eq!(limits(&text), [(Of::Host, Some(Limit::Attempts(50)))], "{data}");
    }
}

#[test]
fn both_headers_and_encodings_are_read() {
    let text = format!("{}\r\n\r\n[{PARAMETERS}]\r\n\"TcpNumConnections\"=dword:7\r\n", HEADERS[0]);
    let expected = meaning(text.as_bytes()).unwrap();
    assert_eq!(expected.wishes.len(), 1);
    for bytes in [
        encoding::utf16le(&text),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        text.replace(HEADERS[0], HEADERS[1]).into_bytes(),
    ] {
        assert_eq!(meaning(&bytes).unwrap(), expected);
    }
}

#[test]
fn deletions_and_later_values_win() {
    let interface = format!("[{PARAMETERS}\\Interfaces\\{{0a1b}}]");
    let set = "\"TcpNumConnections\"=dword:5";
    assert_eq!(limits(&host(&format!("{set}\n\"TcpNumConnections\"=-"))), [(Of::Host, None)]);
    assert_eq!(
        limits(&host(&format!("{interface}\n{set}"))),
        [(eth0(), Some(Limit::Attempts(5)))],
        "an interface by --interface"
    );
    let deleted = interface.replace('[', "[-");
    assert_eq!(limits(&host(&format!("{interface}\n{set}\n{deleted}"))), [(eth0(), None)]);
    let all = meaning(host(&format!("{set}\n{interface}\n{set}\n[-{PARAMETERS}]")).as_bytes()).unwrap();
    assert_eq!(all.other_interfaces_deleted, Some(7));
    assert_eq!(all.wishes, BTreeMap::from([(Of::Host, Wish { line: 7, limit: None })]));
    let below = meaning(host(&format!("{set}\n[-{PARAMETERS}\\Interfaces]")).as_bytes()).unwrap();
    assert_eq!((below.wishes.len(), below.other_interfaces_deleted), (1, Some(5)));
}

#[test]
fn rate_limiting_is_ten_or_none_where_no_limit_is_given() {
    let of = |body: &str| limits(&host(body)).pop().unwrap().1;
    assert_eq!(of("\"EnableConnectionRateLimiting\"=dword:1"), Some(Limit::Attempts(10)));
    assert_eq!(of("\"EnableConnectionRateLimiting\"=dword:0"), Some(Limit::Unlimited));
    assert_eq!(of("\"EnableConnectionRateLimiting\"=-"), None);
    let both = "\"TcpNumConnections\"=dword:5\n\"EnableConnectionRateLimiting\"=dword:0";
    assert_eq!(of(both), Some(Limit::Attempts(5)));
}

#[test]
fn what_is_not_known_is_listed_as_ignored() {
    let other = "HKEY_CURRENT_USER\\Software";
    let text = host(&format!(
        "; a comment\n\"TTL\"=dword:40\n\"Text\"=\"two\nlines = \\\"[x]\\\"\"\n@=\"\"\n[{other}]\n\"A\"=hex(7):41,\\\n  00\n[-{other}]"
    ));
    let found = read(text.as_bytes()).unwrap();
    let ignored: Vec<(usize, &str)> = found.ignored.iter().map(|of| (of.line, of.name.as_str())).collect();
    let named = |name: &str| format!("{PARAMETERS}: {name:?}");
    let (gone, texts) = (format!("-{other}"), ["TTL", "Text", ""].map(named));
    assert_eq!(ignored, [(5, &*texts[0]), (6, &*texts[1]), (8, &*texts[2]), (9, other), (12, &*gone)]);
    assert_eq!(found.entries, []);
}

#[test]
fn mistakes_are_told_with_line_and_what_was_expected() {
    let value = |data: &str| host(&format!("\"TcpNumConnections\"={data}"));
    for (text, line, expected) in [
        (String::new(), 1, "expected \"Windows Registry"),
        ("\n; x\nREGEDIT5".into(), 3, "expected \"Windows Registry"),
        ("REGEDIT4\n\"A\"=dword:1".into(), 2, "expected [KEY]"),
        (host("[HKEY"), 4, "expected [KEY]"),
        (host("word"), 4, "expected [KEY]"),
        (host("\"A\"=\"open"), 4, "closing quotation mark"),
        (value("hex:32,\\").trim_end().to_owned(), 4, "another line"),
        (value("\"50\""), 4, "expected dword:00000032"),
        (value("dword:123456789"), 4, "expected dword:00000032"),
        (value("dword:+5"), 4, "expected dword:00000032"),
        (value("hex:32,00"), 4, "expected dword:00000032"),
        (value("dword:0"), 4, "expected 1 to 16777213"),
        (value("dword:ffffff"), 4, "expected 1 to 16777213"),
        (host("\"EnableConnectionRateLimiting\"=dword:2"), 4, "dword:00000001"),
        (
            host(&format!(
                "[{PARAMETERS}\\Interfaces\\{{other-interface-1}}]\n\"TcpNumConnections\"=dword:5"
            )),
            5,
            "--interface '{other-interface-1}=eth0'",
        ),
    ] {
        let wrong = meaning(text.as_bytes()).unwrap_err();
        assert_eq!(wrong.line, line, "{text}: {wrong}");
        assert!(wrong.to_string().contains(expected), "{text}: {wrong}");
    }
    for (bytes, line) in [(&b"REGEDIT4\n\xff"[..], 2), (b"\xff\xfeR\0\n\0\0\xd8", 2), (b"\xff\xfeR\0E", 1)] {
        let wrong = RegistryError { line, unexpected: Unexpected::Encoding };
        assert_eq!(read(bytes).unwrap_err(), wrong);
    }
}

#[test]
fn no_limit_needs_consent() {
    for data in ["\"TcpNumConnections\"=dword:fffffe", "\"EnableConnectionRateLimiting\"=dword:0"] {
        let entries = read(host(data).as_bytes()).unwrap().entries;
        let wrong = Meaning::of(&entries, &BTreeMap::new(), false).unwrap_err();
        assert_eq!(wrong, RegistryError { line: 4, unexpected: Unexpected::Unlimited });
    }
}
