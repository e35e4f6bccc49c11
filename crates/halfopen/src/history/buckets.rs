//! Minutes that share a place in a plot.

use super::MinuteRow;

/// Minutes that share a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    first: u64,
    /// How many minutes share one.
    pub each: u64,
    count: usize,
}

impl Buckets {
    /// From one minute to another, in at most so many places.
    #[must_use]
    pub fn of(first: u64, last: u64, most: usize) -> Self {
        let all = last - first + 1;
        let each = all.div_ceil(most as u64);
        Self { first, each, count: all.div_ceil(each) as usize }
    }

    /// The most of a number in each place; `None` where none of its minutes was `watched`.
    #[must_use]
    pub fn values(
        &self,
        watched: &[u64],
        rows: &[&MinuteRow],
        of: fn(&MinuteRow) -> u64,
    ) -> Vec<Option<u64>> {
        let mut values: Vec<Option<u64>> = vec![None; self.count];
        let at = |minute: u64| minute.checked_sub(self.first).map(|after| (after / self.each) as usize);
        let known = watched.iter().map(|minute| (*minute, 0));
        for (minute, value) in known.chain(rows.iter().map(|row| (row.minute, of(row)))) {
            if let Some(place) = at(minute).and_then(|at| values.get_mut(at)) {
                *place = Some(place.unwrap_or_default().max(value));
            }
        }
        values
    }
}
