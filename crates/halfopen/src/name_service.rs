//! Users that /etc/passwd does not list, such as those of LDAP, SSSD or systemd-homed: getent(1) asks the host's name
//! service for them. Only a process that may run programs can ask: the client, the daemon before its sandbox, and the
//! privileged helper.

use crate::rate_limit::{MINUTE, RateLimit};
use crate::users::{self, User};
use halfopen_bpf::monotonic;
use halfopen_bpf::text::escaped;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The program, wherever `PATH` leads.
const GETENT: &str = "/usr/bin/getent";
/// How long an answer may take: the daemon does nothing else meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer, in bytes.
const LONGEST_ANSWER: usize = 4 * 1024;
/// The longest name that is asked for, in bytes: `LOGIN_NAME_MAX`.
const LONGEST_NAME: usize = 256;
/// How many numbers are asked for in a minute: any user can make processes with thousands of numbers (subuid(5)).
const NUMBERS_PER_MINUTE: usize = 64;
/// How many names are remembered.
const REMEMBERED: usize = 1_024;

/// Whether a user can have this name: it fits a field of passwd(5), and is no number, which getent would take for one.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fits =
        (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(|c: char| c == ':' || c.is_control());
    fits && !name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of the user called `name`; `None` if there is no such user.
///
/// # Errors
/// `InvalidInput` for what [is no name](is_name), `TimedOut` if no answer comes in time, or why getent cannot be run.
pub fn number_of(name: &str) -> io::Result<Option<u32>> {
    if !is_name(name) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no user can have this name"));
    }
    Ok(first_user(&ask(name)?).map(|user| user.uid))
}

/// The name of a user; `None` if there is no such user.
fn name_of(uid: u32) -> io::Result<Option<String>> {
    let answer = ask(&uid.to_string())?;
    Ok(first_user(&answer).filter(|user| user.uid == uid).map(|user| escaped(user.name)))
}

fn first_user(answer: &[u8]) -> Option<User<'_>> {
    users::listed(answer).next()
}

/// What getent prints about a user: nothing, if there is no such user.
fn ask(whom: &str) -> io::Result<Vec<u8>> {
    let mut command = Command::new(GETENT);
    // Whatever follows `--` is no option.
    command.args(["passwd", "--", whom]).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut getent = match command.spawn() {
        // A host without it has no other users either.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        spawned => spawned?,
    };
    let answer = getent.stdout.take().map_or_else(|| Ok(Vec::new()), read);
    // It has nothing more to say, or has taken too long.
    let _ = getent.kill();
    getent.wait()?;
    answer
}

fn read(mut from: ChildStdout) -> io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    let mut piece = [0; 1_024];
    loop {
        let left =
            Timespec::try_from(end.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the name service does not answer")),
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        match from.read(&mut piece)? {
            0 => return Ok(answer),
            length if answer.len() + length > LONGEST_ANSWER => {
                return Err(io::Error::other(format!("the answer is longer than {LONGEST_ANSWER} bytes")));
            }
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
}

/// The users that a configuration names and /etc/passwd does not list, and their numbers, if they have been found.
static NAMED: Mutex<BTreeMap<String, Option<u32>>> = Mutex::new(BTreeMap::new());

fn named() -> MutexGuard<'static, BTreeMap<String, Option<u32>>> {
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of a user whom /etc/passwd does not list, if it has been asked for. If not, [`finding_users`] asks for it.
#[must_use]
pub fn found(name: &str) -> Option<u32> {
    *named().entry(name.to_owned()).or_default()
}

/// Reads a configuration. If it names users whom /etc/passwd does not list, asks `number_of` for them, and if any are
/// found, reads it once more.
pub fn finding_users<C, T>(
    by: &mut C,
    mut read: impl FnMut(&mut C) -> T,
    mut number_of: impl FnMut(&mut C, &str) -> io::Result<Option<u32>>,
) -> T {
    named().clear();
    let first = read(by);
    let missing: Vec<String> = named().keys().filter(|name| is_name(name)).cloned().collect();
    let mut some = false;
    for name in missing {
        match number_of(by, &name) {
            Ok(number) => {
                some |= number.is_some();
                named().insert(name, number);
            }
            Err(e) => {
                tracing::warn!("cannot ask the name service for the user {}: {e}", escaped(name.as_bytes()));
                if e.kind() == io::ErrorKind::TimedOut {
                    break;
                }
            }
        }
    }
    if some { read(by) } else { first }
}

/// The same, with the rights of this process.
pub fn finding_users_here<T>(mut read: impl FnMut() -> T) -> T {
    finding_users(&mut (), |()| read(), |(), name| number_of(name))
}

/// The names of users by number, remembered for as long as the process lives.
#[derive(Debug)]
pub struct Names {
    known: HashMap<u32, String>,
    limit: RateLimit<u32>,
    /// Until when nobody is asked, because the name service has not answered.
    silent_until: Duration,
}

impl Default for Names {
    fn default() -> Self {
        let limit = RateLimit::every(MINUTE).and_in_all(NUMBERS_PER_MINUTE);
        Self { known: HashMap::new(), limit, silent_until: Duration::ZERO }
    }
}

impl Names {
    /// The name of a user whom /etc/passwd does not list, escaped; `None` if it cannot be found out now.
    pub fn of(&mut self, uid: u32) -> Option<String> {
        self.of_at(monotonic(), uid, name_of)
    }

    fn of_at(
        &mut self,
        now: Duration,
        uid: u32,
        ask: impl FnOnce(u32) -> io::Result<Option<String>>,
    ) -> Option<String> {
        if let Some(name) = self.known.get(&uid) {
            return Some(name.clone());
        }
        if now < self.silent_until {
            return None;
        }
        self.limit.take(now, uid)?;
        let name = ask(uid).unwrap_or_else(|e| {
            tracing::debug!("cannot ask the name service for the user {uid}: {e}");
            self.silent_until = now + MINUTE;
            None
        })?;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(uid, name.clone());
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getent_answers_for_those_in_passwd_too() {
        assert_eq!(number_of("root").unwrap(), Some(0));
        assert_eq!(name_of(0).unwrap().as_deref(), Some("root"));
        assert_eq!(name_of(4_294_967_290).unwrap(), None);
    }

    #[test]
    fn a_hostile_name_is_a_name_or_refused() {
        for name in ["-s", "--service=x", "no such user", "$(id)", "../root", "root\u{2028}"] {
            assert_eq!(number_of(name).unwrap(), None, "{name:?}");
        }
        for wrong in ["", "0", "4711", "root:x", "root\n", "a\0b", &"a".repeat(LONGEST_NAME + 1)] {
            assert_eq!(number_of(wrong).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_ends_in_time_and_in_size() {
        let answer = |script: &str| {
            let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
            let answer = read(child.stdout.take().unwrap());
            let _ = child.kill();
            child.wait().unwrap();
            answer
        };
        assert_eq!(answer("printf a; printf b").unwrap(), b"ab");
        assert_eq!(answer("exec sleep 60").unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(answer("exec yes").unwrap_err().to_string().contains("longer than"));
    }

    #[test]
    fn a_configuration_is_read_again_once_its_users_are_found() {
        let mut asked = Vec::new();
        let number = |asked: &mut Vec<String>, name: &str| {
            // Other tests read configurations meanwhile.
            asked.extend(name.ends_with("@example").then(|| name.to_owned()));
            Ok((name == "alice@example").then_some(4_711))
        };
        let both = |_: &mut Vec<String>| (found("alice@example"), found("nobody@example"));
        assert_eq!(finding_users(&mut asked, both, number), (Some(4_711), None));
        assert_eq!(asked, ["alice@example", "nobody@example"]);
    }

    #[test]
    fn numbers_are_asked_for_seldom_and_not_of_a_service_that_is_silent() {
        let mut names = Names::default();
        let second = Duration::from_secs;
        let alice = |_| Ok(Some("alice".to_owned()));
        assert_eq!(names.of_at(second(0), 7, |_| Ok(None)), None);
        assert_eq!(names.of_at(second(59), 7, alice), None, "asked for within a minute");
        assert_eq!(names.of_at(second(60), 7, alice).as_deref(), Some("alice"));
        let never = |_| panic!("nobody is to be asked");
        assert_eq!(names.of_at(second(61), 7, never).as_deref(), Some("alice"), "remembered");
        assert_eq!(names.of_at(second(61), 8, |_| Err(io::ErrorKind::TimedOut.into())), None);
        assert_eq!(names.of_at(second(120), 9, never), None, "silent");
        assert_eq!(names.of_at(second(121), 9, alice).as_deref(), Some("alice"));
        let asked = (100..1_000).filter(|uid| names.of_at(second(122), *uid, alice).is_some()).count();
        assert_eq!(asked, NUMBERS_PER_MINUTE - 1);
    }
}
