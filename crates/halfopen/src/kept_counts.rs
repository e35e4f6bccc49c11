//! The counts that outlive a daemon, a stop and a reboot, in two files that are written by turns: whenever the daemon is
//! killed, one of them is whole.

use crate::control::EarlierCounts;
use crate::control::earlier::REMEMBERED;
use crate::runtime_dir::{StateDir, Writes};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

const NAMES: [&str; 2] = ["counts-0.json", "counts-1.json"];
/// A longer file is not one of ours.
const LONGEST: u64 = 1024 * 1024;

/// The open files: a daemon that has given up its rights can still write them.
#[derive(Debug)]
pub struct KeptCounts {
    files: [File; 2],
    /// The number of the last version.
    version: u64,
    limit: LimitId,
    /// Of limits before this one.
    earlier: Vec<EarlierCounts>,
    last: Option<EarlierCounts>,
}

/// Tells one limit from another: an adopted one goes on counting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct LimitId {
    boot: String,
    began_ms: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Version {
    number: u64,
    /// The limit of the last counts.
    limit: LimitId,
    /// The oldest first.
    counts: Vec<EarlierCounts>,
}

impl KeptCounts {
    /// Opens the files in `directory`, or makes them, and reads what earlier limits counted. The present one `began`
    /// then, on the kernel's monotonic clock.
    ///
    /// # Errors
    /// If the files cannot be made or read, or if another daemon has them.
    pub fn open(directory: &StateDir, began: Duration) -> io::Result<Self> {
        let [first, second] = NAMES.map(|name| directory.file(name, Writes::Anywhere));
        let mut files = [first?, second?];
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let limit = LimitId { boot: boot.trim().to_owned(), began_ms: began.as_millis() as u64 };
        let Version { number: version, limit: last, counts: mut earlier } = newest(&mut files)?;
        if last == limit {
            earlier.pop();
        }
        earlier.drain(..earlier.len().saturating_sub(REMEMBERED));
        Ok(Self { files, version, limit, earlier, last: None })
    }

    /// What is in `directory`, the oldest first, for when no daemon runs.
    ///
    /// # Errors
    /// If there are no files, or if they cannot be read.
    pub fn read(directory: &StateDir) -> io::Result<Vec<EarlierCounts>> {
        let [first, second] = NAMES.map(|name| File::open(directory.path().join(name)));
        Ok(newest(&mut [first?, second?])?.counts)
    }

    /// The counts of earlier limits, the oldest first.
    #[must_use]
    pub fn earlier(&self) -> &[EarlierCounts] {
        &self.earlier
    }

    /// Writes what the present limit has counted, if it has counted more than the last time.
    ///
    /// # Errors
    /// If the file system refuses. What was written before is still there.
    pub fn keep(&mut self, counts: EarlierCounts) -> io::Result<()> {
        let same = |last: &EarlierCounts| {
            // The beginning is reckoned from now each time.
            let EarlierCounts { counting_since, until, .. } = *last;
            *last == EarlierCounts { counting_since, until, ..counts.clone() }
        };
        if counts.attempts == 0 || self.last.as_ref().is_some_and(same) {
            return Ok(());
        }
        let all = self.earlier.iter().chain([&counts]).cloned().collect();
        let next = Version { number: self.version + 1, limit: self.limit.clone(), counts: all };
        let text = serde_json::to_vec(&next)?;
        let file = &mut self.files[usize::from(next.number % 2 == 1)];
        // In place: a full disk has room for what was there before.
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)?;
        self.version = next.number;
        self.last = Some(counts);
        Ok(())
    }
}

/// The newer one of two versions, of which one may be torn.
fn newest(files: &mut [File; 2]) -> io::Result<Version> {
    let mut newest = Version::default();
    for file in files {
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        match serde_json::from_slice::<Version>(&text) {
            Ok(found) if found.number > newest.number => newest = found,
            _ => {}
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Harm, ModeStatus};
    use crate::utc_time::UtcTime;

    fn counts(attempts: u64) -> EarlierCounts {
        EarlierCounts {
            counting_since: UtcTime::EPOCH,
            until: UtcTime::EPOCH,
            mode: ModeStatus::Audit,
            attempts,
            host: Harm::default(),
            longest_wait_ms: 0,
            programs: Vec::new(),
        }
    }

    fn attempts(counts: &[EarlierCounts]) -> Vec<u64> {
        counts.iter().map(|counts| counts.attempts).collect()
    }

    #[test]
    fn an_adopted_limit_goes_on_and_a_torn_file_costs_one_minute() {
        let place = tempfile::tempdir().unwrap();
        let directory = StateDir::at(place.path().to_owned());
        let open = |second| KeptCounts::open(&directory, Duration::from_secs(second)).unwrap();
        let mut kept = open(1);
        (1..=3).for_each(|attempts| kept.keep(counts(attempts)).unwrap());
        drop(kept);
        assert!(open(1).earlier().is_empty(), "it is the same limit");
        let mut kept = open(2);
        assert_eq!(attempts(kept.earlier()), [3]);
        (4..=5).for_each(|attempts| kept.keep(counts(attempts)).unwrap());
        // It was killed while it wrote the sixth.
        let newest = directory.path().join(NAMES[usize::from(kept.version % 2 == 1)]);
        drop(kept);
        let text = fs::read(&newest).unwrap();
        fs::write(&newest, &text[..text.len() / 2]).unwrap();
        assert_eq!(attempts(open(3).earlier()), [3, 4]);
        assert_eq!(attempts(&KeptCounts::read(&directory).unwrap()), [3, 4]);
    }

    #[test]
    fn only_the_last_limits_are_remembered() {
        let place = tempfile::tempdir().unwrap();
        let directory = StateDir::at(place.path().to_owned());
        for limit in 1..=20 {
            let mut kept = KeptCounts::open(&directory, Duration::from_secs(limit)).unwrap();
            kept.keep(counts(limit)).unwrap();
        }
        let last = KeptCounts::open(&directory, Duration::from_secs(99)).unwrap();
        assert_eq!(attempts(last.earlier()), (5..=20).collect::<Vec<_>>());
    }
}
