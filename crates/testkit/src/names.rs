//! A real name server for a lab, and programs that ask it.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use tempfile::TempDir;

use crate::service::Service;
use crate::{Cgroup, Lab, LabError, WORLD_V4};

const DNS: u16 = 53;

/// A name and an address it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Below `example`.
    pub name: String,
    /// Its A or AAAA record.
    pub address: IpAddr,
}

/// dnsmasq at [`WORLD_V4`], which knows these names, asks nobody, and says of all others that they do not exist.
#[derive(Debug)]
pub struct Names {
    _server: Service,
    directory: TempDir,
}

impl Names {
    /// Serves `records` in the world of `lab`.
    ///
    /// # Errors
    /// When dnsmasq does not start.
    pub fn serve(lab: &Lab, records: &[Record]) -> Result<Self, LabError> {
        let directory = tempfile::tempdir().map_err(LabError::io("make a directory for the name server"))?;
        let place = |name: &str| directory.path().join(name);
        let put = |name: &str, text: &str| {
            fs::write(place(name), text).map_err(LabError::io(format!("write {}", place(name).display())))
        };
        let log = place("asked");
        let mut configuration = format!(
            "keep-in-foreground\nno-resolv\nno-hosts\nno-poll\nbind-interfaces\nlisten-address={WORLD_V4}\n\
             user=root\ngroup=root\npid-file={}\nlocal=/#/\nlocal-ttl=300\ncache-size=0\n\
             log-queries\nlog-facility={}\n",
            place("pid").display(),
            log.display()
        );
        for Record { name, address } in records {
            let _ = writeln!(configuration, "host-record={name},{address}");
        }
        put("dnsmasq.conf", &configuration)?;
        put("resolv.conf", &format!("nameserver {WORLD_V4}\n"))?;
        let mut command = lab.world().command("dnsmasq");
        command.arg(format!("--conf-file={}", place("dnsmasq.conf").display()));
        let server =
            Service::start(&mut command, || lab.world().run(answers).is_ok_and(|answer| answer.is_ok()))?;
        Ok(Self { _server: server, directory })
    }

    /// A command that runs in the client's namespace and in `cgroup`, and whose `/etc/resolv.conf` names this server. The
    /// mount is its own; the cgroup hierarchy stays where it is.
    #[must_use]
    pub fn command_in(&self, lab: &Lab, cgroup: &Cgroup, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = lab.client().command_in(cgroup, "unshare");
        command.args(["--mount", "sh", "-c", r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#]);
        command.arg(self.directory.path().join("resolv.conf")).arg(program);
        command
    }

    /// The names it was asked for, with the record's type, in the order of the questions.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn asked(&self) -> Result<Vec<(String, String)>, LabError> {
        let log: PathBuf = self.directory.path().join("asked");
        let text = fs::read_to_string(&log).map_err(LabError::io(format!("read {}", log.display())))?;
        let question = |line: &str| {
            let (_, said) = line.split_once("query[")?;
            let (kind, rest) = said.split_once("] ")?;
            Some((rest.split(' ').next()?.to_owned(), kind.to_owned()))
        };
        Ok(text.lines().filter_map(question).collect())
    }
}

/// Whether the server answers a question for the A record of `example`.
fn answers() -> io::Result<()> {
    const QUESTION: &[u8] =
        b"\x26\x04\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00\x00\x01\x00\x01";
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    socket.connect(SocketAddr::from((WORLD_V4, DNS)))?;
    socket.send(QUESTION)?;
    socket.recv(&mut [0; 512]).map(drop)
}
