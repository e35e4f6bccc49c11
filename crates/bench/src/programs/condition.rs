//! With what a program shares the host.

use std::time::Duration;

use anyhow::Result;
use testkit::workload::{PATIENCE, THREADS};
use testkit::{Cgroup, Dialer, Dialling, HostKind, Lab, Mix};

/// How long a program may take.
pub const LIMIT: Duration = Duration::from_secs(30);
/// How long a scanner is at work before the program starts.
pub const LEAD: Duration = Duration::from_secs(3);

/// Limiter and company of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether halfopen runs, with the preset `adaptive`.
    pub limited: bool,
    /// Where the scanner is.
    pub scanner: Scanner,
}

/// Whether and where a scanner runs beside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanner {
    /// There is none.
    Absent,
    /// In a cgroup of its own.
    Elsewhere,
    /// In the program's.
    Inside,
}

impl Condition {
    /// Those under which each program is run. Without a limiter cgroups make no difference.
    pub const ALL: [Self; 5] = [
        Self { limited: false, scanner: Scanner::Absent },
        Self { limited: true, scanner: Scanner::Absent },
        Self { limited: false, scanner: Scanner::Elsewhere },
        Self { limited: true, scanner: Scanner::Elsewhere },
        Self { limited: true, scanner: Scanner::Inside },
    ];

    /// For the table.
    pub fn shown(self) -> &'static str {
        match (self.limited, self.scanner) {
            (false, Scanner::Absent) => "no limiter",
            (false, _) => "no limiter, scanner",
            (true, Scanner::Absent) => "adaptive",
            (true, Scanner::Elsewhere) => "adaptive, scanner in another cgroup",
            (true, Scanner::Inside) => "adaptive, scanner in the same cgroup",
        }
    }
}

/// A scanner of addresses where nobody is, with as many threads and as much patience as those of the workloads.
pub struct Scan {
    pub dead: Vec<std::net::IpAddr>,
    dialling: Dialling,
    _cgroup: Option<Cgroup>,
}

impl Scan {
    /// Starts it, where there is to be one.
    pub fn start(lab: &Lab, condition: Condition, program: &Cgroup) -> Result<Option<Self>> {
        let own = match condition.scanner {
            Scanner::Absent => return Ok(None),
            Scanner::Elsewhere => Some(lab.cgroup().child("scanner")?),
            Scanner::Inside => None,
        };
        let rounds = (LEAD + LIMIT).as_secs().div_ceil(PATIENCE.as_secs()) as usize + 1;
        let hosts = lab.draw(&Mix { dead: THREADS * rounds, ..Mix::default() })?;
        let dialer = Dialer::new(lab).destinations(hosts.destinations()).blocking(THREADS).patience(PATIENCE);
        let dialling = dialer.cgroup(own.as_ref().unwrap_or(program)).spawn()?;
        std::thread::sleep(LEAD);
        let dead = hosts.of(HostKind::Dead).into_iter().map(|place| place.ip()).collect();
        Ok(Some(Self { dead, dialling, _cgroup: own }))
    }

    /// Ends it; the addresses that it was to dial.
    pub fn end(self) -> Vec<std::net::IpAddr> {
        drop(self.dialling);
        self.dead
    }
}
