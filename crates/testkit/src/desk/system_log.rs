//! The logs that hosts have, run for real and for one limiter alone: rsyslog and systemd-journald.

use super::{PATIENCE, has, until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// A log at work. Ended when dropped.
pub struct SystemLog {
    child: Child,
    directory: tempfile::TempDir,
}

/// Shell commands that give a mount namespace a /run without a journal, but for what `more` puts there, and a /dev
/// without a log.
fn without_logs(directory: &Path, more: &str) -> String {
    let directory = directory.display();
    format!(
        "mkdir -p {directory}/netns {directory}/dev
         test ! -d /run/netns || mount --rbind /run/netns {directory}/netns
         mount -t tmpfs none /run
         mkdir -p /run/netns /run/systemd/journal /run/log/journal
         mount --rbind {directory}/netns /run/netns
         mount -t tmpfs none {directory}/dev
         for node in null zero full random urandom kmsg tty; do
             test ! -e /dev/$node || {{ touch {directory}/dev/$node; mount --bind /dev/$node {directory}/dev/$node; }}
         done
         mount --move {directory}/dev /dev
         {more}"
    )
}

/// What [`super::mounts::changed_for`] needs for a host without any log.
pub fn none(directory: &Path) -> String {
    without_logs(directory, "")
}

impl SystemLog {
    /// rsyslog, which listens at a socket and writes a file.
    pub fn rsyslog() -> Option<Self> {
        if !has("rsyslogd", "rsyslog") {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().display();
        let configuration = format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{path}/log\")\n\
             *.* action(type=\"omfile\" file=\"{path}/messages\" template=\"RSYSLOG_SyslogProtocol23Format\")\n"
        );
        fs::write(directory.path().join("rsyslog.conf"), configuration).unwrap();
        let mut command = Command::new("rsyslogd");
        command.arg("-n").arg("-f").arg(directory.path().join("rsyslog.conf"));
        command.arg("-i").arg(directory.path().join("pid"));
        Some(Self::start(command, directory, "log"))
    }

    /// systemd-journald, which needs no systemd around it.
    pub fn journald() -> Option<Self> {
        if !has(JOURNALD, "systemd") || !has("journalctl", "systemd") {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().display();
        fs::create_dir(directory.path().join("journal")).unwrap();
        fs::create_dir(directory.path().join("stored")).unwrap();
        // Where a host keeps its journal on disk, this one must not write.
        let more = format!(
            "mount --bind {path}/journal /run/systemd/journal
             mount --bind {path}/stored /run/log/journal
             test ! -d /var/log/journal || mount -t tmpfs none /var/log
             exec {JOURNALD}"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-e", "-c"]).arg(without_logs(directory.path(), &more));
        Some(Self::start(command, directory, "journal/socket"))
    }

    fn start(mut command: Command, directory: tempfile::TempDir, listens_at: &str) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let log = Self { child, directory };
        let socket = log.directory.path().join(listens_at);
        until("the log to listen", PATIENCE, || socket.exists().then_some(()));
        log
    }

    /// What [`super::mounts::changed_for`] needs for a host whose log is this rsyslog.
    pub fn as_syslog(&self, directory: &Path) -> String {
        let log = self.directory.path().join("log");
        without_logs(directory, &format!("touch /dev/log; mount --bind {} /dev/log", log.display()))
    }

    /// What [`super::mounts::changed_for`] needs for a host whose log is this journald.
    pub fn as_journal(&self, directory: &Path) -> String {
        let journal = self.directory.path().join("journal");
        without_logs(directory, &format!("mount --bind {} /run/systemd/journal", journal.display()))
    }

    /// rsyslog's lines so far.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("messages")).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// journald's entries so far that match, as journalctl finds them.
    pub fn entries(&self, matches: &[&str]) -> Vec<Value> {
        let stored: Option<PathBuf> = fs::read_dir(self.directory.path().join("stored"))
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .next();
        let Some(stored) = stored else { return Vec::new() };
        let mut journalctl = Command::new("journalctl");
        journalctl.arg("--directory").arg(stored).args(["--quiet", "--output=json"]).args(matches);
        let output = journalctl.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for SystemLog {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
