//! Dials as the JSON on the first line of its stdin says and reports each outcome as a JSON line. Made to be run in
//! any namespace and cgroup and to be killed at any moment.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read};
use std::process::ExitCode;

use halfopen_lab::dial::{Spec, dial};

fn main() -> ExitCode {
    let mut text = String::new();
    let read = io::stdin().lock().read_line(&mut text).map_err(|error| error.to_string());
    let spec = read.and_then(|_| serde_json::from_str::<Spec>(&text).map_err(|error| error.to_string()));
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => {
            eprintln!("lab-dial: the first line of stdin is no specification: {error}");
            return ExitCode::from(2);
        }
    };
    if spec.until_stdin_closes {
        std::thread::spawn(|| {
            // Whatever comes, the end of it or an error says that nobody holds the other end any more.
            let _ = io::stdin().lock().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
    }
    match dial(&spec, io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-dial: {error}");
            ExitCode::FAILURE
        }
    }
}
