//! `report`: what the counts mean, in sentences, and what to do about it.

use super::columns::fitted;
use super::program_table;
use super::show::asked_status;
use super::suspects::{self, SuspectStatus};
use super::unanswered::{code, code_beside};
use crate::control::status::{seconds, span};
use crate::control::{
    ClientError, ConnectionsStatus, DenyStatus, EarlierCounts, Harm, ModeStatus, ProgramStatus, ScopeStatus,
    Status, UdpStatus, UnwatchedStatus,
};
use crate::events::text::plain;
use crate::kept_counts::KeptCounts;
use crate::output;
use crate::runtime_dir::StateDir;
use crate::utc_time::UtcTime;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many programs the table lists.
const LISTED: usize = 20;
/// How many earlier limits the text has a line for.
const EARLIER: usize = 5;
/// A shorter time may lack what a host does once a day.
const A_DAY: u64 = 86_400;

/// What `report --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// What the limit does.
    pub mode: ModeStatus,
    /// When the counting of all numbers began.
    pub counting_since: UtcTime,
    /// For how many seconds they have been counted.
    pub counting_for_s: u64,
    /// The host's `half_open`; `None` = unlimited.
    pub half_open_limit: Option<u32>,
    /// The host's releases per second; `None` = unlimited.
    pub drain_per_s: Option<f64>,
    /// The attempts of the whole host that began, or were refused before they could begin.
    pub attempts: u64,
    /// The host's numbers.
    #[serde(flatten)]
    pub host: Harm,
    /// The longest wait that has ended, in milliseconds.
    pub longest_wait_ms: u64,
    /// What waiting did to which program: at most 64, the most harmed first.
    pub programs: Vec<ProgramStatus>,
    /// What waiting did to all other programs.
    pub others: Harm,
    /// What earlier limits of this host counted, the oldest first: at most 16.
    pub earlier: Vec<EarlierCounts>,
    /// The suspects, as far as `status` lists them.
    pub suspects: Vec<SuspectStatus>,
    /// The rules of `[[deny]]`.
    pub deny: Vec<DenyStatus>,
    /// The scopes and accounts that limit first contacts over UDP, as far as `status` lists them.
    pub udp: Vec<UdpReport>,
    /// The scopes and accounts that limit connections, as far as `status` lists them.
    pub connections: Vec<ConnectionsReport>,
    /// What to do.
    pub advice: Vec<Advice>,
    /// Set if no daemon answers: then the numbers are read from the pins. `report` ends with exit code 1.
    #[serde(default)]
    pub unwatched: Option<UnwatchedStatus>,
}

/// First contacts over UDP of a scope or account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UdpReport {
    /// The scope or account.
    pub scope: String,
    /// Its numbers.
    #[serde(flatten)]
    pub udp: UdpStatus,
}

/// Connections of a scope or account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionsReport {
    /// The scope or account.
    pub scope: String,
    /// Its numbers.
    #[serde(flatten)]
    pub connections: ConnectionsStatus,
}

/// A step that `report` advises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Look at the suspects: `halfopen inspect ACCOUNT`.
    InspectSuspects,
    /// Look at the programs.
    KnowThePrograms,
    /// Raise `half_open` a little, and look again.
    RaiseHalfOpen,
    /// Raise `first_contacts` of trusted programs.
    RaiseFirstContacts,
    /// Raise a limit on connections of trusted programs.
    RaiseConnections,
    /// Let more attempts wait.
    RaiseQueue,
    /// Wait until there are more counts.
    WatchOn,
    /// Enforce on trial: `halfopen enforce --for 10m`.
    TryEnforcing,
    /// End the trial: `halfopen enforce --confirm`, or `--cancel`.
    Confirm,
    /// Choose a mode that counts.
    Count,
    /// Nothing: all is well.
    NothingToDo,
}

/// A step, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// For programs.
    pub step: Step,
    /// For people.
    pub text: String,
}

/// Prints what the counts mean.
pub fn report(json: bool) -> Result<u8> {
    let status = match asked_status() {
        Err(none) if !json && is_no_daemon(&none) => {
            let earlier = KeptCounts::read(&StateDir::of_this_host()).unwrap_or_default();
            earlier.iter().rev().take(EARLIER).try_for_each(|counts| output::line(&counts.to_string()))?;
            return Err(none);
        }
        asked => asked?,
    };
    let report = Report::of(&status);
    let unwatched = status.unwatched.as_ref();
    if json {
        output::line(&serde_json::to_string(&report)?)?;
        return Ok(code_beside(unwatched));
    }
    if let Some(unwatched) = unwatched {
        output::line(&fitted(&unwatched.to_string()))?;
    }
    output::line(&fitted(&report.text(&status)))?;
    Ok(code(unwatched))
}

fn is_no_daemon(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::NoDaemon(_)))
}

impl Report {
    fn of(status: &Status) -> Self {
        let scope = &status.host;
        let host = Harm {
            gave_up_while_queued: scope.gave_up_while_queued,
            refused_overflow: scope.refused_overflow,
            held: scope.released + scope.cancelled + scope.gave_up_while_queued + scope.queued,
            released: scope.released,
            cancelled: scope.cancelled,
            would_have_waited: scope.would_have_waited,
        };
        let mut report = Self {
            mode: status.mode,
            counting_since: status.counting_since,
            counting_for_s: status.counting_for_s,
            half_open_limit: scope.half_open_limit,
            drain_per_s: scope.drain_per_s,
            attempts: scope.admitted + host.held + host.refused_overflow,
            host,
            longest_wait_ms: scope.longest_wait_ms,
            programs: status.programs.clone(),
            others: status.others,
            earlier: status.earlier.clone(),
            suspects: SuspectStatus::all(status),
            deny: status.deny.clone(),
            udp: std::iter::once(scope).chain(&status.scopes).filter_map(udp_of).collect(),
            connections: std::iter::once(scope).chain(&status.scopes).filter_map(connections_of).collect(),
            advice: Vec::new(),
            unwatched: status.unwatched.clone(),
        };
        let for_credit =
            std::iter::once(scope).chain(&status.scopes).any(|scope| scope.trust.credit.is_some());
        report.advise(status.trial.is_some(), for_credit);
        report
    }

    /// `for_credit`: attempts may also wait for credit.
    fn advise(&mut self, on_trial: bool, for_credit: bool) {
        let Harm {
            gave_up_while_queued: gave_up,
            refused_overflow: refused,
            held,
            would_have_waited,
            cancelled,
            ..
        } = self.host;
        let udp = |count: fn(&UdpStatus) -> u64| self.udp.iter().map(|of| count(&of.udp)).sum::<u64>();
        let udp_stopped = udp(|udp| udp.stopped);
        let udp_would_have_been = udp(|udp| udp.would_have_been_stopped);
        let for_connections = self.connections.iter().map(|of| of.connections.waited_in_all()).sum::<u64>();
        let for_others = would_have_waited.saturating_sub(for_connections);
        let counted = span(self.counting_for_s);
        let (raise, raised) = if for_credit {
            (Step::RaiseFirstContacts, RAISE_FIRST_CONTACTS.to_owned())
        } else {
            (Step::RaiseHalfOpen, self::raise(self.half_open_limit))
        };
        let mut advise = |step, text: String| self.advice.push(Advice { step, text });
        if self.mode == ModeStatus::Off {
            advise(
                Step::Count,
                "Nothing is counted now: `halfopen set mode audit` counts without holding anything.".into(),
            );
        }
        if !self.suspects.is_empty() {
            advise(Step::InspectSuspects, suspects::advice(self.mode));
        }
        if gave_up > 0 {
            advise(Step::KnowThePrograms, know("gave up while they waited"));
            advise(raise, raised);
        } else if held == 0 && would_have_waited > 0 {
            advise(Step::KnowThePrograms, know("would have waited"));
            if for_others > 0 {
                advise(raise, raised);
            }
        }
        if for_connections > 0 {
            advise(Step::RaiseConnections, RAISE_CONNECTIONS.to_owned());
        }
        if refused > 0 {
            let text = "The queue was full: if you trust the refused program, raise host.queue a little, or set \
                        host.overflow = \"wait\".";
            advise(Step::RaiseQueue, text.into());
        }
        if udp_stopped + udp_would_have_been > 0 {
            let done = if udp_stopped > 0 { "were stopped" } else { "would have been stopped" };
            advise(Step::KnowThePrograms, know_udp(done));
        }
        if self.mode == ModeStatus::Audit && self.attempts > 0 {
            if would_have_waited + udp_would_have_been == 0 {
                let text = format!(
                    "Nothing would have been held in {counted}: enforcing is safe so far. \
                     `halfopen enforce --for 10m` tries it and reverts by itself."
                );
                advise(Step::TryEnforcing, text);
            } else {
                let text = "Once the list has no program that must not wait, try enforcing: `halfopen enforce --for \
                            10m` reverts by itself.";
                advise(Step::TryEnforcing, text.into());
            }
        }
        if on_trial {
            let text = "The host enforces on trial: `halfopen enforce --confirm --save` keeps enforcing, `halfopen \
                        enforce --cancel` ends the trial.";
            advise(Step::Confirm, text.into());
        }
        if self.attempts == 0 && self.mode != ModeStatus::Off {
            advise(
                Step::WatchOn,
                format!("This host has begun no attempt in {counted}: there is nothing to judge by yet."),
            );
        } else if self.counting_for_s < A_DAY && self.mode != ModeStatus::Off {
            let text =
                format!("The counts cover only {counted}: what happens once a day may not be in them yet.");
            advise(Step::WatchOn, text);
        }
        if cancelled > 0 {
            let text = format!(
                "Programs ended {cancelled} of their own attempts while these waited: their own timeouts may be \
                 shorter than the wait."
            );
            advise(Step::KnowThePrograms, text);
        }
        if self.mode == ModeStatus::Enforce
            && self.attempts > 0
            && self.suspects.is_empty()
            && gave_up + refused + cancelled + udp_stopped == 0
        {
            let text = if held == 0 { "Nothing has waited" } else { "No attempt gave up while it waited" };
            advise(Step::NothingToDo, format!("{text}: the counts show no harm done by the limit."));
        }
    }

    fn text(&self, status: &Status) -> String {
        let Harm { gave_up_while_queued: gave_up, refused_overflow, held, would_have_waited, .. } = self.host;
        let mut lines = vec![format!(
            "gave up while queued: {gave_up} of {} attempts of this host, in {} (since {})",
            self.attempts,
            span(self.counting_for_s),
            self.counting_since
        )];
        let limit = self.half_open_limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let drain = self.drain_per_s.map_or("as slots become free".to_owned(), |rate| format!("{rate}/s"));
        lines.push(format!(
            "now: mode {}, half_open {limit}, drain {drain}; the counts include times with other values",
            self.mode
        ));
        lines.extend(status.trial.iter().map(ToString::to_string));
        if would_have_waited > 0 {
            lines.push(format!(
                "audit: {would_have_waited} attempts found every slot taken{} and would have waited. Enforcing may hold \
                 more: attempts behind these would have waited too.",
                if self.connections.is_empty() { "" } else { ", or a limit on connections reached," }
            ));
            lines.extend(status.learned.iter().map(|learned| format!("audit: {learned}")));
        } else if self.mode == ModeStatus::Audit {
            lines.push("audit: no attempt would have waited".to_owned());
        }
        if held + refused_overflow > 0 {
            lines.push(format!(
                "enforce: {held} attempts waited: {} went out, {} were ended by their program, {gave_up} timed out, \
                 {} wait now; the longest wait that has ended took {}; {refused_overflow} were refused because the \
                 queue was full",
                self.host.released,
                self.host.cancelled,
                status.host.queued,
                seconds(self.longest_wait_ms)
            ));
        } else if self.mode == ModeStatus::Enforce {
            lines.push("enforce: no attempt has waited".to_owned());
        }
        lines.extend(self.suspects.iter().map(SuspectStatus::line));
        lines.extend(self.deny.iter().map(ToString::to_string));
        lines.extend(self.udp.iter().map(|of| format!("{}: {}", plain(&of.scope), of.udp)));
        lines.extend(self.connections.iter().map(|of| format!("{}: {}", plain(&of.scope), of.connections)));
        let table = program_table::lines(&self.programs, &self.others, LISTED);
        if !table.is_empty() {
            lines.push(String::new());
            lines.extend(table);
        }
        lines.extend(self.earlier.iter().rev().take(EARLIER).map(ToString::to_string));
        lines.push(String::new());
        lines.extend(self.advice.iter().map(|advice| format!("- {}", advice.text)));
        lines.join("\n")
    }
}

fn udp_of(scope: &ScopeStatus) -> Option<UdpReport> {
    Some(UdpReport { scope: scope.name.clone(), udp: scope.udp.clone()? })
}

fn connections_of(scope: &ScopeStatus) -> Option<ConnectionsReport> {
    Some(ConnectionsReport { scope: scope.name.clone(), connections: scope.connections.clone()? })
}

const RAISE_CONNECTIONS: &str = "Limits on connections held some back: events 4230 name the programs, the limits and \
    where the connections go. A program that you do not know is what the limits are for. If you trust it, give it a \
    [[scope]] of its own with a higher connect_rate, established or per_destination.";

fn know_udp(done: &str) -> String {
    format!(
        "First contacts over UDP {done}: the list above and events 4229 name the latest programs. A program that you \
         do not know is what the limit is for. A program whose job is to contact many addresses, such as a resolver, \
         needs a [[scope]] of its own with a higher udp_first_contacts."
    )
}

fn know(what: &str) -> String {
    format!(
        "Look at the programs whose attempts {what}. A program that you do not know is what the limit is for. A \
         program that this host cannot do without belongs in `never_hold`."
    )
}

const RAISE_FIRST_CONTACTS: &str = "If you trust one of them, give it a [[scope]] of its own with a higher \
    first_contacts or a lower answers_of_peers. Watch whether it waits again before you change more. `halfopen why \
    PID` says whether it waits for credit or for a slot.";

/// The makers of patches for the original limit gave the same advice.
fn raise(limit: Option<u32>) -> String {
    let raised = limit.map_or_else(String::new, |limit| {
        let raised = limit.saturating_add((limit / 2).max(1));
        format!(" (`halfopen set half_open {raised}`; now {limit})")
    });
    format!(
        "If you trust all of them, raise half_open a little{raised}. Watch whether attempts wait again before you \
         raise it further."
    )
}

#[cfg(test)]
mod tests;
