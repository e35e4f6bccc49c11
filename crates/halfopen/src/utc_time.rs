//! Times of the calendar, typed until they are printed.

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time in whole milliseconds. Its text, also in JSON, is RFC 3339 in UTC, such as `2030-01-31T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(Timestamp);

impl UtcTime {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(Timestamp::UNIX_EPOCH);

    /// Now, by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        Timestamp::now().into()
    }

    /// The time that much before now. The same moment has the same time whenever it is asked for: only the result is cut
    /// to milliseconds.
    #[must_use]
    pub fn ago(time: Duration) -> Self {
        let now = Timestamp::now();
        now.checked_sub(time).unwrap_or(now).into()
    }

    /// The time that much after now, likewise.
    #[must_use]
    pub fn ahead(time: Duration) -> Self {
        let now = Timestamp::now();
        now.checked_add(time).unwrap_or(now).into()
    }

    /// The time `ahead` of this one; this one if the calendar ends before.
    #[must_use]
    pub fn after(self, ahead: Duration) -> Self {
        self.0.checked_add(ahead).map_or(self, Self::from)
    }

    /// The time that much before this one; this one if the calendar begins later.
    #[must_use]
    pub fn before(self, time: Duration) -> Self {
        self.0.checked_sub(time).map_or(self, Self::from)
    }

    /// In milliseconds since 1970.
    #[must_use]
    pub fn as_ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The time that many milliseconds after the beginning of 1970; that itself if the calendar does not reach so far.
    #[must_use]
    pub fn of_ms(ms: i64) -> Self {
        Timestamp::from_millisecond(ms).map_or(Self::EPOCH, Self)
    }

    /// A date such as 2030-01-31, and a time of that day such as 12:00, in UTC; `None` = it is none.
    #[must_use]
    pub fn of_date(text: &str) -> Option<Self> {
        let date = text.parse::<jiff::civil::DateTime>().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
    }

    /// The time from `earlier` to this one; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.0 - earlier.0).unwrap_or_default()
    }
}

impl From<Timestamp> for UtcTime {
    fn from(time: Timestamp) -> Self {
        Self(Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

/// Accepts RFC 3339 with any offset.
impl FromStr for UtcTime {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>().map(Self::from)
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for UtcTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "UtcTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_rfc_3339_in_utc_with_milliseconds() {
        let time: UtcTime = "2030-01-31T13:00:00.0129+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2030-01-31T12:00:00.012Z");
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(json, "\"2030-01-31T12:00:00.012Z\"");
        assert_eq!(serde_json::from_str::<UtcTime>(&json).unwrap(), time);
        for wrong in ["\"yesterday\"", "\"2030-01-31T12:00:00\"", "\"\"", "0"] {
            assert!(serde_json::from_str::<UtcTime>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_apart_by_durations() {
        let (second, later) = (Duration::from_secs(1), UtcTime::EPOCH.after(Duration::from_secs(1)));
        assert_eq!((later.since(UtcTime::EPOCH), UtcTime::EPOCH.since(later)), (second, Duration::ZERO));
        assert!(UtcTime::ago(second) < UtcTime::now() && UtcTime::now() < UtcTime::ahead(second));
        assert_eq!(later.after(Duration::MAX), later, "the calendar ends before");
    }
}
