//! A sample of one quantity, told by its median and range.

use serde_json::{Value, json};

/// What was measured repeatedly.
#[derive(Debug, Clone)]
pub struct Spread {
    sorted: Vec<f64>,
}

impl Spread {
    /// Of at least one value; without any all its numbers are NaN.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }

    /// The middle one, or the mean of the middle two.
    #[must_use]
    pub fn median(&self) -> f64 {
        let middle = self.sorted.len() / 2;
        if self.sorted.len().is_multiple_of(2) {
            f64::midpoint(self.at(middle.wrapping_sub(1)), self.at(middle))
        } else {
            self.at(middle)
        }
    }

    /// The smallest.
    #[must_use]
    pub fn least(&self) -> f64 {
        self.at(0)
    }

    /// The largest.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.at(self.sorted.len().wrapping_sub(1))
    }

    /// What `share` (0 to 1) of the values lie below.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        #[allow(clippy::cast_sign_loss, reason = "neither factor is negative")]
        let place = ((self.sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
        self.at(place)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Median, range and all of them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "median": self.median(), "least": self.least(), "most": self.most(), "values": self.sorted })
    }

    fn at(&self, place: usize) -> f64 {
        self.sorted.get(place).copied().unwrap_or(f64::NAN)
    }
}
