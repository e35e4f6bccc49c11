//! Who may see the dashboard: one-time tokens, and the sessions that they are exchanged for. The daemon keeps them, so that
//! the process that browsers talk to can do nothing for somebody who is not logged in.

use ring::error::Unspecified;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

/// For how long a token can be exchanged.
pub const TOKEN_LASTS: Duration = Duration::from_mins(5);
/// For how long a session lasts.
pub const SESSION_LASTS: Duration = Duration::from_hours(8);
/// How many tokens there are at once. A new one ends the oldest.
const TOKENS: usize = 8;
/// How many sessions there are at once. A new one ends the oldest.
const SESSIONS: usize = 16;
/// Bytes of a secret: nobody guesses them.
const SECRET: usize = 32;

/// The tokens and sessions. What is kept of each is an HMAC with a key of this daemon's own, and comparing takes the same
/// time whatever is compared.
#[derive(Debug)]
pub struct Sessions {
    key: Key,
    tokens: VecDeque<Kept>,
    open: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    tag: Tag,
    until: Duration,
}

impl Sessions {
    /// None yet.
    ///
    /// # Errors
    /// If the kernel gives no random numbers.
    pub fn new() -> Result<Self, Unspecified> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key, tokens: VecDeque::new(), open: VecDeque::new() })
    }

    /// A new token, at the time `now` of a clock that nobody sets.
    ///
    /// # Errors
    /// If the kernel gives no random numbers.
    pub fn admit(&mut self, now: Duration) -> Result<String, Unspecified> {
        add(&self.key, &mut self.tokens, TOKENS, now, TOKEN_LASTS)
    }

    /// Exchanges a token for the secret of a session; `None` if there is no such token.
    ///
    /// # Errors
    /// If the kernel gives no random numbers.
    pub fn log_in(&mut self, token: &str, now: Duration) -> Result<Option<String>, Unspecified> {
        if !take(&self.key, &mut self.tokens, token, now) {
            return Ok(None);
        }
        add(&self.key, &mut self.open, SESSIONS, now, SESSION_LASTS).map(Some)
    }

    /// Whether that is the secret of a session.
    #[must_use]
    pub fn has(&self, secret: &str, now: Duration) -> bool {
        find(&self.key, &self.open, secret, now).is_some()
    }

    /// Ends a session.
    pub fn log_out(&mut self, secret: &str, now: Duration) {
        take(&self.key, &mut self.open, secret, now);
    }
}

fn find(key: &Key, among: &VecDeque<Kept>, secret: &str, now: Duration) -> Option<usize> {
    let is_it = |kept: &Kept| now < kept.until && verify(key, secret.as_bytes(), kept.tag.as_ref()).is_ok();
    among.iter().position(is_it)
}

fn take(key: &Key, among: &mut VecDeque<Kept>, secret: &str, now: Duration) -> bool {
    find(key, among, secret, now).and_then(|at| among.remove(at)).is_some()
}

fn add(
    key: &Key,
    to: &mut VecDeque<Kept>,
    most: usize,
    now: Duration,
    lasts: Duration,
) -> Result<String, Unspecified> {
    let mut bytes = [0; SECRET];
    SystemRandom::new().fill(&mut bytes)?;
    let mut secret = String::with_capacity(2 * SECRET);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(secret, "{byte:02x}");
    }
    to.retain(|kept| now < kept.until);
    if to.len() == most {
        to.pop_front();
    }
    to.push_back(Kept { tag: sign(key, secret.as_bytes()), until: now + lasts });
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);
    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_token_is_good_once_and_for_a_while() {
        let mut sessions = Sessions::new().unwrap();
        let token = sessions.admit(START).unwrap();
        assert_eq!(sessions.log_in("", START).unwrap(), None);
        assert_eq!(sessions.log_in(&token[1..], START).unwrap(), None);
        let session = sessions.log_in(&token, START + TOKEN_LASTS.saturating_sub(MOMENT)).unwrap().unwrap();
        assert_eq!(sessions.log_in(&token, START).unwrap(), None, "it has been used");
        assert!(!sessions.has(&token, START), "a token is no session");
        assert_eq!(sessions.log_in(&session, START).unwrap(), None, "a session is no token");
        let late = sessions.admit(START).unwrap();
        assert_eq!(sessions.log_in(&late, START + TOKEN_LASTS).unwrap(), None);
    }

    #[test]
    fn a_session_ends_by_itself_and_by_hand() {
        let mut sessions = Sessions::new().unwrap();
        let log_in = |sessions: &mut Sessions| {
            let token = sessions.admit(START).unwrap();
            sessions.log_in(&token, START).unwrap().unwrap()
        };
        let (one, other) = (log_in(&mut sessions), log_in(&mut sessions));
        assert!(sessions.has(&one, START + SESSION_LASTS.saturating_sub(MOMENT)));
        assert!(!sessions.has(&one, START + SESSION_LASTS));
        sessions.log_out(&one, START);
        assert!(!sessions.has(&one, START) && sessions.has(&other, START));
    }

    #[test]
    fn the_oldest_make_room() {
        let mut sessions = Sessions::new().unwrap();
        let tokens: Vec<_> = (0..=TOKENS).map(|_| sessions.admit(START).unwrap()).collect();
        assert_eq!(sessions.log_in(&tokens[0], START).unwrap(), None);
        let first = sessions.log_in(&tokens[1], START).unwrap().unwrap();
        for _ in 0..SESSIONS {
            assert!(sessions.has(&first, START));
            let token = sessions.admit(START).unwrap();
            sessions.log_in(&token, START).unwrap().unwrap();
        }
        assert!(!sessions.has(&first, START));
        assert_eq!(sessions.open.len(), SESSIONS);
    }
}
