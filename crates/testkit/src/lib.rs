//! Networks to test a limiter of half-open connections on, and workloads to test it with.
//!
//! A [`Lab`] is two network namespaces without a route out: a *client* whose attempts are limited, and a *world*
//! that owns `198.18.0.0/15` and `2001:db8::/32`. Which of the world's addresses are live, dead, refusing,
//! unreachable or slow is drawn at random, see [`Mix`]. [`Capture`] records what crosses the wire, [`invariant`]
//! judges it, [`nat`] can stand between the two, [`Dialer`] makes the connections, [`endings`] are the ways in which they
//! end, [`Limiter`] runs the program under test. A [`rig`] has all of that at work, [`desk`] asks the program as a user
//! does, and [`workload`] says who dials what in which order.

#![forbid(unsafe_code)]

mod artifact;
mod bounded;
mod capture;
mod cgroup;
pub mod desk;
pub mod dial;
mod dialer;
pub mod endings;
mod error;
mod hosts;
pub mod invariant;
mod lab;
mod limiter;
mod listener;
mod machine;
mod names;
mod namespace;
pub mod nat;
mod packet;
pub mod page;
mod pins;
mod prefix;
mod privilege;
mod processor;
pub mod rig;
mod script;
mod service;
mod sockets;
mod spread;
mod tag;
mod tool;
mod wan;
pub mod workload;
mod world;

pub use artifact::artifact;
pub use bounded::{Ran, run_within};
pub use capture::{Capture, Captured, Kind, Segment, Side};
pub use cgroup::Cgroup;
pub use dialer::{Dialer, Dialling};
pub use error::LabError;
pub use hosts::{Family, Host, HostKind, Hosts, Mix, PORT};
pub use lab::{Lab, LabBuilder};
pub use limiter::{Connections, Event, Limiter, LimiterBuilder, Program, Scope, Status};
pub use listener::{Listener, raise_open_files};
pub use machine::Machine;
pub use names::{Names, Record};
pub use namespace::Namespace;
pub use prefix::{Prefix, PrefixError};
pub use privilege::Skip;
pub use processor::{stay_on_last_processor, stay_on_processor};
pub use script::script;
pub use service::Service;
pub use sockets::{TcpSocket, TcpState};
pub use spread::Spread;
pub use wan::{Wan, WanTally};
pub use world::{CLIENT_V4, CLIENT_V6, Dropped, WORLD_V4, WORLD_V6};
