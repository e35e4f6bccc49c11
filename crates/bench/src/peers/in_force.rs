//! Rules and programs at work in a lab.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use crate::runs::{InForce, RunError};
use serde_json::Value;
use testkit::nat::Nat;
use testkit::{Cgroup, Lab, Namespace, artifact};

/// Rules in the kernel.
pub(crate) struct Ruleset {
    /// The command that takes them out again.
    take_out: Vec<String>,
    /// Whether they are in the NAT box, not in the client's namespace.
    of_router: bool,
}

impl Ruleset {
    pub fn nft(place: &Namespace, rules: &str, table: &str) -> Result<Self, RunError> {
        place.nft(rules)?;
        Ok(Self::ended_by(&format!("nft delete table {table}")))
    }

    pub fn iptables(place: &Namespace, rules: &str) -> Result<Self, RunError> {
        place.feed("iptables-restore", &[], rules)?;
        Ok(Self::ended_by("iptables -F"))
    }

    pub fn of_router(self) -> Self {
        Self { of_router: true, ..self }
    }

    pub fn tc(lab: &Lab, rules: &str) -> Result<Self, RunError> {
        lab.client().feed("tc", &["-batch", "-"], rules)?;
        Ok(Self::ended_by("tc qdisc del dev lab0 root"))
    }

    fn ended_by(command: &str) -> Self {
        Self { take_out: command.split(' ').map(str::to_owned).collect(), of_router: false }
    }

    fn remove(&self, lab: &Lab) -> Result<(), RunError> {
        let words: Vec<_> = self.take_out.iter().map(String::as_str).collect();
        let place = lab.nat().filter(|_| self.of_router).map_or(lab.client(), Nat::namespace);
        place.feed(words[0], &words[1..], "")?;
        Ok(())
    }
}

impl InForce for Ruleset {
    fn status(&self) -> Result<Value, RunError> {
        Ok(Value::Null)
    }

    fn take_out(self: Box<Self>, lab: &Lab) -> Result<(), RunError> {
        self.remove(lab)
    }
}

/// The program that judges SYNs in user space, with the rules that send them to it.
pub(crate) struct Queue {
    program: Child,
    rules: Ruleset,
    _cgroup: Cgroup,
}

impl Queue {
    pub fn start(lab: &Lab, name: &str, arguments: &str, rules: &str) -> Result<Self, RunError> {
        let failed = |what: String| RunError::Limiter { limiter: name.to_owned(), what };
        let cgroup = lab.new_cgroup("peer-queue")?;
        let path = artifact("peer-queue", "PEER_QUEUE")?;
        let mut program = lab
            .client()
            .command_in(&cgroup, path)
            .args(arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("cannot run peer-queue: {error}")))?;
        let mut line = String::new();
        let read = program.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        if line.trim() != "ready" {
            let mut said = String::new();
            let heard = program.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
            end(&mut program);
            return Err(failed(format!("peer-queue does not begin ({read:?}, {heard:?}): {}", said.trim())));
        }
        match Ruleset::iptables(lab.client(), rules) {
            Ok(rules) => Ok(Self { program, rules, _cgroup: cgroup }),
            Err(error) => {
                end(&mut program);
                Err(error)
            }
        }
    }
}

impl InForce for Queue {
    fn status(&self) -> Result<Value, RunError> {
        Ok(Value::Null)
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.program.id()]
    }

    fn take_out(mut self: Box<Self>, lab: &Lab) -> Result<(), RunError> {
        // The rules first: without the program they would drop.
        self.rules.remove(lab)?;
        let ended_before = self.program.try_wait();
        end(&mut self.program);
        match ended_before {
            Ok(None) => Ok(()),
            status => Err(RunError::Limiter {
                limiter: "peer-queue".to_owned(),
                what: format!("it had ended before it was told to: {status:?}"),
            }),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        end(&mut self.program);
    }
}

fn end(program: &mut Child) {
    // Both fail only where it has ended already.
    let _ = program.kill();
    let _ = program.wait();
}
