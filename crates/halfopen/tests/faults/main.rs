//! What goes wrong on a host that stays up, while a scanner is on and attempts wait: no SYN escapes, and live dials
//! still get their turn. With FAULTS=long in the environment as often and as long as it takes (`make test-faults`).

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod churn;
mod clock;
mod disk;
mod killed;
mod many;
mod maps;
mod memory;
mod neighbours;
mod overrun;
mod scene;
mod stopped;
mod table;
mod two_daemons;
mod upgraded;
