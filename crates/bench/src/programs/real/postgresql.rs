//! pgbench has transactions of PostgreSQL, over a pool of connections or with a connection for each.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Gid, Uid};
use testkit::{HostKind, Lab, Mix, Service, run_within};

use super::unpacked::unpacked_version;
use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::prepare;

pub const POOL: Program = Program {
    name: "postgresql-pool",
    asked: "2,400 transactions of PostgreSQL over a pool of 120 connections",
    unit: "transactions",
    wan: true,
    prepare: |lab| transactions(lab, &["-c", "120", "-j", "4", "-t", "20"], 2_400),
};

pub const EACH: Program = Program {
    name: "postgresql-each",
    asked: "240 transactions of PostgreSQL from 8 clients, with a connection for each transaction",
    unit: "transactions",
    wan: true,
    prepare: |lab| transactions(lab, &["--connect", "-c", "8", "-j", "2", "-t", "30"], 240),
};

const PORT: u16 = 5432;
/// PostgreSQL does not run as root. Nobody's number, and its group's.
const NOBODY: u32 = 65_534;

fn transactions<'a>(lab: &'a Lab, how: &'static [&'static str], of: usize) -> Result<Task<'a>> {
    let directory = tempfile::tempdir().context("making a directory for PostgreSQL")?;
    let programs = unpacked_version("postgresql", "usr/lib/postgresql", "bin");
    let server = server(lab, directory.path(), &programs)?;
    fs::write(directory.path().join("script"), "SELECT 1;\n").context("writing a script for pgbench")?;
    let target = lab.draw(&Mix { live: 1, ..Mix::default() })?.of(HostKind::Live)[0].ip();
    let go = move |cgroup: &_| {
        let _server = server;
        let mut command = lab.client().command_in(cgroup, programs.join("pgbench"));
        command.args(["--no-vacuum", "--file"]).arg(directory.path().join("script")).args(how);
        command.args(["-h", &target.to_string(), "-p", &PORT.to_string(), "-U", "nobody", "postgres"]);
        let ran = run_within(&mut command, LIMIT)?;
        let line = ran.stdout.lines().find_map(|line| {
            line.strip_prefix("number of transactions actually processed: ")?.split('/').next()?.parse().ok()
        });
        let error = |line: &str| line.contains("error:") || line.contains("failed:");
        Ok(Outcome::of_run(&ran, line.unwrap_or(0), of, error))
    };
    Ok(Task { go: Box::new(go), targets: vec![target] })
}

fn server(lab: &Lab, directory: &Path, programs: &Path) -> Result<Service> {
    let data = directory.join("data");
    fs::create_dir(&data).context("making a directory for the data")?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).context("opening the directory")?;
    for path in [directory, &data] {
        rustix::fs::chown(path, Some(Uid::from_raw(NOBODY)), Some(Gid::from_raw(NOBODY)))
            .with_context(|| format!("giving {} to nobody", path.display()))?;
    }
    let as_nobody = |program: PathBuf| {
        let mut command = lab.world().command("setpriv");
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--"]).arg(program);
        command.current_dir(directory);
        command
    };
    let mut init = as_nobody(programs.join("initdb"));
    prepare(init.args(["--auth=trust", "--username=nobody", "--no-sync", "-D"]).arg(&data))?;
    fs::write(data.join("pg_hba.conf"), "host all all 0.0.0.0/0 trust\n").context("writing pg_hba.conf")?;
    let mut command = as_nobody(programs.join("postgres"));
    command.arg("-D").arg(&data).args(["-p", &PORT.to_string(), "-h", "0.0.0.0", "-N", "200", "-F"]);
    command.arg("-c").arg(format!("unix_socket_directories={}", directory.display()));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    Ok(Service::listening(&mut command, lab.world(), at)?)
}
