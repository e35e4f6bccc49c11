//! How busy the machine is.

use std::io;
use std::time::{Duration, Instant};

/// What /proc/stat counts in, on every Linux architecture.
const TICKS_PER_S: u64 = 100;

/// A look at the time that the processors were idle, or taken by the host of a virtual machine.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    at: Instant,
    away: Duration,
    processors: u32,
}

impl Busy {
    /// Looks at all processors.
    ///
    /// # Errors
    /// When /proc/stat cannot be read.
    pub fn look() -> io::Result<Self> {
        let (text, at) = (std::fs::read_to_string("/proc/stat")?, Instant::now());
        Self::read(&text, at).ok_or_else(|| io::Error::other("/proc/stat has no line `cpu` with idle time"))
    }

    fn read(text: &str, at: Instant) -> Option<Self> {
        let mut lines = text.lines().take_while(|line| line.starts_with("cpu"));
        let all: Vec<u64> = lines.next()?.split(' ').filter_map(|word| word.parse().ok()).collect();
        let (idle, waiting, stolen) = (all.get(3)?, all.get(4)?, all.get(7)?);
        let away = Duration::from_millis((idle + waiting + stolen) * 1_000 / TICKS_PER_S);
        Some(Self { at, away, processors: lines.count() as u32 })
    }

    /// The time that all processors together were busy since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Duration {
        let in_all = self.at.duration_since(before.at) * self.processors;
        in_all.saturating_sub(self.away.saturating_sub(before.away))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_idle_is_busy() {
        let now = Instant::now();
        let stat = |idle: u64| format!("cpu  50 0 50 {idle} 7 0 0 30 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n");
        let before = Busy::read(&stat(1_000), now).unwrap();
        let after = Busy::read(&stat(1_150), now + Duration::from_secs(1)).unwrap();
        assert_eq!(after.since(before), Duration::from_millis(500));
        assert!(Busy::read("intr 5\n", now).is_none());
    }
}
