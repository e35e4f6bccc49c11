//! The running kernel's verifier takes every program of the kernel part.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::path::Path;
use testkit::{Lab, Limiter, require_lab};

#[test]
fn every_hook_and_every_path_loads_at_once() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let every_hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/kernel-test/every-hook.toml");
    let limiter = Limiter::builder(&lab).config(&every_hook).persist().start().unwrap();
    assert_eq!(limiter.status().unwrap().mode, "enforce");
}
