//! Which of two limiters did better in a workload.

use std::cmp::Ordering;
use std::time::Duration;

use crate::runs::{Group, Run, Who};
use testkit::Spread;

/// Waits that differ by less are equal: a tick of the kernel's timers is 4 ms at 250 Hz, and labs run side by side.
const RESOLUTION: Duration = Duration::from_millis(10);
/// The same as a share of the longer one.
const SHARE: f64 = 0.1;
/// Numbers of the served that differ by no more than this share of the dialled are equal: one of twenty is chance.
const CHANCE: f64 = 0.05;

/// How those who dial live hosts were served: medians of some runs of one workload with one limiter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Service {
    /// The median of how long a dial took to connect, in seconds. One that did not connect took forever, so this is
    /// infinite where fewer than half did.
    pub wait: f64,
    /// Which share of the dials connected.
    pub connected: f64,
}

/// What some runs of one workload with one limiter have shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Showing {
    /// Distinct dead addresses reached, the median.
    pub dead_reached: f64,
    /// For each of those who dial live hosts, in the same order for all limiters.
    pub served: Vec<Service>,
}

/// In what a limiter did better than another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Better {
    /// It let fewer dead addresses be reached.
    pub on_dead: bool,
    /// It served at least one of those who dial live hosts better, and none of them worse.
    pub on_live: bool,
    /// It served at least one of them worse.
    pub worse_on_live: bool,
}

impl Better {
    /// Whether it did better in both.
    #[must_use]
    pub fn on_both(self) -> bool {
        self.on_dead && self.on_live
    }

    /// Whether it let fewer dead addresses be reached at nobody's cost, which is no better service, but no worse either.
    #[must_use]
    pub fn on_dead_at_no_cost(self) -> bool {
        self.on_dead && !self.on_live && !self.worse_on_live
    }
}

impl Service {
    fn of(runs: &[&Run], who: Who) -> Self {
        let groups = || runs.iter().filter_map(|run| run.groups.get(&who));
        Self {
            wait: Spread::of(groups().map(Group::median_wait_of_all)).median(),
            connected: Spread::of(groups().map(|group| group.waits.len() as f64 / group.begun as f64))
                .median(),
        }
    }

    /// `Less` is better: the shorter median wait; where that is equal, or infinite for both, the larger share that
    /// connected.
    fn compare(&self, other: &Self) -> Ordering {
        let resolution = RESOLUTION.as_secs_f64().max(self.wait.max(other.wait) * SHARE);
        if self.wait.is_finite() != other.wait.is_finite() {
            return self.wait.total_cmp(&other.wait);
        }
        if (self.wait - other.wait).abs() > resolution {
            return self.wait.total_cmp(&other.wait);
        }
        // A little more than one of twenty, whatever that comes to in binary.
        if (self.connected - other.connected).abs() < CHANCE * 1.001 {
            return Ordering::Equal;
        }
        other.connected.total_cmp(&self.connected)
    }
}

impl Showing {
    /// Of the runs of one workload with one limiter; `None` if there are none.
    #[must_use]
    pub fn of(runs: &[&Run]) -> Option<Self> {
        let who: Vec<Who> = runs.first()?.groups.keys().copied().collect();
        Some(Self {
            dead_reached: Spread::of(runs.iter().map(|run| run.dead_reached as f64)).median(),
            served: who.into_iter().map(|who| Service::of(runs, who)).collect(),
        })
    }

    /// In what this one did better than `other`.
    #[must_use]
    pub fn better_than(&self, other: &Self) -> Better {
        let served: Vec<_> =
            self.served.iter().zip(&other.served).map(|(own, its)| own.compare(its)).collect();
        Better {
            on_dead: self.dead_reached < other.dead_reached,
            on_live: served.contains(&Ordering::Less) && !served.contains(&Ordering::Greater),
            worse_on_live: served.contains(&Ordering::Greater),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn showing(dead_reached: f64, served: &[(f64, f64)]) -> Showing {
        let served =
            served.iter().map(|(wait, connected)| Service { wait: *wait, connected: *connected / 20.0 });
        Showing { dead_reached, served: served.collect() }
    }

    #[test]
    fn fewer_dead_and_a_shorter_wait_is_better_on_both() {
        let own = showing(20.0, &[(1.0, 20.0)]);
        assert!(showing(10.0, &[(0.5, 20.0)]).better_than(&own).on_both());
        assert_eq!(
            showing(20.0, &[(0.5, 20.0)]).better_than(&own),
            Better { on_dead: false, on_live: true, worse_on_live: false }
        );
        assert_eq!(
            showing(10.0, &[(5.0, 20.0)]).better_than(&own),
            Better { on_dead: true, on_live: false, worse_on_live: true }
        );
        assert_eq!(own.better_than(&own), Better::default());
        assert!(showing(10.0, &[(1.0, 20.0)]).better_than(&own).on_dead_at_no_cost());
        assert!(!showing(10.0, &[(5.0, 20.0)]).better_than(&own).on_dead_at_no_cost());
    }

    #[test]
    fn who_lets_most_wait_forever_is_not_better_by_the_short_waits_of_the_rest() {
        let few = showing(20.0, &[(f64::INFINITY, 3.0)]);
        assert!(showing(10.0, &[(5.0, 20.0)]).better_than(&few).on_both());
        assert!(!few.better_than(&showing(10.0, &[(5.0, 20.0)])).on_live);
        assert!(showing(10.0, &[(f64::INFINITY, 5.0)]).better_than(&few).on_both());
        assert!(!showing(10.0, &[(f64::INFINITY, 4.0)]).better_than(&few).on_live);
    }

    #[test]
    fn waits_that_cannot_be_told_apart_are_equal_and_then_the_number_of_the_served_counts() {
        let own = showing(20.0, &[(0.0006, 20.0)]);
        assert!(!showing(10.0, &[(0.0002, 20.0)]).better_than(&own).on_live);
        assert!(!showing(10.0, &[(0.0002, 19.0)]).better_than(&own).on_live);
        assert!(!showing(10.0, &[(1.0, 20.0)]).better_than(&showing(20.0, &[(1.05, 20.0)])).on_live);
        assert!(showing(10.0, &[(1.0, 20.0)]).better_than(&showing(20.0, &[(1.05, 18.0)])).on_live);
    }

    #[test]
    fn the_innocent_one_must_not_pay_for_the_other() {
        let own = showing(20.0, &[(0.001, 20.0), (3.0, 20.0)]);
        assert!(!showing(10.0, &[(0.5, 20.0), (1.0, 20.0)]).better_than(&own).on_live);
        assert!(showing(10.0, &[(0.001, 20.0), (1.0, 20.0)]).better_than(&own).on_live);
    }
}
