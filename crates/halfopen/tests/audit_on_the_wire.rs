//! In audit mode nothing changes on the wire: connections of every kind, recorded with and without the limiter, consist of
//! the same segments.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use testkit::desk::PATIENCE;
use testkit::rig::program::Program;
use testkit::{
    CLIENT_V4, CLIENT_V6, Cgroup, Family, HostKind, Hosts, Kind, Lab, Limiter, Mix, Segment, Side, WORLD_V4,
    require_lab,
};

const SOURCE: &str = concat!(
    include_str!("programs/attacks/common.py"),
    include_str!("programs/attacks/raw.py"),
    include_str!("programs/attacks/segments.py"),
    include_str!("programs/attacks/wire.py"),
    "\nmain()\n"
);
const CLOSES: u16 = 8_701;
const FAST_OPEN: u16 = 8_702;
const MULTIPATH: u16 = 8_703;
const SIGNED: u16 = 8_704;
/// What the client's resets carry when it gives up a connection; those that answer the peer carry no ACK.
const PEER_HEARS_NO_RESET: &str = "table ip lost {
    chain out { type filter hook output priority 0;
        tcp flags & (rst | ack) == rst | ack tcp sport @kept drop
    }
    set kept { type inet_service; elements = { 39001, 39002 } }
}";

/// What a connection is seen to be: what left, what came back. A SYN stands with the number of its sequence, so that one
/// sent again is not taken for a new one. Mere ACKs are left out, and PSH: they depend on who is scheduled when.
type Seen = BTreeMap<String, [Vec<String>; 2]>;

fn run(command: Command, asked: &Value) -> Program {
    let mut program = Program::spawn(command);
    program.tell(asked);
    program
}

fn python(mut command: Command, what: &str) -> Command {
    command.args(["-c", SOURCE, what]);
    command
}

struct Script {
    lab: Lab,
    hosts: Value,
    cgroup: Cgroup,
    _servers: Vec<Program>,
    _world: Cgroup,
}

impl Script {
    /// The same hosts for the same seed.
    fn new(seed: u64) -> Self {
        let lab = Lab::builder().seed(seed).build().unwrap();
        let mix =
            |family| Mix { live: 1, dead: 4, refusing: 1, unreachable: 1, slow: 1, family, ..Mix::default() };
        let (v4, v6) = (lab.draw(&mix(Family::V4)).unwrap(), lab.draw(&mix(Family::V6)).unwrap());
        let of = |hosts: &Hosts, kind| hosts.of(kind).iter().map(SocketAddr::ip).collect::<Vec<IpAddr>>();
        let one = |hosts: &Hosts, kind| of(hosts, kind)[0];
        let dead = of(&v4, HostKind::Dead);
        let hosts = json!({
            "live": one(&v4, HostKind::Live), "live6": one(&v6, HostKind::Live),
            "dead": dead[..3], "dead6": one(&v6, HostKind::Dead), "simultaneous": dead[3],
            "refusing": one(&v4, HostKind::Refusing), "refusing6": one(&v6, HostKind::Refusing),
            "unreachable": one(&v4, HostKind::Unreachable), "slow": one(&v4, HostKind::Slow),
        });
        lab.world().sysctl("net.ipv4.tcp_fastopen", "3").unwrap();
        lab.client().sysctl("net.ipv4.tcp_tw_reuse", "1").unwrap();
        lab.client().nft(PEER_HEARS_NO_RESET).unwrap();
        let (world, cgroup) = (lab.new_cgroup("world").unwrap(), lab.cgroup().child("dialler").unwrap());
        let in_world = || lab.world().command_in(&world, "/usr/bin/python3");
        let ours = [
            ("close_first", json!({"port": CLOSES})),
            ("signed_server", json!({"port": SIGNED, "client": CLIENT_V4})),
            ("simultaneous_peer", json!({"address": dead[3]})),
        ];
        let mut servers: Vec<Program> =
            ours.iter().map(|(what, asked)| run(python(in_world(), what), asked)).collect();
        for (port, protocol) in [(FAST_OPEN, "6"), (MULTIPATH, "262")] {
            let arguments = [port.to_string(), protocol.to_owned()];
            servers.push(Program::start(lab.world(), &world, "counting_server.py", &arguments));
        }
        for server in &servers {
            assert!(server.hear(PATIENCE).get("listening").is_some());
        }
        Self { lab, hosts, cgroup, _servers: servers, _world: world }
    }

    /// Carries it out as a plain user; how each connection ended, and what was seen of it.
    fn play(&self) -> (Value, Seen) {
        let capture = self.lab.capture_every_segment(Side::World).unwrap();
        let mut command = self.lab.client().command_in(&self.cgroup, "setpriv");
        command.args(["--reuid=4001", "--regid=4001", "--clear-groups", "--", "/usr/bin/python3"]);
        let asked = json!({
            "own": CLIENT_V4, "own6": CLIENT_V6, "hosts": self.hosts, "peer": WORLD_V4,
            "servers": {"closes": CLOSES, "fast open": FAST_OPEN, "multipath": MULTIPATH, "signed": SIGNED},
        });
        let said = run(python(command, "scripted"), &asked).hear(PATIENCE);
        let captured = capture.finish().unwrap();
        assert_eq!(captured.lost, 0, "the recording lost packets");
        let ports: BTreeMap<u16, String> = said["ports"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, port)| (u16::try_from(port.as_u64().unwrap()).unwrap(), name.clone()))
            .collect();
        (said["ended"].clone(), seen(&captured.segments, &ports))
    }
}

fn seen(segments: &[Segment], ports: &BTreeMap<u16, String>) -> Seen {
    let mut seen = Seen::new();
    let mut sequences: BTreeMap<(String, bool), Vec<u32>> = BTreeMap::new();
    let own = [IpAddr::V4(CLIENT_V4), IpAddr::V6(CLIENT_V6)];
    for segment in segments {
        let leaves = own.contains(&segment.from.ip());
        let port = if leaves { segment.from.port() } else { segment.to.port() };
        let Some(name) = ports.get(&port) else { continue };
        let told = match segment.kind {
            Kind::Syn(sequence) => {
                let known = sequences.entry((name.clone(), leaves)).or_default();
                let number = known.iter().position(|other| *other == sequence).unwrap_or_else(|| {
                    known.push(sequence);
                    known.len() - 1
                });
                format!("SYN {number}")
            }
            Kind::Later(flags) if flags & 0x01 != 0 => "FIN".to_owned(),
            Kind::Later(_) => continue,
            other => format!("{other:?}"),
        };
        seen.entry(name.clone()).or_default()[usize::from(!leaves)].push(told);
    }
    seen
}

#[test]
fn connections_of_every_kind_are_the_same_with_and_without() {
    require_lab!();
    let seed = rand::random();
    let (ended_without, without) = Script::new(seed).play();
    let script = Script::new(seed);
    let limiter = Limiter::builder(&script.lab);
    // One of those that nobody answers keeps the only slot: all the others would have waited.
    let limiter = limiter.set("mode", "audit").set("half_open", 1).set("slot_life", "5m").start().unwrap();
    let (ended_with, with) = script.play();
    let host = limiter.status().unwrap().host;
    println!("ended: {ended_without}");
    let mut different = 0;
    for (name, segments) in &without {
        let other = with.get(name);
        println!("{name}: {segments:?}");
        if other != Some(segments) {
            println!("  in audit mode {other:?}");
            different += 1;
        }
    }
    println!("{} connections, {different} differ; {host:?}", without.len());
    assert!(without.len() >= 20, "{without:?}");
    assert!(host.admitted >= 20, "the limiter has seen them: {host:?}");
    assert_eq!(ended_with, ended_without);
    assert_eq!(with, without);
}
