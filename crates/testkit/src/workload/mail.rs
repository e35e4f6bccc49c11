//! Delivery of mail.

use std::time::Duration;

use crate::workload::draw::{Draw, Ports, Prefix};
use crate::workload::scanners::one;
use crate::workload::storms::alone;
use crate::workload::{Pace, Peer, Stream, Workload};

const SMTP: u16 = 25;
const HOSTS: usize = 2_000;
const LIVE_PERCENT: usize = 95;
/// Postfix's own default_destination_concurrency_limit and smtp_connect_timeout.
const DELIVERIES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Workload n: mail to 2,000 hosts, all of them named by DNS answers, of which 95 % answer: 20 deliveries at a time,
/// each connecting for 30 s at most.
#[must_use]
pub fn mail(seed: u64) -> Workload {
    let dials =
        Draw::new(seed, Prefix::WORLD).on(Ports::One(SMTP)).mixed(Peer::Stranger, HOSTS, LIVE_PERCENT);
    let named = dials.iter().map(|dial| dial.to).collect();
    let stream = Stream { dials, pace: Pace::Threads(DELIVERIES), patience: Some(PATIENCE) };
    Workload { named, ..alone("n".to_owned(), one(vec![stream]), Duration::from_mins(10)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_hosts_are_named() {
        let workload = mail(1);
        assert_eq!((workload.live().len(), workload.dead().len()), (1_900, 100));
        assert!(workload.live().union(&workload.dead()).eq(&workload.named));
    }
}
