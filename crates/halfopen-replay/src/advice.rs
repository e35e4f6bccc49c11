//! Which `half_open` a recording asks for: the policy is replayed with others beside it, and the lowest one is advised with
//! which next to nothing waits longer than without any.

use crate::policy::Policy;
use crate::report::{LimitReplayed, PolicyReport, ReplayAdvice, Replayed};
use halfopen_policy::Limits;

/// What is tried, besides no limit.
const TRIED: [u32; 14] = [5, 10, 15, 20, 30, 40, 60, 80, 120, 180, 256, 400, 600, 1_000];
/// The shares of answered attempts that may have been delayed, in thousandths. The second one is advised.
const TARGETS: [u64; 3] = [10, 1, 0];

/// What is enough to advise anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enough {
    /// Answered attempts.
    pub answered: u64,
    /// The recording's length in seconds.
    pub lasted_s: u64,
}

/// The policies to be replayed beside `policy` for [`advise`].
pub fn beside(policy: &Policy) -> impl Iterator<Item = Policy> + '_ {
    let tried = TRIED.into_iter().map(Some).chain([None]);
    policy.host.into_iter().flat_map(move |host| {
        tried
            .clone()
            .map(move |half_open| Policy { host: Some(Limits { half_open, ..host }), ..policy.clone() })
    })
}

/// Takes what became of [`beside`] off the end of the report, and says what it advises for `policy`, the first one there.
pub fn advise(replayed: &mut Replayed, policy: &Policy, enough: Enough) {
    // Without a host's limits, nothing was replayed beside.
    let (Some(host), Some(at)) = (policy.host, replayed.policies.len().checked_sub(TRIED.len() + 1)) else {
        return;
    };
    let mut tried = replayed.policies.split_off(at);
    let (Some(unlimited), Some(first)) = (tried.pop(), replayed.policies.first()) else { return };
    let suspects: Vec<_> = first.sources.iter().filter(|of| of.suspect.is_some()).collect();
    let is_suspect = |of: &crate::SourceReport| {
        suspects.iter().any(|suspect| suspect.source == of.source && suspect.program == of.program)
    };
    let hurt = |policy: &PolicyReport| -> u64 {
        let all = policy.sources.iter().filter(|of| !is_suspect(of)).map(|of| &of.effect);
        all.map(|of| of.answered_delayed.count + of.answered_gave_up + of.answered_refused).sum()
    };
    let answered = replayed.recorded.answered - suspects.iter().map(|of| of.recorded.answered).sum::<u64>();
    let held_anyway = hurt(&unlimited);
    let delayed: Vec<u64> = tried.iter().map(|policy| hurt(policy).saturating_sub(held_anyway)).collect();
    let lowest = |share: u64| {
        // Above it, nothing delays more.
        let too_low = delayed.iter().rposition(|delayed| delayed * 1_000 > answered * share);
        let at = too_low.map_or(0, |at| at + 1);
        Some(LimitReplayed {
            delayed_per_mille: share,
            half_open: *TRIED.get(at)?,
            delayed: *delayed.get(at)?,
        })
    };
    let limits: Vec<LimitReplayed> = TARGETS.into_iter().filter_map(lowest).collect();
    let is_enough = answered >= enough.answered && replayed.lasted_s >= enough.lasted_s;
    let advised =
        limits.iter().find(|limit| limit.delayed_per_mille == TARGETS[1]).map(|limit| limit.half_open);
    replayed.advice = Some(ReplayAdvice {
        policy: policy.name.clone(),
        half_open_now: host.half_open,
        answered,
        suspects: suspects.len() as u64,
        held_anyway,
        recommended: advised.filter(|advised| is_enough && host.half_open != Some(*advised)),
        limits,
    });
}
