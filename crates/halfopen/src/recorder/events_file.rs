//! The file of events for log shippers: lines of JSON, with a bound. A full file is renamed, and another one begins.

use crate::events::Event;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// A symbolic link must not lead the writer elsewhere.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// The file.
#[derive(Debug)]
pub struct EventsFile {
    path: PathBuf,
    /// In bytes.
    longest: u64,
    /// How many renamed files are kept, at least one.
    keep: u32,
    open: Option<(File, u64)>,
}

impl EventsFile {
    /// The file at `path`, which is opened at the first event.
    pub fn at(path: PathBuf, longest: u64, keep: u32) -> Self {
        Self { path, longest, keep, open: None }
    }

    /// Adds a line for `event`: all of it, or nothing.
    ///
    /// # Errors
    /// The file system's, such as a full one.
    pub fn add(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let (mut file, mut length) = self.opened()?;
        if length > 0 && length + line.len() as u64 > self.longest {
            self.rotate()?;
            (file, length) = self.opened()?;
        }
        if let Err(e) = file.write_all(&line) {
            // The next one must not begin in the middle of a line.
            let _ = file.set_len(length);
            return Err(e);
        }
        self.open = Some((file, length + line.len() as u64));
        Ok(())
    }

    /// The file and its length. One whose last line its writer could not finish gets an end for that.
    fn opened(&mut self) -> io::Result<(File, u64)> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o640).custom_flags(NO_LINK);
        let mut file = options.open(&self.path)?;
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::tests::scanned;

    fn lines(path: &std::path::Path) -> Vec<Event> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[test]
    fn full_files_are_renamed_and_the_oldest_goes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events.jsonl");
        let line = serde_json::to_vec(&scanned()).unwrap().len() as u64 + 1;
        let mut file = EventsFile::at(path.clone(), 3 * line, 2);
        let numbered = |queued| Event { queued, ..scanned() };
        (100..111).for_each(|queued| file.add(&numbered(queued)).unwrap());
        let kept = ["events.jsonl.2", "events.jsonl.1", "events.jsonl"].map(|name| place.path().join(name));
        let kept = kept.iter().map(|path| lines(path).iter().map(|event| event.queued).collect::<Vec<_>>());
        assert_eq!(kept.collect::<Vec<_>>(), [vec![103, 104, 105], vec![106, 107, 108], vec![109, 110]]);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_line_without_an_end_spoils_no_other() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events.jsonl");
        fs::write(&path, "{\"id\":42").unwrap();
        let mut file = EventsFile::at(path.clone(), 1 << 20, 1);
        file.add(&scanned()).unwrap();
        file.add(&scanned()).unwrap();
        assert_eq!(lines(&path), [scanned(), scanned()]);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
