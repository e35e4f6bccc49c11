//! A lab limited by the kernel part alone, and programs that dial dead addresses there.

use halfopen_bpf::{
    Account, AccountOf, CgroupDir, Fault, Keep, LeftOut, Limiter, NameTrust, Per, ScopeId, ScopeRule,
    Settings,
};
use halfopen_policy::{Forwarded, Ledger, Limits, Mode, RawTcp};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use testkit::desk::{self, PATIENCE};
use testkit::rig::host;
use testkit::rig::program::Program;
use testkit::{Cgroup, Family, HostKind, Lab};

/// Longer than any of these tests.
const SLOT_LIFE: Duration = Duration::from_mins(5);

pub fn limits(half_open: Option<u32>) -> Limits {
    Limits { half_open, slot_life: SLOT_LIFE, drain: None, queue: 100_000, ..Limits::xp_sp2() }
}

/// One attempt at a time for whoever meets no condition yet.
pub fn rule(name: &str, per: Per) -> ScopeRule {
    ScopeRule {
        name: name.to_owned(),
        cgroups: Vec::new(),
        users: Vec::new(),
        exes: Vec::new(),
        comms: Vec::new(),
        not: LeftOut::default(),
        per,
        limits: limits(Some(1)),
    }
}

pub fn settings(scopes: Vec<ScopeRule>) -> Settings {
    Settings {
        mode: Mode::Enforce,
        enforce_until: None,
        raw_tcp: RawTcp::Allow,
        forwarded: Forwarded::Allow,
        wakeups: false,
        records: Settings::RECORDS,
        exempt: Vec::new(),
        never_hold: Vec::new(),
        host: limits(None),
        scopes,
        interfaces: Vec::new(),
        deny: Vec::new(),
        known_for: Duration::from_mins(10),
        names: NameTrust::Off,
        names_for: Duration::ZERO,
    }
}

/// A lab's cgroups lie directly below the root.
pub fn path_of(cgroup: &Cgroup) -> String {
    format!("/{}", cgroup.path().file_name().unwrap().to_str().unwrap())
}

pub fn id_of(cgroup: &Cgroup) -> u64 {
    CgroupDir::open(cgroup.path()).unwrap().id().unwrap()
}

/// Ended before the lab is.
pub struct Scene {
    pub limiter: Limiter,
    pub lab: Lab,
}

impl Scene {
    /// What `scopes` makes of the path of the lab's cgroup is in force there.
    pub fn with(scopes: impl FnOnce(&str) -> Vec<ScopeRule>) -> Self {
        let lab = Lab::new().unwrap();
        let settings = settings(scopes(&path_of(lab.cgroup())));
        Self { limiter: start(&lab, &settings, None), lab }
    }

    pub fn program(&self, cgroup: &Cgroup) -> Dials {
        let to = self.dead(Family::V4);
        Dials { program: Program::start(self.lab.client(), cgroup, "accounts.py", &[]), to }
    }

    pub fn dead(&self, family: Family) -> SocketAddr {
        host(&self.lab, HostKind::Dead, family)
    }

    pub fn scope(&self, name: &str) -> ScopeId {
        self.limiter.rule_scopes()[name]
    }

    /// The attempts out and waiting that a rule's own accounting has.
    pub fn of_rule(&self, name: &str) -> (u64, u64) {
        at(&self.limiter.ledger(self.scope(name)).unwrap())
    }

    pub fn accounts(&self) -> Vec<Account> {
        self.limiter.accounts().unwrap()
    }

    /// The attempts out and waiting of one account; none where there is no such account.
    pub fn of(&self, whose: AccountOf) -> (u64, u64) {
        let accounts = self.accounts();
        let found = accounts.iter().find(|account| account.id.of() == Some(whose));
        found.map_or((0, 0), |account| at(&account.ledger))
    }

    pub fn of_cgroup(&self, cgroup: &Cgroup) -> (u64, u64) {
        let accounts = self.accounts();
        let found = accounts.iter().find(|account| account.cgroup == id_of(cgroup));
        found.map_or((0, 0), |account| at(&account.ledger))
    }

    pub fn faults(&self, fault: Fault) -> u64 {
        let faults = self.limiter.faults().unwrap();
        faults.iter().find(|found| found.fault == fault).map_or(0, |found| found.count)
    }

    /// A reconcile walk finds nothing to correct.
    pub fn reconcile_agrees(&self) {
        let before = (self.accounts(), self.faults(Fault::Reconciled));
        self.limiter.reconcile(halfopen_bpf::walk_namespaces).unwrap();
        assert_eq!((self.accounts(), self.faults(Fault::Reconciled)), before);
    }
}

pub fn at(ledger: &Ledger) -> (u64, u64) {
    (ledger.half_open, ledger.queued)
}

pub fn start(lab: &Lab, settings: &Settings, keep: Option<&Keep>) -> Limiter {
    let cgroup = CgroupDir::open(lab.cgroup().path()).unwrap();
    Limiter::start(&cgroup, settings, keep).unwrap_or_else(|error| panic!("{}", error.in_full()))
}

/// A program that dials as it is told.
pub struct Dials {
    program: Program,
    to: SocketAddr,
}

impl Dials {
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// What is asked for, towards the dead address.
    pub fn ask(&mut self, mut asked: Value) -> Value {
        let to = json!([self.to.ip().to_string(), self.to.port()]);
        asked.as_object_mut().unwrap().entry("dial").or_insert(to);
        self.program.tell(&asked);
        self.program.hear(PATIENCE)
    }

    pub fn dial(&mut self) {
        self.ask(json!({}));
    }

    pub fn close(&mut self) {
        self.ask(json!({ "close": true }));
    }

    pub fn kill(self) {
        self.program.kill();
    }
}

/// Waits until what is asked for is as wanted.
pub fn is<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, found: impl Fn() -> T) {
    desk::until(&format!("{what} to be {wanted:?}, not {:?}", found()), PATIENCE, || {
        (found() == *wanted).then_some(())
    });
}
