//! Numbers of a scenario, each with its range.

use halfopen_policy::limits::{parse_time, show_time};
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::time::Duration;

/// A share: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(f64);

impl Share {
    /// All.
    pub const ALL: Self = Self(1.0);

    /// The share; 0 to 1.
    #[must_use]
    pub fn of_one(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(format!("{share} is no share: write a number from 0 to 1"))
        }
    }
}

/// How often something happens in a second: above 0, at most a million.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub struct PerSecond(f64);

impl PerSecond {
    /// Times in a second.
    #[must_use]
    pub fn times(self) -> f64 {
        self.0
    }

    /// From one to the next, in nanoseconds.
    #[must_use]
    #[allow(clippy::cast_sign_loss, reason = "it is above zero")]
    pub fn gap_ns(self) -> u64 {
        (1e9 / self.0) as u64
    }
}

impl TryFrom<f64> for PerSecond {
    type Error = String;

    fn try_from(times: f64) -> Result<Self, String> {
        if times > 0.0 && times <= 1e6 {
            Ok(Self(times))
        } else {
            Err(format!("{times} is no rate: write how often in a second, above 0 and at most 1000000"))
        }
    }
}

/// A count from 1 to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "u64")]
pub struct Count<const MOST: u64>(u64);

impl<const MOST: u64> Count<MOST> {
    /// The count.
    #[must_use]
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl<const MOST: u64> TryFrom<u64> for Count<MOST> {
    type Error = String;

    fn try_from(count: u64) -> Result<Self, String> {
        if (1..=MOST).contains(&count) {
            Ok(Self(count))
        } else {
            Err(format!("{count} is out of range: write a number from 1 to {MOST}"))
        }
    }
}

/// A time above zero, at most ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

const DAY: Duration = Duration::from_hours(24);
const LONGEST_DAYS: u32 = 3_653;

impl Span {
    /// So many days, at most ten years.
    #[must_use]
    pub fn days(days: u32) -> Self {
        Self(DAY * days.min(LONGEST_DAYS))
    }

    /// The time.
    #[must_use]
    pub fn time(self) -> Duration {
        self.0
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// In nanoseconds.
    #[must_use]
    pub fn nanos(self) -> u64 {
        self.0.as_nanos() as u64
    }
}

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        Self(time.clamp(Duration::from_nanos(1), DAY * LONGEST_DAYS))
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
        let time = match days {
            Some(days) if days <= LONGEST_DAYS => Some(DAY * days),
            Some(_) => None,
            None => parse_time(text).ok(),
        };
        time.filter(|time| !time.is_zero()).map(Self).ok_or_else(|| {
            format!(
                "{text:?} is no time: write a number with its unit, as \"500ms\", \"21s\", \"2h\" or \"30d\""
            )
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.as_secs() / DAY.as_secs();
        if days > 0 && self.0 == DAY * days as u32 {
            write!(f, "{days}d")
        } else {
            f.write_str(&show_time(self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
