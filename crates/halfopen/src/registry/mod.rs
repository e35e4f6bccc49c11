//! Files of the Windows registry editor (`.reg`): the limits that they set, and files that set the limits in force.

mod data;
mod encoding;
mod error;
mod line;
mod meaning;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use error::{RegistryError, Unexpected};
pub use meaning::{Limit, Meaning, Of, Wish};
pub use read::{Entry, Found, Ignored, Said, read};
pub use write::{Exported, utf8, utf16};

/// The first lines of the two versions of the format.
const HEADERS: [&str; 2] = ["Windows Registry Editor Version 5.00", "REGEDIT4"];
/// The key below which the limits are.
const PARAMETERS: &str = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters";
/// The key of `PARAMETERS` with a key for each interface.
const INTERFACES: &str = "Interfaces";
const LIMIT: &str = "TcpNumConnections";
const RATE_LIMITING: &str = "EnableConnectionRateLimiting";
