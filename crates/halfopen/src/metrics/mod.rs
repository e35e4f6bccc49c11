//! Metrics for Prometheus: which there are, how they are written, and the server that offers them.

pub mod families;
mod labels;
pub mod reading;
pub mod server;
pub mod written;

pub use families::{FAMILIES, Family, FamilyKind};
pub use reading::{Account, Reading, ScopeTotal};
pub use written::Format;
