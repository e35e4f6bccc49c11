//! `export`: the limits in force as a file of the registry editor.

use super::numbers;
use crate::control::ScopeKind;
use crate::output;
use crate::registry::{self, Exported, Limit, Of};
use anyhow::Result;

pub fn export(in_utf8: bool) -> Result<()> {
    let status = numbers()?;
    let limit = |number: Option<u32>| number.map_or(Limit::Unlimited, Limit::Attempts);
    let interfaces = status.scopes.iter().filter(|scope| scope.kind == ScopeKind::Interface);
    let limits: Exported = interfaces
        .map(|scope| (Of::Interface(scope.name.clone()), limit(scope.half_open_limit)))
        .chain([(Of::Host, limit(status.host.half_open_limit))])
        .collect();
    output::bytes(&if in_utf8 { registry::utf8(&limits) } else { registry::utf16(&limits) })
}
