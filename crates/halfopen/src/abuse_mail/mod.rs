//! Reads the mails in which providers complain of scans: a line for each connect, with its time, source and destination.
//! Each provider writes such lines in another way, so nothing but addresses, ports and times is looked for.

mod addresses;
mod times;

use crate::utc_time::UtcTime;
use addresses::{Columns, Pair, first_column};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use schemars::JsonSchema;
use serde::Serialize;
use std::net::IpAddr;
pub use times::parse_offset;

/// The longest line that is looked at, in bytes.
const LONGEST_LINE: usize = 4_096;

/// A connect that a mail names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The number of its line, from 1.
    pub line: usize,
    /// When it was seen; `None` if the line has no time.
    pub time: Option<Seen>,
    /// Who made it.
    pub source: End,
    /// To whom.
    pub destination: End,
}

/// An address, and a port if that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct End {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// A time in a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// With its offset, which the line or the mail says.
    At(UtcTime),
    /// By a clock whose offset nobody has said.
    Local(DateTime),
}

/// A line that names an address and is no connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unread {
    /// Its number, from 1.
    pub line: usize,
    /// Why it is not used.
    pub why: String,
}

/// What a mail names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mail {
    /// The connects, in their order.
    pub connects: Vec<Connect>,
    /// Lines with an address that name no connect.
    pub unread: Vec<Unread>,
    /// How many lines name no address.
    pub others: usize,
}

impl Seen {
    /// The time, if an unsaid offset is this one.
    #[must_use]
    pub fn with(self, offset: Offset) -> Option<UtcTime> {
        match self {
            Self::At(time) => Some(time),
            Self::Local(time) => offset.to_timestamp(time).ok().map(UtcTime::from),
        }
    }
}

impl Mail {
    /// Reads a mail. A time without a year is of the last such day before `now`.
    #[must_use]
    pub fn read(bytes: &[u8], now: UtcTime) -> Self {
        let mut mail = Self::default();
        let (mut columns, mut offset) = (Columns::SourceFirst, None);
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let cut = &line[..line.len().min(LONGEST_LINE)];
            let text = String::from_utf8_lossy(cut);
            let words = words(&text);
            let mut unread = |why: &str| mail.unread.push(Unread { line: number + 1, why: why.to_owned() });
            match addresses::read(&words, columns) {
                Pair::None => {
                    columns = first_column(&words).unwrap_or(columns);
                    offset = times::said_for_all(&words).or(offset);
                    mail.others += 1;
                }
                Pair::One => unread("it names one address only"),
                Pair::Many => unread("it names more than two addresses"),
                Pair::Two { source, destination, rest } => {
                    let time = times::read(&rest, offset, now);
                    mail.connects.push(Connect { line: number + 1, time, source, destination });
                }
            }
        }
        mail
    }
}

/// The words of a line, without what only separates them.
fn words(line: &str) -> Vec<&str> {
    let apart = |c: char| c.is_whitespace() || c.is_control() || ",;|\"'<>()={}*".contains(c);
    line.split(apart).map(|word| word.trim_matches('#')).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Mail {
        Mail::read(text.as_bytes(), "2026-11-28T12:00:00Z".parse().unwrap())
    }

    /// Time in UTC, source and destination of each connect.
    fn shown(mail: &Mail) -> Vec<String> {
        let end = |end: End| match end.port {
            Some(port) => format!("{} {port}", end.address),
            None => end.address.to_string(),
        };
        let shown = mail.connects.iter().map(|connect| {
            let time = connect.time.and_then(|time| time.with(Offset::UTC));
            let time = time.map_or("-".into(), |time| time.to_string());
            format!("{time} {} > {}", end(connect.source), end(connect.destination))
        });
        shown.collect()
    }

    #[test]
    fn a_netscan_mail_as_hetzner_writes_it() {
        let mail = read(
            "Dear Sir or Madam,\n\
             ##########################################################################\n\
             #               Netscan detected from host   203.0.113.5                 #\n\
             ##########################################################################\n\
             \n\
             time                protocol src_ip src_port          dest_ip dest_port\n\
             ---------------------------------------------------------------------------\n\
             Tue Nov 24 12:01:01 2026 TCP     203.0.113.5 54321 =>    198.51.100.7 22   \n\
             Tue Nov 24 12:01:02 2026 TCP     203.0.113.5 54322 =>    198.51.100.8 22   \n",
        );
        assert_eq!(
            shown(&mail),
            [
                "2026-11-24T12:01:01.000Z 203.0.113.5 54321 > 198.51.100.7 22",
                "2026-11-24T12:01:02.000Z 203.0.113.5 54322 > 198.51.100.8 22",
            ]
        );
        assert!(matches!(mail.connects[0].time, Some(Seen::Local(_))), "nobody has said the offset");
        assert_eq!(mail.unread, [Unread { line: 3, why: "it names one address only".into() }]);
    }

    #[test]
    fn an_attack_detail_as_ovh_writes_it() {
        let mail = read(
            "Attack detail : 12Kpps/5Mbps\n\
             dateTime                srcIp:srcPort           dstIp:dstPort    protocol flags   bytes reason\n\
             2026.11.24 12:32:25 CET 203.0.113.5:41000 198.51.100.1:80 TCP SYN 60 ATTACK:TCP_SYN\n",
        );
        assert_eq!(shown(&mail), ["2026-11-24T11:32:25.000Z 203.0.113.5 41000 > 198.51.100.1 80"]);
    }

    #[test]
    fn other_ways_to_write_a_line() {
        for (line, expected) in [
            (
                "2026-11-24T12:00:00+01:00 203.0.113.5:1 -> 198.51.100.1:22",
                "2026-11-24T11:00:00.000Z 203.0.113.5 1 > 198.51.100.1 22",
            ),
            (
                "Nov 24 12:00:00 fw kernel: IN=eth0 SRC=203.0.113.5 DST=198.51.100.1 LEN=60 PROTO=TCP SPT=1 DPT=22",
                "2026-11-24T12:00:00.000Z 203.0.113.5 1 > 198.51.100.1 22",
            ),
            (
                "24.11.2026 12:00:00.5 | 203.0.113.5 | 1 | 198.51.100.1 | 22 | tcp",
                "2026-11-24T12:00:00.500Z 203.0.113.5 1 > 198.51.100.1 22",
            ),
            (
                "\"2026-11-24 12:00:00\",\"203.0.113.5\",\"198.51.100.1\",\"1\",\"22\"",
                "2026-11-24T12:00:00.000Z 203.0.113.5 1 > 198.51.100.1 22",
            ),
            (
                "1795521600 2001:db8::5 [2001:db8:1::1]:22",
                "2026-11-24T12:00:00.000Z 2001:db8::5 > 2001:db8:1::1 22",
            ),
            (
                "12:00:00.000001 IP 203.0.113.5.1 > 198.51.100.1.22: Flags [S]",
                "- 203.0.113.5 1 > 198.51.100.1 22",
            ),
            (
                "Tue, 24 Nov 2026 12:00:00 -0500: connect from 203.0.113.5 port 1 to 198.51.100.1 port 22",
                "2026-11-24T17:00:00.000Z 203.0.113.5 1 > 198.51.100.1 22",
            ),
            (
                "[24/Nov/2026:12:00:00 +0000] 203.0.113.5 198.51.100.1 80",
                "2026-11-24T12:00:00.000Z 203.0.113.5 > 198.51.100.1 80",
            ),
        ] {
            let mail = read(line);
            assert_eq!(shown(&mail), [expected], "{line}: {mail:?}");
        }
    }

    #[test]
    fn the_order_of_columns_and_the_offset_may_stand_above() {
        let mail = read(
            "All times are in UTC+2\n\
             Time | Destination | Port | Source | Port\n\
             2026-11-24 12:00:00 | 198.51.100.1 | 22 | 203.0.113.5 | 40000\n",
        );
        assert_eq!(shown(&mail), ["2026-11-24T10:00:00.000Z 203.0.113.5 40000 > 198.51.100.1 22"]);
    }

    #[test]
    fn a_year_that_is_not_said_is_the_last_one() {
        let mail = read(
            "Dec 24 12:00:00 203.0.113.5:1 198.51.100.1:22\nNov 27 12:00:00 203.0.113.5:1 198.51.100.1:22",
        );
        let years: Vec<_> = shown(&mail).iter().map(|line| line[..4].to_owned()).collect();
        assert_eq!(years, ["2025", "2026"]);
    }

    #[test]
    fn lines_that_are_none_are_told() {
        let mail = read("10.0.0.1 10.0.0.2 10.0.0.3\nplain\n10.0.0.1:99999 is not a port");
        assert_eq!((mail.connects.len(), mail.unread.len(), mail.others), (0, 1, 2), "{mail:?}");
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;
        use std::net::{Ipv4Addr, Ipv6Addr};

        fn address() -> impl Strategy<Value = IpAddr> {
            let v4 = (1_u32..u32::MAX).prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
            // Written as prose never is.
            let v6 = (1_u128 << 112..u128::MAX).prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)));
            prop_oneof![3 => v4, 1 => v6]
        }

        fn end() -> impl Strategy<Value = End> {
            (address(), 1_u16..).prop_map(|(address, port)| End { address, port: Some(port) })
        }

        fn joined(end: End) -> String {
            std::net::SocketAddr::new(end.address, end.port.unwrap_or_default()).to_string()
        }

        fn apart(end: End) -> String {
            format!("{} {}", end.address, end.port.unwrap_or_default())
        }

        proptest! {
            #[test]
            fn whatever_a_mail_is_each_line_is_told_of_once(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
                let mail = Mail::read(&bytes, UtcTime::now());
                let lines = bytes.split(|byte| *byte == b'\n').count();
                prop_assert_eq!(mail.connects.len() + mail.unread.len() + mail.others, lines);
            }

            #[test]
            fn words_of_such_lines_in_any_order_are_read_without_a_panic(words in proptest::collection::vec(
                prop_oneof![
                    Just("203.0.113.5"), Just("2001:db8::1"), Just("198.51.100.7:22"), Just("22"), Just("Nov"),
                    Just("31"), Just("2026"), Just("12:00:60"), Just("2026-02-31"), Just("CET"), Just("+9999"), Just("SRC"),
                    Just("DPT"), Just("=>"), Just("port"), Just("9999999999.9"), Just("29"), Just("Feb"), Just("T12:1")
                ], 0..20)) {
                let _ = Mail::read(words.join(" ").as_bytes(), UtcTime::now());
            }

            #[test]
            fn what_is_written_is_read(
                source in end(),
                destination in end(),
                seconds in 1_000_000_000_i64..1_764_000_000,
                form in 0..6,
            ) {
                let time = jiff::Timestamp::from_second(seconds).unwrap();
                let clock = Offset::UTC.to_datetime(time);
                let (from, to) = (source, destination);
                let line = match form {
                    0 => format!("{} TCP {} =>  {}", clock.strftime("%a %b %e %H:%M:%S %Y"), apart(from), apart(to)),
                    1 => format!("{} UTC {} {} TCP SYN 60", clock.strftime("%Y.%m.%d %H:%M:%S"), joined(from), joined(to)),
                    2 => format!("{time} {} -> {}", joined(from), joined(to)),
                    3 => format!("{seconds},{},{}", from.address, joined(to)),
                    4 => format!("{} | {} | {}", clock.strftime("%d.%m.%Y %H:%M:%S"), apart(from), apart(to)),
                    _ => format!(
                        "{} fw: SRC={} DST={} SPT={} DPT={}",
                        clock.strftime("%Y-%m-%dT%H:%M:%S+00:00"), from.address, to.address,
                        from.port.unwrap(), to.port.unwrap()
                    ),
                };
                let mail = Mail::read(line.as_bytes(), UtcTime::now());
                prop_assert_eq!(mail.connects.len(), 1, "{}", &line);
                let connect = &mail.connects[0];
                prop_assert_eq!(connect.destination, destination, "{}", &line);
                prop_assert_eq!(connect.source.address, source.address);
                if form != 3 {
                    prop_assert_eq!(connect.source, source, "{}", &line);
                }
                let read = connect.time.and_then(|time| time.with(Offset::UTC));
                prop_assert_eq!(read, Some(UtcTime::of_ms(seconds * 1_000)), "{}", &line);
            }
        }
    }
}
