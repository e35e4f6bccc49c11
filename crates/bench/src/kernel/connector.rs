//! A process that connects, accepts and closes as fast as it can, all on one thread and so on one processor. It is
//! this program in another role; the measurement moves it from cgroup to cgroup between its rounds.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write, stdin};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::SockRef;
use testkit::{Cgroup, Namespace, stay_on_last_processor, stay_on_processor};

/// The subcommand that gives this program the role.
const ROLE: &str = "connector";

const WARM_UP: usize = 50;
/// A connection that takes so many times the median was interrupted by another process.
const INTERRUPTED: u64 = 10;

/// The process, seen from the measurement.
pub struct Connector {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// What a round of connections has shown.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// How many were made.
    pub connections: u64,
    /// The mean time of connect, accept and both closes, of those that were not interrupted.
    pub each: Duration,
}

impl Connector {
    /// Starts it in `cgroup`. It listens on `address` of the namespace `listens` and dials from `dials`.
    pub fn start(cgroup: &Cgroup, listens: &Namespace, dials: &Namespace, address: IpAddr) -> Result<Self> {
        let program = std::env::current_exe().context("finding the running program")?;
        let mut child = cgroup
            .command(program)
            .arg(ROLE)
            .args([listens.path(), dials.path()])
            .arg(address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the process that connects")?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        Ok(Self { child, orders, answers: BufReader::new(answers).lines() })
    }

    /// Opens a listener that belongs to the cgroup that the process is in.
    pub fn listen(&mut self) -> Result<()> {
        self.order("listen").map(drop)
    }

    /// Connects for `time` to the listener opened as number `listener`, from sockets of `cgroup`.
    pub fn connect(&mut self, cgroup: &Cgroup, listener: usize, time: Duration) -> Result<Round> {
        cgroup.adopt(self.child.id())?;
        let answer = self.order(&format!("connect {listener} {}", time.as_millis()))?;
        let numbers = answer.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>();
        match numbers.as_deref() {
            Ok([connections, each]) => {
                Ok(Round { connections: *connections, each: Duration::from_nanos(*each) })
            }
            _ => bail!("the process that connects answered {answer:?}"),
        }
    }

    fn order(&mut self, order: &str) -> Result<String> {
        writeln!(self.orders, "{order}").context("telling the process that connects what to do")?;
        match self.answers.next() {
            Some(answer) => answer.context("hearing the process that connects"),
            None => bail!("the process that connects has ended; its last words are above"),
        }
    }

    /// Has it run on that processor; otherwise it is the last.
    pub fn stay_on(&mut self, processor: usize) -> Result<()> {
        self.order(&format!("stay {processor}")).map(drop)
    }

    /// Moves it into `cgroup`.
    pub fn move_to(&self, cgroup: &Cgroup) -> Result<()> {
        Ok(cgroup.adopt(self.child.id())?)
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The role itself: takes orders on stdin until it is closed.
pub fn serve(arguments: &[String]) -> Result<()> {
    let [listens, dials, address] = arguments else { bail!("{ROLE} takes two namespaces and an address") };
    let open = |path: &String| File::open(path).with_context(|| format!("opening {path}"));
    let (listens, dials) = (open(listens)?, open(dials)?);
    let address: IpAddr = address.parse().with_context(|| format!("reading the address {address:?}"))?;
    stay_on_last_processor()?;
    enter(&dials)?;
    let mut listeners = Vec::new();
    for order in stdin().lock().lines() {
        let order = order.context("reading an order")?;
        match order.split(' ').collect::<Vec<_>>()[..] {
            ["listen"] => {
                enter(&listens)?;
                listeners.push(listen(address)?);
                enter(&dials)?;
                println!("listening");
            }
            ["stay", processor] => {
                stay_on_processor(processor.parse()?)?;
                println!("staying");
            }
            ["connect", listener, time_ms] => {
                let listener = listeners.get(listener.parse::<usize>()?).context("no such listener")?;
                let round = round(listener, Duration::from_millis(time_ms.parse()?))?;
                println!("{} {}", round.connections, round.each.as_nanos());
            }
            _ => bail!("cannot do {order:?}"),
        }
    }
    Ok(())
}

fn enter(namespace: &File) -> Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering a namespace")
}

fn listen(address: IpAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind((address, 0)).with_context(|| format!("listening on {address}"))?;
    // Accepted sockets inherit it: their close() resets the connection, so that no port stays in TIME_WAIT.
    SockRef::from(&listener).set_linger(Some(Duration::ZERO)).context("setting SO_LINGER")?;
    Ok(listener)
}

fn round(listener: &TcpListener, time: Duration) -> Result<Round> {
    let to = listener.local_addr().context("reading the listener's address")?;
    for _ in 0..WARM_UP {
        connect_accept_close(listener, to)?;
    }
    let mut times = Vec::with_capacity(1 << 14);
    let start = Instant::now();
    let mut before = start;
    while before.duration_since(start) < time {
        connect_accept_close(listener, to)?;
        let after = Instant::now();
        times.push(after.duration_since(before).as_nanos() as u64);
        before = after;
    }
    times.sort_unstable();
    let bound = times[times.len() / 2].saturating_mul(INTERRUPTED);
    let undisturbed = &times[..times.partition_point(|time| *time <= bound)];
    let each = Duration::from_nanos(undisturbed.iter().sum::<u64>() / undisturbed.len() as u64);
    Ok(Round { connections: (times.len() + WARM_UP) as u64, each })
}

fn connect_accept_close(listener: &TcpListener, to: SocketAddr) -> Result<()> {
    let dialled = TcpStream::connect(to).with_context(|| format!("connecting to {to}"))?;
    let (accepted, _) = listener.accept().context("accepting")?;
    drop(accepted);
    drop(dialled);
    Ok(())
}
