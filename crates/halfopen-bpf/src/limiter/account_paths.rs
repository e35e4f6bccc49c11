//! The account of a cgroup's path, also of a cgroup that is gone: the kernel part derives the account from the
//! names alone (`hash_path()` in `bpf/accounts.h`), and so does this.

use super::Limiter;
use crate::abi;

/// The part of a name that the kernel part reads at a time, without the zero that it adds.
const PART: usize = 63;
/// How many parts of a name it reads.
const PARTS: usize = 4;

impl Limiter {
    /// The id ([`crate::AccountId`]) of the account of the cgroup with these names, from the root down, under a rule
    /// with an account for each cgroup. `None` for a cgroup so deep that it has no account.
    #[must_use]
    pub fn account_of_path(&self, names: &[&[u8]]) -> Option<u64> {
        (names.len() <= abi::CGROUP_DEPTH as usize).then(|| account_of(self.state.salt()[1], names))
    }
}

fn account_of(salt: u64, names: &[&[u8]]) -> u64 {
    let levels = names.iter().zip(1..);
    let hash = levels.fold(salt, |hash, (name, level)| mix_name(mix(hash, level), name));
    u64::from(abi::PER_CGROUP) << abi::ACCOUNT_KIND_SHIFT | (hash & ((1 << abi::ACCOUNT_KIND_SHIFT) - 1))
}

fn mix_name(mut hash: u64, name: &[u8]) -> u64 {
    let mut rest = name;
    for _ in 0..PARTS {
        let (part, left) = rest.split_at(rest.len().min(PART));
        let mut padded = [0; PART + 1];
        padded[..part.len()].copy_from_slice(part);
        let (words, _) = padded.as_chunks::<8>();
        hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_ne_bytes(*word)));
        if part.len() < PART {
            break;
        }
        rest = left;
    }
    hash
}

/// `mix()` of `bpf/remembered.h`.
fn mix(hash: u64, word: u64) -> u64 {
    let mut hash = hash ^ word;
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
