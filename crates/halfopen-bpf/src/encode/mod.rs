//! Settings in the form in which the kernel part looks them up.

pub(crate) mod deny;
pub(crate) mod never_hold;
pub(crate) mod resolvers;
pub(crate) mod rule_keys;
pub(crate) mod scope_rules;
pub(crate) mod values;
