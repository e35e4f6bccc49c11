//! What a file wants: for the host and for each interface a limit, or none of its own.

use super::error::{RegistryError, Unexpected};
use super::read::{Entry, Said};
use crate::config::name::is_interface;
use halfopen_policy::Limits;
use std::collections::BTreeMap;

/// What Windows limits to where `EnableConnectionRateLimiting` is 1.
const RESTORED: u32 = 10;

/// Whose limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// The host's.
    Host,
    /// An interface's.
    Interface(String),
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many attempts.
    Attempts(u32),
    /// None.
    Unlimited,
}

/// What the file wants for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The line that says so, counted from 1.
    pub line: usize,
    /// The limit; `None` = the value is deleted.
    pub limit: Option<Limit>,
}

/// What the file wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meaning {
    /// The limits.
    pub wishes: BTreeMap<Of, Wish>,
    /// The line that deletes the limits of all other interfaces.
    pub other_interfaces_deleted: Option<usize>,
}

impl Meaning {
    /// What `entries` mean on a host where `interfaces` says which interface of the file is which here.
    ///
    /// # Errors
    /// The first limit that is out of range, is for no interface of Linux, or is unlimited without consent.
    pub fn of(
        entries: &[Entry],
        interfaces: &BTreeMap<String, String>,
        unlimited_is_wanted: bool,
    ) -> Result<Self, RegistryError> {
        let (mut meaning, mut rate_limiting) = (Self::default(), None);
        for entry in entries {
            let line = entry.line;
            let at = |unexpected| RegistryError { line, unexpected };
            match &entry.said {
                Said::Limit(of, number) => {
                    let of =
                        of.as_ref().map_or(Ok(Of::Host), |name| interface(name, interfaces)).map_err(at)?;
                    let limit = number.map(limit).transpose().map_err(at)?;
                    meaning.wishes.insert(of, Wish { line, limit });
                }
                Said::RateLimiting(on) => rate_limiting = Some((line, *on)),
                Said::AllDeleted => {
                    meaning.delete_interfaces(line);
                    meaning.wishes.insert(Of::Host, Wish { line, limit: None });
                    rate_limiting = None;
                }
                Said::InterfacesDeleted => meaning.delete_interfaces(line),
            }
        }
        let is_given = meaning.wishes.get(&Of::Host).is_some_and(|wish| wish.limit.is_some());
        if let Some((line, on)) = rate_limiting.filter(|_| !is_given) {
            let limit = on.map(|on| if on { Limit::Attempts(RESTORED) } else { Limit::Unlimited });
            meaning.wishes.insert(Of::Host, Wish { line, limit });
        }
        let unlimited = meaning.wishes.values().find(|wish| wish.limit == Some(Limit::Unlimited));
        match unlimited.filter(|_| !unlimited_is_wanted) {
            Some(wish) => Err(RegistryError { line: wish.line, unexpected: Unexpected::Unlimited }),
            None => Ok(meaning),
        }
    }

    fn delete_interfaces(&mut self, line: usize) {
        self.wishes.retain(|of, _| *of == Of::Host);
        self.other_interfaces_deleted = Some(line);
    }
}

fn interface(name: &str, interfaces: &BTreeMap<String, String>) -> Result<Of, Unexpected> {
    let known = interfaces.iter().find(|(there, _)| there.eq_ignore_ascii_case(name));
    let here = known.map_or(name, |(_, here)| here);
    // Names such as {0A1B...} of Windows are longer than those of Linux.
    let named = is_interface(here).then(|| Of::Interface(here.to_owned()));
    named.ok_or_else(|| Unexpected::Interface(name.to_owned()))
}

fn limit(number: u32) -> Result<Limit, Unexpected> {
    match number {
        Limits::UNLIMITED => Ok(Limit::Unlimited),
        1..Limits::UNLIMITED => Ok(Limit::Attempts(number)),
        _ => Err(Unexpected::Limit(number)),
    }
}
