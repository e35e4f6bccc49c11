//! Conditions on a report: `METRIC OP NUMBER`.

use crate::report::{Effect, PolicyReport};
use std::fmt;
use std::str::FromStr;

/// A number of a [`PolicyReport`] that a condition can be put on.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub meaning: &'static str,
    value: fn(&Effect) -> f64,
}

macro_rules! metrics {
    ($($name:literal: $meaning:literal => $value:expr;)*) => {
        /// All metrics but `suspects`, which is no number of attempts.
        pub const METRICS: &[Metric] = &[$(Metric { name: $name, meaning: $meaning, value: $value }),*];
    };
}

#[allow(clippy::cast_precision_loss, reason = "counts of attempts are far below 2^52")]
mod metrics {
    use super::Metric;

    metrics! {
        "delayed": "attempts that had to wait" => |e| e.delayed.count as f64;
        "delayed_over_1s": "attempts that waited for more than a second" => |e| e.delayed.over_1s as f64;
        "delayed_over_10s": "attempts that waited for more than ten seconds" => |e| e.delayed.over_10s as f64;
        "delay_median_ms": "median of their waits, in ms" => |e| e.delayed.median_ms as f64;
        "delay_p99_ms": "wait that 99 % of them did not exceed, in ms" => |e| e.delayed.p99_ms as f64;
        "delay_longest_ms": "longest wait, in ms" => |e| e.delayed.longest_ms as f64;
        "answered_delayed": "answered attempts that had to wait" => |e| e.answered_delayed.count as f64;
        "answered_delayed_over_1s": "answered attempts that waited for more than a second"
            => |e| e.answered_delayed.over_1s as f64;
        "answered_delayed_over_10s": "answered attempts that waited for more than ten seconds"
            => |e| e.answered_delayed.over_10s as f64;
        "answered_delay_p99_ms": "wait that 99 % of these did not exceed, in ms" => |e| e.answered_delayed.p99_ms as f64;
        "gave_up": "attempts that gave up while they waited" => |e| e.gave_up as f64;
        "answered_gave_up": "those of them that were answered in the recording" => |e| e.answered_gave_up as f64;
        "refused": "attempts that failed at once" => |e| e.refused as f64;
        "answered_refused": "those of them that were answered in the recording" => |e| e.answered_refused as f64;
        "unjudged": "attempts that were not judged, for want of memory" => |e| e.unjudged as f64;
    }
}

pub use metrics::METRICS;

/// The metric that counts sources.
pub const SUSPECTS: &str = "suspects";

#[derive(Debug, Clone, Copy)]
enum Of {
    Attempts(Metric),
    Suspects,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    More,
}

/// The longer ones first: `<` begins `<=`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

/// A condition that every policy of a replay must meet.
#[derive(Debug, Clone)]
pub struct Assertion {
    of: Of,
    comparison: Comparison,
    number: f64,
    text: String,
}

/// Text that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAssertion {
    /// There is no comparison.
    #[error(
        "{0:?} is no condition: write METRIC OP NUMBER, such as 'delayed_over_1s == 0'; OP is <, <=, ==, !=, >= or >"
    )]
    NoComparison(String),
    /// The metric does not exist.
    #[error("there is no metric {0:?}; the help of `replay` lists all")]
    NoMetric(String),
    /// The number is none.
    #[error("{0:?} is no number")]
    NoNumber(String),
}

impl FromStr for Assertion {
    type Err = NotAnAssertion;

    fn from_str(text: &str) -> Result<Self, NotAnAssertion> {
        let found = COMPARISONS.iter().find_map(|(sign, comparison)| {
            text.split_once(sign).map(|(metric, number)| (metric, *comparison, number))
        });
        let (metric, comparison, number) =
            found.ok_or_else(|| NotAnAssertion::NoComparison(text.to_owned()))?;
        let (metric, number) = (metric.trim(), number.trim());
        let of = if metric == SUSPECTS {
            Of::Suspects
        } else {
            let known = METRICS.iter().find(|known| known.name == metric);
            Of::Attempts(*known.ok_or_else(|| NotAnAssertion::NoMetric(metric.to_owned()))?)
        };
        let value: Option<f64> = number.parse().ok().filter(|value: &f64| value.is_finite());
        let value = value.ok_or_else(|| NotAnAssertion::NoNumber(number.to_owned()))?;
        Ok(Self { of, comparison, number: value, text: text.trim().to_owned() })
    }
}

impl Assertion {
    /// The value that the policy has; `Err` with it if the condition does not hold.
    ///
    /// # Errors
    /// The value.
    pub fn check(&self, report: &PolicyReport) -> Result<f64, f64> {
        let value = match self.of {
            Of::Attempts(metric) => (metric.value)(&report.all),
            Of::Suspects => report.suspects as f64,
        };
        #[allow(clippy::float_cmp, reason = "counts are whole")]
        let holds = match self.comparison {
            Comparison::Less => value < self.number,
            Comparison::AtMost => value <= self.number,
            Comparison::Equal => value == self.number,
            Comparison::NotEqual => value != self.number,
            Comparison::AtLeast => value >= self.number,
            Comparison::More => value > self.number,
        };
        if holds { Ok(value) } else { Err(value) }
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
