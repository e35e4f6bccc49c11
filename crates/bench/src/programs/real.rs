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
mod prometheus;

use crate::programs::program::Program;

/// All of them, in the order of the table.
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
