//! By how much the rates of a host change with its age.

use crate::curve::Curve;

/// Rates are whole multiples of a contact in 2^20 seconds.
pub(super) const UNIT: f64 = 1_048_576.0;

/// Of one host: contacts anywhere, in the /8 and in the /16, and deliveries.
pub(super) type Steps = [i64; 4];

/// By how much a host's rates change at the ages at which pieces begin.
#[derive(Debug)]
pub(super) struct Levels {
    ages: Vec<f64>,
    /// By limiter, then by piece.
    steps: Vec<Vec<Steps>>,
}

impl Levels {
    pub fn of(curves: &[&Curve]) -> Self {
        let longest = curves.iter().map(|curve| &curve.pieces).max_by_key(|pieces| pieces.len());
        let ages: Vec<f64> =
            longest.map_or_else(Vec::new, |pieces| pieces.iter().map(|one| one.from).collect());
        let of_curve = |curve: &&Curve| {
            let mut before = Steps::default();
            let pieces = (0..ages.len()).map(|piece| {
                let Some(piece) = curve.pieces.get(piece) else { return Steps::default() };
                let [anywhere, same_8, same_16] = piece.contacts;
                let rates =
                    [anywhere, same_8, same_16, piece.deliveries].map(|rate| (rate * UNIT).round() as i64);
                let steps = std::array::from_fn(|kind| rates[kind] - before[kind]);
                before = rates;
                steps
            });
            pieces.collect()
        };
        Self { steps: curves.iter().map(of_curve).collect(), ages }
    }

    pub fn ages(&self) -> &[f64] {
        &self.ages
    }

    pub fn step(&self, limiter: u8, piece: usize) -> Steps {
        self.steps.get(usize::from(limiter)).and_then(|steps| steps.get(piece)).copied().unwrap_or_default()
    }
}
