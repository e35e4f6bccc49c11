//! The accounts and programs whose first contacts over UDP were stopped, for events and for `status`.

use crate::control::{ScopeStatus, StoppedStatus, UdpStatus};
use crate::daemon::accounts::on_the_wall;
use crate::daemon::enforcement::Enforcement;
use crate::events::Tally;
use crate::events::{Identity, StoppedReport};
use halfopen_bpf::{AccountId, KernelError, Program, StoppedDatagram, monotonic};
use halfopen_policy::Contact;
use std::collections::HashMap;

impl Enforcement {
    /// Writes the events of accounts that are due.
    pub(in crate::daemon) fn announce_stopped_datagrams(&mut self) -> Result<(), KernelError> {
        let stops = self.limiter.stopped_datagrams()?;
        let due = self.announcer.stopped_datagrams.due(monotonic(), &stops);
        if due.is_empty() {
            return Ok(());
        }
        let charged = self.charged(due.iter().map(|stop| stop.account))?;
        for stop in due {
            let limited = charged.get(&stop.account).and_then(|charged| {
                Some((charged.status.udp.as_ref()?, charged.limits.datagrams?, charged.status.name.clone()))
            });
            let told = &mut self.announcer.stopped_datagrams;
            let Some((counts, limit, account)) = limited else {
                told.pass_over(&stop);
                continue;
            };
            let Some(counts) = told.tell(monotonic(), &stop, counts.counts()) else { continue };
            let identity = self.whose(&stop);
            let cgroup = identity.cgroup.clone();
            let program = stop.program.map(|program| Tally {
                attempts: counts.stopped + counts.would_have_been_stopped,
                waiting: None,
                refused: 0,
                contact: Contact::Known,
                sample: vec![stop.destination],
                identity: Some(identity),
                own: None,
                account: None,
                program,
            });
            let destination = stop.destination;
            let report =
                StoppedReport { account, counts, excess: limit.excess, program, cgroup, destination };
            self.announcer.announce_stopped_datagrams(report);
        }
        Ok(())
    }

    /// Notes what an earlier daemon has counted and reported.
    pub(in crate::daemon) fn know_stopped_datagrams(&mut self) -> Result<(), KernelError> {
        let stops = self.limiter.stopped_datagrams()?;
        let charged = self.charged(stops.iter().map(|stop| stop.account))?;
        for stop in stops {
            let Some(charged) = charged.get(&stop.account) else { continue };
            let counts = charged.status.udp.as_ref().map(UdpStatus::counts).unwrap_or_default();
            let told = &mut self.announcer.stopped_datagrams;
            told.known(stop.account, &charged.status.name, stop.at, counts);
        }
        Ok(())
    }

    /// Adds to the status of each account the last first contact that it stopped.
    pub(in crate::daemon) fn show_stopped_datagrams<'s>(
        &mut self,
        scopes: impl Iterator<Item = (AccountId, &'s mut ScopeStatus)>,
    ) -> Result<(), KernelError> {
        let stops = self.limiter.stopped_datagrams()?;
        let stops: HashMap<AccountId, StoppedDatagram> =
            stops.into_iter().map(|stop| (stop.account, stop)).collect();
        for (account, scope) in scopes {
            if let Some((udp, stop)) = scope.udp.as_mut().zip(stops.get(&account)) {
                udp.last = Some(self.stopped_status(stop));
            }
        }
        Ok(())
    }

    fn stopped_status(&mut self, stop: &StoppedDatagram) -> StoppedStatus {
        let identity = self.whose(stop);
        let program = stop.program.as_ref();
        StoppedStatus {
            time: on_the_wall(stop.at),
            pid: program.map(|program| program.pid),
            uid: program.map(|program| program.uid),
            comm: program.map(|program| program.comm.clone()),
            exe: identity.exe,
            cgroup: identity.cgroup,
            runs_in: identity.runs_in,
            cgroup_id: stop.cgroup_id,
            destination: stop.destination.to_string(),
            audited: stop.audited,
        }
    }

    /// The sender's identity. If the program is unknown, the cgroup of the socket still is known.
    fn whose(&mut self, stop: &StoppedDatagram) -> Identity {
        let nobody = || Program { pid: 0, uid: 0, comm: String::new(), cgroup_id: stop.cgroup_id };
        self.means.identify(&stop.program.clone().unwrap_or_else(nobody))
    }
}
