//! The accounts that rules have made: reading them.

use crate::abi;
use crate::abi::{ScopeId, plain};
use crate::decode::records::AccountId;
use crate::error::{KernelError, bpf};
use halfopen_policy::{CreditBucket, Ledger, PortCell};
use libbpf_rs::{MapCore, MapFlags};
use std::time::Duration;

/// Whose an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountOf {
    /// A cgroup and those below it, by a hash of its path: one made anew under the same name has the same account. See
    /// [`Account::cgroup`].
    Cgroup(u64),
    /// A user, as the first user namespace numbers it.
    User(u32),
    /// All of a user namespace that is root's, by its inode number.
    UserNamespace(u32),
    /// A process and those that come from it.
    Process {
        /// Its number, in the first PID namespace. It may have ended, and the number be another's.
        pid: u32,
        /// When it was started, on the clock that counts from boot.
        started: Duration,
    },
}

impl AccountId {
    /// Whose account it is; `None` where the rule has one for all.
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

/// What an account's first contacts have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust {
    /// First contacts with strangers that it may make at once, whatever the port. What comes back with time is only added
    /// when an attempt begins or ends.
    pub credit: u32,
    /// The same for the ports of each cell; `None` before the first.
    pub credit_of_ports: [Option<u32>; PortCell::COUNT as usize],
    /// The same for addresses that a DNS answer has named lately, which have credit of their own; `None` before the first.
    pub credit_named: Option<u32>,
    /// The same for network namespaces that the first user namespace does not own; `None` before the first.
    pub credit_foreign: Option<u32>,
    /// First contacts let out since the account was made, of all kinds.
    pub first_contacts: u64,
    /// Since when it is a suspect, on the kernel's monotonic clock.
    pub suspect_since: Option<Duration>,
    /// Attempts refused because it was blocked.
    pub refused_blocked: u64,
}

impl Trust {
    /// First contacts of that kind that it may make at once; `None` where there was none yet.
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

    /// First contacts with strangers that it may make at once on the port on which it has spent most.
    #[must_use]
    pub fn least_credit(&self) -> u32 {
        self.credit_of_ports.iter().flatten().copied().fold(self.credit, u32::min)
    }
}

/// An account that a rule has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// Of a cgroup's account: the id of the one that was seen last under its name; see [`crate::path_of_id`]. 0 = none.
    pub cgroup: u64,
    /// Its numbers.
    pub ledger: Ledger,
    /// Its credit.
    pub trust: Trust,
}

/// Of a credit bucket; `None` before its first contact.
fn credit(trust: &abi::trust) -> Option<u32> {
    (trust.settled_ns != 0).then_some(trust.credit / abi::CREDIT)
}

pub(crate) fn trust(scope: &abi::scope) -> Trust {
    let [ports @ .., named, foreign, all_ports] = &scope.trust;
    let since = scope.trust.iter().map(|trust| trust.suspect_ns).filter(|since| *since != 0).min();
    Trust {
        credit: credit(all_ports).unwrap_or_default(),
        credit_of_ports: ports.each_ref().map(credit),
        credit_named: credit(named),
        credit_foreign: credit(foreign),
        first_contacts: scope.first_contacts,
        suspect_since: since.map(Duration::from_nanos),
        refused_blocked: scope.blocked,
    }
}

/// All accounts. While some are made and collected, others may be told twice or not at all.
pub(crate) fn read(accounts: &impl MapCore, now_ns: u64) -> Result<Vec<Account>, KernelError> {
    // All by one call: the library takes a batch that is not full for the last.
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

/// Whether any account is of this scope.
pub(crate) fn has_any(accounts: &impl MapCore, scope: ScopeId) -> bool {
    let of_scope = |key: abi::account_key| key.scope == scope.0;
    accounts.keys().any(|key| plain::read(&key).is_some_and(of_scope))
}

/// `struct account_key`.
pub(crate) fn key(scope: ScopeId, id: u64) -> abi::account_key {
    abi::account_key { id, scope: scope.0, pad: 0 }
}
