//! Exit codes: a contract with scripts.

use crate::config::ConfigError;
use crate::control::{Answer, ClientError, RefusalKind};
use crate::history::NoHistory;
use crate::lock::LockError;
use crate::output::Closed;
use halfopen_bpf::KernelError;

/// The command failed.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const WRONG_USE: u8 = 2;
/// Privilege or a kernel feature is missing.
pub const CANNOT: u8 = 3;

/// All codes: what each means, and what to do.
pub const CODES: [(u8, &str, &str); 4] = [
    (0, "success", "nothing"),
    (FAILED, "failure: the message says what was tried, and why it failed", "follow the message"),
    (
        WRONG_USE,
        "wrong usage: nothing was tried",
        "correct the command line; `halfopen COMMAND --help` shows it",
    ),
    (
        CANNOT,
        "no privilege, or no support by the kernel: trying again does not help",
        "run it as root; `halfopen doctor` shows what is missing",
    ),
];

/// The command line is wrong in a way that its grammar does not catch.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUse(pub String);

/// The exit code for `error`.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Closed>() {
            return 0;
        }
        if cause.is::<WrongUse>() {
            return WRONG_USE;
        }
        if let Some(error) = cause.downcast_ref::<ConfigError>() {
            return if error.wrong_use() { WRONG_USE } else { FAILED };
        }
        if let Some(error) = cause.downcast_ref::<KernelError>() {
            return if error.cannot() { CANNOT } else { FAILED };
        }
        match cause.downcast_ref::<ClientError>() {
            Some(ClientError::NotPermitted(_) | ClientError::PinsHidden(_)) => return CANNOT,
            Some(ClientError::Refused { kind, .. }) => {
                return match kind {
                    RefusalKind::Failed => FAILED,
                    RefusalKind::WrongUse => WRONG_USE,
                    RefusalKind::Cannot => CANNOT,
                };
            }
            _ => {}
        }
        if let Some(NoHistory::NotPermitted(_)) = cause.downcast_ref() {
            return CANNOT;
        }
        if let Some(LockError::NotPermitted { .. }) = cause.downcast_ref() {
            return CANNOT;
        }
    }
    FAILED
}

/// `error` with its whole chain. None of our errors repeats its source in its own message.
#[must_use]
pub fn explained(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

/// The answer that tells a client about `error`, with its whole chain.
#[must_use]
pub fn refusal(error: &anyhow::Error) -> Answer {
    let kind = match code(error) {
        WRONG_USE => RefusalKind::WrongUse,
        CANNOT => RefusalKind::Cannot,
        _ => RefusalKind::Failed,
    };
    Answer::Refused { kind, message: explained(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigError, Sources};
    use anyhow::Context;

    fn of(error: impl Into<anyhow::Error>) -> u8 {
        code(&error.into())
    }

    #[test]
    fn every_failure_has_its_code() {
        let wrong_set = Sources::new(None, &["half_open=ten".into()]).unwrap_err();
        let wrong_file = Sources::new(Some("/nonexistent".into()), &[]).unwrap().load().unwrap_err();
        assert_eq!((of(wrong_set), of(wrong_file)), (WRONG_USE, FAILED));
        assert_eq!((of(KernelError::NotPermitted), of(KernelError::ScopesFull(8))), (CANNOT, FAILED));
        assert_eq!(of(ClientError::NoDaemon("/run".into())), FAILED);
        assert_eq!(of(ClientError::NotPermitted("/run".into())), CANNOT);
        let refused = ClientError::Refused { kind: RefusalKind::WrongUse, message: String::new() };
        assert_eq!(of(refused), WRONG_USE);
        assert_eq!(of(anyhow::Error::from(Closed).context("printing")), 0);
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = Sources::new(Some("/nonexistent".into()), &[]).unwrap().load();
        let error = error.map(drop).context("starting").unwrap_err();
        assert!(error.downcast_ref::<ConfigError>().is_some());
        let text = "starting: /nonexistent:1:1: cannot read it: No such file or directory (os error 2)";
        assert_eq!(explained(&error), text);
    }
}
