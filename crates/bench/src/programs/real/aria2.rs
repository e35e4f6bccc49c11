//! aria2 downloads from a swarm of which many peers are gone, as the tracker does not know.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use testkit::{HostKind, Lab, Mix, Service, WORLD_V4, run_within};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::prepare;

pub const HALF_DEAD: Program = Program {
    name: "aria2",
    asked: "Download a torrent of 24 MiB from 10 seeders, 400 KiB/s each, whom the tracker names among 10 dead peers",
    unit: "% of the file",
    wan: true,
    prepare: |lab| download(lab, 10),
};

pub const MOSTLY_DEAD: Program = Program {
    name: "aria2-dead",
    asked: "The same among 39 dead peers, four in five",
    unit: "% of the file",
    wan: true,
    prepare: |lab| download(lab, 39),
};

const SEEDERS: usize = 10;
const SIZE: usize = 24 << 20;
const TRACKER: u16 = 6969;
/// The first seeder's port.
const SEEDING: u16 = 7000;

fn download(lab: &Lab, dead: usize) -> Result<Task<'_>> {
    let directory = tempfile::tempdir().context("making a directory for a swarm")?;
    let place = |name: &str| directory.path().join(name);
    fs::create_dir_all(place("seeded")).context("making a directory for seeders")?;
    fs::write(place("seeded/file"), content()).context("writing the file to seed")?;
    let mut create = Command::new("transmission-create");
    create.args([
        "--piecesize",
        "256",
        "--tracker",
        &format!("http://{WORLD_V4}:{TRACKER}/announce"),
        "--outfile",
    ]);
    prepare(create.arg(place("torrent")).arg(place("seeded/file")).env("HOME", directory.path()))?;
    let hash = info_hash(&place("torrent"))?;
    let tracker = tracker(lab, directory.path(), &hash)?;

    // The tracker takes a peer's address from its packets. So the dead ones announce themselves while they still live.
    let peers = lab.draw(&Mix { live: SEEDERS + dead, ..Mix::default() })?.of(HostKind::Live);
    for (number, peer) in peers.iter().enumerate() {
        lab.world().run(|| announce(peer.ip(), SEEDING + number as u16, &hash))??;
    }
    let targets: Vec<IpAddr> = peers.iter().map(SocketAddr::ip).collect();
    lab.change(&targets[SEEDERS..], HostKind::Dead)?;
    let seeders =
        (0..SEEDERS).map(|number| seeder(lab, directory.path(), number)).collect::<Result<Vec<_>>>()?;
    let go = move |cgroup: &_| {
        let _serving = (tracker, seeders);
        let mut command = lab.client().command_in(cgroup, "aria2c");
        alone(&mut command, directory.path());
        command.args(["--seed-time=0", "--summary-interval=1", "--listen-port=6999", "--dir=got"]);
        let ran = run_within(command.arg(directory.path().join("torrent")), LIMIT)?;
        let got = if ran.succeeded() { 100 } else { percent(&ran.stdout) };
        let error = |line: &str| line.contains("[ERROR]") || line.contains("errorCode=");
        Ok(Outcome::of_run(&ran, got, 100, error))
    };
    Ok(Task { go: Box::new(go), targets })
}

/// Not all pieces alike.
fn content() -> Vec<u8> {
    (0..SIZE as u64 / 8).flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
}

/// Peers are known from the tracker alone.
fn alone(command: &mut Command, home: &Path) {
    command.args(["--no-conf=true", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
    command.args(["--enable-peer-exchange=false", "--disable-ipv6=true", "--file-allocation=none"]);
    command.current_dir(home).env("HOME", home);
}

fn seeder(lab: &Lab, directory: &Path, number: usize) -> Result<Service> {
    let port = SEEDING + number as u16;
    let mut command = lab.world().command("aria2c");
    alone(&mut command, directory);
    command.args([
        "--seed-ratio=0.0",
        "--bt-seed-unverified=true",
        "--max-upload-limit=400K",
        "--quiet=true",
    ]);
    command.args(["--bt-exclude-tracker=*", "--dir=seeded"]).arg(format!("--listen-port={port}"));
    command.arg(directory.join("torrent"));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(Service::listening(&mut command, lab.world(), at)?)
}

/// opentracker, which serves this torrent alone, as nobody, from a directory of its own.
fn tracker(lab: &Lab, directory: &Path, hash: &str) -> Result<Service> {
    let place = directory.join("tracker");
    fs::create_dir(&place).context("making a directory for the tracker")?;
    fs::write(place.join("allowed"), format!("{hash}\n")).context("writing the tracker's list")?;
    for open in [directory, &place] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755))
            .context("showing the tracker its list")?;
    }
    let mut command = lab.world().command("opentracker");
    command.args(["-i", &WORLD_V4.to_string(), "-p", &TRACKER.to_string(), "-P", &TRACKER.to_string()]);
    command.arg("-d").arg(&place).args(["-w", "allowed"]).current_dir(&place);
    Ok(Service::listening(&mut command, lab.world(), SocketAddr::from((WORLD_V4, TRACKER)))?)
}

/// In hexadecimal digits.
fn info_hash(torrent: &Path) -> Result<String> {
    let shown = prepare(Command::new("transmission-show").arg(torrent))?;
    let line = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("Hash:"))
        .context("a torrent without a hash")?;
    Ok(line.trim().to_owned())
}

fn announce(from: IpAddr, port: u16, hash: &str) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("making a socket")?;
    socket.bind(&SocketAddr::new(from, 0).into()).with_context(|| format!("binding to {from}"))?;
    socket.set_read_timeout(Some(PATIENCE)).context("setting a timeout")?;
    socket
        .connect_timeout(&SocketAddr::from((WORLD_V4, TRACKER)).into(), PATIENCE)
        .with_context(|| format!("calling the tracker from {from}"))?;
    let escaped = hash.as_bytes().chunks(2).map(|digits| format!("%{}", String::from_utf8_lossy(digits)));
    let escaped = escaped.collect::<Vec<_>>().concat();
    let request = format!(
        "GET /announce?info_hash={escaped}&peer_id=lab-peer------{port:06}&port={port}&uploaded=0&downloaded=0&left=0\
         &compact=1&event=started HTTP/1.0\r\n\r\n"
    );
    let mut answer = Vec::new();
    let mut stream = std::net::TcpStream::from(socket);
    stream.write_all(request.as_bytes()).context("asking the tracker")?;
    stream.read_to_end(&mut answer).context("reading the tracker's answer")?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.contains("interval"), "the tracker refuses {from}: {answer}");
    Ok(())
}

/// Of the last line that tells.
fn percent(said: &str) -> usize {
    let told = said.lines().rev().find_map(|line| {
        let (before, _) = line.split_once("%)")?;
        before.rsplit_once('(')?.1.parse().ok()
    });
    told.unwrap_or(0)
}
