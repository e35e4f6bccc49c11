//! Accounts that are blocked by hand for a time. The kernel part keeps the deadline, so a block ends on time whether a
//! daemon runs or not.

use super::Limiter;
use crate::abi;
use crate::abi::{ScopeId, plain};
use crate::decode::accounts;
use crate::decode::records::AccountId;
use crate::encode::rule_keys::{clear, put};
use crate::error::{KernelError, bpf};
use crate::sys::clock::monotonic;
use halfopen_policy::kernel_form::nanos;
use libbpf_rs::{ErrorKind, MapCore, MapFlags};
use std::collections::BTreeMap;
use std::time::Duration;

impl Limiter {
    /// Refuses every connect of an account until `until` (on the kernel's monotonic clock), and ends those that wait at
    /// their next re-check. Replaces an earlier block.
    ///
    /// # Errors
    /// [`KernelError::HandBlocksFull`] if too many accounts are blocked, or if the map cannot be written.
    pub fn block(&mut self, account: AccountId, until: Duration) -> Result<(), KernelError> {
        self.forget_ended_blocks()?;
        let blocks = self.hand_blocks()?;
        if !blocks.contains_key(&account) && blocks.len() >= abi::HAND_BLOCKS as usize {
            return Err(KernelError::HandBlocksFull(abi::HAND_BLOCKS));
        }
        put(&self.skel.maps.hand_blocks, &accounts::key(account.scope, account.id), &nanos(until))?;
        if blocks.is_empty() { self.put_in_force(&self.settings.clone()) } else { Ok(()) }
    }

    /// Ends a block by hand. Returns whether there was one.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn unblock(&mut self, account: AccountId) -> Result<bool, KernelError> {
        let was = self.hand_blocks()?.contains_key(&account);
        let key = accounts::key(account.scope, account.id);
        match self.skel.maps.hand_blocks.delete(plain::bytes(&key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(bpf("ending a block by hand", error));
            }
            _ => {}
        }
        if was && self.hand_blocks()?.is_empty() {
            self.put_in_force(&self.settings.clone())?;
        }
        Ok(was)
    }

    /// The accounts that are blocked by hand now, and until when.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn hand_blocks(&self) -> Result<BTreeMap<AccountId, Duration>, KernelError> {
        let mut blocks = self.all_hand_blocks()?;
        blocks.retain(|_, until| *until > monotonic());
        Ok(blocks)
    }

    /// Forgets the blocks that have ended by themselves, and returns whose they were. Should be called about once a
    /// minute: as long as there is one, the kernel part looks at each connect.
    ///
    /// # Errors
    /// If the map cannot be read or written.
    pub fn forget_ended_blocks(&mut self) -> Result<Vec<AccountId>, KernelError> {
        let now = monotonic();
        let blocks = self.all_hand_blocks()?;
        let ended: Vec<AccountId> =
            blocks.iter().filter(|(_, until)| **until <= now).map(|(account, _)| *account).collect();
        clear(&self.skel.maps.hand_blocks, |key: abi::account_key| {
            ended.contains(&AccountId { scope: ScopeId(key.scope), id: key.id })
        })?;
        if !ended.is_empty() && ended.len() == blocks.len() {
            self.put_in_force(&self.settings.clone())?;
        }
        Ok(ended)
    }

    fn all_hand_blocks(&self) -> Result<BTreeMap<AccountId, Duration>, KernelError> {
        read(&self.skel.maps.hand_blocks)
    }

    /// Forgets the blocks of a scope whose number is given to another one.
    pub(super) fn forget_hand_blocks(&self, scope: ScopeId) -> Result<(), KernelError> {
        clear(&self.skel.maps.hand_blocks, |key: abi::account_key| key.scope == scope.0)
    }
}

/// All blocks by hand, also those that have ended.
pub(super) fn read(map: &impl MapCore) -> Result<BTreeMap<AccountId, Duration>, KernelError> {
    let mut blocks = BTreeMap::new();
    for key in map.keys() {
        let value = map.lookup(&key, MapFlags::ANY);
        let value = value.map_err(|error| bpf("reading blocks by hand", error))?;
        let read = plain::read::<abi::account_key>(&key).zip(value.and_then(|value| plain::read(&value)));
        if let Some((key, until)) = read {
            blocks.insert(AccountId { scope: ScopeId(key.scope), id: key.id }, Duration::from_nanos(until));
        }
    }
    Ok(blocks)
}
