//! The scope of a rule.

use crate::control::ScopeKind;
use halfopen_bpf::ScopeId;
use halfopen_policy::Limits;

/// A scope of a rule or an interface.
#[derive(Debug, Clone)]
pub(super) struct RuleScope {
    pub id: ScopeId,
    pub name: String,
    pub kind: ScopeKind,
    pub limits: Limits,
}
