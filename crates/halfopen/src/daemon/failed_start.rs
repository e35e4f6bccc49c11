//! A start that failed under a service manager: the manager is told why, and the next start waits before it tries the
//! same again. While it waits the service is starting, so a pinned limit goes on, and a stop ends it.

use super::notify;
use super::signals::Signals;
use crate::config::{Sources, conf_d};
use crate::exit::{CANNOT, code, explained};
use crate::name_service::finding_users_here;
use crate::runtime_dir::RuntimeDir;
use anyhow::Error;
use halfopen_bpf::PinnedLimit;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long the second start in a row waits, and how long any later one waits at most.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// How long the service manager is to wait until it is told again.
const MORE_TIME: &str = "EXTEND_TIMEOUT_USEC=30000000";

/// The starts in a row that have failed, as the service manager's runtime directory keeps their number: it is there
/// from one try to the next, and gone after a stop.
#[derive(Debug)]
pub struct FailedStarts {
    /// `None` without a service manager that starts this process again.
    file: Option<PathBuf>,
    count: u32,
    /// Why the last one failed, and what goes on.
    reason: String,
}

impl FailedStarts {
    pub fn so_far(directory: &RuntimeDir) -> Self {
        let is_managed = std::env::var_os("NOTIFY_SOCKET").is_some() && directory.path().is_dir();
        let file = is_managed.then(|| directory.failed_starts());
        let kept = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let (count, reason) = kept.split_once('\n').unwrap_or_default();
        Self { file, count: count.parse().unwrap_or(0), reason: reason.to_owned() }
    }

    /// Waits, if the last start failed too, until the files of `sources` change; if they have no mistake, for a while
    /// at most. Returns whether to go on: a signal ends the wait, and the start.
    pub async fn wait(&mut self, sources: &Sources, signals: &mut Signals) -> bool {
        if self.count == 0 {
            return true;
        }
        // Before the files are read: what changes meanwhile is a change.
        let before = Files::of(sources.path());
        let mistake = finding_users_here(|| sources.load()).err().map(Error::from);
        let exponent = self.count.min(16) - 1;
        let pause = (FIRST_WAIT * 2_u32.pow(exponent)).min(LONGEST_WAIT);
        let until = Instant::now() + pause;
        let next = match &mistake {
            Some(_) => "the next start is tried when the configuration changes".to_owned(),
            None => format!("the next start is tried within {pause:?}"),
        };
        notify::tell(&format!("STATUS={}", one_line(&format!("{}; {next}", self.reason))));
        while Files::of(sources.path()) == before && (mistake.is_some() || Instant::now() < until) {
            notify::tell(MORE_TIME);
            tokio::select! {
                () = sleep(LOOK) => {}
                ended = signals.ended_or_hung_up() => {
                    self.over();
                    return !ended;
                }
            }
        }
        notify::tell("STATUS=");
        true
    }

    /// Tells the service manager why this start has failed, and whether a limit pinned in `pins` goes on.
    pub fn note(&mut self, error: &Error, pins: &Path) {
        let Some(file) = &self.file else { return };
        let holds = match PinnedLimit::find(pins) {
            // The unit ends it: no later start would help.
            Ok(Some(_)) if code(error) == CANNOT => "; the limit that was pinned ends".to_owned(),
            Ok(Some(_)) => format!("; the limit pinned in {} goes on without a daemon", pins.display()),
            _ => String::new(),
        };
        let reason = one_line(&format!("cannot start: {}{holds}", explained(error)));
        notify::tell(&format!("STATUS={reason}"));
        // Without it, the next start does not wait.
        let _ = fs::write(file, format!("{}\n{reason}", self.count + 1));
    }

    /// The limit is loaded: the next start is not one more of those.
    pub fn over(&mut self) {
        self.count = 0;
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }

    /// The limit is in force: what ends it is no failed start.
    pub fn begun(&mut self) {
        self.file = None;
    }
}

/// The service manager takes a line for a message.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What changes with the files of a configuration: inode, size and time of the last change of each.
#[derive(Debug, PartialEq, Eq)]
struct Files(Vec<(PathBuf, u64, u64, i64, i64)>);

impl Files {
    fn of(config: &Path) -> Self {
        let beside = fs::read_dir(conf_d(config)).into_iter().flatten().flatten().map(|entry| entry.path());
        let found = std::iter::once(config.to_owned()).chain(beside).filter_map(|path| {
            let is = fs::metadata(&path).ok()?;
            Some((path, is.ino(), is.size(), is.ctime(), is.ctime_nsec()))
        });
        let mut files: Vec<_> = found.collect();
        files.sort();
        Self(files)
    }
}
