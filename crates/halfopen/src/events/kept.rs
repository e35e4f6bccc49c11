//! The events that outlive a daemon, a stop and a reboot, in two files of lines that take turns. A full file makes the
//! other one start anew, so that a daemon that is killed at any moment leaves at least the events of one full file.

use super::Event;
use crate::runtime_dir::{StateDir, Writes};
use crate::utc_time::UtcTime;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};

/// How many events are remembered, and how many a file holds at most.
pub const REMEMBERED: usize = 1_000;
/// How long a file becomes at most.
const LONGEST_FILE: u64 = 2 * 1024 * 1024;
/// A longer line is not one of ours.
const LONGEST_LINE: usize = 64 * 1024;

const NAMES: [&str; 2] = ["events-0.jsonl", "events-1.jsonl"];

/// The open files: a daemon that has given up its rights can still write them.
#[derive(Debug)]
pub struct KeptEvents {
    files: [File; 2],
    current: usize,
    /// The turn of the current file; a later one is greater.
    turn: u64,
    /// Whether the current file says its turn.
    turn_is_said: bool,
    lines: usize,
    bytes: u64,
    /// Whether the last line may have no end: its writer was killed, or the disk was full.
    torn: bool,
    /// Events that could not be written since the last one that was.
    lost: u64,
}

/// What the files hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The last [`REMEMBERED`] events, in their order.
    pub events: Vec<Event>,
    /// When events were lost, as far as that is known, and how many.
    pub lost: Vec<(Option<UtcTime>, u64)>,
}

/// A line of a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Box<Event>),
    Turn { turn: u64 },
    Lost { lost: u64, until: UtcTime },
}

impl KeptEvents {
    /// Opens the files in `directory`, or makes them, and reads what earlier daemons wrote.
    ///
    /// # Errors
    /// If the files cannot be made or read, or if another daemon writes them.
    pub fn open(directory: &StateDir) -> io::Result<(Self, Past)> {
        let files = NAMES.map(|name| directory.file(name, Writes::AtTheEnd));
        let [first, second] = files;
        let files = [first?, second?];
        let [first, second] = [read(&files[0])?, read(&files[1])?];
        let current = usize::from(second.turn > first.turn);
        let last = if current == 0 { &first } else { &second };
        let (turn, lines) = (last.turn, last.lines);
        let bytes = files[current].metadata()?.len();
        let kept =
            Self { files, current, turn, turn_is_said: turn > 0, lines, bytes, torn: bytes > 0, lost: 0 };
        Ok((kept, Past::of([first, second])))
    }

    /// Reads what is in `directory`, for when no daemon runs.
    ///
    /// # Errors
    /// If there are no files, or if they cannot be read.
    pub fn read(directory: &StateDir) -> io::Result<Past> {
        let [first, second] = NAMES.map(|name| read(&File::open(directory.path().join(name))?));
        Ok(Past::of([first?, second?]))
    }

    /// Adds `event`.
    ///
    /// # Errors
    /// If the file system refuses, for example because it is full. The next event that is written says how many are
    /// missing.
    pub fn keep(&mut self, event: &Event) -> io::Result<()> {
        let outcome = self.write(event);
        match &outcome {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost += 1,
        }
        outcome
    }

    /// How many events could not be written since the last one that was.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        if self.lines >= REMEMBERED || self.bytes >= LONGEST_FILE {
            let other = 1 - self.current;
            self.files[other].set_len(0)?;
            (self.current, self.turn, self.turn_is_said) = (other, self.turn + 1, false);
            (self.lines, self.bytes, self.torn) = (0, 0, false);
        }
        let mut text = if self.torn { vec![b'\n'] } else { Vec::new() };
        if !self.turn_is_said {
            self.turn = self.turn.max(1);
            add(&mut text, &Line::Turn { turn: self.turn })?;
        }
        if self.lost > 0 {
            add(&mut text, &Line::Lost { lost: self.lost, until: event.time })?;
        }
        add(&mut text, &Line::Event(Box::new(event.clone())))?;
        let file = &mut self.files[self.current];
        if let Err(e) = file.write_all(&text) {
            self.torn |= file.set_len(self.bytes).is_err();
            return Err(e);
        }
        (self.turn_is_said, self.torn) = (true, false);
        self.lines += 1;
        self.bytes += text.len() as u64;
        Ok(())
    }
}

impl Past {
    fn of(mut files: [OneFile; 2]) -> Self {
        files.sort_by_key(|file| file.turn);
        let mut past = Self::default();
        for file in files {
            past.events.extend(file.past.events);
            past.lost.extend(file.past.lost);
        }
        past.events.drain(..past.events.len().saturating_sub(REMEMBERED));
        past
    }

    /// How many events were lost after `since`, or at an unknown time.
    #[must_use]
    pub fn lost_since(&self, since: Option<UtcTime>) -> u64 {
        let recent = |at: Option<UtcTime>| since.is_none_or(|since| at.is_none_or(|at| at >= since));
        self.lost.iter().filter(|(at, _)| recent(*at)).map(|(_, lost)| lost).sum()
    }
}

struct OneFile {
    turn: u64,
    lines: usize,
    past: Past,
}

fn read(file: &File) -> io::Result<OneFile> {
    let mut found = OneFile { turn: 0, lines: 0, past: Past::default() };
    for line in BufReader::new(file.take(LONGEST_FILE + LONGEST_LINE as u64)).split(b'\n') {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(Line::Turn { turn }) => found.turn = turn,
            Ok(Line::Lost { lost, until }) => found.past.lost.push((Some(until), lost)),
            Ok(Line::Event(event)) => {
                found.lines += 1;
                found.past.events.push(*event);
            }
            // Its writer was killed, or the power failed.
            Err(_) => {
                found.lines += 1;
                found.past.lost.push((found.past.events.last().map(|event| event.time), 1));
            }
        }
    }
    Ok(found)
}

fn add(text: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::State;
    use std::fs;
    use std::time::Duration;

    fn event(number: u64) -> Event {
        let time = UtcTime::EPOCH.after(Duration::from_millis(number));
        let told = Event::told(4226, State::Reached, time, "host".into(), "the limit is reached".into());
        Event { limit: Some(10), queued: 1, ..told }
    }

    fn place() -> (tempfile::TempDir, StateDir) {
        let place = tempfile::tempdir().unwrap();
        let directory = StateDir::at(place.path().join("state"));
        (place, directory)
    }

    #[test]
    fn the_next_daemon_knows_what_the_last_announced_in_bounded_files() {
        let (_place, directory) = place();
        let (mut kept, before) = KeptEvents::open(&directory).unwrap();
        assert_eq!(before, Past::default());
        let all = 3 * REMEMBERED as u64 + 7;
        (0..all).for_each(|number| kept.keep(&event(number)).unwrap());
        assert!(KeptEvents::open(&directory).unwrap_err().to_string().contains("another daemon"));
        // It died while it wrote.
        kept.files[kept.current].write_all(b"{\"id\":42").unwrap();
        drop(kept);
        let (mut kept, after) = KeptEvents::open(&directory).unwrap();
        assert_eq!(after.events, (all - REMEMBERED as u64..all).map(event).collect::<Vec<_>>());
        assert_eq!((after.lost_since(None), after.lost_since(Some(event(all).time))), (1, 0));
        kept.keep(&event(all)).unwrap();
        assert_eq!(KeptEvents::read(&directory).unwrap().events.last(), Some(&event(all)));
        let lines = |name| fs::read_to_string(directory.path().join(name)).unwrap().lines().count();
        assert!(NAMES.map(lines).iter().all(|lines| *lines < 2 * REMEMBERED + 10));
    }

    #[test]
    fn one_killed_as_it_begins_the_other_file_loses_only_what_that_held() {
        let (_place, directory) = place();
        let (mut kept, _) = KeptEvents::open(&directory).unwrap();
        let all = 2 * REMEMBERED as u64;
        (0..all).for_each(|number| kept.keep(&event(number)).unwrap());
        kept.files[1 - kept.current].set_len(0).unwrap();
        drop(kept);
        let (mut kept, after) = KeptEvents::open(&directory).unwrap();
        assert_eq!(after.events, (all - REMEMBERED as u64..all).map(event).collect::<Vec<_>>());
        (all..all + 3).for_each(|number| kept.keep(&event(number)).unwrap());
        drop(kept);
        let after = KeptEvents::open(&directory).unwrap().1.events;
        assert_eq!(after, (all + 3 - REMEMBERED as u64..all + 3).map(event).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_full_disk_swallowed_is_counted() {
        let (_place, directory) = place();
        let (mut kept, _) = KeptEvents::open(&directory).unwrap();
        kept.keep(&event(1)).unwrap();
        let writable = std::mem::replace(&mut kept.files[kept.current], File::open("/dev/null").unwrap());
        assert!(kept.keep(&event(2)).is_err() && kept.keep(&event(3)).is_err());
        assert_eq!(kept.lost(), 2);
        kept.files[kept.current] = writable;
        kept.keep(&event(4)).unwrap();
        assert_eq!(kept.lost(), 0);
        let past = KeptEvents::read(&directory).unwrap();
        assert_eq!((past.events, past.lost.len()), (vec![event(1), event(4)], 1));
        assert_eq!(KeptEvents::read(&directory).unwrap().lost_since(None), 2);
    }
}
