//! What others begin is none of our business: listening sockets and accepted connections are never touched.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use testkit::desk::PATIENCE;
use testkit::dial::Outcome;
use testkit::{CLIENT_V4, CLIENT_V6, Dialer, Kind, Lab, Limiter, Mix, Side, require_lab};

const INBOUND: usize = 10_000;

#[test]
fn ten_thousand_come_in_while_the_queue_is_full() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let dead = lab.draw(&Mix { dead: 300, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab).set("queue", 200).set("slot_life", "1h").start().unwrap();
    let holding = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    holding.await_all_dialled(PATIENCE).unwrap();
    let before = limiter.status().unwrap().host;
    assert_eq!((before.half_open, before.queued, before.refused_overflow), (10, 200, 90));

    // Nobody closes: a SYN that meets its own port in TIME_WAIT would be dropped by the kernel itself.
    let server = "import resource, socket
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
kept = []
s = socket.create_server(('::', 8080), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
print('listening', flush=True)
while True:
    kept.append(s.accept())";
    let mut serving = lab
        .client()
        .command_in(lab.cgroup(), "python3")
        .args(["-c", server])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "listening\n");

    let capture = lab.capture(Side::World).unwrap();
    let outside = lab.new_cgroup("outside").unwrap();
    let to = [SocketAddr::from((CLIENT_V4, 8080)), SocketAddr::from((CLIENT_V6, 8080))];
    let dialer = Dialer::new(&lab)
        .namespace(lab.world())
        .cgroup(&outside)
        .destinations(to.into_iter().cycle().take(INBOUND))
        .blocking(16);
    let inbound = dialer.spawn().unwrap();
    let reports = inbound.await_all_done(PATIENCE).unwrap();
    assert_eq!(reports.iter().filter(|report| report.outcome == Outcome::Connected).count(), INBOUND);

    // Had one answer been withheld, the SYN would have been repeated after a second.
    let captured = capture.finish().unwrap();
    let mut asked = HashSet::new();
    for segment in captured.whole() {
        if let Kind::Syn(sequence) = segment.kind
            && segment.to.port() == 8080
        {
            assert!(asked.insert((segment.from, sequence)), "{segment:?} is a repetition");
        }
    }
    assert_eq!(asked.len(), INBOUND);
    let after = limiter.status().unwrap().host;
    assert_eq!((after.half_open, after.queued, after.admitted), (10, 200, before.admitted));
    serving.kill().unwrap();
    serving.wait().unwrap();
}
