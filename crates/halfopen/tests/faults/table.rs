//! The table of faults: a row for each, added to the file that FAULTS_TABLE names.

use std::fs::OpenOptions;
use std::io::Write;

/// `short` in a usual run of the tests, `long` with FAULTS=long.
pub fn at_length<T>(short: T, long: T) -> T {
    if std::env::var_os("FAULTS").is_some_and(|value| value == "long") { long } else { short }
}

/// What is known of a fault once it is over.
#[derive(Debug)]
pub struct Row {
    pub fault: String,
    /// How often, or for how long.
    pub extent: String,
    pub syns: usize,
    pub most_half_open: usize,
    pub limit: usize,
    pub live_served: usize,
    /// Timed out while they waited.
    pub live_in_vain: usize,
    pub live_longest_ms: u128,
    /// What showed it: status, log or exit code.
    pub shown: String,
}

impl Row {
    pub fn write(&self) {
        let line = format!(
            "| {} | {} | {} | {} of {} | {} | {} of {} | {:.1} s | {} |",
            self.fault,
            self.extent,
            self.syns,
            self.most_half_open,
            self.limit,
            self.most_half_open.saturating_sub(self.limit),
            self.live_served,
            self.live_served + self.live_in_vain,
            self.live_longest_ms as f64 / 1_000.0,
            self.shown
        );
        println!("{line}");
        if let Some(path) = std::env::var_os("FAULTS_TABLE") {
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            // One write, so that lines of tests that run at once do not mix.
            file.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }
}
