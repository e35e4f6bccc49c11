//! Counts of first contacts over UDP in a scope or account.

use crate::events::text::{plain, socket_of};
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use halfopen_policy::DatagramCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// First contacts over UDP, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UdpStatus {
    /// Sent.
    pub let_out: u64,
    /// Refused or dropped.
    pub stopped: u64,
    /// Sent in audit mode although enforcing would have stopped them.
    pub would_have_been_stopped: u64,
    /// The last first contact that was stopped, or would have been, because this scope or account had no turn for it.
    #[serde(default)]
    pub last: Option<StoppedStatus>,
}

/// The first contact that was stopped last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoppedStatus {
    /// When it was stopped.
    pub time: UtcTime,
    /// Process id, as the first PID namespace sees it; `None` = the program is unknown.
    pub pid: Option<u32>,
    /// User id, as the first user namespace sees it.
    pub uid: Option<u32>,
    /// The name that the program gave itself.
    pub comm: Option<String>,
    /// Its executable; `None` if that process is gone or cannot be read.
    pub exe: Option<String>,
    /// The cgroup in which the socket was made; `None` if that is gone.
    pub cgroup: Option<String>,
    /// What that cgroup belongs to.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// The id of that cgroup.
    pub cgroup_id: u64,
    /// The destination.
    pub destination: String,
    /// Whether it was only counted.
    pub audited: bool,
}

impl UdpStatus {
    pub(super) fn new(counts: &DatagramCounts) -> Self {
        let &DatagramCounts { let_out, stopped, would_have_been_stopped } = counts;
        Self { let_out, stopped, would_have_been_stopped, last: None }
    }

    /// The numbers alone.
    #[must_use]
    pub fn counts(&self) -> DatagramCounts {
        let &Self { let_out, stopped, would_have_been_stopped, .. } = self;
        DatagramCounts { let_out, stopped, would_have_been_stopped }
    }
}

impl Display for UdpStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { let_out, stopped, would_have_been_stopped: audited, last } = self;
        write!(
            f,
            "first contacts over UDP: {let_out} let out, {stopped} stopped, {audited} would have been"
        )?;
        last.as_ref().map_or(Ok(()), |last| write!(f, "; the last was {last}"))
    }
}

impl Display for StoppedStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pid, comm, cgroup, destination, time, .. } = self;
        match (comm, pid) {
            (Some(comm), Some(pid)) => write!(f, "sent by {} (pid {pid})", plain(comm))?,
            _ => write!(f, "sent by an unknown program ({})", socket_of(cgroup.as_deref()))?,
        }
        write!(f, " to {destination} at {time}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_named_where_it_can_be_told() {
        let last = StoppedStatus {
            time: UtcTime::EPOCH,
            pid: Some(7),
            uid: Some(0),
            comm: Some("scan\n".into()),
            exe: None,
            cgroup: Some("/a".into()),
            runs_in: RunsIn::default(),
            cgroup_id: 1,
            destination: "198.18.0.7:53".into(),
            audited: false,
        };
        let udp = UdpStatus { let_out: 1, stopped: 2, would_have_been_stopped: 0, last: Some(last.clone()) };
        assert_eq!(
            udp.to_string(),
            "first contacts over UDP: 1 let out, 2 stopped, 0 would have been; the last was sent by scan\\x0a (pid 7) to \
             198.18.0.7:53 at 1970-01-01T00:00:00.000Z"
        );
        let nobody = StoppedStatus { pid: None, uid: None, comm: None, ..last };
        assert_eq!(
            nobody.to_string(),
            "sent by an unknown program (its socket is of cgroup /a) to 198.18.0.7:53 at 1970-01-01T00:00:00.000Z"
        );
        let older = r#"{"let_out":1,"stopped":2,"would_have_been_stopped":0}"#;
        let read: UdpStatus = serde_json::from_str(older).unwrap();
        assert_eq!(read, UdpStatus { last: None, ..udp });
    }
}
