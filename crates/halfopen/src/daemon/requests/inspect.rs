//! What is known of an account, of the accounts of a process, and of those that have dialled an address.

use super::named_account::{KnownScope, NamedAccount};
use super::why::{address_of, explained};
use crate::control::inspection::{
    ACCOUNTS_SHOWN, ADDRESSES_NAMED, ATTEMPTS_LISTED, EVENTS_LISTED, PORTS_LISTED, PROGRAMS_LISTED,
};
use crate::control::scope_status::ACCOUNTS_LISTED;
use crate::control::{
    AccountInspection, Harm, Inspected, Inspection, ParentStatus, PortInspection, ProcessStatus,
    ProgramInspection, ScopeKind, ScopeStatus, Subject,
};
use crate::daemon::accounts::{Charged, on_the_wall, rank};
use crate::daemon::destinations::Destinations;
use crate::daemon::enforcement::Enforcement;
use crate::daemon::seen::{SeenAccount, SeenPort, SeenProgram, Sighting};
use crate::events::{Event, Identity};
use crate::privileged::process::{Parent, Process};
use crate::utc_time::UtcTime;
use anyhow::{Result, bail};
use halfopen_bpf::{
    Account, AccountId, AccountOf, Attempt, AttemptState, Program, ProgramCount, ScopeId, monotonic,
};
use halfopen_policy::Ledger;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many programs are looked up for one account, whatever time that takes. The daemon does nothing else meanwhile.
const LOOKED_UP: usize = 32;

/// What an answer about several accounts reads once.
struct Readings {
    destinations: Destinations,
    live: Vec<Attempt>,
    charged: HashMap<AccountId, Charged>,
    programs: Vec<ProgramCount>,
    events: Vec<std::sync::Arc<Event>>,
}

impl Enforcement {
    /// What is known of an account, a process or an address.
    ///
    /// # Errors
    /// If there is no such account or process, or if the kernel part cannot be read.
    pub fn inspect(&mut self, inspected: &Inspected) -> Result<Inspection> {
        let live = self.limiter.attempts()?;
        let counting = monotonic().saturating_sub(self.limiter.counting_since());
        let mut inspection = Inspection {
            subject: String::new(),
            mode: self.mode_now().into(),
            counting_since: UtcTime::ago(counting),
            counting_for_s: counting.as_secs(),
            note: None,
            process: None,
            named: None,
            accounts: Vec::new(),
            more_accounts: 0,
            accounts_of_scope: Vec::new(),
        };
        let accounts = match inspected {
            Inspected::Account(asked) => {
                let found = self.find_account(asked)?;
                inspection.subject.clone_from(&found.name);
                if asked.whose.is_none() {
                    inspection.accounts_of_scope = self.accounts_of(&found.scope)?;
                }
                vec![found]
            }
            Inspected::Attempts(subject) => self.inspect_attempts(subject, &live, &mut inspection)?,
        };
        let (shown, more) = accounts.split_at(accounts.len().min(ACCOUNTS_SHOWN));
        inspection.more_accounts = more.len() as u64;
        let charged: HashSet<AccountId> =
            live.iter().filter_map(|attempt| attempt.own).chain(shown.iter().map(|of| of.id)).collect();
        let readings = Readings {
            charged: self.charged(charged.into_iter())?,
            destinations: self.destinations(&live)?,
            live,
            programs: self.limiter.programs()?,
            events: self.announcer.remembered(None),
        };
        inspection.accounts = shown.iter().map(|account| self.inspect_account(account, &readings)).collect();
        Ok(inspection)
    }

    /// The accounts of a process or of those who dial an address. Fills in what else is known of it.
    fn inspect_attempts(
        &mut self,
        subject: &Subject,
        live: &[Attempt],
        inspection: &mut Inspection,
    ) -> Result<Vec<NamedAccount>> {
        inspection.note = self.note_on(subject);
        let address = address_of(subject);
        inspection.named = address.map(|address| self.named(address)).transpose()?.flatten();
        let mut ids = self.accounts_that_dial(subject, live);
        let accounts = self.limiter.accounts()?;
        inspection.subject = match subject {
            Subject::Address(address) => address.to_string(),
            Subject::Destination(destination) => destination.to_string(),
            Subject::Pid(pid) => {
                let process = self.means.helper.process(*pid, None).ok().flatten();
                if let Some(process) = process.as_ref().filter(|_| ids.is_empty()) {
                    let numbers = self.numbers_of(process);
                    let own = accounts.iter().filter(|account| is_of_process(account, process, &numbers));
                    ids.extend(own.map(|account| account.id));
                }
                if process.is_none() && ids.is_empty() {
                    bail!("there is no process {pid}, and none of that number has had to wait lately");
                }
                inspection.process = process.map(|process| process_status(*pid, process));
                format!("pid {pid}")
            }
            Subject::Name(name) => name.clone(),
        };
        Ok(self.name_accounts(&ids, accounts)?)
    }

    fn numbers_of(&self, process: &Process) -> BTreeSet<u64> {
        let path = process.cgroup.as_deref().unwrap_or_default();
        self.accounts_at_or_above(path).into_iter().map(|(number, _)| number).collect()
    }

    /// The accounts that the live attempts of `subject` are charged to, and those that were seen with it.
    fn accounts_that_dial(&self, subject: &Subject, live: &[Attempt]) -> BTreeSet<AccountId> {
        let is_meant = |attempt: &&Attempt| match subject {
            Subject::Pid(pid) => attempt.program.pid == *pid,
            Subject::Address(address) => attempt.destination.ip() == *address,
            Subject::Destination(destination) => attempt.destination == *destination,
            Subject::Name(_) => false,
        };
        let was_seen = |seen: &SeenAccount| match subject {
            Subject::Pid(pid) => seen.programs.iter().any(|program| program.program.pid == *pid),
            Subject::Address(address) => seen.ports.values().any(|port| port.addresses.contains(address)),
            Subject::Destination(to) => {
                seen.ports.get(&to.port()).is_some_and(|port| port.addresses.contains(&to.ip()))
            }
            Subject::Name(_) => false,
        };
        let scopes = self.known_scopes();
        let is_current = |id: AccountId, seen: &SeenAccount| {
            scopes.iter().any(|scope| scope.id == id.scope && scope.name == seen.scope)
        };
        let seen = self.seen.all().filter(|(id, seen)| is_current(*id, seen) && was_seen(seen));
        live.iter().filter(is_meant).map(account_of).chain(seen.map(|(id, _)| id)).collect()
    }

    /// The names of the accounts of `scope`, those with the most to report first.
    fn accounts_of(&mut self, scope: &KnownScope) -> Result<Vec<String>> {
        let mut accounts = self.limiter.accounts()?;
        accounts.retain(|account| account.id.scope == scope.id);
        rank(&mut accounts);
        accounts.truncate(ACCOUNTS_LISTED);
        let ids = accounts.iter().map(|account| account.id).collect();
        Ok(self.name_accounts(&ids, accounts)?.into_iter().map(|account| account.name).collect())
    }

    fn inspect_account(&mut self, account: &NamedAccount, read: &Readings) -> AccountInspection {
        let mut live: Vec<&Attempt> =
            read.live.iter().filter(|attempt| account_of(attempt) == account.id).collect();
        live.sort_by_key(|attempt| (attempt.state != AttemptState::Queued, Reverse(attempt.age)));
        self.note_attempts(account, &live);
        let forgotten =
            || ScopeStatus::new(&account.name, ScopeKind::Account, &account.scope.limits, &Ledger::default());
        let status = read.charged.get(&account.id).map_or_else(forgotten, |charged| charged.status.clone());
        let outcomes = status.established + status.failed;
        let answered_share = (outcomes > 0).then(|| status.established as f64 / outcomes as f64);
        let seen = self.seen.of(account.id, &account.scope.name);
        let ports = seen.map(|seen| ports(seen, &live)).unwrap_or_default();
        let (listed, unlisted) = ports.split_at(ports.len().min(PORTS_LISTED));
        let more_ports = unlisted.len() as u64 + seen.map_or(0, |seen| seen.other_ports.count());
        let waited_on_more_ports = unlisted.iter().map(|port| port.waited).sum::<u64>()
            + seen.map_or(0, |seen| seen.waited_on_others);
        let first_seen = seen.map(|seen| on_the_wall(seen.first));
        let dropped = seen.map_or(0, |seen| seen.dropped);
        let kept: Vec<SeenProgram> = seen.map(|seen| seen.programs.clone()).unwrap_or_default();
        let programs = self.programs_of(account, &kept, &read.programs);
        let more_programs = dropped + programs.len().saturating_sub(PROGRAMS_LISTED) as u64;
        let events = read.events.iter().filter(|event| names(event, account, &programs));
        let events: Vec<Event> = events.map(|event| event.as_ref().clone()).collect();
        AccountInspection {
            answered_share,
            first_seen,
            more_programs,
            ports: listed.to_vec(),
            more_ports,
            waited_on_more_ports,
            live: live.len() as u64,
            attempts: live
                .iter()
                .take(ATTEMPTS_LISTED)
                .map(|attempt| explained(attempt, &read.charged, &read.destinations))
                .collect(),
            rules: self.rules_of(&account.scope),
            events: events[events.len().saturating_sub(EVENTS_LISTED)..].to_vec(),
            programs: programs.into_iter().take(PROGRAMS_LISTED).collect(),
            status,
        }
    }

    /// Notes the live attempts of an account. What went out at once was not heard of before.
    fn note_attempts(&mut self, account: &NamedAccount, live: &[&Attempt]) {
        let now = monotonic();
        let mut looked_up = 0;
        let Self { seen, means, .. } = self;
        for attempt in live {
            let sighting = Sighting {
                at: now.saturating_sub(attempt.age),
                account: account.id,
                scope: &account.scope.name,
                program: &attempt.program,
                destination: attempt.destination,
                waits: false,
                made_suspect: false,
            };
            seen.note(&sighting, |program| {
                looked_up += 1;
                if looked_up <= LOOKED_UP {
                    Some(means.look_up(program))
                } else {
                    means.look_up_early(program)
                }
            });
        }
    }

    /// The programs of an account: those that are kept, then those that only the kernel part has counted.
    fn programs_of(
        &mut self,
        account: &NamedAccount,
        kept: &[SeenProgram],
        counted: &[ProgramCount],
    ) -> Vec<ProgramInspection> {
        let key = |program: &Program| (program.cgroup_id, program.uid, program.comm.clone());
        let mut programs = Vec::new();
        for seen in kept {
            let count = counted.iter().find(|count| key(&count.program) == key(&seen.program));
            let mut found = seen.found.clone().unwrap_or_else(|| self.means.look_up(&seen.program));
            self.means.name_again(&mut found.identity, seen.program.cgroup_id);
            programs.push(ProgramInspection {
                pid: seen.program.pid,
                comm: seen.program.comm.clone(),
                user: found.identity.user,
                exe: found.identity.exe,
                cgroup: found.identity.cgroup,
                runs_in: found.identity.runs_in,
                command_line: found.process.as_ref().map(|process| process.command_line.clone()),
                parent: found.process.and_then(|process| process.parent).map(parent_status),
                is_running: self.is_running(&seen.program),
                processes: seen.processes,
                first_seen: Some(on_the_wall(seen.first)),
                harm: count.map(Harm::from),
            });
        }
        let others = counted.iter().filter(|count| {
            is_of_account(account, count) && kept.iter().all(|seen| key(&seen.program) != key(&count.program))
        });
        for count in others.take(PROGRAMS_LISTED) {
            let Identity { exe, cgroup, user, runs_in } = self.means.identify(&count.program);
            programs.push(ProgramInspection {
                pid: count.program.pid,
                comm: count.program.comm.clone(),
                user,
                exe,
                cgroup,
                runs_in,
                command_line: None,
                parent: None,
                is_running: self.is_running(&count.program),
                processes: 1,
                first_seen: None,
                harm: Some(Harm::from(count)),
            });
        }
        programs
    }

    fn is_running(&mut self, program: &Program) -> bool {
        self.means.helper.process(program.pid, Some(&program.comm)).is_ok_and(|process| process.is_some())
    }
}

/// The account that an attempt is charged to besides the host, or else the host's.
fn account_of(attempt: &Attempt) -> AccountId {
    attempt.own.unwrap_or(AccountId::of_scope(ScopeId::HOST))
}

/// Whether the next attempt of a process would be charged to this account, as far as its cgroup and user tell.
/// `numbers`: those that accounts of its cgroup and of those above it have.
fn is_of_process(account: &Account, process: &Process, numbers: &BTreeSet<u64>) -> bool {
    match account.id.of() {
        Some(AccountOf::Cgroup(_)) => numbers.contains(&account.id.id),
        Some(AccountOf::User(uid)) => uid == process.uid,
        _ => false,
    }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above.trim_end_matches('/'))
        .is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// Whether a program that the kernel part counts is certainly one of this account's.
fn is_of_account(account: &NamedAccount, count: &ProgramCount) -> bool {
    match account.id.of() {
        Some(AccountOf::Cgroup(_)) => {
            account.account.as_ref().is_some_and(|Account { cgroup, .. }| *cgroup == count.program.cgroup_id)
        }
        Some(AccountOf::Process { pid, .. }) => pid == count.program.pid,
        _ => false,
    }
}

/// Whether an event is about this account or a program in its cgroup.
fn names(event: &Event, account: &NamedAccount, programs: &[ProgramInspection]) -> bool {
    let of_program = |record: &crate::events::ProgramRecord| {
        let in_cgroup = account.path().zip(record.cgroup.as_deref());
        in_cgroup.is_some_and(|(path, cgroup)| is_at_or_below(cgroup, path))
            || record.account.as_deref() == Some(&account.name)
            || programs.iter().any(|program| {
                // Another process may have had that number before.
                (program.pid, &program.comm) == (record.pid, &record.comm)
                    && program.first_seen.is_none_or(|seen| seen <= event.time)
            })
    };
    event.scope == account.name
        || event.suspect.as_ref().is_some_and(|suspect| suspect.others.contains(&account.name))
        || event.programs.iter().any(of_program)
}

/// The destinations of an account by port, those with the most addresses first.
fn ports(seen: &SeenAccount, live: &[&Attempt]) -> Vec<PortInspection> {
    let mut now: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    for attempt in live {
        let (queued, unanswered) = now.entry(attempt.destination.port()).or_default();
        *(if attempt.state == AttemptState::Queued { queued } else { unanswered }) += 1;
    }
    let port = |(port, seen): (&u16, &SeenPort)| {
        let (queued, unanswered) = now.get(port).copied().unwrap_or_default();
        PortInspection {
            port: *port,
            addresses: seen.addresses.len() as u64,
            and_more: seen.and_more,
            waited: seen.waited,
            queued,
            unanswered,
            sample: seen.addresses.iter().take(ADDRESSES_NAMED).map(ToString::to_string).collect(),
        }
    };
    let mut ports: Vec<PortInspection> = seen.ports.iter().map(port).collect();
    ports.sort_by_key(|port| Reverse((port.addresses, port.waited)));
    ports
}

fn process_status(pid: u32, process: Process) -> ProcessStatus {
    let Process { comm, uid, exe, command_line, cgroup, parent } = process;
    ProcessStatus { pid, comm, uid, exe, command_line, cgroup, parent: parent.map(parent_status) }
}

fn parent_status(parent: Parent) -> ParentStatus {
    let Parent { pid, comm, command_line } = parent;
    ParentStatus { pid, comm, command_line }
}
