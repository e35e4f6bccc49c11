//! What the dashboard's process asks of the daemon, and what it is told, comes back as it was sent; and no line of it
//! makes the program do anything but refuse it.

#![no_main]

use halfopen::dashboard::link::to_line;
use halfopen::dashboard::message::{Asked, Told};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(bytes) else { return };
    let line = to_line(&message).expect("what was read can be written");
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line: {message:?}");
    assert_eq!(serde_json::from_slice::<T>(&line).expect("what was written can be read"), message);
}

fuzz_target!(|bytes: &[u8]| {
    comes_back::<Asked>(bytes);
    comes_back::<Told>(bytes);
});
