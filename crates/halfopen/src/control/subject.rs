//! What `why` and `inspect` are asked about.

use super::AccountName;
use super::account::NoAccountName;
use super::as_text::as_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Whose attempts are asked about: a process ID, an address, an address with a port, or the name of a program, of a
/// cgroup or of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String", inline)]
pub enum Subject {
    /// The attempts of a process.
    Pid(u32),
    /// The attempts to an address.
    Address(IpAddr),
    /// The attempts to an address and port.
    Destination(SocketAddr),
    /// The attempts of programs, of a cgroup, or of an account of this name, as `status` shows it.
    Name(String),
}

/// What `inspect` is asked about: an account as `status` names it, a process ID, an address, or an address with a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String", inline)]
pub enum Inspected {
    /// A scope or an account.
    Account(AccountName),
    /// A process, or those who dial an address.
    Attempts(Subject),
}

/// The text stands for nobody's attempts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the name of a program, service or account, a process ID, an address such as 192.0.2.7, or an address \
     with a port such as [2001:db8::1]:80"
)]
pub struct NoSubject;

impl FromStr for Subject {
    type Err = NoSubject;

    fn from_str(text: &str) -> Result<Self, NoSubject> {
        let pid = text.parse().ok().map(Self::Pid);
        let address = || text.parse().ok().map(Self::Address);
        let destination = || text.parse().ok().map(Self::Destination);
        // What looks like a number or an address and is none is a mistake, and no name.
        let is_name = text.contains(|c: char| !c.is_ascii_digit() && !"[].:/".contains(c));
        let name = || is_name.then(|| Self::Name(text.to_owned()));
        pid.or_else(address).or_else(destination).or_else(name).ok_or(NoSubject)
    }
}

impl FromStr for Inspected {
    type Err = NoAccountName;

    fn from_str(text: &str) -> Result<Self, NoAccountName> {
        match text.parse() {
            Err(NoSubject) | Ok(Subject::Name(_)) => text.parse().map(Self::Account),
            Ok(subject) => Ok(Self::Attempts(subject)),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => pid.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Destination(destination) => destination.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) => name.fmt(f),
            Self::Attempts(subject) => subject.fmt(f),
        }
    }
}

as_text!(Subject, Inspected);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_they_are_written() {
        let read = |text: &str| text.parse::<Subject>();
        assert_eq!(read("7"), Ok(Subject::Pid(7)));
        assert_eq!(read("::1"), Ok(Subject::Address("::1".parse().unwrap())));
        assert_eq!(read("10.0.0.1:80"), Ok(Subject::Destination("10.0.0.1:80".parse().unwrap())));
        assert_eq!(read("nmap"), Ok(Subject::Name("nmap".into())));
        for text in ["7", "::1", "10.0.0.1:80", "[2001:db8::1]:80", "nmap", "adaptive[/a b]"] {
            assert_eq!(read(text).unwrap().to_string(), text);
            assert_eq!(text.parse::<Inspected>().unwrap().to_string(), text);
        }
        for mistaken in ["", "192.0.2", "192.0.2.1:", "[]:80", "99999999999", "10.0.0.0/8"] {
            assert!(read(mistaken).is_err(), "{mistaken}");
        }
    }
}
