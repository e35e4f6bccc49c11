//! So many first contacts per unit of time, as `first_contacts = "20/m"` gives it.

use halfopen_policy::limits::{parse_time, show_time};
use halfopen_policy::{FirstContact, Rate};
use std::fmt;
use std::time::Duration;

/// A number that may go out at once, and the time in which as many come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// At least 1.
    pub count: u32,
    /// Not so short or long that a [`Rate`] could not say it.
    per: Duration,
}

impl Quota {
    /// Reads `"20/m"` or `"5/10s"`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let is_many = per.starts_with(|c: char| c.is_ascii_digit());
        let per = parse_time(&if is_many { per.to_owned() } else { format!("1{per}") }).ok()?;
        let count = count.trim().parse().ok().filter(|count| (1..=FirstContact::MOST).contains(count))?;
        Rate::new(count, per).map(|_| Self { count, per })
    }

    /// How fast they come back.
    #[must_use]
    pub fn rate(self) -> Rate {
        Rate::of_interval(self.per / self.count)
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = show_time(self.per);
        let unit = per.strip_prefix('1').filter(|unit| !unit.starts_with(|c: char| c.is_ascii_digit()));
        write!(f, "{}/{}", self.count, unit.unwrap_or(&per))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_it_is_read() {
        for (text, count, seconds) in [("20/m", 20, 3), ("1/10s", 1, 10), ("7/70s", 7, 10), ("60/h", 60, 60)]
        {
            let quota = Quota::read(text).unwrap();
            assert_eq!((quota.to_string().as_str(), quota.count), (text, count));
            assert_eq!(quota.rate(), Rate::of_interval(Duration::from_secs(seconds)));
        }
        assert_eq!(Quota::read("20/1m").unwrap().to_string(), "20/m");
        for wrong in
            ["20", "/m", "0/m", "-1/m", "20/x", "20/0s", "1/2h", "99999999/s", "1000000/us", "20/m/s"]
        {
            assert_eq!(Quota::read(wrong), None, "{wrong}");
        }
    }
}
