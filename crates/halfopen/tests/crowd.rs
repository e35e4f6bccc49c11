//! Ten thousand programs that all begin to wait, each with a name, a user and (a hundred at a time) a cgroup of its own, again
//! and again: what the daemon says, keeps and costs stays bounded, and it goes on answering.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::rig;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};
use testkit::desk::processes::{Helper, state};
use testkit::desk::{PATIENCE, ask_well, limit, until};
use testkit::{Lab, Limiter, Mix, require_lab};

const PROGRAMS: i64 = 10_000;
const CGROUPS: usize = 100;
const ROUNDS: u32 = 10;
/// The daemon does one thing at a time: somebody who asks waits for what it does just then, here without optimization and
/// beside other tests. A walk over each program for each one would take minutes.
const ANSWERED: Duration = Duration::from_secs(5);

struct Crowd {
    child: Child,
    stdin: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Crowd {
    fn start(lab: &Lab) -> Self {
        let dead = lab.draw(&Mix { dead: 50, ..Mix::default() }).unwrap().destinations();
        let mut command = lab.client().command_in(lab.cgroup(), "python3");
        command.arg(testkit::script("crowd.py"));
        command.arg(PROGRAMS.to_string()).arg(CGROUPS.to_string()).arg(lab.cgroup().path());
        command.args(dead.iter().map(ToString::to_string));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, said: BufReader::new(stdout) }
    }

    fn await_dialled(&mut self) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "dialled\n");
    }

    fn dial_anew(&mut self) {
        writeln!(self.stdin).unwrap();
        self.await_dialled();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resident_kib(pid: u32) -> u64 {
    state(pid).unwrap()["VmRSS"].split_whitespace().next().unwrap().parse().unwrap()
}

/// Processor time so far, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn slowest_answer(limiter: &Limiter) -> Duration {
    let answers = (0..5).map(|_| {
        let asked = Instant::now();
        ask_well(limiter, &["get", "half_open"]);
        asked.elapsed()
    });
    answers.max().unwrap()
}

#[test]
fn a_crowd_of_programs_costs_little_and_fills_no_log() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).set("queue", 100_000).start().unwrap();
    let helper = Helper::of(limiter.pid());
    let both = [limiter.pid(), helper.helper];
    ask_well(&limiter, &["status"]);
    let (before, began) = (both.map(resident_kib), Instant::now());
    let used = both.map(ticks);
    let mut crowd = Crowd::start(&lab);
    crowd.await_dialled();
    let mut slowest = slowest_answer(&limiter);
    for _ in 1..ROUNDS {
        crowd.dial_anew();
        slowest = slowest.max(slowest_answer(&limiter));
        println!("{:?} KiB", both.map(resident_kib));
    }
    until("the crowd to be told of", PATIENCE, || {
        (!ask_well(&limiter, &["events", "--json"]).is_empty()).then_some(())
    });
    rig::until(&limiter, "the crowd to wait", PATIENCE, |scope| scope.queued > PROGRAMS / 2);
    let status = Instant::now();
    let told = ask_well(&limiter, &["status", "--json"]);
    let (status, after, took) = (status.elapsed(), both.map(resident_kib), began.elapsed());
    let used: Vec<u64> = both.map(ticks).iter().zip(used).map(|(now, then)| now - then).collect();
    let lines = limiter.stderr().lines().count();
    let kept = fs::metadata(limiter.run_directory().with_file_name("run-state").join("events-0.jsonl"))
        .map_or(0, |file| file.len());
    println!(
        "{} programs in {took:?}: daemon and helper {before:?} KiB before, {after:?} after; {used:?} ticks; {lines} lines \
         of log; slowest answer {slowest:?}; status {status:?}, {} bytes; {kept} bytes of events kept",
        PROGRAMS * i64::from(ROUNDS),
        told.len()
    );
    for (before, after) in before.iter().zip(after) {
        assert!(after < before + 64 * 1024, "{before} KiB have become {after}");
    }
    assert!(lines < 20, "{}", limiter.stderr());
    assert!(slowest < ANSWERED && status < ANSWERED, "{slowest:?}, {status:?}");
    assert!(told.len() < 256 * 1024 && kept < 128 * 1024, "{} and {kept} bytes", told.len());
    assert_eq!(Helper::of(limiter.pid()), helper);
}
