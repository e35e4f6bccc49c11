//! Sockets of another process, named by the test, and the calls on them that safe Rust has no words for.

use super::program::Program;
use super::{AT_ONCE, PATIENCE};
use crate::{Cgroup, Namespace};
use rustix::io::Errno;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const SOL_TCP: i32 = 6;
pub const TCP_SYNCNT: i32 = 7;
pub const TCP_USER_TIMEOUT: i32 = 18;
pub const TCP_FASTOPEN_CONNECT: i32 = 30;
pub const IPPROTO_MPTCP: i32 = 262;

/// How a connect() ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub outcome: Result<(), Errno>,
    /// By the wall clock since the Unix epoch, as a recording's.
    pub at: Duration,
}

/// A process that makes the socket calls it is told to. Dropping it ends it, and with it its sockets.
pub struct Calls {
    program: RefCell<Program>,
    ended: RefCell<Vec<(String, Ended)>>,
}

impl Calls {
    pub fn start(namespace: &Namespace, cgroup: &Cgroup) -> Self {
        let program = Program::start(namespace, cgroup, "socket_calls.py", &[]);
        Self { program: RefCell::new(program), ended: RefCell::default() }
    }

    pub fn pid(&self) -> u32 {
        self.program.borrow().pid()
    }

    /// Ends the process by SIGKILL; returns when its sockets are closed.
    pub fn kill(self) {
        self.program.into_inner().kill();
    }

    /// Makes a call and returns its answer.
    ///
    /// # Errors
    /// What the call has failed with.
    pub fn call(&self, call: &str, on: &str, arguments: &Value) -> Result<Value, Errno> {
        let mut line = json!({"call": call, "on": on});
        line.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        self.program.borrow_mut().tell(&line);
        loop {
            let said = self.program.borrow().hear(PATIENCE);
            if let Some(errno) = said.get("errno").filter(|_| said.get("ended").is_none()) {
                return Err(errno_of(errno).unwrap_err());
            }
            match said.get("answer") {
                Some(answer) => return Ok(answer.clone()),
                None => self.note(&said),
            }
        }
    }

    fn note(&self, said: &Value) {
        let name = said["ended"].as_str().unwrap().to_owned();
        let at = Duration::from_nanos(said["at_ns"].as_u64().unwrap());
        self.ended.borrow_mut().push((name, Ended { outcome: errno_of(&said["errno"]), at }));
    }

    fn do_call(&self, call: &str, on: &str, arguments: &Value) -> Value {
        self.call(call, on, arguments).unwrap_or_else(|errno| panic!("{call} on {on}: {errno}"))
    }

    /// Makes a socket of the family of `to`.
    pub fn open(&self, on: &str, to: SocketAddr) {
        let family = if to.is_ipv4() { "v4" } else { "v6" };
        self.do_call("open_socket", on, &json!({"family": family}));
    }

    pub fn open_mptcp(&self, on: &str) {
        self.do_call("open_socket", on, &json!({"protocol": IPPROTO_MPTCP}));
    }

    /// Calls connect() without waiting.
    ///
    /// # Errors
    /// What connect() says: `EINPROGRESS` where the attempt has begun.
    pub fn connect(&self, on: &str, to: SocketAddr) -> Result<(), Errno> {
        let errno = self.do_call("connect", on, &address(to));
        errno_of(&errno)
    }

    /// Calls connect() on a thread and waits there.
    pub fn connect_blocking(&self, on: &str, to: SocketAddr) {
        self.do_call("connect_blocking", on, &address(to));
    }

    /// Begins an attempt with a new socket, without waiting.
    pub fn dial(&self, on: &str, to: SocketAddr) {
        self.open(on, to);
        self.connect_on(on, to);
    }

    /// Begins an attempt with a socket that is there, without waiting.
    pub fn connect_on(&self, on: &str, to: SocketAddr) {
        assert_eq!(self.connect(on, to), Err(Errno::INPROGRESS), "connect() of {on} to {to}");
    }

    /// Waits for the end of a connect().
    pub fn ended(&self, on: &str, patience: Duration) -> Ended {
        let start = Instant::now();
        loop {
            let found = self.ended.borrow().iter().position(|(name, _)| name == on);
            if let Some(at) = found {
                return self.ended.borrow_mut().remove(at).1;
            }
            let left = patience.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "waited {patience:?} in vain for the end of {on}");
            let said = self.program.borrow().hear(left);
            self.note(&said);
        }
    }

    /// Asserts that a connect() ends, soon, and as wanted.
    pub fn ends(&self, on: &str, outcome: Result<(), Errno>) -> Ended {
        let ended = self.ended(on, AT_ONCE);
        assert_eq!(ended.outcome, outcome, "the end of {on}");
        ended
    }

    /// Whether a connect() has ended that has not been asked for.
    pub fn has_ended(&self, on: &str) -> bool {
        // Any call takes in what has been said before its answer.
        self.port(on);
        self.ended.borrow().iter().any(|(name, _)| name == on)
    }

    pub fn close(&self, on: &str) {
        self.do_call("close", on, &json!({}));
    }

    pub fn set(&self, on: &str, option: i32, value: u32) {
        self.do_call("set_option", on, &json!({"level": SOL_TCP, "option": option, "value": value}));
    }

    pub fn get(&self, on: &str, option: i32) -> u32 {
        let value = self.do_call("get_option", on, &json!({"level": SOL_TCP, "option": option}));
        value.as_u64().unwrap().try_into().unwrap()
    }

    /// The options that a hold puts others in place of: TCP_SYNCNT and TCP_USER_TIMEOUT (milliseconds).
    pub fn budget(&self, on: &str) -> (u32, u32) {
        (self.get(on, TCP_SYNCNT), self.get(on, TCP_USER_TIMEOUT))
    }

    /// A field of TCP_INFO.
    pub fn info(&self, on: &str, field: &str) -> u64 {
        self.do_call("info", on, &json!({}))[field].as_u64().unwrap()
    }

    pub fn port(&self, on: &str) -> u16 {
        self.do_call("port", on, &json!({})).as_u64().unwrap().try_into().unwrap()
    }
}

/// The arguments of a call that takes an address.
pub fn address(to: SocketAddr) -> Value {
    json!({"host": to.ip().to_string(), "port": to.port()})
}

fn errno_of(value: &Value) -> Result<(), Errno> {
    match i32::try_from(value.as_i64().unwrap()).unwrap() {
        0 => Ok(()),
        errno => Err(Errno::from_raw_os_error(errno)),
    }
}
