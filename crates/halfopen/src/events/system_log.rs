//! The system log: journald if it listens, else syslog, else none. An event stands there once, also where standard error
//! leads to the same journal.

use super::record::Event;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Identifies the kind of message in journald's catalogue: `journalctl MESSAGE_ID=...` finds all events.
pub const MESSAGE_ID: &str = "d1eed31f4f384815b5856704ca03bcd9";
/// syslog's facility daemon (3), severity warning (4).
const DAEMON_WARNING: u8 = 3 * 8 + 4;

/// The sockets on which the host's logs listen.
#[derive(Debug)]
pub struct SystemLog {
    journal: PathBuf,
    syslog: PathBuf,
    /// Whether journald reads the standard error of this process.
    reads_stderr: bool,
    reached: bool,
}

impl Default for SystemLog {
    fn default() -> Self {
        let sockets = Self::at("/run/systemd/journal/socket".into(), "/dev/log".into());
        Self { reads_stderr: journal_reads_stderr(), ..sockets }
    }
}

impl SystemLog {
    /// Uses other sockets than the usual ones.
    #[must_use]
    pub fn at(journal: PathBuf, syslog: PathBuf) -> Self {
        Self { journal, syslog, reads_stderr: false, reached: true }
    }

    /// Whether the last event reached a log.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.reached
    }

    /// Writes `event` to journald, or else to syslog. Never waits: if the log does not read, the event is lost there.
    /// Returns whether the event is to be written to standard error too. Where journald reads that, either it or the
    /// socket has the event.
    #[must_use]
    pub fn write(&mut self, event: &Event) -> bool {
        let journal = send(&self.journal, &journal_entry(event));
        if self.reads_stderr {
            self.reached = true;
            return journal.is_err();
        }
        let outcome = journal.or_else(|journal| {
            send(&self.syslog, syslog_entry(event).as_bytes()).map_err(|syslog| (journal, syslog))
        });
        if let Err((journal, syslog)) = &outcome
            && self.reached
        {
            tracing::warn!(
                "no system log takes events: they are only on stderr and in `halfopen events` ({}: {journal}; {}: \
                 {syslog})",
                self.journal.display(),
                self.syslog.display()
            );
        }
        self.reached = outcome.is_ok();
        true
    }
}

/// Whether the standard error of this process is the stream to journald that systemd names by device and inode.
fn journal_reads_stderr() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn send(path: &std::path::Path, entry: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(entry, path).map(drop)
}

/// A field of an event in journald.
#[derive(Debug)]
pub struct JournalField {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub meaning: &'static str,
    /// `None` leaves it out.
    value: fn(&Event) -> Option<String>,
}

/// All fields.
pub const JOURNAL_FIELDS: [JournalField; 17] = [
    field("MESSAGE", "the line for people", |event| Some(event.to_string())),
    field("MESSAGE_ID", "the same for all events", |_| Some(MESSAGE_ID.to_owned())),
    field("PRIORITY", "4, warning", |_| Some("4".to_owned())),
    field("SYSLOG_IDENTIFIER", "`halfopen`", |_| Some("halfopen".to_owned())),
    field("DOCUMENTATION", "its page of the manual", |event| {
        Some(format!("man:halfopen-event-{}(7)", event.id))
    }),
    field("HALFOPEN_EVENT", "`id`", |event| Some(event.id.to_string())),
    field("HALFOPEN_STATE", "`state`", |event| Some(event.state.name().to_owned())),
    field("HALFOPEN_SCOPE", "`scope`", |event| Some(event.scope.clone())),
    field("HALFOPEN_LIMIT", "`limit`, or `unlimited`", |event| {
        Some(event.limit.map_or("unlimited".into(), |limit| limit.to_string()))
    }),
    field("HALFOPEN_QUEUED", "`queued`", |event| Some(event.queued.to_string())),
    field("HALFOPEN_REASON", "`reason`; left out if unknown", |event| Some(event.reason?.name().to_owned())),
    field("HALFOPEN_ACCOUNT", "`account` of the first program; left out where there is none", |event| {
        event.programs.first()?.account.clone()
    }),
    field("HALFOPEN_PID", "`pid` of the first program", |event| {
        Some(event.programs.first()?.pid.to_string())
    }),
    field("HALFOPEN_COMM", "its `comm`", |event| Some(event.programs.first()?.comm.clone())),
    field("HALFOPEN_USER", "its `user`", |event| Some(event.programs.first()?.user.clone())),
    field("HALFOPEN_EXE", "its `exe`; left out if unknown", |event| event.programs.first()?.exe.clone()),
    field("HALFOPEN_CGROUP", "its `cgroup`; left out if unknown", |event| {
        event.programs.first()?.cgroup.clone()
    }),
];

const fn field(
    name: &'static str,
    meaning: &'static str,
    value: fn(&Event) -> Option<String>,
) -> JournalField {
    JournalField { name, meaning, value }
}

/// journald's native protocol: `FIELD=value` lines, and for a value with line breaks its length instead of `=`.
fn journal_entry(event: &Event) -> Vec<u8> {
    let mut entry = Vec::new();
    for field in &JOURNAL_FIELDS {
        let Some(value) = (field.value)(event) else { continue };
        entry.extend_from_slice(field.name.as_bytes());
        if value.contains('\n') {
            entry.push(b'\n');
            entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            entry.push(b'=');
        }
        entry.extend_from_slice(value.as_bytes());
        entry.push(b'\n');
    }
    entry
}

/// RFC 3164 without a time, whose zone the reader would have to guess: the log adds its own time.
fn syslog_entry(event: &Event) -> String {
    format!("<{DAEMON_WARNING}>halfopen[{}]: {event}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::tests::scanned;

    fn listener(directory: &tempfile::TempDir, name: &str) -> (PathBuf, UnixDatagram) {
        let path = directory.path().join(name);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        (path, socket)
    }

    fn received(socket: &UnixDatagram) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let length = socket.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn journald_gets_fields_and_syslog_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (journal_path, journal) = listener(&directory, "journal");
        let (syslog_path, syslog) = listener(&directory, "log");
        assert!(SystemLog::at(journal_path, syslog_path).write(&scanned()));
        let entry = received(&journal);
        let text = String::from_utf8_lossy(&entry);
        for line in ["PRIORITY=4", "HALFOPEN_EVENT=4226", "HALFOPEN_EXE=/usr/bin/nmap", "HALFOPEN_LIMIT=10"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        // The name ends with a line break here: it must not become a field of its own.
        let comm = [b"HALFOPEN_COMM\n".as_slice(), &5_u64.to_le_bytes(), b"nmap\n\n"].concat();
        assert!(entry.windows(comm.len()).any(|window| window == comm));
        assert_eq!(syslog.recv(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn syslog_is_used_where_no_journald_listens() {
        let directory = tempfile::tempdir().unwrap();
        let (syslog_path, syslog) = listener(&directory, "log");
        let mut log = SystemLog::at(directory.path().join("none"), syslog_path);
        assert!(log.write(&scanned()) && log.reached());
        let line = String::from_utf8(received(&syslog)).unwrap();
        assert!(line.starts_with(&format!("<28>halfopen[{}]: event 4226: ", std::process::id())), "{line}");
    }

    #[test]
    fn no_log_at_all_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = SystemLog::at(directory.path().join("none"), directory.path().join("neither"));
        assert!(log.write(&scanned()));
        assert!(!log.reached());
    }

    #[test]
    fn where_journald_reads_standard_error_one_of_both_has_the_event() {
        let directory = tempfile::tempdir().unwrap();
        let (journal_path, journal) = listener(&directory, "journal");
        let (syslog_path, syslog) = listener(&directory, "log");
        let mut log = SystemLog { reads_stderr: true, ..SystemLog::at(journal_path, syslog_path.clone()) };
        assert!(!log.write(&scanned()));
        received(&journal);
        let mut log =
            SystemLog { reads_stderr: true, ..SystemLog::at(directory.path().join("none"), syslog_path) };
        assert!(log.write(&scanned()) && log.reached());
        assert_eq!(syslog.recv(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
