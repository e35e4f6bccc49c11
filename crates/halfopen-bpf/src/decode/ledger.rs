//! Reading a scope's books as they would be if somebody asked at this moment.

use crate::abi::plain;
use crate::abi::skeleton::types;
use halfopen_policy::{Ledger, abi};

pub(crate) fn ledger(scope: &types::scope, now_ns: u64) -> Ledger {
    abi::ledger(plain::bytes(scope), now_ns).expect("both are the same structure, as the test below says")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::plain::{AttemptRecord, HeldRecord, TurnRecord};
    use crate::encode::values;
    use halfopen_policy::{Excess, FirstContact, FirstDatagrams, Limits, OnSuspect, Overflow, Rate};
    use std::time::Duration;

    #[test]
    fn structures_have_the_size_that_the_kernel_gives_them() {
        let here = abi::Sizes {
            scope: size_of::<types::scope>(),
            limits: size_of::<types::limits>(),
            party: size_of::<types::party>(),
            attempt: size_of::<types::attempt>(),
            held_record: size_of::<HeldRecord>(),
            turn_record: size_of::<TurnRecord>(),
            attempt_record: size_of::<AttemptRecord>(),
        };
        assert_eq!(here, abi::sizes());
    }

    #[test]
    fn limits_are_written_as_the_policy_is_told_them() {
        let rate =
            |per_minute| Rate::new(per_minute, Duration::from_mins(1)).expect("within the range of rates");
        let suspects = [OnSuspect::Notify, OnSuspect::Throttle, OnSuspect::Block(Duration::from_secs(7))];
        let asking = suspects.into_iter().flat_map(|on_suspect| {
            [FirstContact::adaptive(), FirstContact::virus_throttle()].map(|first| Limits {
                half_open: None,
                drain: None,
                strict: false,
                max_wait: Some(Duration::from_secs(9)),
                overflow: Overflow::Wait,
                first_contact: Some(FirstContact { on_suspect, ..first }),
                ..Limits::xp_sp2()
            })
        });
        let sending = [Excess::Refuse, Excess::Drop].map(|excess| Limits {
            datagrams: Some(FirstDatagrams { rate: rate(31), excess }),
            ..Limits::xp_sp2()
        });
        for limits in asking.chain(sending).chain([Limits::xp_sp2()]) {
            assert_eq!(plain::bytes(&values::limits(&limits)), abi::limits(&limits), "{limits:?}");
        }
    }
}
