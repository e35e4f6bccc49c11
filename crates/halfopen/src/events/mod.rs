//! Events 4226 to 4230: when they are due, their texts, and their outputs.

pub mod connections;
pub mod denials;
pub mod episode;
pub mod held_connections;
pub mod identity;
pub mod kept;
pub mod kinds;
mod line;
pub mod reason;
pub mod record;
pub mod stopped_datagrams;
pub mod suspects;
pub mod system_log;
mod tallies;
pub mod text;
pub mod udp;

pub use connections::{ConnectionsReport, DestinationCount};
pub use denials::{Denial, DenialReport, Denials};
pub use episode::{Episodes, Report};
pub use held_connections::{DueConnections, HeldConnections};
pub use identity::Identity;
pub use kept::KeptEvents;
pub use reason::{AtDestination, NewAddresses, Reason};
pub use record::{Event, ProgramRecord, Protocol, State};
pub use stopped_datagrams::{StoppedDatagrams, StoppedReport};
pub use suspects::{DueSuspect, Named, SuspectReport, Suspects};
pub use system_log::SystemLog;
pub use tallies::{Tally, Waiter};
