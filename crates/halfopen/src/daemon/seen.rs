//! What is kept of each account from the first time that one of its attempts waits: its programs with command line and
//! parent, and its addresses by port. It outlives processes and cgroups. Bounded, whatever programs do. Pure: the caller
//! passes the time and looks programs up.

use super::ports::Ports;
use crate::events::Identity;
use crate::privileged::process::Process;
use halfopen_bpf::{AccountId, Program};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How many accounts are kept. Suspects go last.
const ACCOUNTS: usize = 128;
/// How many programs of an account are kept: the first half of them for as long as the account, the others as the
/// latest.
const PROGRAMS: usize = 8;
/// How many ports of an account are kept.
const PORTS: usize = 32;
/// How many addresses of an account are kept, on all of its ports.
const ADDRESSES: usize = 512;

/// What a look-up of a program found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookedUp {
    pub identity: Identity,
    pub process: Option<Process>,
}

/// An attempt of an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting<'a> {
    pub at: Duration,
    pub account: AccountId,
    /// The account's scope, by name: a number may become another scope's.
    pub scope: &'a str,
    pub program: &'a Program,
    pub destination: SocketAddr,
    /// Whether it began to wait, or would have in audit mode; else it was seen later.
    pub waits: bool,
    /// Whether its silence made the account a suspect.
    pub made_suspect: bool,
}

/// All accounts that were seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    accounts: HashMap<AccountId, SeenAccount>,
    /// Whether live attempts are to be noted at the next look: an account is new, or has become a suspect.
    pub is_due: bool,
}

/// An account.
#[derive(Debug, Default)]
pub(super) struct SeenAccount {
    pub scope: String,
    pub first: Duration,
    last: Duration,
    was_suspect: bool,
    pub programs: Vec<SeenProgram>,
    /// How many programs made room for later ones.
    pub dropped: u64,
    pub ports: BTreeMap<u16, SeenPort>,
    /// The ports that are not kept.
    pub other_ports: Ports,
    /// How many attempts to those waited.
    pub waited_on_others: u64,
    addresses: usize,
}

/// A program of an account: all of its processes that look alike.
#[derive(Debug, Clone)]
pub(super) struct SeenProgram {
    /// Its latest process.
    pub program: Program,
    /// `None` = there was no time to look it up.
    pub found: Option<LookedUp>,
    pub first: Duration,
    pub last: Duration,
    /// How many times another process of it was seen.
    pub processes: u64,
    /// How many of its attempts waited.
    pub waited: u64,
}

/// A port of an account.
#[derive(Debug, Default)]
pub(super) struct SeenPort {
    pub addresses: BTreeSet<IpAddr>,
    /// Whether there was no room for another address.
    pub and_more: bool,
    /// How many attempts to it waited.
    pub waited: u64,
}

impl Seen {
    /// What was seen of an account of the scope with this name.
    pub fn of(&self, account: AccountId, scope: &str) -> Option<&SeenAccount> {
        self.accounts.get(&account).filter(|seen| seen.scope == scope)
    }

    /// What was found out about a program of an account.
    pub fn program(&self, account: AccountId, program: &Program) -> Option<&Identity> {
        let mut programs = self.accounts.get(&account)?.programs.iter();
        let seen = programs.find(|seen| seen.program == *program)?;
        seen.found.as_ref().map(|found| &found.identity)
    }

    /// All accounts.
    pub fn all(&self) -> impl Iterator<Item = (AccountId, &SeenAccount)> {
        self.accounts.iter().map(|(account, seen)| (*account, seen))
    }

    /// Notes an attempt. Returns whether it is the first of its account.
    pub fn note(
        &mut self,
        sighting: &Sighting<'_>,
        look_up: impl FnOnce(&Program) -> Option<LookedUp>,
    ) -> bool {
        let is_new = self.of(sighting.account, sighting.scope).is_none();
        if is_new {
            self.make_room();
            let new = SeenAccount {
                scope: sighting.scope.to_owned(),
                first: sighting.at,
                ..SeenAccount::default()
            };
            self.accounts.insert(sighting.account, new);
        }
        if let Some(account) = self.accounts.get_mut(&sighting.account) {
            account.first = account.first.min(sighting.at);
            account.last = account.last.max(sighting.at);
            account.was_suspect |= sighting.made_suspect;
            account.note_address(sighting);
            account.note_program(sighting, look_up);
        }
        is_new
    }

    fn make_room(&mut self) {
        if self.accounts.len() < ACCOUNTS {
            return;
        }
        let oldest = self.accounts.iter().min_by_key(|(_, seen)| (seen.was_suspect, seen.last));
        if let Some(oldest) = oldest.map(|(account, _)| *account) {
            self.accounts.remove(&oldest);
        }
    }
}

impl SeenAccount {
    fn note_address(&mut self, sighting: &Sighting<'_>) {
        let (port, waited) = (sighting.destination.port(), u64::from(sighting.waits));
        if self.ports.len() >= PORTS && !self.ports.contains_key(&port) {
            self.other_ports.insert(port);
            self.waited_on_others += waited;
            return;
        }
        let seen = self.ports.entry(port).or_default();
        seen.waited += waited;
        if self.addresses < ADDRESSES {
            self.addresses += usize::from(seen.addresses.insert(sighting.destination.ip()));
        } else if !seen.addresses.contains(&sighting.destination.ip()) {
            seen.and_more = true;
        }
    }

    fn note_program(&mut self, sighting: &Sighting<'_>, look_up: impl FnOnce(&Program) -> Option<LookedUp>) {
        let Sighting { at, program, waits, .. } = *sighting;
        let mut known = self.programs.iter().position(|seen| seen.program == *program);
        let is_looked_up = known.is_some_and(|known| self.programs[known].found.is_some());
        let found = if is_looked_up { None } else { look_up(program) };
        if known.is_none() {
            known = self.programs.iter().position(|seen| seen.is_like(program, found.as_ref()));
            if let Some(known) = known {
                self.programs[known].processes += 1;
            }
        }
        let known = known.unwrap_or_else(|| {
            if self.programs.len() == PROGRAMS {
                self.programs.remove(PROGRAMS / 2);
                self.dropped += 1;
            }
            self.programs.push(SeenProgram {
                program: program.clone(),
                found: None,
                first: at,
                last: at,
                processes: 1,
                waited: 0,
            });
            self.programs.len() - 1
        });
        let seen = &mut self.programs[known];
        seen.program = program.clone();
        seen.found = seen.found.take().or(found);
        seen.first = seen.first.min(at);
        seen.last = seen.last.max(at);
        seen.waited += u64::from(waits);
    }
}

impl SeenProgram {
    /// Whether another process, of which `found` is known, is one of this program.
    fn is_like(&self, program: &Program, found: Option<&LookedUp>) -> bool {
        let key = |program: &Program| (program.uid, program.comm.clone(), program.cgroup_id);
        if key(&self.program) != key(program) {
            return false;
        }
        let looks = |found: &LookedUp| {
            let line = found.process.as_ref().map(|process| process.command_line.clone());
            (found.identity.exe.clone(), line)
        };
        // Processes that ended before they were looked up look like any other of that name.
        let is_unknown = |found: &LookedUp| found.process.is_none();
        match (self.found.as_ref(), found) {
            (Some(own), Some(other)) => is_unknown(other) || looks(own) == looks(other),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::ScopeId;

    fn account(id: u64) -> AccountId {
        AccountId { scope: ScopeId::numbered(64), id }
    }

    fn program(pid: u32, comm: &str) -> Program {
        Program { pid, uid: 1, comm: comm.to_owned(), cgroup_id: 7 }
    }

    fn runs(line: &str) -> LookedUp {
        let process = Process { command_line: line.to_owned(), ..Process::default() };
        LookedUp { identity: Identity::unknown(1), process: Some(process) }
    }

    fn note(seen: &mut Seen, second: u64, id: u64, program: &Program, to: (u8, u16), line: &str) -> bool {
        let sighting = Sighting {
            at: Duration::from_secs(second),
            account: account(id),
            scope: "a",
            program,
            destination: ([198, 18, to.0, 1], to.1).into(),
            waits: true,
            made_suspect: id == 0,
        };
        seen.note(&sighting, |_| Some(runs(line)))
    }

    #[test]
    fn programs_that_look_alike_are_one_and_others_are_not() {
        let mut seen = Seen::default();
        for pid in 1..100 {
            note(&mut seen, 1, 1, &program(pid, "bash"), (1, 80), "bash loop.sh");
        }
        // It shares a name with another one, which does not hide it.
        note(&mut seen, 2, 1, &program(100, "bash"), (1, 80), "bash scan.sh");
        note(&mut seen, 3, 1, &program(100, "bash"), (2, 80), "not looked up again");
        let of = seen.of(account(1), "a").unwrap();
        let lines = of.programs.iter().map(|seen| {
            let process = seen.found.as_ref().unwrap().process.as_ref().unwrap();
            (process.command_line.as_str(), seen.processes, seen.waited)
        });
        assert_eq!(lines.collect::<Vec<_>>(), [("bash loop.sh", 99, 99), ("bash scan.sh", 1, 2)]);
        assert_eq!((of.ports[&80].addresses.len(), of.ports[&80].waited), (2, 101));
    }

    #[test]
    fn the_first_programs_and_the_latest_are_kept() {
        let mut seen = Seen::default();
        for pid in 0..1_000 {
            note(&mut seen, 1, 1, &program(pid, &format!("p{pid}")), (1, 80), "");
        }
        let of = seen.of(account(1), "a").unwrap();
        let pids: Vec<u32> = of.programs.iter().map(|seen| seen.program.pid).collect();
        assert_eq!((pids.as_slice(), of.dropped), (&[0, 1, 2, 3, 996, 997, 998, 999][..], 992));
    }

    #[test]
    fn nothing_grows_without_bound_and_suspects_stay() {
        let mut seen = Seen::default();
        assert!(note(&mut seen, 0, 0, &program(1, "a"), (1, 80), ""), "a suspect, and the oldest");
        for id in 1..1_000 {
            assert!(note(&mut seen, id, id, &program(1, "a"), (1, 80), ""));
        }
        assert_eq!(seen.all().count(), ACCOUNTS);
        assert!(seen.of(account(0), "a").is_some() && seen.of(account(1), "a").is_none());
        for port in 0..1_000 {
            for third in 0..20 {
                note(&mut seen, 1_000, 0, &program(1, "a"), (third, port), "");
            }
        }
        let of = seen.of(account(0), "a").unwrap();
        assert_eq!((of.ports.len(), of.other_ports.count()), (PORTS, 1_000 - PORTS as u64));
        assert_eq!(of.waited_on_others, 20 * (1_000 - PORTS as u64));
        let addresses = of.ports.values().map(|port| port.addresses.len()).sum::<usize>();
        assert!(addresses <= ADDRESSES && of.ports.values().any(|port| port.and_more), "{addresses}");
    }

    #[test]
    fn a_number_that_another_scope_has_now_is_another_account() {
        let mut seen = Seen::default();
        note(&mut seen, 1, 1, &program(1, "a"), (1, 80), "");
        assert!(seen.of(account(1), "b").is_none());
        let sighting = Sighting {
            at: Duration::from_secs(2),
            account: account(1),
            scope: "b",
            program: &program(2, "b"),
            destination: ([198, 18, 0, 1], 81).into(),
            waits: false,
            made_suspect: false,
        };
        assert!(seen.note(&sighting, |_| None));
        let of = seen.of(account(1), "b").unwrap();
        assert_eq!((of.programs.len(), of.ports.len(), of.programs[0].waited), (1, 1, 0));
    }
}
