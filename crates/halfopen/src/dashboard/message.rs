//! The messages between the daemon and the dashboard's process: lines of JSON, one answer to each request, in order.
//!
//! This is the whole of what that process can have the daemon do, so that it is a closed list.

use crate::control::{AccountName, Answer, TrialOrder};
use crate::events::Event;
use crate::utc_time::UtcTime;
use serde::{Deserialize, Serialize};

/// The longest request, in bytes.
pub const LONGEST: u64 = 16 * 1024;

/// What the dashboard's process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Asked {
    /// It serves: how an address of it begins, such as `http://127.0.0.1:4227`. [`Told::Noted`].
    Serving(String),
    /// It cannot serve, and ends. [`Told::Noted`].
    NotServed(String),
    /// Somebody has a one-time token. [`Told::LoggedIn`] or [`Told::NoSession`].
    LogIn(String),
    /// Somebody ends a session. [`Told::Noted`].
    LogOut(String),
    /// The one with this session wants something. What it is, or [`Told::NoSession`].
    Want(String, Wanted),
}

/// What somebody who is logged in can want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wanted {
    /// [`Answer::Status`].
    Status,
    /// [`Told::Events`]: the latest.
    Events,
    /// [`Told::Events`]: those of this time, number and scope.
    Event(EventKey),
    /// [`Answer::Inspection`] of a scope or an account.
    Inspect(AccountName),
    /// [`Answer::Settings`].
    Settings,
    /// [`Answer::Changed`]: a limit, or the mode. `was` is the value that the operator has seen.
    #[allow(missing_docs, reason = "the names are those of the message")]
    Set { name: String, value: String, was: String },
    /// [`Answer::Trial`].
    Enforce(TrialOrder),
    /// [`Answer::Blocked`], for so many milliseconds.
    Block(AccountName, u64),
    /// [`Answer::Released`].
    Release(AccountName),
}

impl Wanted {
    /// Whether it changes something.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Set { .. } | Self::Enforce(_) | Self::Block(..) | Self::Release(_))
    }
}

/// What tells an event from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventKey {
    /// When it was written.
    pub time: UtcTime,
    /// Its number.
    pub id: u16,
    /// Its scope.
    pub scope: String,
}

impl EventKey {
    /// That of `event`.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self { time: event.time, id: event.id, scope: event.scope.clone() }
    }
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Noted.
    Noted,
    /// The session's secret.
    LoggedIn(String),
    /// There is no such token, or no such session any more.
    NoSession,
    /// As a client of the control socket is answered.
    Answer(Box<Answer>),
    /// The latest last.
    Events(Vec<Event>),
}
