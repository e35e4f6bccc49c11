//! Zeek's conn.log: <https://docs.zeek.org/en/master/logs/conn.html>.

use super::log_record::{ANSWER_AFTER, Record};
use super::order::Recorded;
use crate::observation::{Flow, Refusal, Seen};
use serde_json::{Map, Value};
use std::net::IpAddr;

const NS: u64 = 1_000_000_000;

/// The columns of a log in Zeek's own form, as its header names them.
#[derive(Debug, Default)]
pub(super) struct Fields {
    separator: Option<u8>,
    names: Vec<String>,
}

/// What a record says, still as text.
#[derive(Default)]
struct Said<'a> {
    ts: Option<&'a str>,
    from: Option<&'a str>,
    from_port: Option<&'a str>,
    to: Option<&'a str>,
    to_port: Option<&'a str>,
    proto: Option<&'a str>,
    duration: Option<&'a str>,
    state: Option<&'a str>,
    packets: Option<&'a str>,
}

impl Fields {
    pub fn read(&mut self, line: &[u8]) -> Record {
        let Ok(line) = std::str::from_utf8(line) else { return Record::Damaged("it is no text") };
        let separator = char::from(self.separator.unwrap_or(b'\t'));
        if let Some(separator) = line.strip_prefix("#separator \\x") {
            self.separator = u8::from_str_radix(separator.trim(), 16).ok();
            return Record::Header;
        }
        if let Some(names) = line.strip_prefix("#fields") {
            self.names = names.split(separator).skip(1).map(str::to_owned).collect();
            return Record::Header;
        }
        if line.starts_with('#') || line.is_empty() {
            return Record::Header;
        }
        let mut said = Said::default();
        let mut columns = 0;
        for (name, text) in self.names.iter().zip(line.split(separator)) {
            columns += 1;
            if text != "-" {
                said.put(name, text);
            }
        }
        if columns < self.names.len() || columns == 0 {
            return Record::Damaged("it has fewer columns than the header");
        }
        said.record()
    }
}

/// Reads a record in the form of JSON.
pub(super) fn read_json(record: &Map<String, Value>) -> Record {
    let texts: Vec<(&str, String)> = record
        .iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name.as_str(), text.clone())),
            Value::Number(number) => Some((name.as_str(), number.to_string())),
            _ => None,
        })
        .collect();
    let mut said = Said::default();
    for (name, text) in &texts {
        said.put(name, text);
    }
    said.record()
}

impl<'a> Said<'a> {
    fn put(&mut self, name: &str, text: &'a str) {
        let field = match name {
            "ts" => &mut self.ts,
            "id.orig_h" => &mut self.from,
            "id.orig_p" => &mut self.from_port,
            "id.resp_h" => &mut self.to,
            "id.resp_p" => &mut self.to_port,
            "proto" => &mut self.proto,
            "duration" => &mut self.duration,
            "conn_state" => &mut self.state,
            "orig_pkts" => &mut self.packets,
            _ => return,
        };
        *field = Some(text);
    }

    fn record(&self) -> Record {
        match self.proto {
            Some("tcp") => {
                self.attempt().unwrap_or(Record::Damaged("a field is missing or no value of its kind"))
            }
            Some(_) => Record::Other,
            None => Record::Damaged("it has no protocol: is this another log than conn.log?"),
        }
    }

    fn attempt(&self) -> Option<Record> {
        let address = |text: Option<&str>| text?.parse::<IpAddr>().ok().map(Into::into);
        let port = |text: Option<&str>| text?.parse::<u16>().ok();
        let flow = Flow {
            from: address(self.from)?,
            to: address(self.to)?,
            from_port: port(self.from_port)?,
            to_port: port(self.to_port)?,
        };
        let at = time(self.ts?)?;
        let duration = self.duration.and_then(seconds).unwrap_or(0);
        let answered = Some((ANSWER_AFTER.min(duration), Seen::Answer));
        let (is_silent, outcome) = match self.state? {
            "S1" | "S2" | "S3" | "SF" | "RSTO" | "RSTR" => (false, answered),
            "REJ" => (false, Some((duration, Seen::Refusal(Refusal::Reset)))),
            // RSTOS0, SH: the program closed it before anything came back.
            "S0" | "RSTOS0" | "SH" => (true, None),
            // The beginning was not seen.
            "OTH" | "SHR" | "RSTRH" => return Some(Record::Other),
            _ => return None,
        };
        let packets = self.packets.and_then(|text| text.parse().ok()).unwrap_or(1);
        let (syns, last_syn_after) = if is_silent { (packets, duration) } else { (1, 0) };
        Some(Record::Attempt(Recorded { at, flow, program: None, syns, last_syn_after, outcome }))
    }
}

/// Seconds since the epoch, or RFC 3339 (`LogAscii::json_timestamps = JSON::TS_ISO8601`).
fn time(text: &str) -> Option<u64> {
    seconds(text).or_else(|| super::eve::time(text))
}

/// Seconds with a fraction, in nanoseconds. No floating point: a time since the epoch has more digits than it keeps.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        // Numbers of JSON may be written with an exponent.
        let seconds: f64 = text.parse().ok().filter(|seconds| (0.0..1e10).contains(seconds))?;
        #[allow(clippy::cast_sign_loss, reason = "it is in range")]
        return Some((seconds * 1e9) as u64);
    }
    let digits = &fraction.as_bytes()[..fraction.len().min(9)];
    let fraction = digits.iter().fold(0, |sum, digit| 10 * sum + u64::from(digit - b'0'));
    let scale = 10_u64.pow(9 - digits.len() as u32);
    whole.parse::<u64>().ok()?.checked_mul(NS)?.checked_add(fraction * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_nanoseconds() {
        assert_eq!(seconds("1591367999.305988"), Some(1_591_367_999_305_988_000));
        assert_eq!(seconds("1591367999.305988123"), Some(1_591_367_999_305_988_123));
        assert_eq!(seconds("7"), Some(7 * NS));
        assert_eq!(seconds("0.000001"), Some(1_000));
        assert_eq!(seconds("1e-3"), Some(1_000_000));
        for wrong in ["", ".", "-1", "x", "1.x", "99999999999999999999", "inf", "NaN", "1.5.5"] {
            assert_eq!(seconds(wrong), None, "{wrong:?}");
        }
    }
}
