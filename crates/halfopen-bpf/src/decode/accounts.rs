//! Reads the accounts that rules have made.

use crate::abi;
use crate::abi::{ScopeId, plain};
use crate::decode::records::AccountId;
use crate::error::{KernelError, bpf};
use halfopen_policy::{CreditBucket, Ledger, PortCell};
use libbpf_rs::{MapCore, MapFlags};
use std::time::Duration;

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountOf {
    /// A cgroup and those below it, by a hash of its path: a cgroup that is made again under the same path
    /// has the same account. See [`Account::cgroup`].
    Cgroup(u64),
    /// A user, as the initial user namespace numbers it.
    User(u32),
    /// All users of a user namespace that root owns, by its inode number.
    UserNamespace(u32),
    /// A process and its descendants.
    Process {
        /// Its PID in the initial PID namespace. The process may have ended, and another one may have the
        /// PID.
        pid: u32,
        /// When it was started, on the clock that counts from boot; exact to a millisecond.
        started: Duration,
    },
}

impl AccountId {
    /// What the account is for; `None` if the rule has one for all.
    #[must_use]
    pub fn of(self) -> Option<AccountOf> {
        let id = self.id & ((1 << abi::ACCOUNT_KIND_SHIFT) - 1);
        Some(match (self.id >> abi::ACCOUNT_KIND_SHIFT) as u32 {
            abi::PER_RULE => return None,
            abi::PER_CGROUP => AccountOf::Cgroup(id),
            abi::PER_USER if id & abi::USER_IS_NAMESPACE != 0 => AccountOf::UserNamespace(id as u32),
            abi::PER_USER => AccountOf::User(id as u32),
            _ => AccountOf::Process {
                pid: (id & ((1 << abi::PROCESS_NUMBER_BITS) - 1)) as u32,
                started: Duration::from_millis(id >> abi::PROCESS_NUMBER_BITS),
            },
        })
    }
}

/// What about the last hundred first contacts of a kind came to, and those that are out. Answers farmed in one network are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// Those that were answered.
    pub answers: u32,
    /// Those that were not.
    pub silences: u32,
    /// Those that are out, and neither.
    pub pending: u32,
}

/// What became of an account's first contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust {
    /// How many first contacts with strangers it may make at once, whatever the port. Credit that comes back
    /// with time is added only when an attempt uses the account, or the collector visits it.
    pub credit: u32,
    /// The same for the ports of each cell; `None` before the first contact.
    pub credit_of_ports: [Option<u32>; PortCell::COUNT as usize],
    /// The same for addresses that a DNS answer has named lately; `None` before the first contact.
    pub credit_named: Option<u32>,
    /// The same for network namespaces that the initial user namespace does not own; `None` before the first
    /// contact.
    pub credit_foreign: Option<u32>,
    /// What the last contacts of each of these kinds came to: of the ports of each cell, of all ports, with named
    /// addresses, and from foreign namespaces.
    pub heard_of_ports: [Heard; PortCell::COUNT as usize],
    /// See [`Trust::heard_of_ports`].
    pub heard: Heard,
    /// See [`Trust::heard_of_ports`].
    pub heard_named: Heard,
    /// See [`Trust::heard_of_ports`].
    pub heard_foreign: Heard,
    /// First contacts let out since the account was made, of all kinds.
    pub first_contacts: u64,
    /// Since when it is a suspect, on the kernel's monotonic clock.
    pub suspect_since: Option<Duration>,
    /// `connect()` calls refused because it was blocked.
    pub refused_blocked: u64,
}

impl Trust {
    /// How many first contacts of this kind it may make at once; `None` if there was none yet.
    #[must_use]
    pub fn credit_for(&self, bucket: CreditBucket) -> Option<u32> {
        match bucket {
            CreditBucket::Named => self.credit_named,
            CreditBucket::Foreign => self.credit_foreign,
            CreditBucket::Strangers => Some(self.credit),
            CreditBucket::Port(cell) => {
                let of_port = *self.credit_of_ports.get(usize::from(cell.number()))?;
                of_port.map(|credit| credit.min(self.credit))
            }
        }
    }

    /// What its last first contacts of this kind came to.
    #[must_use]
    pub fn heard_from(&self, bucket: CreditBucket) -> Heard {
        match bucket {
            CreditBucket::Named => self.heard_named,
            CreditBucket::Foreign => self.heard_foreign,
            CreditBucket::Strangers => self.heard,
            CreditBucket::Port(cell) => {
                self.heard_of_ports.get(usize::from(cell.number())).copied().unwrap_or_default()
            }
        }
    }

    /// How many first contacts with strangers it may make at once on the ports whose credit is lowest.
    #[must_use]
    pub fn least_credit(&self) -> u32 {
        self.credit_of_ports.iter().flatten().copied().fold(self.credit, u32::min)
    }
}

/// An account that a rule has made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// For a cgroup's account, the id of the cgroup that was last seen with its path; see
    /// [`crate::path_of_id`]. 0 = none.
    pub cgroup: u64,
    /// Its ledger.
    pub ledger: Ledger,
    /// Its credit.
    pub trust: Trust,
}

/// The whole credits of a bucket; `None` before its first contact.
fn credit(trust: &abi::trust) -> Option<u32> {
    (trust.settled_ns != 0).then_some(trust.credit / abi::CREDIT)
}

fn heard(trust: &abi::trust) -> Heard {
    let (answers, silences) = (trust.heard_answers.into(), trust.heard_silences.into());
    Heard { answers, silences, pending: trust.pending }
}

pub(crate) fn trust(scope: &abi::scope) -> Trust {
    let [ports @ .., named, foreign, all_ports] = &scope.trust;
    let since = scope.trust.iter().map(|trust| trust.suspect_ns).filter(|since| *since != 0).min();
    Trust {
        credit: credit(all_ports).unwrap_or_default(),
        credit_of_ports: ports.each_ref().map(credit),
        credit_named: credit(named),
        credit_foreign: credit(foreign),
        heard_of_ports: ports.each_ref().map(heard),
        heard: heard(all_ports),
        heard_named: heard(named),
        heard_foreign: heard(foreign),
        first_contacts: scope.first_contacts,
        suspect_since: since.map(Duration::from_nanos),
        refused_blocked: scope.blocked,
    }
}

/// All accounts. While some are made and collected, others may be read twice or not at all; an account that
/// was read twice is listed once.
pub(crate) fn read(accounts: &impl MapCore, now_ns: u64) -> Result<Vec<Account>, KernelError> {
    // In one batch: the library takes a batch that is not full for the last one.
    let entries = accounts.lookup_batch(abi::ACCOUNTS, MapFlags::ANY, MapFlags::ANY);
    let entries = entries.map_err(|error| bpf("reading the accounts", error))?;
    let mut read: Vec<Account> = entries
        .filter_map(|(key, value)| {
            let key: abi::account_key = plain::read(&key)?;
            let accounting: abi::scope = plain::read(&value)?;
            Some(Account {
                id: AccountId { scope: ScopeId(key.scope), id: key.id },
                cgroup: accounting.cgroup_id,
                ledger: Ledger::of(&accounting, now_ns),
                trust: trust(&accounting),
            })
        })
        .collect();
    read.sort_by_key(|account| account.id);
    read.dedup_by_key(|account| account.id);
    Ok(read)
}

/// Whether any account belongs to this scope.
pub(crate) fn has_any(accounts: &impl MapCore, scope: ScopeId) -> bool {
    let of_scope = |key: abi::account_key| key.scope == scope.0;
    accounts.keys().any(|key| plain::read(&key).is_some_and(of_scope))
}

/// `struct account_key`.
pub(crate) fn key(scope: ScopeId, id: u64) -> abi::account_key {
    abi::account_key { id, scope: scope.0, pad: 0 }
}
