//! The time in the words of a line.

use super::Seen;
use crate::utc_time::UtcTime;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The offsets of zones by the names that mails give them, in hours.
const ZONES: [(&str, i8); 22] = [
    ("Z", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 1),
    ("BST", 1),
    ("CET", 1),
    ("MEZ", 1),
    ("CEST", 2),
    ("MESZ", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("EDT", -4),
    ("EST", -5),
    ("CDT", -5),
    ("CST", -6),
    ("MDT", -6),
    ("MST", -7),
    ("PDT", -7),
    ("PST", -8),
    ("JST", 9),
];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What the words of a line say of its time.
#[derive(Debug, Default)]
struct Parts {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    /// Hour, minute, second, nanosecond.
    clock: Option<(i8, i8, i8, i32)>,
    offset: Option<Offset>,
}

/// The time that `words` say; `offset` holds where they name none.
pub fn read(words: &[&str], offset: Option<Offset>, now: UtcTime) -> Option<Seen> {
    let mut parts = Parts::default();
    let mut words = words.iter().map(|word| word.trim_matches(['[', ']'])).peekable();
    while let Some(word) = words.next() {
        if let Some(time) = epoch(word) {
            return Some(Seen::At(time));
        }
        let next = words.peek().copied().unwrap_or_default();
        parts.take(word, next);
    }
    let offset = parts.offset.or(offset);
    let time = parts.time(now)?;
    Some(match offset.and_then(|offset| offset.to_timestamp(time).ok()) {
        Some(time) => Seen::At(time.into()),
        None => Seen::Local(time),
    })
}

/// The offset that a line without a connect says for all times.
pub fn said_for_all(words: &[&str]) -> Option<Offset> {
    let is_of_time = |word: &&str| {
        let word = word.to_ascii_lowercase();
        word.starts_with("time") || word == "zone"
    };
    words.iter().any(is_of_time).then(|| words.iter().find_map(|word| zone(word)))?
}

/// An offset from UTC such as `+01:00`, `-0500`, `UTC+2` or `CET`.
#[must_use]
pub fn parse_offset(text: &str) -> Option<Offset> {
    zone(text)
}

impl Parts {
    fn take(&mut self, word: &str, next: &str) {
        if self.clock.is_none() {
            // `2026-11-24T12:00:00Z`, `24/Nov/2026:12:00:00`
            let parts =
                word.split_once('T').or_else(|| word.split_once(':').filter(|(date, _)| date.len() > 2));
            if let Some((date, clock)) = parts
                && self.take_date(date)
            {
                self.take_clock(clock);
                return;
            }
        }
        if self.take_date(word) || (self.clock.is_none() && self.take_clock(word)) {
            return;
        }
        if let Some(month) = month(word) {
            self.month.get_or_insert(month);
            self.day = self.day.or_else(|| day(next));
            return;
        }
        if month(next).is_some() && self.day.is_none() {
            self.day = day(word);
            return;
        }
        if self.month.is_some() && self.year.is_none() {
            self.year = word.parse().ok().filter(|year| (1970..2100).contains(year));
        }
        if self.clock.is_some() && self.offset.is_none() {
            self.offset = zone(word.trim_end_matches(':'));
        }
    }

    /// Three numbers, the year first or last; the month may have a name.
    fn take_date(&mut self, word: &str) -> bool {
        let Some(apart) = ['-', '/', '.'].into_iter().find(|apart| word.matches(*apart).count() == 2) else {
            return false;
        };
        let fields: Vec<&str> = word.split(apart).collect();
        let [first, second, third] = fields[..] else { return false };
        let (year, month_of, day_of) = match (first.len(), third.len()) {
            (4, 1 | 2) => (first, second, third),
            // With slashes, whether the month or the day comes first depends on the country.
            (1 | 2, 4) if apart != '/' || month(second).is_some() => (third, second, first),
            _ => return false,
        };
        let month = month(month_of).or_else(|| month_of.parse().ok());
        match (year.parse(), month, day(day_of)) {
            (Ok(year), Some(month), Some(day)) if self.day.is_none() => {
                (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
                true
            }
            _ => false,
        }
    }

    /// `12:00`, `12:00:00`, `12:00:00.5`, with an offset behind it.
    fn take_clock(&mut self, word: &str) -> bool {
        let at = word.find(['+', '-', 'Z']).unwrap_or(word.len());
        let (clock, offset) = word.split_at(at);
        let mut fields = clock.trim_end_matches(':').splitn(3, ':');
        let number = |text: &str| text.parse::<i8>().ok().filter(|_| (1..=2).contains(&text.len()));
        let (Some(hour), Some(minute)) = (fields.next().and_then(number), fields.next().and_then(number))
        else {
            return false;
        };
        let seconds = fields.next().unwrap_or("0");
        let (second, part) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
        let Some(second) = number(second) else { return false };
        let nanos = format!("{part:0<9.9}").parse().unwrap_or_default();
        self.clock = Some((hour, minute, second, nanos));
        self.offset = zone(offset);
        true
    }

    fn time(&self, now: UtcTime) -> Option<DateTime> {
        let (hour, minute, second, nanos) = self.clock?;
        let at = |year| DateTime::new(year, self.month?, self.day?, hour, minute, second, nanos).ok();
        if self.year.is_some() {
            return at(self.year?);
        }
        let today = Timestamp::from_millisecond(now.as_ms()).ok()?;
        let latest = Offset::UTC.to_datetime(today.checked_add(jiff::SignedDuration::from_hours(24)).ok()?);
        // The 29th of February is not in every year.
        (0..8).filter_map(|back| at(latest.year() - back)).find(|time| *time <= latest)
    }
}

fn day(text: &str) -> Option<i8> {
    text.parse().ok().filter(|day| (1..=31).contains(day))
}

fn month(text: &str) -> Option<i8> {
    let text = text.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| text.starts_with(month) && text.len() <= 9)?;
    i8::try_from(at + 1).ok()
}

fn zone(text: &str) -> Option<Offset> {
    if let Some((_, hours)) = ZONES.iter().find(|(name, _)| *name == text) {
        return Offset::from_hours(*hours).ok();
    }
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits = rest.replace(':', "");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.parse::<i32>().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse::<i32>().ok()?),
        _ => return None,
    };
    (hours <= 14 && minutes < 60).then(|| Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok())?
}

/// Seconds since 1970 that are of this century.
fn epoch(word: &str) -> Option<UtcTime> {
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    if whole.len() != 10 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let millis: i64 = format!("{part:0<3.3}").parse().ok()?;
    Some(UtcTime::of_ms(seconds * 1_000 + millis))
}
