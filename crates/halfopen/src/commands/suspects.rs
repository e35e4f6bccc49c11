//! The suspects that `report` names.

use crate::control::{ModeStatus, ScopeStatus, Status};
use crate::events::text::plain;
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account whose first contacts mostly failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuspectStatus {
    /// Its name.
    pub account: String,
    /// What the cgroup belongs to that it is for.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// Since when it is a suspect.
    pub since: UtcTime,
    /// Until when its connects fail; `None` = it is not blocked.
    pub blocked_until: Option<UtcTime>,
    /// First contacts let out so far.
    pub first_contacts: u64,
    /// How many of its attempts were answered.
    pub established: u64,
    /// How many were refused, unreachable, timed out or closed after their SYN had left.
    pub failed: u64,
    /// How many wait now.
    pub queued: u64,
}

/// What to do about suspects.
pub fn advice(mode: ModeStatus) -> String {
    let stop = if mode == ModeStatus::Enforce {
        "`halfopen block ACCOUNT --for 1h` stops it while you find out"
    } else {
        "stop it yourself, or enforce the limit while you find out: `halfopen enforce --for 1h`"
    };
    format!(
        "Look at the suspects: `halfopen inspect ACCOUNT` shows what they run and whom they dial. If you do not know one, \
         {stop}. If you trust one, `halfopen release ACCOUNT` clears it, and a [[scope]] of its own with a higher \
         first_contacts or a lower answers_of_peers keeps it clear."
    )
}

impl SuspectStatus {
    /// All that `status` lists.
    pub fn all(status: &Status) -> Vec<Self> {
        std::iter::once(&status.host).chain(&status.scopes).filter_map(Self::of).collect()
    }

    fn of(scope: &ScopeStatus) -> Option<Self> {
        Some(Self {
            account: scope.name.clone(),
            runs_in: scope.runs_in.clone(),
            since: scope.trust.suspect_since?,
            blocked_until: scope.trust.blocked_until,
            first_contacts: scope.trust.first_contacts.unwrap_or_default(),
            established: scope.established,
            failed: scope.failed,
            queued: scope.queued,
        })
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let blocked = self.blocked_until.map_or_else(String::new, |until| format!(", blocked until {until}"));
        let named = self.runs_in.named().map_or_else(String::new, |named| format!(" ({})", plain(&named)));
        format!(
            "suspect since {}: {}{named}: {} first contacts, {} of {} attempts with an outcome answered, {} wait{blocked}",
            self.since,
            plain(&self.account),
            self.first_contacts,
            self.established,
            self.established + self.failed,
            self.queued
        )
    }
}
