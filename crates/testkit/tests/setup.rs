//! Labs are cheap enough for one in every test.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::{Duration, Instant};

use testkit::{Lab, Mix, Side, require_lab};

#[test]
fn a_lab_with_ten_thousand_hosts_is_ready_soon() {
    require_lab!();
    let start = Instant::now();
    let lab = Lab::new().unwrap();
    let built = start.elapsed();
    lab.draw(&Mix { live: 3_000, dead: 7_000, ..Mix::default() }).unwrap();
    let drawn = start.elapsed();
    let capture = lab.capture(Side::World).unwrap();
    let recording = start.elapsed();
    drop(capture);
    drop(lab);
    println!(
        "built after {built:?}, drawn after {drawn:?}, recording after {recording:?}, gone after {:?}",
        start.elapsed()
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}
