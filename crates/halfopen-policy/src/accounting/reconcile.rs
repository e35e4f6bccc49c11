//! The reconcile walk (`bpf/reconcile.h`): what a walk over all live attempts has seen replaces the counters.

use super::Accounting;
use crate::attempt::AttemptId;
use crate::scope::ScopeId;

#[cfg(test)]
mod tests;

impl Accounting {
    /// A walk over all live attempts begins.
    pub fn walk_begins(&mut self) {
        if let Some(host) = self.scopes.accounts.first_mut() {
            host.scope.walk_begins();
        }
    }

    /// The walk meets this attempt. Does nothing for one that is not in the accounting.
    pub fn walk_sees(&mut self, id: AttemptId) {
        if let Some(attempt) = self.attempts.get_mut(id)
            && let Some(mut charged) = self.scopes.of(&attempt.charges)
        {
            charged.seen(&mut attempt.native);
        }
    }

    /// The walk meets the connection that this attempt has become. Does nothing for one that no limit counts.
    pub fn walk_sees_connection(&mut self, id: AttemptId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && let Some(mut charged) = self.scopes.of(&connection.charges)
        {
            charged.connection_seen(&mut connection.native);
        }
    }

    /// The walk has met all attempts and connections that were there when it began and still are. Returns the scopes whose
    /// counters had drifted.
    pub fn walk_ends(&mut self) -> Vec<ScopeId> {
        let walk = self.scopes.accounts.first().map_or(0, |host| host.scope.walk);
        let each = self.scopes.accounts.iter_mut().enumerate();
        let wrong =
            each.filter_map(|(at, account)| account.scope.walk_ends(walk).then_some(ScopeId(at))).collect();
        for destination in self.scopes.destinations.values_mut() {
            destination.walk_ends(walk);
        }
        if let Some(host) = self.scopes.accounts.first_mut() {
            host.scope.walk_is_over();
        }
        wrong
    }
}
