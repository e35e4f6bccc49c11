use std::collections::BTreeMap;

use rustix::io::Errno;
use testkit::dial::Outcome;

/// How many dials ended how, as the program that made them saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saw {
    /// By the name of the errno; `ok` is none, `gave up` the program's own patience.
    pub ended: BTreeMap<String, usize>,
    /// Those that had not ended at the end.
    pub waiting: usize,
}

impl Saw {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        let name = match outcome {
            Outcome::Connected => "ok".to_owned(),
            Outcome::Refused => "ECONNREFUSED".to_owned(),
            Outcome::Unreachable => "EHOSTUNREACH".to_owned(),
            Outcome::TimedOut => "ETIMEDOUT".to_owned(),
            Outcome::Cancelled => "gave up".to_owned(),
            Outcome::Errno(number) => errno_name(number),
        };
        *self.ended.entry(name).or_default() += 1;
    }
}

/// The errnos that a limiter may answer with, by name.
fn errno_name(number: i32) -> String {
    const NAMES: [(Errno, &str); 6] = [
        (Errno::PERM, "EPERM"),
        (Errno::ACCESS, "EACCES"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::NOBUFS, "ENOBUFS"),
        (Errno::CONNRESET, "ECONNRESET"),
        (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
    ];
    let name = NAMES.iter().find(|(errno, _)| errno.raw_os_error() == number);
    name.map_or_else(|| format!("errno {number}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_saw_has_the_names_of_errnos() {
        let mut saw = Saw::default();
        let outcomes = [Outcome::Connected, Outcome::Errno(105), Outcome::Errno(105), Outcome::Errno(7)];
        for outcome in outcomes {
            saw.add(outcome);
        }
        let seen: Vec<_> = saw.ended.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(seen, [("ENOBUFS", 2), ("errno 7", 1), ("ok", 1)]);
    }
}
