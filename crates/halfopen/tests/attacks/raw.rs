//! What goes past the kernel's TCP: raw and packet sockets with the rights that Docker gives, protocols that have TCP
//! connections made for them.

use crate::scene::{MOST, Rights, Scene, WATCHED_S};
use rustix::net::{AddressFamily, SocketType, socket};
use serde_json::json;
use std::net::IpAddr;
use std::process::Command;
use testkit::desk::{PATIENCE, ask_well, program, said};
use testkit::rig::faults;
use testkit::{CLIENT_V4, CLIENT_V6, Lab, Skip, require_lab};

const SOURCE: &str = include_str!("../programs/attacks/raw.py");
const AF_RDS: u16 = 21;
const AF_SMC: u16 = 43;

fn raw(scene: &Scene, source: IpAddr, how: &str) {
    let asked = json!({"dead": scene.dead(), "source": source, "how": how});
    let told = scene.run(Rights::Docker, &scene.attacker, SOURCE, "raw_syns", &asked).hear(PATIENCE);
    let counted = faults(&scene.limiter).get("raw_tcp_refused").copied().unwrap_or_default();
    println!("raw TCP, {how}, to {}: {told}, {counted} counted", scene.dead()[0]);
    scene.reached_fewer_than(1, &format!("raw TCP, {how} ({told})"));
    assert!(counted >= scene.dead().len() as u64, "{counted} refusals counted");
}

#[test]
fn raw_tcp_is_refused_and_counted() {
    require_lab!();
    raw(&Scene::adaptive(), CLIENT_V4.into(), "tcp");
}

#[test]
fn raw_tcp_with_its_own_ip_header_is_refused_and_counted() {
    require_lab!();
    raw(&Scene::adaptive(), CLIENT_V4.into(), "header included");
}

/// The first fragment ends before the flags.
#[test]
fn raw_tcp_in_fragments_is_refused_and_counted() {
    require_lab!();
    raw(&Scene::adaptive(), CLIENT_V4.into(), "fragments");
}

#[test]
fn raw_tcp_over_ipv6_is_refused_and_counted() {
    require_lab!();
    raw(&Scene::adaptive_v6(), CLIENT_V6.into(), "tcp");
}

/// Of the host's own network namespace no hook sees it: so whoever looks for it must be told.
#[test]
fn a_container_s_packet_socket_is_listed() {
    require_lab!();
    let scene = Scene::adaptive();
    let mut owner = scene.run(Rights::Docker, &scene.attacker, SOURCE, "packet_socket", &json!({}));
    let pid = owner.hear(PATIENCE)["pid"].clone();
    let doctor = said(Command::new(program()).arg("doctor").arg("--cgroup").arg(scene.lab.cgroup().path()));
    let listed = doctor.out.lines().find(|line| line.contains(&format!("(pid {pid})")));
    println!("doctor: {listed:?}");
    assert!(listed.is_some_and(|line| line.starts_with("bypass    packet socket of python3 ")), "{doctor:?}");
    owner.tell(&json!("end"));
}

/// Whether a plain user can have such sockets here; else the test is noted as skipped.
fn has_family(family: u16, kind: SocketType, name: &'static str) -> bool {
    let made = socket(AddressFamily::from_raw(family), kind, None);
    Lab::required(made.map(drop).map_err(|_| Skip::NotInKernel(name)))
}

#[test]
fn smc_sockets_are_no_kernel_sockets_of_the_host() {
    require_lab!();
    if !has_family(AF_SMC, SocketType::STREAM, "AF_SMC") {
        return;
    }
    let scene = Scene::adaptive();
    let told = scene.carried_out(SOURCE, "smc", &json!({"dead": scene.dead(), "seconds": WATCHED_S}));
    scene.reached_fewer_than(MOST, &format!("AF_SMC ({told})"));
}

#[test]
#[ignore = "a known limit: its sockets are the kernel's, in the root cgroup, docs/internals/threats.md"]
fn rds_sockets_are_no_kernel_sockets_of_the_host() {
    require_lab!();
    if !has_family(AF_RDS, SocketType::SEQPACKET, "AF_RDS") {
        return;
    }
    let scene = Scene::adaptive();
    let asked = json!({"dead": scene.dead(), "seconds": WATCHED_S, "source": CLIENT_V4});
    scene.carried_out(SOURCE, "rds", &asked);
    scene.reached_fewer_than(MOST, "AF_RDS");
    assert!(!ask_well(&scene.limiter, &["status"]).is_empty());
}
