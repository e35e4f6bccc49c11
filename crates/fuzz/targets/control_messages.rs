//! A message of the control socket that is read is written as one line, which reads as the same message.

#![no_main]

use halfopen::control::{Answer, Request, to_line};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(bytes) else { return };
    let line = to_line(&message).expect("what was read can be written");
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line");
    let again: T = serde_json::from_slice(&line).expect("what was written can be read");
    assert_eq!(again, message);
    assert_eq!(to_line(&again).expect("again"), line);
}

fuzz_target!(|bytes: &[u8]| {
    comes_back::<Request>(bytes);
    comes_back::<Answer>(bytes);
});
