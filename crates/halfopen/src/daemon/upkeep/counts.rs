//! Saves the counts, so that they outlive the limit.

use crate::control::{EarlierCounts, Harm, earlier, programs};
use crate::daemon::enforcement::Enforcement;
use crate::utc_time::UtcTime;
use halfopen_bpf::{KernelError, ScopeId, monotonic};

impl Enforcement {
    /// Saves the counts, if there is a place for them. Says so once if that fails.
    pub(in crate::daemon) fn keep_counts(&mut self) {
        if self.kept_counts.is_err() {
            return;
        }
        let counts = match self.counts() {
            Ok(counts) => counts,
            Err(e) => return tracing::error!("cannot read the counts to save: {}", e.in_full()),
        };
        let Ok(kept) = &mut self.kept_counts else { return };
        match (kept.keep(counts), self.counts_are_kept) {
            (Err(e), was) => {
                if was {
                    tracing::warn!("cannot save the counts, which are lost when this daemon ends: {e}");
                }
                self.counts_are_kept = false;
            }
            (Ok(()), false) => {
                tracing::info!("the counts are saved again: none is missing");
                self.counts_are_kept = true;
            }
            (Ok(()), true) => {}
        }
    }

    fn counts(&mut self) -> Result<EarlierCounts, KernelError> {
        let ledger = self.limiter.ledger(ScopeId::HOST)?;
        let counted = self.limiter.programs()?;
        let means = &mut self.means;
        let (programs, _) =
            programs::ranked(counted, &ledger, earlier::PROGRAMS, |program| means.identify(program));
        let host = Harm::of_scope(&ledger);
        Ok(EarlierCounts {
            counting_since: UtcTime::ago(monotonic().saturating_sub(self.limiter.counting_since())),
            until: UtcTime::now(),
            mode: self.mode_now().into(),
            attempts: ledger.admitted + host.held + host.refused_overflow,
            host,
            longest_wait_ms: ledger.longest_wait.as_millis() as u64,
            programs,
        })
    }
}
