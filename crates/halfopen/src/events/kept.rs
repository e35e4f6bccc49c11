//! The events that a daemon remembers, in a file beside its socket: the next daemon knows what this one has announced.

use super::Event;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How many events are remembered.
pub const REMEMBERED: usize = 1_000;
/// A longer line is not one of ours.
const LONGEST_LINE: usize = 64 * 1024;

/// The open file: a daemon that has given up its rights can still write it.
#[derive(Debug)]
pub struct KeptEvents {
    file: File,
    lines: usize,
}

impl KeptEvents {
    /// Opens the file at `path`, or makes it, and reads the last [`REMEMBERED`] events that an earlier daemon wrote.
    /// Skips a line that its writer could not finish.
    ///
    /// # Errors
    /// If the file cannot be made or read.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Event>)> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(NO_LINK)
            .open(path)?;
        let (events, lines) = events(&file)?;
        // An unfinished last line must not swallow the next one.
        if lines > 0 {
            (&file).write_all(b"\n")?;
        }
        Ok((Self { file, lines }, events))
    }

    /// Adds `event`, which `remembered` already contains. Once the file is twice as long, rewrites it from
    /// `remembered`.
    ///
    /// # Errors
    /// If the file system refuses, for example because it is full.
    pub fn keep<'a>(&mut self, event: &Event, remembered: impl Iterator<Item = &'a Event>) -> io::Result<()> {
        if self.lines < 2 * REMEMBERED {
            self.lines += 1;
            return self.file.write_all(&line(event)?);
        }
        let all: Vec<Vec<u8>> = remembered.map(line).collect::<io::Result<_>>()?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.lines = all.len();
        self.file.write_all(&all.concat())
    }
}

/// The last [`REMEMBERED`] events of the file at `path`, which a daemon left; none if there is no file.
///
/// # Errors
/// If the file cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    match OpenOptions::new().read(true).custom_flags(NO_LINK).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        opened => events(&opened?).map(|(events, _)| events),
    }
}

/// The last events of `file`, and how many lines it has.
fn events(file: &File) -> io::Result<(Vec<Event>, usize)> {
    let mut events = Vec::new();
    let mut lines = 0;
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        lines += 1;
        if line.len() <= LONGEST_LINE
            && let Ok(event) = serde_json::from_slice(&line)
        {
            events.push(event);
        }
    }
    events.drain(..events.len().saturating_sub(REMEMBERED));
    Ok((events, lines))
}

/// The directory belongs to root or the daemon, but a symbolic link there must still not lead the writer elsewhere.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::State;
    use crate::events::record::Level;
    use crate::utc_time::UtcTime;
    use std::time::Duration;

    fn event(number: u64) -> Event {
        Event {
            id: 4226,
            time: UtcTime::EPOCH.after(Duration::from_millis(number)),
            level: Level::Warning,
            message: "the limit is reached".into(),
            state: State::Reached,
            scope: "host".into(),
            limit: Some(10),
            queued: 1,
            programs: Vec::new(),
            audited: false,
            suspect: None,
            denied: None,
            udp: None,
        }
    }

    #[test]
    fn the_next_daemon_knows_what_the_last_announced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events.jsonl");
        let (mut kept, before) = KeptEvents::open(&path).unwrap();
        assert_eq!(before, []);
        let mut remembered: Vec<Event> = Vec::new();
        for number in 0..2 * REMEMBERED as u64 + 7 {
            remembered.push(event(number));
            let from = remembered.len().saturating_sub(REMEMBERED);
            kept.keep(&event(number), remembered[from..].iter()).unwrap();
        }
        // It died while it wrote.
        kept.file.write_all(b"{\"id\":42").unwrap();
        let (mut kept, after) = KeptEvents::open(&path).unwrap();
        assert_eq!(after, remembered[remembered.len() - REMEMBERED..]);
        kept.keep(&event(0), after.iter()).unwrap();
        assert_eq!(KeptEvents::open(&path).unwrap().1.last(), Some(&event(0)));
    }
}
