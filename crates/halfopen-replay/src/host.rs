//! One recorded host under one policy: its accounting, and who waits.

use crate::attempts::{Attempts, Ticket};
use foldhash::fast::FixedState;
use halfopen_policy::{Accounting, Contact, CreditBucket, Limits, Mode, ScopeId};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Ports that are told apart.
const PORTS: usize = 4;

#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub accounting: Accounting,
    pub own: Option<ScopeId>,
    /// The scopes of accounts, where there are several.
    accounts: BTreeMap<u32, ScopeId>,
    /// Those that wait, the oldest first, by the kind of their addresses. Some may wait no more.
    pub waiting: BTreeMap<QueueKey, VecDeque<Ticket>>,
    /// The same by their destination.
    pub by_address: HashMap<u64, Vec<Ticket>, FixedState>,
    /// How many are in `by_address`, or were.
    indexed: usize,
    /// How many wait, and how many are in the accounting.
    pub asleep: u32,
    pub live: u32,
    /// When it is next looked whose turn it is.
    pub look_at: Option<u64>,
    ports: [(u16, u32); PORTS],
}

/// An order of [`Contact`]: its rank comes first.
pub(crate) type QueueKey = (u8, Option<CreditBucket>);

/// So many that wait no more may be in queues besides half of all.
pub(crate) const SPARE: usize = 64;

pub(crate) fn queue_of(contact: Contact) -> QueueKey {
    let bucket = if let Contact::First(bucket) = contact { Some(bucket) } else { None };
    (contact.rank(), bucket)
}

pub(crate) fn contact_of(key: QueueKey) -> Contact {
    key.1.map_or(Contact::Known, Contact::First)
}

impl Host {
    /// One on which nothing has been dialled. Copies of it share what does not change.
    pub fn new(host: Limits, own: Option<Limits>) -> Self {
        let mut accounting = Accounting::new(Mode::Enforce, host);
        let own = own.map(|limits| accounting.open_scope(limits));
        Self {
            accounting,
            own,
            accounts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            by_address: HashMap::default(),
            indexed: 0,
            asleep: 0,
            live: 0,
            look_at: None,
            ports: [(0, 0); PORTS],
        }
    }

    /// One more waits; with its destination if that is unknown.
    pub fn enqueue(&mut self, key: QueueKey, ticket: Ticket, address: Option<u64>, attempts: &Attempts) {
        let most = 2 * self.asleep as usize + SPARE;
        let queue = self.waiting.entry(key).or_default();
        queue.push_back(ticket);
        if queue.len() > most {
            queue.retain(|ticket| attempts.waits(*ticket));
        }
        if let Some(address) = address {
            self.by_address.entry(address).or_default().push(ticket);
            self.indexed += 1;
        }
        if self.indexed > most {
            self.by_address.retain(|_, tickets| {
                tickets.retain(|ticket| attempts.waits(*ticket));
                !tickets.is_empty()
            });
            self.indexed = self.by_address.values().map(Vec::len).sum();
        }
    }

    pub fn nobody_waits(&mut self) {
        self.waiting = BTreeMap::new();
        self.by_address = HashMap::default();
        self.indexed = 0;
        self.look_at = None;
    }

    /// The scope of the account with this number.
    pub fn account(&mut self, number: u32, limits: Limits) -> ScopeId {
        *self.accounts.entry(number).or_insert_with(|| self.accounting.open_scope(limits))
    }

    /// The same, if anybody has been charged to it.
    pub fn opened(&self, number: u32) -> Option<ScopeId> {
        self.accounts.get(&number).copied()
    }

    /// A first contact goes to this port. Of many ports those are kept that come again and again (Misra, Gries 1982).
    pub fn count_port(&mut self, port: u16) {
        if let Some(counted) = self.ports.iter_mut().find(|(of, count)| *of == port && *count > 0) {
            counted.1 += 1;
        } else if let Some(free) = self.ports.iter_mut().find(|(_, count)| *count == 0) {
            *free = (port, 1);
        } else {
            self.ports.iter_mut().for_each(|(_, count)| *count -= 1);
        }
    }

    /// The port of most first contacts; `None` if they go to many.
    pub fn port(&self) -> Option<u16> {
        self.ports
            .iter()
            .max_by_key(|(_, count)| *count)
            .filter(|(_, count)| *count > 0)
            .map(|(port, _)| *port)
    }
}
