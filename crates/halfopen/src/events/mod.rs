//! Events 4226, 4227 and 4228: when they are due, what they say, where they are written.

pub mod denials;
pub mod episode;
pub mod identity;
pub mod kept;
pub mod record;
pub mod suspects;
pub mod system_log;
pub mod text;

pub use denials::{Denial, DenialReport, Denials};
pub use episode::{Episodes, Report, Waiter};
pub use identity::Identity;
pub use kept::KeptEvents;
pub use record::{Event, ProgramRecord, State};
pub use suspects::{Suspect, SuspectReport, Suspects};
pub use system_log::SystemLog;
