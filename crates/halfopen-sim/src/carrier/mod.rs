//! A host that the worm has, with the legitimate programs beside it: every dial goes through the policy.

mod beside;
mod choice;

pub use beside::Wait;

use crate::host::{Dial, Event, Host, Number, Reply, START, Told, Window};
use crate::limiter::Limiter;
use crate::scenario::{Pace, Program, Protocol, Reach, Scenario, Worm};
use crate::space::{Inhabitant, Space};
use beside::Beside;
use choice::Choice;
use halfopen_policy::Ending;
use rand_pcg::Pcg64;
use std::net::Ipv4Addr;
use std::ops::Range;

/// From one connect() of a thread to its next.
const CONNECT: u64 = 15_000;
/// A thread whose connect() fails at once begins again so much later.
const AFTER_FAILURE: u64 = 250_000_000;
/// The cgroup of the worm. Each program has one of its own.
const WORM: &str = "worm";
/// The caller's events: the worm's next dial, and the next burst of each program.
const NEXT_DIAL: u64 = 0;
const FIRST_PROGRAM: u64 = 1;

/// What a carrier does that the outbreak sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contact {
    /// Nanoseconds since it got the worm.
    pub at: u64,
    /// What it is.
    pub what: Said,
}

/// See [`Contact`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Said {
    /// A first SYN, or a datagram, has left; `None`: to a fixed address.
    Sent(Option<Reach>),
    /// The same, but it had waited for so long that its program gives up before an answer comes.
    SentInVain(Option<Reach>),
    /// A vulnerable host has been reached.
    Reached(u32),
    /// A fixed address has taken a delivery.
    Delivered,
}

/// Whose dial it is.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Worm(Option<Reach>, Inhabitant),
    Program(usize),
}

/// A host that the worm has.
#[derive(Debug)]
pub struct Carrier<'a> {
    host: Host,
    /// `None` for a host that is only measured beside one that has it.
    worm: Option<&'a Worm>,
    space: &'a Space,
    choice: Choice,
    random: Pcg64,
    dials: Window<Whose>,
    beside: Vec<Beside<'a>>,
    attempts: u64,
    /// What it has done since the caller last took it.
    pub contacts: Vec<Contact>,
    /// How long legitimate dials have waited.
    pub waits: Vec<Wait>,
}

impl<'a> Carrier<'a> {
    /// A host at `address` that has just got the worm, with its part of the hit list.
    #[must_use]
    pub fn new(
        scenario: &'a Scenario,
        space: &'a Space,
        limiter: &Limiter,
        address: u32,
        list: Range<u32>,
        random: Pcg64,
    ) -> Self {
        let mut carrier = Self::clean(scenario, space, limiter, random);
        carrier.choice = Choice::new(&scenario.worm, space, address, list, &mut carrier.random);
        carrier.worm = Some(&scenario.worm);
        let dials = match scenario.worm.pace {
            Pace::Threads(threads) => threads.get() as u64,
            Pace::PerSecond(_) | Pace::Batch { .. } => 1,
        };
        for thread in 0..dials {
            carrier.host.plan(START + thread * CONNECT, Event::Caller(NEXT_DIAL));
        }
        carrier
    }

    /// A host that has only its legitimate programs.
    #[must_use]
    pub fn clean(scenario: &'a Scenario, space: &'a Space, limiter: &Limiter, mut random: Pcg64) -> Self {
        let mut host = Host::new(limiter, scenario.population.round_trip.time(), scenario.worm.stack);
        let beside = scenario.programs.iter().enumerate();
        let beside = beside.map(|(number, program)| Beside::new(program, number, &mut host, &mut random));
        Self {
            beside: beside.collect(),
            host,
            worm: None,
            space,
            choice: Choice::default(),
            random,
            dials: Window::default(),
            attempts: 0,
            contacts: Vec::new(),
            waits: Vec::new(),
        }
    }

    /// When its next event is due, in nanoseconds since it got the worm.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.host.due().map(|at| at - START)
    }

    /// How many dials it has begun.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// The part of its hit list that a host takes which it infects now.
    pub fn share_list(&mut self) -> Range<u32> {
        self.choice.share_list()
    }

    /// Goes on until so many nanoseconds after it got the worm.
    pub fn go_on(&mut self, until: u64) {
        while let Some(event) = self.host.step(START + until) {
            if let Event::Caller(number) = event {
                match (number, self.worm) {
                    (NEXT_DIAL, Some(worm)) => self.scan(worm),
                    (program, _) => self.burst((program - FIRST_PROGRAM) as usize),
                }
            }
            self.hear();
        }
    }

    fn since(&self) -> u64 {
        self.host.now - START
    }

    fn say(&mut self, what: Said) {
        self.contacts.push(Contact { at: self.since(), what });
    }

    fn scan(&mut self, worm: &Worm) {
        let at_once = match worm.pace {
            Pace::Threads(_) => 1,
            Pace::PerSecond(rate) => {
                self.host.plan(self.host.now + rate.gap_ns(), Event::Caller(NEXT_DIAL));
                1
            }
            Pace::Batch { sockets, wait } => {
                self.host.plan(self.host.now + wait.nanos(), Event::Caller(NEXT_DIAL));
                sockets.get()
            }
        };
        for _ in 0..at_once {
            self.dial(worm);
        }
    }

    fn dial(&mut self, worm: &Worm) {
        self.attempts += 1;
        let (to, reach) = self.choice.next(worm, self.space, &mut self.random);
        let met = if reach.is_some() { self.space.at(to) } else { Inhabitant::Answering };
        if worm.protocol == Protocol::Udp {
            self.say(Said::Sent(reach));
            if let Inhabitant::Vulnerable(host) = met {
                self.say(Said::Reached(host));
            }
            return;
        }
        let reply = match met {
            Inhabitant::Vulnerable(_) | Inhabitant::Answering => Reply::Answer,
            Inhabitant::Refusing => Reply::Refusal,
            Inhabitant::Nobody => Reply::Silence,
        };
        let dial = Dial { to: Ipv4Addr::from_bits(to), port: worm.port, reply };
        self.connect(WORM, dial, worm.patience(), Whose::Worm(reach, met));
    }

    fn burst(&mut self, number: usize) {
        let Some(beside) = self.beside.get_mut(number) else { return };
        let program: &Program = beside.program;
        let next = self.host.now + beside.gap(&mut self.random);
        self.host.plan(next, Event::Caller(number as u64 + FIRST_PROGRAM));
        for _ in 0..program.burst.get() {
            let Some(beside) = self.beside.get_mut(number) else { return };
            let dial = beside.dial(&mut self.random);
            if program.named {
                self.host.named.insert(dial.to);
            }
            self.connect(beside::cgroup(number), dial, program.patience.time(), Whose::Program(number));
        }
    }

    fn connect(&mut self, cgroup: &'static str, dial: Dial, patience: std::time::Duration, whose: Whose) {
        let number = self.host.connect(cgroup, dial, Some(patience));
        let same = self.dials.push(whose);
        debug_assert_eq!(number, same, "both count the dials of this host");
    }

    fn hear(&mut self) {
        let mut told = std::mem::take(&mut self.host.told);
        for one in told.drain(..) {
            match one {
                Told::Reached(number) => {
                    if let Some(Whose::Worm(reach, _)) = self.dials.get_mut(number) {
                        let reach = *reach;
                        let has_time = self.host.has_time(number);
                        self.say(if has_time { Said::Sent(reach) } else { Said::SentInVain(reach) });
                    }
                }
                Told::Ended(number, ending, took) => self.ended(number, ending, took.as_nanos() as u64),
            }
        }
        self.host.told = told;
    }

    fn ended(&mut self, number: Number, ending: Ending, took: u64) {
        match self.dials.remove(number) {
            Some(Whose::Worm(reach, met)) => self.scan_ended(reach, met, ending, took),
            Some(Whose::Program(program)) => {
                self.waits.push(Wait { program, took: (ending == Ending::Established).then_some(took) });
            }
            None => {}
        }
    }

    fn scan_ended(&mut self, reach: Option<Reach>, met: Inhabitant, ending: Ending, took: u64) {
        let Some(worm) = self.worm else { return };
        let mut busy = if took == 0 { AFTER_FAILURE } else { CONNECT };
        if ending == Ending::Established {
            match (reach, met) {
                (None, _) => self.say(Said::Delivered),
                (_, Inhabitant::Vulnerable(host)) => {
                    self.say(Said::Reached(host));
                    busy = worm.takes.nanos();
                }
                _ => {}
            }
        }
        if let Pace::Threads(_) = worm.pace {
            self.host.plan(self.host.now + busy, Event::Caller(NEXT_DIAL));
        }
    }
}
