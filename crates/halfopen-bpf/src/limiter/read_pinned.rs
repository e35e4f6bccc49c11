//! Reads a limit that holds while no daemon has it: what is in force and what was counted, from the pinned maps alone.
//! Takes no lock and writes nothing, so that a daemon can take the limit over meanwhile.

use super::gates::Forwarded;
use super::hand_blocks;
use super::named_scopes::{Numbers, read_names};
use super::walk::attempt;
use crate::abi::skeleton::types;
use crate::abi::{self, LAYOUT, ScopeId, plain};
use crate::decode::accounts::{self, Account, Trust};
use crate::decode::denied::{DenyCount, count};
use crate::decode::faults::{self, FaultCount};
use crate::decode::names::{NamesCounts, read_counts};
use crate::decode::program_counts;
use crate::decode::records::{AccountId, Attempt, ProgramCount};
use crate::encode::deny::DenyNames;
use crate::error::{KernelError, bpf};
use crate::limiter::state::State;
use crate::load::pins::{HOOKS, STATE, keeper, version};
use crate::sys::cgroup::path_of_id;
use crate::sys::clock::monotonic;
use crate::sys::gates::{Gate, gates};
use halfopen_policy::kernel_form::nanos;
use halfopen_policy::record::attempt_record;
use halfopen_policy::{Ledger, Limits, Mode};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many records are read at a time.
const BATCH: u32 = 4096;

/// What a scope of a pinned limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeOf {
    /// `exec`.
    Exec,
    /// A rule.
    Rule,
    /// An interface.
    Interface,
}

/// A scope of a pinned limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedScope {
    /// Its number.
    pub id: ScopeId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub of: ScopeOf,
}

/// A rule of `[[deny]]` of a pinned limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedDeny {
    /// What it has denied.
    pub count: DenyCount,
    /// Whether it only counts.
    pub audit: bool,
}

/// What a pinned limit reads of DNS answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedNames {
    /// Whether an answer counts for all programs, or for the cgroup that asked.
    pub of_host: bool,
    /// How long an address stays named, unless its TTL is longer.
    pub counts_for: Duration,
    /// The resolvers whose answers are read.
    pub resolvers: Vec<IpAddr>,
    /// What became of the answers.
    pub counts: NamesCounts,
}

/// A limit that is pinned.
pub struct PinnedLimit {
    path: PathBuf,
    keeper: abi::keeper,
    policy: Box<abi::policy>,
    policy_number: u32,
    read_at: Duration,
}

impl PinnedLimit {
    /// What is pinned at `path`; `None` if nothing there holds an attempt.
    ///
    /// # Errors
    /// If it cannot be read, which needs root; if it is incomplete, or of another layout.
    pub fn find(path: &Path) -> Result<Option<Self>, KernelError> {
        let is_there = |name: &str| match path.join(name).symlink_metadata() {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => {
                Err(KernelError::Bpf { doing: format!("looking at {}", path.join(name).display()), source })
            }
        };
        let mut missing = Vec::new();
        for hook in HOOKS {
            if !is_there(hook)? {
                missing.push(hook);
            }
        }
        if missing.len() == HOOKS.len() {
            return Ok(None);
        }
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(KernelError::PinsIncomplete { path: path.to_owned(), missing });
        }
        let keeper = keeper(path)?;
        if keeper.layout != LAYOUT {
            return Err(KernelError::OtherLayout {
                path: path.to_owned(),
                version: version(&keeper),
                theirs: keeper.layout,
                ours: LAYOUT,
            });
        }
        let map = open(path, STATE)?;
        if (map.value_size() as usize) < size_of::<types::bss>() {
            return Err(KernelError::Lacks(format!("{} is of an unknown form", path.join(STATE).display())));
        }
        let state = State::of(map.as_fd())?;
        let (policy, policy_number) = (Box::new(state.policy()), state.policy_now());
        Ok(Some(Self { path: path.to_owned(), keeper, policy, policy_number, read_at: monotonic() }))
    }

    /// Where it is pinned.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version of the daemon that had it last.
    #[must_use]
    pub fn version(&self) -> String {
        version(&self.keeper)
    }

    /// How long no daemon has watched it.
    #[must_use]
    pub fn unwatched(&self) -> Duration {
        self.read_at.saturating_sub(Duration::from_nanos(self.keeper.seen_ns))
    }

    /// How long it has counted.
    #[must_use]
    pub fn counting(&self) -> Duration {
        self.read_at.saturating_sub(Duration::from_nanos(self.keeper.counting_since_ns))
    }

    /// The mode in force.
    #[must_use]
    pub fn mode(&self) -> Mode {
        mode_in_force(&self.policy, self.read_at)
    }

    /// Until when it enforces on trial, on the kernel's monotonic clock, and the mode after that; `None` if there is no
    /// trial.
    #[must_use]
    pub fn trial(&self) -> Option<(Duration, Mode)> {
        let until = Duration::from_nanos(self.policy.enforce_until_ns);
        (until > self.read_at).then(|| (until, mode_of(self.policy.mode_after)))
    }

    /// The limits in force for a scope.
    #[must_use]
    pub fn limits(&self, scope: ScopeId) -> Option<Limits> {
        self.policy.limits.get(scope.0 as usize).map(Limits::from)
    }

    /// The scopes in force besides the host's.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn scopes(&self) -> Result<Vec<PinnedScope>, KernelError> {
        let names = read_names(&self.map("scope_names")?)?;
        let numbers = Numbers::of(&self.policy, self.policy_number, &self.map("interface_scopes")?);
        let with_name = |of| {
            let names = &names;
            move |id: ScopeId| Some(PinnedScope { id, name: names.get(&id)?.clone(), of })
        };
        let mut scopes = Vec::new();
        let of_cgroups = self.map("scope_of_cgroup")?;
        for key in of_cgroups.keys() {
            let id = of_cgroups.lookup(&key, MapFlags::ANY).ok().flatten();
            let (Some(Ok(id)), Ok(cgroup)) = (id.map(TryInto::try_into), key.try_into()) else { continue };
            // If its cgroup is gone, it holds nobody.
            let Some(path) = path_of_id(u64::from_ne_bytes(cgroup)) else { continue };
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            scopes.push(PinnedScope { id: ScopeId(u32::from_ne_bytes(id)), name, of: ScopeOf::Exec });
        }
        // A rule takes a place among the rules for each of its patterns.
        let mut rules = numbers.rules;
        rules.dedup();
        scopes.extend(rules.into_iter().filter_map(with_name(ScopeOf::Rule)));
        scopes.extend(numbers.interfaces.into_iter().filter_map(with_name(ScopeOf::Interface)));
        Ok(scopes)
    }

    /// A scope's ledger, and what became of its first contacts.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn accounting(&self, scope: ScopeId) -> Result<(Ledger, Trust), KernelError> {
        let accounting = self.scope(scope)?;
        Ok((Ledger::of(&accounting, nanos(monotonic())), accounts::trust(&accounting)))
    }

    /// The accounts of its rules.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn accounts(&self) -> Result<Vec<Account>, KernelError> {
        accounts::read(&self.map("accounts")?, nanos(monotonic()))
    }

    /// The accounts that are blocked by hand now, and until when.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn hand_blocks(&self) -> Result<BTreeMap<AccountId, Duration>, KernelError> {
        let mut blocks = hand_blocks::read(&self.map("hand_blocks")?)?;
        blocks.retain(|_, until| *until > self.read_at);
        Ok(blocks)
    }

    /// The rules of `[[deny]]` in force, and what they have denied.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn denied(&self) -> Result<Vec<PinnedDeny>, KernelError> {
        let prefixes = self.map("deny_prefixes")?;
        let mut in_force = 0;
        for key in prefixes.keys() {
            let is_now =
                plain::read::<abi::deny_prefix>(&key).is_some_and(|key| key.policy == self.policy_number);
            if is_now {
                let rules = prefixes.lookup(&key, MapFlags::ANY).ok().flatten();
                in_force |= rules.and_then(|rules| rules.try_into().ok()).map_or(0, u64::from_ne_bytes);
            }
        }
        if in_force == 0 {
            return Ok(Vec::new());
        }
        let (rules, counts) = (self.map("deny_rules")?, self.map("deny_counts")?);
        let names = DenyNames::read(&self.map("deny_names")?)?;
        let of_rule = |(number, name): (u32, &str)| {
            let value = read_at::<abi::deny_rule>(
                &rules,
                number + self.policy_number * abi::DENY_RULES,
                MapFlags::ANY,
            )?;
            let found = read_at::<abi::deny_count>(&counts, number, MapFlags::LOCK)?;
            Ok(PinnedDeny { count: count(name, &found), audit: value.audit != 0 })
        };
        names.all().filter(|(number, _)| in_force & (1 << number) != 0).map(of_rule).collect()
    }

    /// What is read of DNS answers; `None` if they are not read.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn names(&self) -> Result<Option<PinnedNames>, KernelError> {
        if self.policy.names == abi::NAMES_OFF {
            return Ok(None);
        }
        let resolvers = self.map("resolvers")?;
        let of_now = resolvers.keys().filter_map(|key| plain::read::<abi::resolver_key>(&key));
        let of_now = of_now.filter(|key| key.policy == self.policy_number);
        let mut addresses: Vec<IpAddr> = of_now.map(|key| IpAddr::from(key.addr).to_canonical()).collect();
        addresses.sort_unstable();
        Ok(Some(PinnedNames {
            of_host: self.policy.names == abi::NAMES_HOST,
            counts_for: Duration::from_nanos(self.policy.names_for_ns),
            resolvers: addresses,
            counts: read_counts(&self.map("names_counts")?)?,
        }))
    }

    /// What has come through each gate. One whose interface this network namespace does not have now is told by its
    /// number.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn forwarded(&self) -> Result<Vec<Forwarded>, KernelError> {
        let map = self.map("gates")?;
        let named = gates().map(|found| found.gates).unwrap_or_default();
        let mut all = Vec::new();
        for key in map.keys() {
            let index = key.as_slice().try_into().map_or(abi::GATE_UNSEEN, u32::from_ne_bytes);
            let found = read_at::<abi::gate>(&map, index, MapFlags::ANY)?;
            if found.kind == abi::NO_GATE || index == abi::GATE_UNSEEN {
                continue;
            }
            let name = named.iter().find(|gate| gate.index == index).map(|gate| gate.name.clone());
            let name = name.unwrap_or_else(|| format!("number {index}"));
            let gate = Gate { index, name, shared: found.kind == abi::GATE_OF_MANY };
            all.push(Forwarded { gate, let_out: found.let_out, stopped: found.stopped });
        }
        all.sort_by(|a, b| a.gate.cmp(&b.gate));
        Ok(all)
    }

    /// What waiting did to each program.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn programs(&self) -> Result<Vec<ProgramCount>, KernelError> {
        program_counts::read(&self.map("programs")?)
    }

    /// The faults that have happened.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn faults(&self) -> Result<Vec<FaultCount>, KernelError> {
        faults::read(&self.map("faults")?)
    }

    /// The live attempts. While many begin and end, some may be missing.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn attempts(&self) -> Result<Vec<Attempt>, KernelError> {
        let host = self.scope(ScopeId::HOST)?;
        let mut attempts = Vec::new();
        for name in ["records", "records_beside"] {
            let map = self.map(name)?;
            let entries = map.lookup_batch(BATCH.min(map.max_entries()), MapFlags::ANY, MapFlags::ANY);
            let entries = entries.map_err(|error| bpf("reading the records of attempts", error))?;
            let now = monotonic();
            let live = entries.filter_map(|(_, value)| {
                let found: abi::attempt = plain::read(&value)?;
                let is_live = found.cookie != 0 && found.state != abi::ATTEMPT_NONE;
                is_live.then(|| attempt(&attempt_record(&host, &found, nanos(now)), now))
            });
            attempts.extend(live);
        }
        Ok(attempts)
    }

    fn scope(&self, scope: ScopeId) -> Result<abi::scope, KernelError> {
        let bytes = self.map("scopes")?.lookup(&scope.0.to_ne_bytes(), MapFlags::ANY);
        let bytes = bytes.map_err(|error| bpf("reading a scope's accounting", error))?.unwrap_or_default();
        plain::read(&bytes)
            .ok_or_else(|| KernelError::Lacks("a scope's accounting is of an unknown layout".to_owned()))
    }

    fn map(&self, name: &str) -> Result<MapHandle, KernelError> {
        open(&self.path, name)
    }
}

/// The entry of an array or hash; all zero if there is none.
fn read_at<T: plain::Plain + Default>(map: &MapHandle, key: u32, flags: MapFlags) -> Result<T, KernelError> {
    let bytes = map.lookup(&key.to_ne_bytes(), flags).map_err(|error| bpf("reading a pinned map", error))?;
    Ok(bytes.and_then(|bytes| plain::read(&bytes)).unwrap_or_default())
}

fn open(path: &Path, name: &str) -> Result<MapHandle, KernelError> {
    let file = path.join(name);
    MapHandle::from_pinned_path(&file).map_err(|error| bpf(&format!("opening {}", file.display()), error))
}

/// What `policy` does at `now`, which a trial may decide.
pub(super) fn mode_in_force(policy: &abi::policy, now: Duration) -> Mode {
    let is_over = policy.enforce_until_ns != 0 && policy.enforce_until_ns <= nanos(now);
    mode_of(if is_over { policy.mode_after } else { policy.mode })
}

fn mode_of(number: u32) -> Mode {
    match number {
        abi::MODE_ENFORCE => Mode::Enforce,
        abi::MODE_AUDIT => Mode::Audit,
        _ => Mode::Off,
    }
}
