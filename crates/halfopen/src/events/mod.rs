//! Event 4226: when it is due, what it says, where it is written.

pub mod episode;
pub mod identity;
pub mod kept;
pub mod record;
pub mod system_log;
pub mod text;

pub use episode::{Episodes, Report, State, Waiter};
pub use identity::Identity;
pub use kept::KeptEvents;
pub use record::{Event, ProgramRecord};
pub use system_log::SystemLog;
