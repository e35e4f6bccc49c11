//! Suricata's eve.json, of which the records of flows are read:
//! <https://docs.suricata.io/en/latest/output/eve/eve-json-format.html#event-type-flow>.

use super::log_record::{ANSWER_AFTER, Record};
use super::order::Recorded;
use crate::observation::{Flow, Refusal, Seen};
use jiff::fmt::strtime;
use serde_json::{Map, Value};
use std::net::IpAddr;

const SYN: u64 = 0x02;
const RST: u64 = 0x04;

pub(super) fn read(record: &Map<String, Value>) -> Record {
    let is_tcp = record.get("proto").and_then(Value::as_str) == Some("TCP");
    if record.get("event_type").and_then(Value::as_str) != Some("flow") || !is_tcp {
        return Record::Other;
    }
    attempt(record).unwrap_or(Record::Damaged("a field is missing or no value of its kind"))
}

fn attempt(record: &Map<String, Value>) -> Option<Record> {
    let address = |name| record.get(name)?.as_str()?.parse::<IpAddr>().ok().map(Into::into);
    let port = |name| record.get(name)?.as_u64().and_then(|port| u16::try_from(port).ok());
    let flow = Flow {
        from: address("src_ip")?,
        to: address("dest_ip")?,
        from_port: port("src_port")?,
        to_port: port("dest_port")?,
    };
    let of_flow = record.get("flow")?.as_object()?;
    let when = |name| of_flow.get(name).and_then(Value::as_str).and_then(time);
    let at = when("start")?;
    let lasted = when("end").unwrap_or(at).saturating_sub(at);
    let sent = of_flow.get("pkts_toserver").and_then(Value::as_u64).unwrap_or(1);
    let came = of_flow.get("pkts_toclient").and_then(Value::as_u64)?;
    let flags = |name| {
        let text = record.get("tcp")?.get(name)?.as_str()?;
        u64::from_str_radix(text, 16).ok()
    };
    if flags("tcp_flags_ts").is_some_and(|flags| flags & SYN == 0) {
        return Some(Record::Other);
    }
    let back = flags("tcp_flags_tc");
    let is_answered = back.map_or(came > 0, |back| back & SYN != 0);
    let outcome = if is_answered {
        Some((ANSWER_AFTER.min(lasted), Seen::Answer))
    } else if back.is_some_and(|back| back & RST != 0) {
        Some((lasted, Seen::Refusal(Refusal::Reset)))
    } else {
        None
    };
    let (syns, last_syn_after) =
        if outcome.is_none() { (u32::try_from(sent).unwrap_or(u32::MAX), lasted) } else { (1, 0) };
    Some(Record::Attempt(Recorded { at, flow, program: None, syns, last_syn_after, outcome }))
}

/// A time such as `2017-04-07T22:24:37.251547+0100`, in nanoseconds since the epoch.
pub(super) fn time(text: &str) -> Option<u64> {
    let parsed = ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%:z"]
        .iter()
        .find_map(|form| strtime::parse(form, text).ok()?.to_timestamp().ok());
    let stamp = parsed.or_else(|| text.parse().ok())?;
    u64::try_from(stamp.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_offsets_in_either_form() {
        let expected = Some(1_491_600_277_251_547_000);
        for text in [
            "2017-04-07T22:24:37.251547+0100",
            "2017-04-07T22:24:37.251547+01:00",
            "2017-04-07T21:24:37.251547Z",
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
        assert_eq!(time("yesterday"), None);
    }
}
