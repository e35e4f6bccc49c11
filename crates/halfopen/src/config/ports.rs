//! The ports of a `[[deny]]`.

use super::written::Written;
use halfopen_bpf::DenyRule;
use std::ops::RangeInclusive;

/// Every port.
pub(super) const ALL: &str = "all";

/// Sorted, without doubles; an empty list means all ports. `None` for what is no list of ports.
pub(super) fn read(written: &Written<'_, '_>) -> Option<Vec<RangeInclusive<u16>>> {
    if written.text() == Some(ALL) {
        return Some(Vec::new());
    }
    let mut ranges = match written.value.as_array() {
        Some(list) => list.iter().map(|item| range(&Written::at(item))).collect::<Option<Vec<_>>>()?,
        None => vec![range(written)?],
    };
    ranges.sort_by_key(|range| (*range.start(), *range.end()));
    ranges.dedup();
    (1..=DenyRule::PORTS).contains(&ranges.len()).then_some(ranges)
}

pub(super) fn toml(ranges: &[RangeInclusive<u16>]) -> toml_edit::Value {
    let one = |range: &RangeInclusive<u16>| match (*range.start(), *range.end()) {
        (first, last) if first == last => toml_edit::Value::from(i64::from(first)),
        (first, last) => format!("{first}-{last}").into(),
    };
    if ranges.is_empty() { ALL.into() } else { ranges.iter().map(one).collect() }
}

fn range(written: &Written<'_, '_>) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port: &u16| digits && *port > 0)
    };
    if let Some(number) = written.number() {
        let port = u16::try_from(number).ok().filter(|port| *port > 0)?;
        return Some(port..=port);
    }
    let text = written.text()?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first.trim())?, port(last.trim())?);
    (first <= last).then_some(first..=last)
}
