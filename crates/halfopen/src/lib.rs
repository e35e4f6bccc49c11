//! The program `halfopen`: command line, daemon, configuration and events. It knows neither the kernel part's nor the
//! policy's insides.

pub mod cli;
pub mod commands;
pub mod config;
pub mod conntrack;
pub mod control;
pub mod daemon;
pub mod events;
pub mod exit;
pub mod kept_counts;
pub mod lock;
pub mod metrics;
pub mod name_service;
pub mod output;
pub mod privileged;
pub mod rate_limit;
pub mod registry;
pub mod runtime_dir;
pub mod sandbox;
pub mod users;
pub mod utc_time;
