//! What a replay found.

use crate::delays::Delays;
use crate::input::Counts;
use crate::policy::Policy;
use crate::programs::Programs;
use crate::sources::{Dialler, Recorded, Sources};
use crate::tally::Tally;
use crate::trace::Program;
use crate::trial::Trial;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::Path;

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// The recordings, in the order in which they were replayed.
    pub inputs: Vec<InputReport>,
    /// When the first attempt began; `None` without attempts.
    #[schemars(extend("format" = "date-time"))]
    pub began: Option<String>,
    /// From then to the last observation.
    pub lasted_s: u64,
    /// The attempts of the recordings, whatever the policy.
    pub recorded: Totals,
    /// What each policy would have done to them.
    pub policies: Vec<PolicyReport>,
    /// What the bounds on memory, and the recordings themselves, have left out.
    pub overflow: Overflow,
    /// Which `half_open` the recordings ask for; `None` if that was not asked.
    #[serde(default)]
    pub advice: Option<ReplayAdvice>,
}

/// One recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InputReport {
    /// Its file; `-` is standard input.
    pub file: String,
    /// Its packets, or the records of a log.
    pub records: u64,
    /// Records that are no TCP and no ICMP error, or that tell of connections whose beginning was not seen.
    pub other: u64,
    /// Packets of which too little was captured to see the TCP header.
    pub cut_short: u64,
    /// Fragments of IP packets: they are not put together.
    pub fragments: u64,
    /// Records that are damaged, and were skipped.
    pub damaged: u64,
    /// The first of them, each with its offset in bytes of the decompressed file.
    pub damage: Vec<String>,
    /// The file ends within a record.
    pub is_cut_off: bool,
    /// Records of a log that were too far out of order, and were replayed late.
    pub late: u64,
    /// What the limiter did meanwhile; all 0 in recordings that do not tell.
    #[serde(default)]
    pub limited: LimitedReport,
}

/// What the limiter did while attempts were recorded. In the replay they were not held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitedReport {
    /// How long it held attempts.
    pub held: Waits,
    /// Attempts that it refused. They are not replayed, as nobody knows what would have come of them.
    pub refused: u64,
    /// Attempts that it, or somebody else, denied. They are not replayed.
    pub denied: u64,
    /// Attempts that were not recorded for want of room.
    pub lost: u64,
}

impl InputReport {
    pub(crate) fn new(path: &Path, counts: &Counts) -> Self {
        let damage = counts.damage.iter().map(|damage| format!("at byte {}: {}", damage.offset, damage.what));
        Self {
            file: path.display().to_string(),
            records: counts.records,
            other: counts.other,
            cut_short: counts.cut_short,
            fragments: counts.fragments,
            damaged: counts.damaged,
            damage: damage.collect(),
            is_cut_off: counts.is_cut_off,
            late: counts.late,
            limited: LimitedReport {
                held: (&counts.limited.held).into(),
                refused: counts.limited.refused,
                denied: counts.limited.denied,
                lost: counts.lost,
            },
        }
    }
}

/// Attempts of a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// All attempts.
    pub attempts: u64,
    /// Those that were answered by a SYN-ACK.
    pub answered: u64,
    /// Those that were turned down by a RST or by ICMP.
    pub turned_down: u64,
    /// Those that nothing came back to.
    pub silent: u64,
}

impl From<&Recorded> for Totals {
    fn from(recorded: &Recorded) -> Self {
        let Recorded { attempts, answered, turned_down, silent } = *recorded;
        Self { attempts, answered, turned_down, silent }
    }
}

/// Times that attempts waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waits {
    /// How many had to wait, whatever came of it.
    pub count: u64,
    /// How many waited for more than a second.
    pub over_1s: u64,
    /// How many waited for more than ten seconds.
    pub over_10s: u64,
    /// The median of their waits, right to 9 %; 0 if none waited.
    pub median_ms: u64,
    /// The wait that 99 % did not exceed, right to 9 %.
    pub p99_ms: u64,
    /// The longest wait.
    pub longest_ms: u64,
}

/// Waits of nearly one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitStep {
    /// They were this long, or up to an eighth of an octave shorter.
    pub up_to_ms: u64,
    /// How many.
    pub count: u64,
}

impl From<&Delays> for Waits {
    fn from(delays: &Delays) -> Self {
        Self {
            count: delays.count,
            over_1s: delays.over_1s,
            over_10s: delays.over_10s,
            median_ms: delays.quantile(500),
            p99_ms: delays.quantile(990),
            longest_ms: delays.longest / 1_000_000,
        }
    }
}

/// A `half_open`, and what it would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitReplayed {
    /// At most this share of the answered attempts would have been delayed, in thousandths.
    pub delayed_per_mille: u64,
    /// The lowest one tried of which that holds.
    pub half_open: u32,
    /// How many answered attempts it would have delayed, refused or made give up, besides those that the policy's other
    /// limits hold.
    pub delayed: u64,
}

/// Which `half_open` of the host the recording asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayAdvice {
    /// The policy whose other limits held.
    pub policy: String,
    /// Its `half_open`; null = unlimited.
    pub half_open_now: Option<u32>,
    /// Answered attempts of those that are no suspects.
    pub answered: u64,
    /// Suspects, which are left out: no limit is raised for them.
    pub suspects: u64,
    /// How many answered attempts the policy's other limits hold or refuse, whatever `half_open` is.
    pub held_anyway: u64,
    /// Limits, the strictest first. One that would have to be higher than any that was tried is left out.
    pub limits: Vec<LimitReplayed>,
    /// The `half_open` to set; null where the recording says too little, or where it is as it should be.
    pub recommended: Option<u32>,
}

/// What a policy would have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyReport {
    /// The policy's name.
    pub policy: String,
    /// To all attempts.
    pub all: Effect,
    /// How its waits are spread: those that had to wait, by the time, the shortest first.
    #[serde(default)]
    pub waits: Vec<WaitStep>,
    /// How many sources it would have named as suspects.
    pub suspects: u64,
    /// To the sources that it would have done something to, the most harmed first.
    pub sources: Vec<SourceReport>,
    /// To the sources that are not told of one by one, because there are too many: how many these are.
    pub other_sources: u64,
}

/// What a policy would have done to attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// Those that had to wait.
    pub delayed: Waits,
    /// Those of them that were answered in the recording, and connected late.
    pub answered_delayed: Waits,
    /// Those that gave up before they were let out.
    pub gave_up: u64,
    /// Those of them that were answered in the recording.
    pub answered_gave_up: u64,
    /// Those whose `connect()` failed at once.
    pub refused: u64,
    /// Those of them that were answered in the recording.
    pub answered_refused: u64,
    /// Those that were not judged, because too many sources dialled at once.
    pub unjudged: u64,
    /// First contacts that were let out, if they cost credit.
    pub first_contacts: u64,
    /// Those of them that were answered.
    pub answered_first_contacts: u64,
}

impl From<&Tally> for Effect {
    fn from(tally: &Tally) -> Self {
        Self {
            delayed: (&tally.delayed).into(),
            answered_delayed: (&tally.answered_delayed).into(),
            gave_up: tally.gave_up,
            answered_gave_up: tally.answered_gave_up,
            refused: tally.refused,
            answered_refused: tally.answered_refused,
            unjudged: tally.unjudged,
            first_contacts: tally.first_contacts,
            answered_first_contacts: tally.first_answered,
        }
    }
}

/// What a policy would have done to one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceReport {
    /// Its address; that of a program, the one that it dialled from first.
    pub source: IpAddr,
    /// The program, in recordings that know programs; `None` in others.
    #[serde(default)]
    pub program: Option<ProgramReport>,
    /// Its attempts in the recording.
    pub recorded: Totals,
    /// What the policy would have done to them.
    #[serde(flatten)]
    pub effect: Effect,
    /// Why the policy would have named it as a suspect; `None` if not.
    pub suspect: Option<SuspectReport>,
}

/// A program of a recording: all its processes of one user in one cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramReport {
    /// Its name, which it chooses itself; as it was recorded.
    pub name: String,
    /// Its user's number.
    pub uid: u32,
    /// The path of its cgroup; empty if nobody knows.
    pub cgroup: String,
    /// What the cgroup belongs to: unit, container, pod; empty if nobody knows.
    pub runs_in: String,
    /// The account that the policy would have charged; `None`: only the host's limits hold.
    pub account: Option<String>,
}

/// Why a source looks like a scanner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuspectReport {
    /// Since when.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Its first contacts by then.
    pub first_contacts: u64,
    /// Those of them that were answered.
    pub answered: u64,
    /// The port that most of them went to; `None` if they went to many.
    pub port: Option<u16>,
}

/// What the bounds on memory, and the recordings themselves, have left out or changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overflow {
    /// Attempts that no policy judged, because too many sources dialled at once.
    pub unjudged: u64,
    /// Sources whose accounting was forgotten while they were idle, and would begin anew.
    pub begun_anew: u64,
    /// Attempts that were taken to be silent early, because too many were unanswered at once.
    pub hurried: u64,
    /// Neighbourhoods whose answers were forgotten early.
    pub forgotten_neighbourhoods: u64,
    /// Observations that were earlier than the one before them; they count as at the same time.
    pub out_of_order: u64,
    /// SYNs that were recorded twice, or sent again after their answer.
    pub seen_twice: u64,
    /// Attempts that were unanswered when the recordings ended; they count as silent.
    pub open_at_the_end: u64,
}

pub(crate) fn report(
    inputs: Vec<InputReport>,
    span: Option<(u64, u64)>,
    trials: &[Trial],
    (sources, programs): (&Sources, &Programs),
    (others, others_count, of_others): (Recorded, u64, Vec<Tally>),
    overflow: Overflow,
) -> Replayed {
    let mut recorded = others;
    for (_, source) in sources.iter() {
        recorded.merge(&source.recorded);
    }
    let of_policy = |(trial, mut all): (&Trial, Tally)| {
        let mut told = Vec::new();
        for (id, source) in sources.iter() {
            let tally = &trial.tallies[id.index()];
            all.merge(tally);
            if !tally.is_quiet() {
                told.push(SourceReport {
                    source: source.address.as_ip(),
                    program: match source.dialler {
                        Dialler::Host(_) => None,
                        Dialler::Program(number) => {
                            programs.get(number).map(|program| of_program(program, trial.policy()))
                        }
                    },
                    recorded: (&source.recorded).into(),
                    effect: tally.into(),
                    suspect: tally.suspect.as_deref().map(|suspect| SuspectReport {
                        since: time(suspect.since),
                        first_contacts: suspect.first_contacts,
                        answered: suspect.answered,
                        port: suspect.port,
                    }),
                });
            }
        }
        told.sort_by_key(|of| std::cmp::Reverse((of.effect.harm(), of.effect.delayed.count, of.source)));
        PolicyReport {
            policy: trial.policy().name.clone(),
            all: (&all).into(),
            waits: all.delayed.steps().map(|(up_to_ms, count)| WaitStep { up_to_ms, count }).collect(),
            suspects: all.suspects,
            sources: told,
            other_sources: others_count,
        }
    };
    Replayed {
        inputs,
        began: span.map(|(first, _)| time(first)),
        lasted_s: span.map_or(0, |(first, last)| (last - first) / 1_000_000_000),
        recorded: (&recorded).into(),
        policies: trials.iter().zip(of_others).map(of_policy).collect(),
        overflow,
        advice: None,
    }
}

fn of_program(program: &Program, policy: &Policy) -> ProgramReport {
    let account = policy.account_of(program).map(|(name, _)| name);
    let Program { name, uid, cgroup, runs_in } = program.clone();
    ProgramReport { name, uid, cgroup, runs_in, account }
}

/// RFC 3339 in UTC.
fn time(ns: u64) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(ns.into()).unwrap_or(jiff::Timestamp::MAX);
    format!("{stamp:.3}")
}

impl Effect {
    /// How many attempts that were answered would have been late by more than a second, or not have connected.
    #[must_use]
    pub fn harm(&self) -> u64 {
        self.answered_delayed.over_1s + self.answered_gave_up + self.answered_refused
    }
}
