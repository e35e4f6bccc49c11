//! How values on the command line are written.

use crate::config::{self, Preset, Words};
use crate::exit::WrongUse;
use crate::utc_time::UtcTime;
use halfopen_policy::limits::parse_time;
use ipnet::IpNet;
use jiff::tz::Offset;
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

pub(super) fn since(text: &str) -> Result<UtcTime, WrongUse> {
    let found = text.parse().ok().or_else(|| UtcTime::of_date(text)).or_else(|| long_ago(text));
    found.ok_or_else(|| {
        WrongUse(
            "expected RFC 3339, such as 2030-01-31T12:00:00Z, a date in UTC, such as 2030-01-31, or how long ago in s, \
             m, h or d, such as 10m or 7d"
                .into(),
        )
    })
}

pub(super) fn offset(text: &str) -> Result<Offset, WrongUse> {
    let found = crate::abuse_mail::parse_offset(text);
    found.ok_or_else(|| WrongUse("expected an offset from UTC, such as +01:00, -0500 or CET".into()))
}

/// However long: what was before 1970 was in 1970.
fn long_ago(text: &str) -> Option<UtcTime> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let since_1970 = UtcTime::now().since(UtcTime::EPOCH);
    let back = number.parse::<u64>().ok()?.saturating_mul(unit);
    Some(UtcTime::EPOCH.after(since_1970.saturating_sub(Duration::from_secs(back))))
}

/// A single address is a network too.
pub(super) fn network(text: &str) -> Result<IpNet, WrongUse> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone).ok_or_else(|| {
        WrongUse("expected a network, such as 192.0.2.0/24 or 2001:db8::/32, or an address".into())
    })
}

pub(super) fn interface(text: &str) -> Result<(String, String), WrongUse> {
    let pair =
        text.rsplit_once('=').filter(|(there, here)| !there.is_empty() && config::name::is_interface(here));
    pair.map(|(there, here)| (there.to_owned(), here.to_owned())).ok_or_else(|| {
        WrongUse("expected an interface of the file and one of this host, such as {0A1B2C3D-...}=eth0".into())
    })
}

pub(super) fn preset(text: &str) -> Result<Preset, WrongUse> {
    Preset::named(text).ok_or_else(|| {
        let names = Preset::WORDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        WrongUse(format!("the presets are {names}"))
    })
}

/// Reads what is written by its own rules.
pub(super) fn read<T: FromStr<Err: Display>>(text: &str) -> Result<T, WrongUse> {
    text.parse().map_err(|e| WrongUse(format!("{e}")))
}

/// A size in bytes.
pub(super) fn size(text: &str) -> Result<u64, WrongUse> {
    let (number, shift) = match text.char_indices().next_back() {
        Some((end, 'K')) => (&text[..end], 10),
        Some((end, 'M')) => (&text[..end], 20),
        Some((end, 'G')) => (&text[..end], 30),
        _ => (text, 0),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
    bytes
        .filter(|bytes| *bytes >= 4_096)
        .ok_or_else(|| WrongUse("expected a size of at least 4K, such as 500K, 64M or 2G".into()))
}

pub(super) fn trial_time(text: &str) -> Result<Duration, WrongUse> {
    use crate::control::trial::LONGEST;
    let time = parse_time(text).ok().filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time));
    time.ok_or_else(|| WrongUse("expected a time from 1s to 24h, such as 10m".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(since("1970-01-01T01:00:00+01:00").unwrap(), UtcTime::EPOCH);
        for (longer, shorter) in
            [("2d", "1d"), ("25h", "1d"), ("1d", "2h"), ("61m", "1h"), ("61s", "1m"), ("1s", "0s")]
        {
            assert!(since(longer).unwrap() < since(shorter).unwrap(), "{longer}");
        }
        assert!(UtcTime::now().since(since("1d").unwrap()).as_secs().abs_diff(86_400) < 60);
        assert_eq!(since("18446744073709551615d").unwrap(), UtcTime::EPOCH);
        assert_eq!(since("1970-01-02").unwrap(), UtcTime::EPOCH.after(Duration::from_hours(24)));
        assert_eq!(since("1970-01-01 00:01").unwrap(), UtcTime::EPOCH.after(Duration::from_mins(1)));
        for wrong in ["yesterday", "d", "", "1", "1w", "-1d", "1.5h", "99999999999999999999d", "\u{e9}"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
