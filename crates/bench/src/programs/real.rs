//! The programs that are compared, one a file.

mod apt;
mod aria2;
mod chromium;
mod curl;
mod git;
mod go;
mod hydra;
mod java;
mod libp2p;
mod masscan;
mod nmap;
mod postgresql;
mod prometheus;
mod redis;
mod unpacked;
mod wget;
mod wrk;

use crate::programs::program::Program;

/// Those that make many connections, for the comparison of what limits connections.
pub const CONNECTING: &[Program] =
    &[chromium::PAGE, wget::CRAWL, wrk::LOAD, redis::PIPELINES, postgresql::POOL, postgresql::EACH];
/// So many of them, from the first on, can run at once: each has ports of its own.
pub const AT_ONCE: usize = 5;

/// Those of the page of real programs, in the order of its table.
pub const PROGRAMS: &[Program] = &[
    chromium::PAGE,
    curl::ONE_BY_ONE,
    curl::AT_ONCE,
    git::CLONE,
    apt::UPDATE_AND_DOWNLOAD,
    go::CLIENT,
    java::CLIENT,
    prometheus::TARGETS,
    aria2::HALF_DEAD,
    aria2::MOSTLY_DEAD,
    libp2p::PEERS,
    hydra::WRONG_PASSWORDS,
    nmap::PORTS,
    nmap::CONNECT_SCAN,
    nmap::SYN_SCAN,
    nmap::RAW_SCAN,
    masscan::SCAN,
];
