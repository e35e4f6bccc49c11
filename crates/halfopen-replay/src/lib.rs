//! What policies of halfopen would have done to traffic that was recorded.
//!
//! [`input`] reads recordings and finds out what became of each connection attempt in them; [`Replay`] puts the attempts
//! to any number of policies, each on a clock of its own. `halfopen-policy` makes all decisions: the same headers as in
//! the kernel part.

pub mod advice;
pub mod assertion;
mod attempts;
mod delays;
mod flows;
mod host;
mod hosts;
pub mod input;
mod known;
mod observation;
pub mod picture;
mod policy;
mod programs;
mod replay;
mod report;
mod sources;
mod tally;
pub mod trace;
mod trial;

pub use input::InputError;
pub use observation::{Address, Flow, Observation, ProgramNumber, Refusal, Seen};
pub use policy::{Accounts, Policy};
pub use replay::{Options, Replay};
pub use report::{
    Effect, InputReport, LimitReplayed, LimitedReport, Overflow, PolicyReport, ProgramReport, ReplayAdvice,
    Replayed, SourceReport, SuspectReport, Totals, WaitStep, Waits,
};
