//! An attempt on the stage: half-open, then held.

use std::cell::Cell;
use std::net::SocketAddr;
use testkit::rig::Rig;
use testkit::rig::calls::Calls;
use testkit::{Cgroup, Dialling, HostKind, Scope, require_lab};

/// One slot, and an attempt that either has it or waits for it.
pub struct Stage<'a> {
    pub rig: &'a Rig,
    pub blocker: Cell<Option<Dialling>>,
    pub held: bool,
    pub before: Scope,
}

/// Tries a way out twice: with the attempt half-open, and held.
pub fn each_stage(try_out: impl Fn(&Stage)) {
    require_lab!();
    let rig = Rig::new(1, &[]);
    for held in [false, true] {
        let blocker = Cell::new(held.then(|| rig.block(1)));
        let stage = Stage { rig: &rig, blocker, held, before: rig.scope() };
        try_out(&stage);
        stage.next_gets_its_turn();
    }
    assert_eq!(testkit::rig::faults(&rig.limiter), [].into());
}

impl Stage<'_> {
    pub fn calls(&self) -> Calls {
        self.rig.calls()
    }

    pub fn calls_in(&self, cgroup: &Cgroup) -> Calls {
        Calls::start(self.rig.lab.client(), cgroup)
    }

    pub fn dead(&self) -> SocketAddr {
        self.rig.host(HostKind::Dead)
    }

    /// Asserts that the attempt is where it should be.
    pub fn stands(&self) {
        let held = i64::from(self.held);
        self.rig.until("the attempt", |scope| (scope.half_open, scope.queued) == (1, held));
    }

    /// Asserts that slot or place have come back, and that the accounting says how it ended.
    pub fn came_back(&self) {
        let scope = self.left();
        let ended = |scope: &Scope| [scope.failed, scope.cancelled, scope.gave_up_while_queued];
        let ended = ended(&scope).iter().sum::<i64>() - ended(&self.before).iter().sum::<i64>();
        let failed = scope.failed - self.before.failed;
        assert_eq!((ended, failed), (1, i64::from(!self.held)), "{scope:?} was {:?}", self.before);
    }

    fn left(&self) -> Scope {
        let blockers = i64::from(self.held);
        let left = |scope: &Scope| (scope.half_open, scope.aged, scope.queued) == (blockers, 0, 0);
        self.rig.until("slot or place to come back", left)
    }

    /// Ends what keeps the slot, if it is not the attempt itself.
    pub fn let_go(&self) {
        drop(self.blocker.take());
    }

    /// Asserts that nothing is left in the way of a new attempt.
    fn next_gets_its_turn(&self) {
        self.let_go();
        let calls = self.calls();
        calls.dial("next", self.rig.host(HostKind::Live));
        calls.ends("next", Ok(()));
        self.rig.until("an empty ledger", |scope| scope.half_open + scope.aged + scope.queued == 0);
    }
}
