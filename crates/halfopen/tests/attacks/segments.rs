//! Single segments: those that must leave, those that somebody forges, and ports that are used again.

use crate::scene::{ATTACKER, MOST, Rights, Scene, WATCHED_S};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use testkit::desk::other_program::callbacks_on;
use testkit::desk::{PATIENCE, has};
use testkit::rig::Rig;
use testkit::rig::program::Program;
use testkit::{CLIENT_V4, Cgroup, HostKind, Kind, LabError, Mix, Side, WORLD_V4, require_lab};

const SOURCE: &str =
    concat!(include_str!("../programs/attacks/raw.py"), include_str!("../programs/attacks/segments.py"));
/// Each run has a port of its own.
const FIRST_PORT: u16 = 40_001;
/// A reset and the SYN that follows it at once; a repeated SYN would take a second.
const SOON: Duration = Duration::from_millis(900);
const RESETS_LOST: &str =
    "table ip lost {\n chain out { type filter hook output priority 0; tcp flags rst drop; }\n}";

/// How a dial from a port that was used before ends.
struct Again {
    to: SocketAddr,
    close: &'static str,
    pause: f64,
    /// The peer is not to hear of the end of the first connection.
    resets_lost: bool,
}

impl Again {
    fn dial(&self, scene: &Scene, cgroup: &Cgroup, port: u16) -> Value {
        let client = scene.lab.client();
        let asked = json!({"to": self.to.ip(), "to_port": self.to.port(), "source": CLIENT_V4, "port": port,
                           "close": self.close, "pause": self.pause});
        let mut program: Program = scene.run(Rights::User(ATTACKER), cgroup, SOURCE, "dial_again", &asked);
        program.hear(PATIENCE);
        if self.resets_lost {
            client.nft(RESETS_LOST).unwrap();
        }
        program.tell(&json!("close"));
        program.hear(PATIENCE);
        if self.resets_lost {
            // Closing sends before it returns.
            let gone: Result<String, LabError> = client.nft("delete table ip lost");
            gone.unwrap();
        }
        program.tell(&json!("again"));
        program.hear(PATIENCE)
    }

    /// It ends as without a limiter.
    fn is_as_without(&self, scene: &Scene, what: &str) {
        let free = scene.lab.new_cgroup("free").unwrap();
        let without = self.dial(scene, &free, FIRST_PORT);
        let limited = self.dial(scene, &scene.attacker, FIRST_PORT + 1);
        println!("{what}: {limited}, without a limiter {without}");
        assert_eq!(limited["error"], without["error"], "{what}");
        let waited = |said: &Value| Duration::from_secs_f64(said["waited"].as_f64().unwrap());
        assert!(waited(&limited) < waited(&without) + SOON, "{what}: {limited}, not {without}");
    }
}

fn modes() -> impl Iterator<Item = (&'static str, Scene)> {
    ["audit", "enforce"].into_iter().map(|mode| {
        let mix = Mix { live: 1, dead: 1, ..Mix::default() };
        let scene = Scene::of(mix, |limiter| limiter.set("preset", "adaptive").set("mode", mode));
        scene.lab.client().sysctl("net.ipv4.tcp_tw_reuse", "1").unwrap();
        (mode, scene)
    })
}

#[test]
fn a_reset_of_an_old_connection_leaves() {
    require_lab!();
    for (mode, scene) in modes() {
        let to = SocketAddr::new(scene.live()[0], testkit::PORT);
        let again = Again { to, close: "reset", pause: 0.1, resets_lost: true };
        again.is_as_without(&scene, &format!("a port whose old connection the peer still has, {mode}"));
    }
}

#[test]
fn a_port_in_time_wait_is_used_again() {
    require_lab!();
    for (mode, scene) in modes() {
        let to = SocketAddr::new(scene.live()[0], testkit::PORT);
        let again = Again { to, close: "first", pause: 1.2, resets_lost: false };
        again.is_as_without(&scene, &format!("a port in TIME-WAIT, {mode}"));
    }
}

/// With a server that closes first.
fn closed_by_the_peer(what: &str, close: &'static str, resets_lost: bool) {
    const SERVER: u16 = 8_700;
    for (mode, scene) in modes() {
        let cgroup = scene.lab.new_cgroup("server").unwrap();
        let server = Scene::run_in(
            scene.lab.world(),
            Rights::Root,
            &cgroup,
            SOURCE,
            "close_first",
            &json!({"port": SERVER}),
        );
        server.hear(PATIENCE);
        let again = Again { to: (WORLD_V4, SERVER).into(), close, pause: 0.1, resets_lost };
        again.is_as_without(&scene, &format!("{what}, {mode}"));
    }
}

#[test]
fn a_port_whose_peer_is_in_time_wait_is_used_again() {
    require_lab!();
    closed_by_the_peer("a port whose peer is in TIME-WAIT", "peer first", false);
}

#[test]
fn a_port_whose_peer_is_in_fin_wait_2_is_used_again() {
    require_lab!();
    closed_by_the_peer("a port whose peer is in FIN-WAIT-2", "reset", true);
}

/// One slot for longer than the test, and those that wait for it.
fn one_slot() -> Scene {
    Scene::of(Mix { dead: 50, ..Mix::default() }, |limiter| {
        limiter.set("half_open", 1).set("slot_life", "5m").set("drain", "unlimited")
    })
}

/// A forged wake-up gains nothing: who was not let out stays.
fn only_one_has_left(scene: &Scene, attack: impl FnOnce() -> Value) {
    let capture = scene.lab.capture(Side::World).unwrap();
    let told = attack();
    let captured = capture.finish().unwrap();
    let (dead, mut called) = (scene.dead(), BTreeSet::<IpAddr>::new());
    let syns = captured.segments.iter().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
    called.extend(syns.map(|segment| segment.to.ip()).filter(|address| dead.contains(address)));
    println!("{told}: SYNs to {} of {}", called.len(), dead.len());
    assert_eq!((captured.lost, called.len()), (0, 1), "{told}");
    assert!(told["sent"].as_u64().unwrap() > 1000, "{told}");
}

#[test]
fn wake_ups_forged_by_the_far_side() {
    require_lab!();
    let scene = one_slot();
    let asked = json!({"dead": scene.dead(), "source": CLIENT_V4, "first": 30_000});
    let far = scene.lab.new_cgroup("far").unwrap();
    only_one_has_left(&scene, || {
        let waiting = scene.attack(SOURCE, "wait_and_stay", &asked);
        waiting.hear(PATIENCE);
        let asked = json!({"dead": scene.dead(), "to": CLIENT_V4, "first": 30_000, "seconds": 6});
        Scene::run_in(scene.lab.world(), Rights::Root, &far, SOURCE, "forge", &asked).hear(PATIENCE)
    });
}

#[test]
fn wake_ups_forged_in_a_container() {
    require_lab!();
    let scene = one_slot();
    let asked = json!({"dead": scene.dead(), "first": 30_000, "seconds": 6});
    only_one_has_left(&scene, || {
        let mut attack = scene.attack(SOURCE, "forge_in_a_container", &asked);
        scene.connect(&mut attack);
        attack.hear(PATIENCE)
    });
}

fn scanned(what: &str, more: &Value) {
    let scene = Scene::adaptive();
    let mut asked = json!({"dead": scene.dead(), "seconds": WATCHED_S});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let told = scene.carried_out(SOURCE, what, &asked);
    scene.reached_fewer_than(MOST, &format!("{what} ({told})"));
}

#[test]
fn signed_segments() {
    require_lab!();
    scanned("with_key", &json!({}));
}

#[test]
fn multipath_tcp() {
    require_lab!();
    scanned("multipath", &json!({}));
}

#[test]
fn simultaneous_opens_with_oneself_earn_nothing() {
    require_lab!();
    scanned("call_oneself", &json!({"source": CLIENT_V4}));
}

/// Nothing more is asked of what has connected, in whichever way.
#[test]
fn connections_have_no_callbacks() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let rig = Rig::new(10, &[]);
    let calls = rig.calls();
    calls.dial("another", rig.host(HostKind::Live));
    calls.ends("another", Ok(()));
    // Its own SYN answers it.
    let itself = SocketAddr::from((CLIENT_V4, 40_000));
    calls.open("itself", itself);
    calls.call("bind", "itself", &json!({"host": CLIENT_V4.to_string(), "port": itself.port()})).unwrap();
    calls.connect_blocking("itself", itself);
    calls.ends("itself", Ok(()));
    assert_eq!(callbacks_on(rig.lab.client()), [0, 0]);
}

/// The far side tells of more addresses that it says it has, and the kernel calls there by itself.
#[test]
fn addresses_that_a_peer_of_multipath_tcp_announces() {
    const SERVER: u16 = 8_600;
    const AT_A_TIME: usize = 8;
    require_lab!();
    let scene = Scene::adaptive();
    let (client, world) = (scene.lab.client(), scene.lab.world());
    for namespace in [client, world] {
        namespace
            .ip(&format!("mptcp limits set subflows {AT_A_TIME} add_addr_accepted {AT_A_TIME}\n"))
            .unwrap();
    }
    let cgroup = scene.lab.new_cgroup("server").unwrap();
    let arguments = [SERVER.to_string(), "262".to_owned()];
    let server = Program::start(world, &cgroup, "counting_server.py", &arguments);
    server.hear(PATIENCE);
    let mut attack = scene.attack(SOURCE, "multipath_rounds", &json!({"to": WORLD_V4, "to_port": SERVER}));
    for some in scene.dead().chunks(AT_A_TIME).take(15) {
        let announced = some.iter().map(|address| format!("mptcp endpoint add {address} signal\n"));
        world.ip(&format!("mptcp endpoint flush\n{}", announced.collect::<String>())).unwrap();
        attack.tell(&json!("next"));
        attack.hear(PATIENCE);
    }
    scene.reached_fewer_than(MOST, &format!("announced, of {}", 15 * AT_A_TIME));
}
