//! The middle and the spread of runs.

use schemars::JsonSchema;
use serde::Serialize;

/// The median of runs, with the band in which 95 in a hundred of them lie. `None`: not within the scenario's time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Band {
    /// The median.
    pub median: Option<f64>,
    /// 2.5 % of runs are below.
    pub low: Option<f64>,
    /// 2.5 % of runs are above.
    pub high: Option<f64>,
}

impl Band {
    /// Of any runs; infinite values are those that never came. All `None` without runs.
    #[must_use]
    pub fn of(runs: impl IntoIterator<Item = f64>) -> Self {
        let mut runs: Vec<f64> = runs.into_iter().collect();
        runs.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[allow(clippy::cast_sign_loss, reason = "a place in a list")]
            let place = (share * runs.len().saturating_sub(1) as f64).round() as usize;
            runs.get(place).copied().filter(|value| value.is_finite())
        };
        Self { median: at(0.5), low: at(0.025), high: at(0.975) }
    }
}
